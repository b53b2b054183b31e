//! The value of a key, once its type has been checked.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::choices::{DataFormat, DeviceChoice, Precision};
use crate::metric::SelectionMetric;
use crate::task::{LossChoice, PoolingChoice, TaskKind, Weights};

/// The value of a key. Its `Display` is TOML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, a path or a choice.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A whole number; no key takes one below zero.
    Integer(u64),
    /// A finite number.
    Float(f64),
    /// True or false.
    Switch(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(&quoted(text)),
            Value::Texts(texts) => write!(f, "[{}]", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            Value::Integer(number) => write!(f, "{number}"),
            // The debug form is the shortest that reads back as the same number, and is TOML: "3.0", "5e-5".
            Value::Float(number) => write!(f, "{number:?}"),
            Value::Switch(switch) => write!(f, "{switch}"),
        }
    }
}

fn quoted(text: impl AsRef<str>) -> String {
    toml_edit::Value::from(text.as_ref()).to_string()
}

/// What a checked [`Value`] becomes in the plan. `None` where the value is of another kind.
pub(crate) trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(PathBuf::from)
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue for usize {
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| usize::try_from(number).ok())
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Switch(switch) => Some(*switch),
            _ => None,
        }
    }
}

macro_rules! from_choice {
    ($($choice:ty),+) => {
        $(impl FromValue for $choice {
            fn from_value(value: &Value) -> Option<Self> {
                String::from_value(value).and_then(|text| <$choice>::from_str(&text).ok())
            }
        })+
    };
}

pub(crate) use from_choice;

from_choice!(DataFormat, DeviceChoice, LossChoice, PoolingChoice, Precision, SelectionMetric, TaskKind, Weights);
