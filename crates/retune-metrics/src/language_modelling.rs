//! How well a language model predicts tokens.
//!
//! With the natural logarithm, and `t` tokens that have probability p under the model,
//!
//! perplexity = exp(−Σ ln p / t),   bits per token = −Σ ln p / (t · ln 2).
//!
//! From F. Jelinek, R. L. Mercer, L. R. Bahl and J. K. Baker, "Perplexity: a measure of the difficulty of speech
//! recognition tasks", Journal of the Acoustical Society of America 62 (1977).

use serde::{Deserialize, Serialize};

use crate::checks::finite;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// The summed negative log-likelihood and the number of tokens: of constant size.
///
/// Sums, and not means of batches, are added, as batches of few tokens would otherwise count as much as those of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    loss: CompensatedSum,
    tokens: u64,
}

impl Perplexity {
    /// The perplexity of nothing yet.
    pub fn new() -> Self {
        Perplexity::default()
    }

    /// Adds a batch: the sum of −ln p over its tokens, and how many tokens these are (those that a loss is taken of).
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, summed_loss: f64, tokens: u64) -> Result<(), MetricError> {
        self.loss.add(finite("the summed negative log-likelihood", summed_loss)?);
        self.tokens += tokens;
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Perplexity) {
        self.loss.merge(&other.loss);
        self.tokens += other.tokens;
    }

    /// The number of tokens seen.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The mean negative log-likelihood of a token, in nats.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn mean_loss(&self) -> Result<f64, MetricError> {
        match self.tokens {
            0 => Err(MetricError::Empty { measure: "the negative log-likelihood" }),
            tokens => Ok(self.loss.value() / tokens as f64),
        }
    }

    /// The perplexity: 1 at best, and the size of the vocabulary for a model that says nothing.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where it overflows.
    pub fn perplexity(&self) -> Result<f64, MetricError> {
        finite("the perplexity", self.mean_loss()?.exp())
    }

    /// Bits per token.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn bits_per_token(&self) -> Result<f64, MetricError> {
        Ok(self.mean_loss()? / std::f64::consts::LN_2)
    }

    /// Bits per unit of which the same text has so many, such as its bytes: what models with other vocabularies can be
    /// compared by.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] where there are no units.
    pub fn bits_per(&self, units: u64) -> Result<f64, MetricError> {
        match units {
            0 => Err(MetricError::Empty { measure: "bits per unit" }),
            units => Ok(self.loss.value() / std::f64::consts::LN_2 / units as f64),
        }
    }
}
