//! What a finished model says of an example, for a person, for a program, for a table.

use retune_data::{OutputColumn, OutputValues};
use serde_json::{Map, Value, json};

/// What a model says of one example.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// For a person, on one line.
    pub line: String,
    /// For programs and tables, in order; the same names for all examples of a data set.
    pub fields: Vec<(&'static str, Field)>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number; `None` where there is none.
    Integer(Option<i64>),
    /// Numbers by name, as probabilities by class: an object in JSON, in tables a column for each, whose name begins
    /// with the given word.
    ByName(&'static str, Vec<(String, f64)>),
    /// A vector.
    Vector(Vec<f32>),
    /// Anything else: JSON, in tables as text.
    Json(Value),
}

impl Prediction {
    /// As a JSON object.
    pub fn to_json(&self) -> Value {
        let value = |field: &Field| match field {
            Field::Text(text) => json!(text),
            Field::Number(number) => json!(number),
            Field::Integer(number) => json!(number),
            Field::ByName(_, pairs) => {
                pairs.iter().map(|(name, number)| (name.clone(), json!(number))).collect::<Map<_, _>>().into()
            }
            Field::Vector(numbers) => json!(numbers),
            Field::Json(value) => value.clone(),
        };
        self.fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect::<Map<_, _>>().into()
    }
}

/// Predictions as the columns of a table.
pub fn table(predictions: &[Prediction]) -> Vec<OutputColumn> {
    let mut columns = Vec::new();
    let Some(first) = predictions.first() else { return columns };
    let mut push = |name: String, values| columns.push(OutputColumn { name, values });
    for (place, (name, field)) in first.fields.iter().enumerate() {
        let all = || predictions.iter().map(|prediction| &prediction.fields[place].1);
        let texts = || OutputValues::Text(all().map(as_text).collect());
        match field {
            Field::Text(_) | Field::Json(_) => push((*name).to_owned(), texts()),
            Field::Number(_) => push((*name).to_owned(), OutputValues::Float(all().map(as_number).collect())),
            Field::Integer(_) => push((*name).to_owned(), OutputValues::MaybeInteger(all().map(as_integer).collect())),
            Field::Vector(_) => push((*name).to_owned(), OutputValues::Vector(all().map(as_vector).collect())),
            Field::ByName(prefix, pairs) => {
                for (column, (class, _)) in pairs.iter().enumerate() {
                    let number = |field: &Field| match field {
                        Field::ByName(_, pairs) => pairs[column].1,
                        _ => f64::NAN,
                    };
                    push(format!("{prefix}_{class}"), OutputValues::Float(all().map(number).collect()));
                }
            }
        }
    }
    columns
}

fn as_text(field: &Field) -> String {
    match field {
        Field::Text(text) => text.clone(),
        Field::Integer(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        Field::Json(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn as_integer(field: &Field) -> Option<i64> {
    match field {
        Field::Integer(number) => *number,
        _ => None,
    }
}

fn as_number(field: &Field) -> f64 {
    match field {
        Field::Number(number) => *number,
        _ => f64::NAN,
    }
}

fn as_vector(field: &Field) -> Vec<f32> {
    match field {
        Field::Vector(numbers) => numbers.clone(),
        _ => Vec::new(),
    }
}
