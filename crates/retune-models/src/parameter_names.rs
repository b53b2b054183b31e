//! What the name of a parameter says of its place.

/// The number after `layer` or `layers` in a name, from 0: `bert.encoder.layer.3.output.dense.weight`. ALBERT's layers
/// that are used again and again are one (`albert_layer_groups.0`). DeBERTa's convolution belongs to the lowest, whose
/// output it joins.
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

/// Whether a parameter belongs to a pooler: the layer between the first token's state and a head that is pretrained
/// with the encoder.
pub fn is_of_pooler(name: &str) -> bool {
    name.split('.').any(|part| part == "pooler")
}

/// Whether a pattern matches a whole name; `*` stands for any characters, or none.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in between.split('*') {
        // The earliest place leaves the most to the pieces after it.
        let Some(found) = left.find(piece) else { return false };
        left = &left[found + piece.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("*", "", true),
            ("*", "a.b", true),
            ("a*", "ab", true),
            ("a*", "ba", false),
            ("*.bias", "x.y.bias", true),
            ("*.bias", "x.bias.y", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("a*b*c", "abbc", true),
            ("a*b*bc", "abc", false),
            ("a**c", "abc", true),
            ("*.layer.1.*", "bert.encoder.layer.1.output.dense.weight", true),
            ("*.layer.1.*", "bert.encoder.layer.11.output.dense.weight", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
