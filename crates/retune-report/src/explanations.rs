//! `explanations.json`: which words moved the model, for chosen rows.

use serde::Deserialize;

/// The file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Explanations {
    /// How attributions were computed, such as `integrated gradients`.
    pub method: String,
    /// Steps of the integral, where there is one.
    #[serde(default)]
    pub steps: Option<u64>,
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
    /// The right class.
    #[serde(default)]
    pub label: Option<String>,
    /// The predicted class, whose logit is explained.
    pub predicted: String,
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
    /// Its first character in the text.
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
    /// The layer, from 0.
    pub layer: u64,
    /// `[t, t]`: row i holds the weights that token i gives to all.
    pub head_mean: Vec<Vec<f64>>,
}
