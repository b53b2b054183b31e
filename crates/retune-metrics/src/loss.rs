//! Means of losses.

use serde::{Deserialize, Serialize};

use crate::checks::checked_distribution;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// The mean of a loss over batches of different sizes.
///
/// The sum is compensated (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM
/// 54, 1974), so that the mean over millions of items has the digits of the mean over a few.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanLoss {
    sum: CompensatedSum,
    items: u64,
}

impl MeanLoss {
    /// The mean of nothing yet.
    pub fn new() -> Self {
        MeanLoss::default()
    }

    /// Adds a batch by the mean loss of its items.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then. A NaN is never left out silently.
    pub fn update(&mut self, batch_mean: f64, items: u64) -> Result<(), MetricError> {
        if !batch_mean.is_finite() {
            return Err(MetricError::NotFinite { quantity: "the loss", value: batch_mean });
        }
        self.sum.add(batch_mean * items as f64);
        self.items += items;
        Ok(())
    }

    /// Adds what another mean has seen.
    pub fn merge(&mut self, other: &MeanLoss) {
        self.sum.merge(&other.sum);
        self.items += other.items;
    }

    /// The number of items seen.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The mean over all items.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn mean(&self) -> Result<f64, MetricError> {
        match self.items {
            0 => Err(MetricError::Empty { measure: "the mean loss" }),
            items => Ok(self.sum.value() / items as f64),
        }
    }
}

/// The mean over examples of −ln of the probability that was given to the label.
///
/// `probabilities` are `[n, c]`, row by row: for each label those of every class. A probability below the machine
/// epsilon counts as the epsilon, as in scikit-learn, so that one confident mistake does not make the whole infinite.
///
/// # Errors
///
/// No labels, no classes, another number of probabilities than n·c, a label that is no class, a probability that is not
/// a number from 0 to 1, or a row that does not add up to 1 within 1e-4 (the rounding of half precision stays below).
pub fn log_loss(labels: &[usize], probabilities: &[f64], classes: usize) -> Result<f64, MetricError> {
    if classes == 0 {
        return Err(MetricError::NoClasses);
    }
    if probabilities.len() != labels.len() * classes {
        return Err(MetricError::ProbabilityCount { labels: labels.len(), classes, found: probabilities.len() });
    }
    let mut mean = MeanLoss::new();
    for (example, (&label, row)) in labels.iter().zip(probabilities.chunks_exact(classes)).enumerate() {
        let probability = checked_distribution(row, label, example)?;
        mean.update(-probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln(), 1)?;
    }
    mean.mean().map_err(|_| MetricError::Empty { measure: "log loss" })
}
