//! Names in messages: quoted, cut to a readable length, and the one that was probably meant.

/// At most this many names stand in one message: a file of 150 classes must not fill the screen.
const MAX_NAMES: usize = 12;
/// At most this many characters of one name: a file without header has whole texts for column names.
const MAX_CHARS: usize = 40;

/// `` `a`, `b` and 3 more ``, or `none`.
pub(crate) fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown = names.iter().take(MAX_NAMES).map(|name| format!("`{}`", short(name))).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The name, cut after [`MAX_CHARS`] characters, control characters escaped.
pub(crate) fn short(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_CHARS).flat_map(escaped).collect();
    if name.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// `` ; did you mean `x`? ``, or nothing where no name is near.
pub(crate) fn did_you_mean(wanted: &str, names: &[String]) -> String {
    nearest(wanted, names).map(|name| format!("; did you mean `{}`?", short(name))).unwrap_or_default()
}

/// The name that differs least from `wanted`, if it differs by case and spaces only or in at most a third of its
/// characters.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let fold = |name: &str| name.trim().to_lowercase();
    let folded = fold(wanted);
    let allowed = (folded.chars().count() / 3).max(1);
    names
        .iter()
        .filter(|name| name.chars().count() <= 4 * MAX_CHARS)
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name.as_str()))
        .filter(|&(distance, name)| distance <= allowed && name != wanted && distance < folded.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nearest_forgives_typing_not_meaning() {
        let columns = names(&["sentence", "label", "Idx "]);
        assert_eq!(nearest("sentnece", &columns), Some("sentence"));
        assert_eq!(nearest("Label", &columns), Some("label"));
        assert_eq!(nearest("idx", &columns), Some("Idx "));
        assert_eq!(nearest("text", &columns), None);
        assert_eq!(nearest("7", &names(&["0", "1"])), None);
    }

    #[test]
    fn long_lists_and_long_names_are_cut() {
        let many: Vec<String> = (0..15).map(|n| n.to_string()).collect();
        assert!(quoted(&many).ends_with("`11` and 3 more"), "{}", quoted(&many));
        assert_eq!(short(&"x".repeat(50)).chars().count(), MAX_CHARS + 1);
        assert_eq!(short("a\tb"), "a\\tb");
    }
}
