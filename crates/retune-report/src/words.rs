//! Numbers and names as a person reads them.

use serde_json::{Map, Value};

/// `93.5 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A measure: four digits after the point, fewer where it is large.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !value.is_finite() => format!("{size}"),
        size if size >= 1000.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// `67,349`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `p < 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// `2 min 5 s`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `one class` or `5 classes`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

/// The day and minute of a Unix time, UTC (H. Hinnant's civil-from-days).
pub(crate) fn date(unix: u64) -> String {
    let (days, second) = ((unix / 86_400) as i64 + 719_468, unix % 86_400);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

/// What a person calls a measure: the run's own word where it has one.
pub(crate) fn title(key: &str, titles: Option<&Map<String, Value>>) -> String {
    if let Some(title) = titles.and_then(|titles| titles.get(key)).and_then(Value::as_str) {
        return title.to_owned();
    }
    let known = match key {
        "f1_macro" => "macro F1",
        "f1_micro" => "micro F1",
        "f1_samples" => "F1 of a row",
        "f1" => "F1",
        "mcc" => "Matthews' correlation",
        "mae" => "mean absolute error",
        "rmse" => "root mean squared error",
        "r_squared" => "R²",
        "mrr" => "mean reciprocal rank",
        "roc_auc" => "area under the ROC curve",
        "roc_auc_macro" => "area under the ROC curve, mean of labels",
        "brier" => "Brier score",
        "subset_accuracy" => "all labels right",
        "entity_f1" => "F1 of entities",
        "entity_f1_macro" => "F1 of entities, mean of kinds",
        "entity_f1_strict" => "F1 of entities, strict",
        "pearson" => "Pearson's correlation",
        "spearman" => "Spearman's correlation",
        other => return other.replace('_', " "),
    };
    known.to_owned()
}

/// At most so many characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// An argument as a shell reads it.
pub(crate) fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!((thousands(67_349).as_str(), thousands(999).as_str()), ("67,349", "999"));
        assert_eq!(
            (number(0.5).as_str(), number(71.234).as_str(), number(12345.67).as_str()),
            ("0.5000", "71.23", "12345.7")
        );
        assert_eq!((p_value(0.0002).as_str(), p_value(0.04).as_str()), ("p < 0.001", "p = 0.040"));
        assert_eq!(
            (duration(12.34).as_str(), duration(125.0).as_str(), duration(7300.0).as_str()),
            ("12.3 s", "2 min 5 s", "2 h 1 min")
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_796_000_399), "2026-11-30 00:59 UTC");
    }

    #[test]
    fn a_shell_reads_an_argument_as_it_was() {
        assert_eq!((quoted("a=b").as_str(), quoted("it's").as_str(), quoted("").as_str()), ("a=b", "'it'\\''s'", "''"));
        assert_eq!(cut("aäb", 2), "aä …");
    }
}
