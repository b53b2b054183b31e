//! One value against one key.

use std::str::FromStr;

use toml_edit::{Item, Value as Toml};

use crate::choices::DeviceChoice;
use crate::keys::{Key, Kind};
use crate::nearest;
use crate::problem::ProblemKind;
use crate::strategy::Factors;
use crate::task::Weights;
use crate::value::Value;

/// Checks the TOML `item` that stands at `key`.
pub(crate) fn check_item(key: &'static Key, item: &Item) -> Result<Value, ProblemKind> {
    match item {
        Item::Value(value) => check(key, value),
        _ => Err(wrong_type(key, "a table".to_owned())),
    }
}

/// Checks what a flag says for `key`.
///
/// A shell has no types: where the key takes text, `--label 2024` means the text 2024, and quotes are not needed.
pub(crate) fn check_text(key: &'static Key, text: &str) -> Result<Value, ProblemKind> {
    let toml = text.parse::<Toml>().ok();
    let value = match (key.kind, toml) {
        (Kind::Columns | Kind::Names | Kind::Computed, Some(list @ Toml::Array(_))) => list,
        (
            Kind::Text
            | Kind::Expression
            | Kind::Path
            | Kind::Columns
            | Kind::Names
            | Kind::Computed
            | Kind::Choice(_)
            | Kind::Device
            | Kind::Weights
            | Kind::Factors,
            Some(quoted @ Toml::String(_)),
        ) => quoted,
        (Kind::Integer { .. } | Kind::Float(_) | Kind::Switch, Some(value)) => value,
        _ => Toml::from(text),
    };
    check(key, &value)
}

/// Checks a TOML value against the type and the range of `key`.
pub(crate) fn check(key: &'static Key, toml: &Toml) -> Result<Value, ProblemKind> {
    let wrong = || wrong_type(key, describe(toml));
    match key.kind {
        Kind::Text | Kind::Expression | Kind::Path => {
            let text = toml.as_str().ok_or_else(wrong)?;
            if text.trim().is_empty() { Err(out_of_range(key, toml)) } else { Ok(Value::Text(text.to_owned())) }
        }
        Kind::Columns => columns(key, toml, Some(3)),
        // Whether they are expressions, who reads the data knows.
        Kind::Names | Kind::Computed => columns(key, toml, None),
        Kind::Integer { min } => {
            let number = toml.as_integer().ok_or_else(wrong)?;
            let number = u64::try_from(number).ok().filter(|number| *number >= min);
            number.map(Value::Integer).ok_or_else(|| out_of_range(key, toml))
        }
        Kind::Float(range) => {
            let number = toml.as_float().or_else(|| toml.as_integer().map(|number| number as f64)).ok_or_else(wrong)?;
            // Adding zero turns -0.0 into 0.0, so that equal plans are written alike.
            if range.contains(number) { Ok(Value::Float(number + 0.0)) } else { Err(out_of_range(key, toml)) }
        }
        Kind::Switch => toml.as_bool().map(Value::Switch).ok_or_else(wrong),
        Kind::Choice(names) => {
            let text = toml.as_str().ok_or_else(wrong)?;
            let suggestion = || nearest::word(text, names.iter().copied());
            if names.contains(&text) {
                Ok(Value::Text(text.to_owned()))
            } else {
                Err(not_a_choice(key, toml, suggestion()))
            }
        }
        Kind::Weights => match Weights::from_str(toml.as_str().ok_or_else(wrong)?) {
            Ok(weights) => Ok(Value::Text(weights.to_string())),
            Err(error) => Err(not_a_choice(key, toml, error.suggestion)),
        },
        Kind::Factors => match Factors::from_str(toml.as_str().ok_or_else(wrong)?) {
            Ok(factors) => Ok(Value::Text(factors.to_string())),
            Err(_) => Err(not_a_choice(key, toml, None)),
        },
        Kind::Device => match DeviceChoice::from_str(toml.as_str().ok_or_else(wrong)?) {
            Ok(device) => Ok(Value::Text(device.to_string())),
            Err(error) => Err(not_a_choice(key, toml, error.suggestion)),
        },
    }
}

/// Different names of columns, at most so many.
fn columns(key: &'static Key, toml: &Toml, most: Option<usize>) -> Result<Value, ProblemKind> {
    let names: Option<Vec<String>> = match toml {
        Toml::String(name) => Some(vec![name.value().clone()]),
        Toml::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let names = names.ok_or_else(|| wrong_type(key, describe(toml)))?;
    let are_said = !names.is_empty() && names.iter().all(|name| !name.is_empty());
    let are_different = names.iter().enumerate().all(|(place, name)| !names[..place].contains(name));
    if are_said && are_different && most.is_none_or(|most| names.len() <= most) {
        Ok(Value::Texts(names))
    } else {
        Err(out_of_range(key, toml))
    }
}

fn wrong_type(key: &'static Key, found: String) -> ProblemKind {
    ProblemKind::WrongType { key: key.path.to_owned(), expected: key.kind.to_string(), found }
}

fn out_of_range(key: &'static Key, toml: &Toml) -> ProblemKind {
    let expected = match key.kind {
        Kind::Text | Kind::Expression | Kind::Path => format!("{} that is not empty", key.kind),
        Kind::Columns => "the name of one column or a list of up to three different ones".to_owned(),
        Kind::Names => "the name of one column or a list of different ones".to_owned(),
        Kind::Computed => "one \"NAME = EXPRESSION\" or a list of different ones".to_owned(),
        kind => kind.to_string(),
    };
    ProblemKind::OutOfRange { key: key.path, expected, found: written(toml), suggestion: None }
}

fn not_a_choice(key: &'static Key, toml: &Toml, suggestion: Option<&'static str>) -> ProblemKind {
    ProblemKind::OutOfRange { key: key.path, expected: key.kind.to_string(), found: written(toml), suggestion }
}

/// The value and its type, in words.
fn describe(toml: &Toml) -> String {
    let kind = match toml {
        Toml::String(_) => "the text",
        Toml::Integer(_) | Toml::Float(_) => "the number",
        Toml::Datetime(_) => "the date",
        Toml::Array(_) => "the list",
        Toml::Boolean(switch) => return switch.value().to_string(),
        Toml::InlineTable(_) => return "a table".to_owned(),
    };
    format!("{kind} {}", written(toml))
}

/// The value as the user wrote it, on one line, and not at any length.
fn written(toml: &Toml) -> String {
    const MOST: usize = 60;

    let text = toml.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
