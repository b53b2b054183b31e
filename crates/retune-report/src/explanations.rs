//! `explanations.json`: which words moved the model, for chosen rows.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Explanations {
    /// How attributions were computed, such as `integrated gradients`.
    pub method: String,
    /// What it stands against.
    #[serde(default)]
    pub baseline: Option<String>,
    /// The rows.
    #[serde(default)]
    pub examples: Vec<Explanation>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Explanation {
    /// Its number in the evaluated data, from 0.
    #[serde(default)]
    pub row: Option<u64>,
    /// Its text.
    pub text: String,
    /// Its second text.
    #[serde(default)]
    pub text_pair: Option<String>,
    /// What is right, in words.
    #[serde(default, deserialize_with = "words")]
    pub label: Option<String>,
    /// What was predicted, in words.
    #[serde(default, deserialize_with = "words")]
    pub predicted: Option<String>,
    /// The name of the output that is explained, where it has one.
    #[serde(default)]
    pub output: Option<String>,
    /// Its probability.
    #[serde(default)]
    pub probability: Option<f64>,
    /// The tokens.
    pub tokens: Vec<AttributedToken>,
    /// How far the sum of attributions is from the change of the output, as a share of it.
    #[serde(default)]
    pub completeness_error: Option<f64>,
    /// Attention, where it is shown.
    #[serde(default)]
    pub attention: Option<AttentionMap>,
}

/// A token with what it did to the output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AttributedToken {
    /// The token.
    pub text: String,
    /// Which text it is of, from 0; `None` where of none, as those that a tokenizer adds.
    #[serde(default)]
    pub of: Option<usize>,
    /// Its first character in that text.
    #[serde(default)]
    pub start: Option<usize>,
    /// The character after its last.
    #[serde(default)]
    pub end: Option<usize>,
    /// Above 0 where it speaks for the prediction, below where against.
    pub attribution: f64,
}

/// Where tokens looked, on the mean over the heads of a layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AttentionMap {
    /// The layer, from 1.
    pub layer: u64,
    /// `[t, t]`: row i holds the weights that token i gives to all.
    pub head_mean: Vec<Vec<f64>>,
}

/// A class, a number, or a list of labels, which may itself stand in a text.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let list = |values: &Vec<Value>| {
        let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
    };
    Ok(match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => number.as_f64().map(|number| format!("{number:.4}")),
        Some(Value::Array(values)) => Some(list(&values)),
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Array(values)) => Some(list(&values)),
            _ => Some(text),
        },
        Some(other) => Some(other.to_string()),
    })
}
