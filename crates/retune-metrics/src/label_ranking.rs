//! Measures of how an example's scores rank its labels.
//!
//! Notation: of one example, Y are the labels that it has, of `l`; the rank of a label is the number of labels with a
//! score as high or higher. Then
//!
//! label-ranking average precision = mean over y ∈ Y of |{y' ∈ Y with a score as high or higher}| / rank of y,
//! coverage error = the greatest rank of a label in Y,
//! ranking loss = the share of pairs of a label in Y and one outside that the scores have in the wrong order,
//!
//! each averaged over the examples, from G. Tsoumakas, I. Katakis and I. Vlahavas, "Mining multi-label data" (2010). A
//! tie counts as wrong. Of an example with no label, or every label, the first is 1 and the last 0; coverage is 0 of an
//! example with no label. So it is in scikit-learn.

use serde::{Deserialize, Serialize};

use crate::checks::{all_finite, same_count};
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// Sums over examples: of constant size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelRanking {
    examples: u64,
    average_precisions: CompensatedSum,
    losses: CompensatedSum,
    coverages: u64,
}

impl LabelRanking {
    /// Sums of nothing yet.
    pub fn new() -> Self {
        LabelRanking::default()
    }

    /// Adds one example: for each label whether the example has it, and its score. Time is of the order of l · log l.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`], [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, labels: &[bool], scores: &[f64]) -> Result<(), MetricError> {
        same_count("scores, one for each label", labels.len(), scores.len())?;
        all_finite("a score", scores)?;
        let mut ranked: Vec<(f64, bool)> =
            scores.iter().zip(labels).map(|(score, label)| (score + 0.0, *label)).collect(); // [l]
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let relevant = labels.iter().filter(|label| **label).count();
        let irrelevant = labels.len() - relevant;
        let (mut rank, mut found, mut precisions, mut wrong_pairs) = (0, 0, 0.0, 0);
        for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
            let here = equal.iter().filter(|(_, label)| *label).count();
            rank += equal.len();
            found += here;
            precisions += here as f64 * (found as f64 / rank as f64);
            wrong_pairs += here * (rank - found);
            if here > 0 && found == relevant {
                self.coverages += rank as u64;
            }
        }
        let ranks_nothing = relevant == 0 || irrelevant == 0;
        self.average_precisions.add(if ranks_nothing { 1.0 } else { precisions / relevant as f64 });
        self.losses.add(if ranks_nothing { 0.0 } else { wrong_pairs as f64 / (relevant * irrelevant) as f64 });
        self.examples += 1;
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &LabelRanking) {
        self.examples += other.examples;
        self.average_precisions.merge(&other.average_precisions);
        self.losses.merge(&other.losses);
        self.coverages += other.coverages;
    }

    /// The number of examples seen.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// Label-ranking average precision: above 0, and 1 where every label of an example is above all others.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn average_precision(&self) -> Result<f64, MetricError> {
        Ok(self.average_precisions.value() / self.count("label-ranking average precision")?)
    }

    /// Coverage error: how far down the ranking one must go, on average, to have all labels of an example.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn coverage_error(&self) -> Result<f64, MetricError> {
        Ok(self.coverages as f64 / self.count("coverage error")?)
    }

    /// Ranking loss, from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn ranking_loss(&self) -> Result<f64, MetricError> {
        Ok(self.losses.value() / self.count("ranking loss")?)
    }

    fn count(&self, measure: &'static str) -> Result<f64, MetricError> {
        match self.examples {
            0 => Err(MetricError::Empty { measure }),
            examples => Ok(examples as f64),
        }
    }
}
