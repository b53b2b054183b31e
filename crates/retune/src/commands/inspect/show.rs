//! What a person sees: the findings, the worst first, each with some rows to look at.

use std::fmt::Write;

use retune_inspect::{Finding, Severity};

use super::Inspection;
use super::rows::{Data, Places};

/// Rows shown of each finding.
pub const SHOWN: usize = 3;
/// Characters shown of a text.
const TEXT: usize = 100;

/// The summary.
pub fn summary(data: &Data, inspection: &Inspection, places: &Places) -> String {
    let mut text = String::new();
    let count = |severity| inspection.findings.iter().filter(|finding| finding.severity == severity).count();
    let files: Vec<String> = data.splits.iter().map(|(split, path)| format!("{split} {}", path.display())).collect();
    let _ = writeln!(text, "{}", files.join(", "));
    let _ = writeln!(
        text,
        "{} serious, {} warnings, {} notes\n",
        count(Severity::Serious),
        count(Severity::Warning),
        count(Severity::Note)
    );
    for finding in &inspection.findings {
        show(&mut text, finding, places);
    }
    for (what, why) in &inspection.not_checked {
        let _ = writeln!(text, "not checked: {what} ({why})");
    }
    for (what, how) in &inspection.how {
        let _ = writeln!(text, "{what}: {how}");
    }
    text
}

fn show(text: &mut String, finding: &Finding, places: &Places) {
    let _ = writeln!(text, "{:<8} {}: {}", finding.severity.name(), finding.kind.name(), finding.title);
    for row in finding.rows.iter().take(SHOWN) {
        let Some(place) = places.get(&row.row) else { continue };
        let _ = writeln!(text, "         {}: {}", place.place, cut(&place.text));
        let other = row.other.and_then(|other| places.get(&other));
        let other = other.map(|other| format!(": {} {}", other.place, cut(&other.text))).unwrap_or_default();
        let _ = writeln!(text, "           {}{other}", row.note);
    }
    if finding.rows.len() > SHOWN {
        let _ = writeln!(text, "         and {} more (--out FILE has all of them)", finding.rows.len() - SHOWN);
    }
    let _ = writeln!(text, "         → {}\n", finding.advice);
}

/// One line, with what a terminal would take for commands shown as what it is.
fn cut(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || is_direction(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    match line.char_indices().nth(TEXT) {
        Some((end, _)) => format!("“{}…”", &line[..end]),
        None => format!("“{line}”"),
    }
}

/// Marks that turn the direction of what follows them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_to_a_line_and_give_no_commands() {
        assert_eq!(cut("a\nb\u{1b}[31m\u{202e}c"), "“a b\u{fffd}[31m\u{fffd}c”");
        assert_eq!(cut(&"é".repeat(101)), format!("“{}…”", "é".repeat(100)));
    }
}
