//! What the name of a parameter says of its place.

/// The number after `layer` or `layers` in a name, from 0: `bert.encoder.layer.3.output.dense.weight`. ALBERT's layer, which
/// is used again and again, is one (`albert_layers.0`).
pub fn layer_of(name: &str) -> Option<usize> {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |pair: &[&str]| matches!(pair[0], "layer" | "layers" | "albert_layers").then(|| pair[1].parse().ok());
    parts.windows(2).find_map(|pair| number(pair).flatten())
}

/// Whether a parameter belongs to layers that are used more than once, as ALBERT's are.
pub fn is_of_shared_layers(name: &str) -> bool {
    name.split('.').any(|part| part == "albert_layers")
}

/// Whether a parameter belongs to a pooler: the layer between the first token's state and a head that is pretrained with the
/// encoder.
pub fn is_of_pooler(name: &str) -> bool {
    name.split('.').any(|part| part == "pooler")
}
