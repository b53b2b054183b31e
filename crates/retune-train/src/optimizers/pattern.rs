//! Patterns of names, in which `*` stands for any characters.

/// Whether a pattern matches a whole name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
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
