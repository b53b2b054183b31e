//! The value of a key, once its type has been checked.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::choices::{DataFormat, DeviceChoice, Precision};
use crate::metric::SelectionMetric;
use crate::strategy::{AdapterKind, DecayShape, Factors, NonFinite, OptimizerKind, Sampling, ScheduleKind, Trained};
use crate::task::{HeadChoice, LossChoice, PoolingChoice, TaskKind, Weights};

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

/// What a checked [`Value`] becomes in the plan, and what it becomes again in `plan.toml`.
pub(crate) trait PlanValue: Sized {
    /// `None` where the value is of another kind.
    fn from_value(value: &Value) -> Option<Self>;

    fn to_value(&self) -> Value;
}

impl PlanValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl PlanValue for PathBuf {
    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(PathBuf::from)
    }

    /// TOML is UTF-8, so a path that came from a recipe is too, and nothing is lost.
    fn to_value(&self) -> Value {
        Value::Text(self.to_string_lossy().into_owned())
    }
}

impl PlanValue for Vec<String> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Texts(self.clone())
    }
}

impl PlanValue for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Integer(*self)
    }
}

impl PlanValue for usize {
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| usize::try_from(number).ok())
    }

    fn to_value(&self) -> Value {
        Value::Integer(*self as u64)
    }
}

impl PlanValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Float(*self)
    }
}

impl PlanValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Switch(switch) => Some(*switch),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Switch(*self)
    }
}

macro_rules! choice_values {
    ($($choice:ty),+ $(,)?) => {
        $(impl PlanValue for $choice {
            fn from_value(value: &Value) -> Option<Self> {
                String::from_value(value).and_then(|text| <$choice>::from_str(&text).ok())
            }

            fn to_value(&self) -> Value {
                Value::Text(self.to_string())
            }
        })+
    };
}

choice_values!(
    AdapterKind,
    DataFormat,
    DecayShape,
    DeviceChoice,
    Factors,
    HeadChoice,
    LossChoice,
    NonFinite,
    OptimizerKind,
    PoolingChoice,
    Precision,
    Sampling,
    ScheduleKind,
    SelectionMetric,
    TaskKind,
    Trained,
    Weights,
);

/// A field of the plan: a value, or perhaps one.
pub(crate) trait Field: Sized {
    /// From what was said or is the default; `Err` where there must be one and is none.
    fn from_said(value: Option<&Value>) -> Result<Self, ()>;

    fn entry(&self) -> Option<Value>;
}

impl<T: PlanValue> Field for T {
    fn from_said(value: Option<&Value>) -> Result<Self, ()> {
        value.and_then(T::from_value).ok_or(())
    }

    fn entry(&self) -> Option<Value> {
        Some(self.to_value())
    }
}

impl<T: PlanValue> Field for Option<T> {
    fn from_said(value: Option<&Value>) -> Result<Self, ()> {
        Ok(value.and_then(T::from_value))
    }

    fn entry(&self) -> Option<Value> {
        self.as_ref().map(T::to_value)
    }
}

pub(crate) use choice_values;
