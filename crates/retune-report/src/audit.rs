//! `inspect.json`: what an audit of the data found. Read leniently, for other versions may say more or less.

use serde_json::Value;

/// The findings of an audit, as many as the report shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// What was found, in the file's order.
    pub findings: Vec<Finding>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind it is: `leakage`, `duplicates`, …
    pub kind: String,
    /// How grave it is, where the file says it.
    pub severity: Option<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// Rows to look at, in words.
    pub rows: Vec<String>,
}

/// Rows that a finding shows.
const MOST_ROWS: usize = 12;

impl Audit {
    /// The findings of a document: the list under `findings`, or the document where it is a list itself.
    pub fn of(document: &Value) -> Self {
        let list = document.get("findings").or(document.as_array().map(|_| document));
        let findings = list.and_then(Value::as_array).into_iter().flatten().map(finding).collect();
        Self { findings }
    }
}

fn finding(value: &Value) -> Finding {
    let first = |names: &[&str]| names.iter().find_map(|name| value.get(*name)).filter(|value| !value.is_null());
    let words = |names: &[&str]| first(names).map(plain);
    let rows = first(&["rows", "examples"]).and_then(Value::as_array);
    Finding {
        kind: words(&["kind", "type", "name"]).unwrap_or_else(|| "finding".to_owned()),
        severity: words(&["severity", "level"]),
        message: words(&["title", "message", "text", "summary"]).unwrap_or_else(|| value.to_string()),
        advice: words(&["advice", "action", "mend", "what_to_do"]),
        rows: rows.into_iter().flatten().take(MOST_ROWS).map(row).collect(),
    }
}

/// A row as `inspect` writes it, `file:line “text” note`, or whatever else it is.
fn row(value: &Value) -> String {
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    match (word("place"), word("text")) {
        (Some(place), Some(text)) => {
            let note = word("note").map(|note| format!(" {note}")).unwrap_or_default();
            format!("{place} “{text}”{note}")
        }
        _ => plain(value),
    }
}

/// A value as a person reads it: fields of an object side by side.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(" · ")
        }
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_are_read_in_several_forms() {
        let audit = Audit::of(&json!({"findings": [
            {"kind": "leakage", "severity": "error", "message": "3 rows stand in both", "rows": [{"file": "a.csv", "line": 4}, 7]},
            {"type": "odd"}
        ]}));
        assert_eq!(audit.findings[0].rows, ["file a.csv · line 4", "7"]);
        assert_eq!(
            (audit.findings[1].kind.as_str(), audit.findings[1].message.as_str()),
            ("odd", "{\"type\":\"odd\"}")
        );
        let inspected = Audit::of(&json!({"findings": [{
            "kind": "label-errors", "severity": "warning", "split": "train", "title": "2 labels are doubted", "advice": "look",
            "numbers": {"rows": 2.0}, "rows": [{
                "split": "train", "row": 1, "place": "a.csv:3", "text": "a phone", "label": "x", "note": "labelled x", "score": 0.1,
                "other": null,
            }],
        }]}));
        let found = &inspected.findings[0];
        assert_eq!((found.message.as_str(), found.advice.as_deref()), ("2 labels are doubted", Some("look")));
        assert_eq!(found.rows, ["a.csv:3 “a phone” labelled x"]);
        assert_eq!(Audit::of(&json!([{"kind": "a", "message": "b"}])).findings.len(), 1);
        assert!(Audit::of(&json!({"other": 1})).findings.is_empty());
    }
}
