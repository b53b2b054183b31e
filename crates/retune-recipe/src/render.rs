//! A recipe or a plan as TOML text.

use crate::keys::{self, Key};
use crate::value::Value;

/// What is written for a key without a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unsaid {
    /// Nothing.
    Omit,
    /// A comment with the key, and what it means that it is unset.
    Comment,
}

/// Writes the values that `value_of` gives for each path, grouped and ordered as in the table of keys.
pub(crate) fn toml(unsaid: Unsaid, value_of: impl Fn(&'static str) -> Option<Value>) -> String {
    let mut text = String::new();
    for section in keys::sections() {
        let entries: Vec<String> = keys::keys()
            .iter()
            .filter(|key| key.section() == section)
            .filter_map(|key| entry(key, value_of(key.path), unsaid))
            .collect();
        if entries.is_empty() {
            continue;
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}[{section}]\n{}", entries.concat()));
    }
    text
}

fn entry(key: &Key, value: Option<Value>, unsaid: Unsaid) -> Option<String> {
    let line = match (value, unsaid) {
        // One column is written as one text: that is how people write it.
        (Some(Value::Texts(texts)), _) if texts.len() == 1 => {
            format!("{} = {}", key.name(), Value::Text(texts.concat()))
        }
        (Some(value), _) => format!("{} = {value}", key.name()),
        (None, Unsaid::Comment) => format!("# {} is {}", key.name(), key.fallback),
        (None, Unsaid::Omit) => return None,
    };
    Some(format!("# {}\n{line}\n", key.doc))
}
