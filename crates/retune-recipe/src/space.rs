//! What a search tries for one key: an entry of `[sweep.space]`.

use std::fmt;

use toml_edit::{Item, TableLike, Value as Toml};

use crate::keys::{self, Key, Kind};
use crate::problem::ProblemKind;
use crate::value::Value;
use crate::{check, nearest, sweep};

/// A key that is searched, and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// The key, as in `train.learning_rate`.
    pub key: &'static str,
    /// What is tried.
    pub values: SweepDomain,
}

/// The values that a search tries for a key. Its `Display` is TOML.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepDomain {
    /// One of these, at least two and all different.
    Choices(Vec<Value>),
    /// A number of a range.
    Range {
        /// The least.
        min: f64,
        /// The greatest, above `min`.
        max: f64,
        /// Values are `min` and multiples of this above it; `None` for all that lie between.
        step: Option<f64>,
        /// Whether ratios matter, and not differences.
        log: bool,
        /// Whether the key takes whole numbers.
        whole: bool,
    },
}

impl Dimension {
    /// A number of the range as the key's value.
    pub fn number(&self, number: f64) -> Value {
        match self.values {
            SweepDomain::Range { whole: true, .. } => Value::Integer(number.round() as u64),
            _ => Value::Float(number),
        }
    }
}

impl fmt::Display for SweepDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SweepDomain::Choices(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "{{ choices = [{}] }}", values.join(", "))
            }
            SweepDomain::Range { min, max, step, log, whole } => {
                let number = |number: f64| if *whole { format!("{number}") } else { format!("{number:?}") };
                write!(f, "{{ min = {}, max = {}", number(*min), number(*max))?;
                if let Some(step) = step.filter(|step| !(*whole && *step == 1.0)) {
                    write!(f, ", step = {}", number(step))?;
                }
                f.write_str(if *log { ", scale = \"log\" }" } else { " }" })
            }
        }
    }
}

/// Keys that a search sets itself, and why.
const OWN: [(&str, &str); 3] = [
    ("run.output", "each trial has a folder of its own"),
    ("evaluation.metric", "trials are compared by one measure, sweep.metric"),
    ("task.kind", "what different tasks measure cannot be compared"),
];

const FIELDS: [&str; 5] = ["min", "max", "scale", "step", "choices"];
const EXPECTED: &str = "{ min = …, max = … }, with scale = \"log\" or step = … where wanted, or { choices = [ … ] }";
/// Above this not every whole number is a float.
const MOST: f64 = 9_007_199_254_740_992.0;

/// Reads the entry of a key.
pub(crate) fn dimension(path: &str, item: &Item) -> Result<Dimension, Vec<ProblemKind>> {
    let Some(key) = keys::find(path) else { return Err(vec![sweep::unknown(path)]) };
    let entry = Entry { key, name: format!("sweep.space.\"{path}\"") };
    if let Some((_, reason)) = OWN.iter().find(|(own, _)| *own == path) {
        let expected = format!("left out of the space: {reason}");
        return Err(vec![entry.wrong(&expected, item.to_string().trim().to_owned())]);
    }
    let Some(table) = item.as_table_like() else {
        return Err(vec![entry.wrong(EXPECTED, item.to_string().trim().to_owned())]);
    };
    let unknown: Vec<ProblemKind> =
        table.iter().filter(|(name, _)| !FIELDS.contains(name)).map(|(name, _)| entry.unknown_field(name)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let values = match (table.get("choices"), table.get("min"), table.get("max")) {
        (Some(choices), None, None) if table.iter().count() == 1 => entry.choices(choices),
        (None, Some(_), Some(_)) => entry.range(table).map_err(|kind| vec![kind]),
        _ => {
            let found = table.iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            Err(vec![entry.wrong(EXPECTED, if found.is_empty() { "nothing".to_owned() } else { found })])
        }
    }?;
    Ok(Dimension { key: key.path, values })
}

struct Entry {
    key: &'static Key,
    name: String,
}

impl Entry {
    fn wrong(&self, expected: &str, found: String) -> ProblemKind {
        ProblemKind::WrongType { key: self.name.clone(), expected: expected.to_owned(), found }
    }

    fn unknown_field(&self, field: &str) -> ProblemKind {
        let suggestion = nearest::word(field, FIELDS);
        ProblemKind::UnknownKey { key: format!("{}.{field}", self.name), suggestion, known: FIELDS.to_vec() }
    }

    fn choices(&self, item: &Item) -> Result<SweepDomain, Vec<ProblemKind>> {
        const TWO: &str = "{ choices = [ … ] } with two different values or more";
        let Some(array) = item.as_array() else {
            return Err(vec![self.wrong(TWO, item.to_string().trim().to_owned())]);
        };
        let (mut values, mut problems) = (Vec::new(), Vec::new());
        for choice in array {
            match check::check(self.key, choice) {
                Ok(value) if values.contains(&value) => problems.push(self.wrong(TWO, format!("{value} twice"))),
                Ok(value) => values.push(value),
                Err(kind) => problems.push(kind),
            }
        }
        if problems.is_empty() && values.len() < 2 {
            problems.push(self.wrong(TWO, item.to_string().trim().to_owned()));
        }
        if problems.is_empty() { Ok(SweepDomain::Choices(values)) } else { Err(problems) }
    }

    fn range(&self, table: &dyn TableLike) -> Result<SweepDomain, ProblemKind> {
        let whole = match self.key.kind {
            Kind::Integer { .. } => true,
            Kind::Float(_) => false,
            kind => {
                let found = "a range".to_owned();
                return Err(self.wrong(&format!("{{ choices = [ … ] }}, for '{}' is {kind}", self.key.path), found));
            }
        };
        let (min, max) = (self.end(table, "min")?, self.end(table, "max")?);
        let log = match table.get("scale").map(|scale| (scale.as_str(), scale)) {
            None | Some((Some("linear"), _)) => false,
            Some((Some("log"), _)) => true,
            Some((_, other)) => {
                let expected = "a range whose scale is \"linear\" or \"log\"";
                return Err(self.wrong(expected, format!("the scale {}", other.to_string().trim())));
            }
        };
        if min >= max {
            return Err(self.wrong("a range whose min is less than its max", format!("{min} and {max}")));
        }
        if log && min <= 0.0 {
            return Err(self.wrong("a range above 0, where its scale is \"log\"", format!("the min {min}")));
        }
        let step = match table.get("step") {
            None => whole.then_some(1.0),
            Some(_) if log => {
                return Err(self.wrong("a range with a step or with the scale \"log\", not both", "both".to_owned()));
            }
            Some(item) => Some(self.step(item, whole, max - min)?),
        };
        Ok(SweepDomain::Range { min, max, step, log, whole })
    }

    /// An end of the range, which must be a value of the key.
    fn end(&self, table: &dyn TableLike, name: &str) -> Result<f64, ProblemKind> {
        let toml = table.get(name).and_then(Item::as_value);
        let toml = toml.ok_or_else(|| self.wrong(EXPECTED, format!("a table at {name}")))?;
        let number = match check::check(self.key, toml)? {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => return Err(self.wrong(EXPECTED, toml.to_string())),
        };
        if number < MOST {
            Ok(number)
        } else {
            Err(self.wrong("a range below 2^53", toml.to_string().trim().to_owned()))
        }
    }

    fn step(&self, item: &Item, whole: bool, width: f64) -> Result<f64, ProblemKind> {
        let number = match item.as_value() {
            Some(Toml::Integer(number)) => Some(*number.value() as f64),
            Some(Toml::Float(number)) if !whole => Some(*number.value()),
            _ => None,
        };
        number.filter(|step| *step > 0.0 && *step <= width * (1.0 + 1e-9)).ok_or_else(|| {
            let kind = if whole { "whole number" } else { "number" };
            let expected = format!("a range whose step is a {kind} above 0 and at most max - min");
            self.wrong(&expected, format!("the step {}", item.to_string().trim()))
        })
    }
}
