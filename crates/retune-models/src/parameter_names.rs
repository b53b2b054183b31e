//! What the name of a parameter says of its place.

/// The number after `layer` or `layers` in a name, from 0: `bert.encoder.layer.3.output.dense.weight`. ALBERT's layers that are
/// used again and again are one (`albert_layer_groups.0`). DeBERTa's convolution belongs to the lowest, whose output it joins.
pub fn layer_of(name: &str) -> Option<usize> {
    let parts: Vec<&str> = name.split('.').collect();
    parts.windows(2).find_map(|pair| match *pair {
        ["layer" | "layers" | "albert_layer_groups", number] => number.parse().ok(),
        ["encoder", "conv"] => Some(0),
        _ => None,
    })
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
