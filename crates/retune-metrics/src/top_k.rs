//! How often the label is among the k best scores.

use serde::{Deserialize, Serialize};

use crate::checks::{all_finite, mergeable, same_count};
use crate::error::MetricError;

/// The rank of every label, counted: of the order of the number of classes, and enough for every k.
///
/// Of equal scores the highest class is taken to be the best, as in scikit-learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopKAccuracy {
    /// `ranks[r]` examples had r classes above their label.
    ranks: Vec<u64>,
}

impl TopKAccuracy {
    /// Counts of nothing yet.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoClasses`].
    pub fn new(classes: usize) -> Result<Self, MetricError> {
        match classes {
            0 => Err(MetricError::NoClasses),
            classes => Ok(TopKAccuracy { ranks: vec![0; classes] }),
        }
    }

    /// Counts one example: its label, and a score for each class.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`], [`MetricError::ClassOutOfRange`], [`MetricError::NotFinite`]; nothing is counted
    /// then.
    pub fn update(&mut self, label: usize, scores: &[f64]) -> Result<(), MetricError> {
        let classes = self.ranks.len();
        same_count("scores, one for each class", classes, scores.len())?;
        all_finite("a score", scores)?;
        let own = *scores.get(label).ok_or(MetricError::ClassOutOfRange { role: "label", class: label, classes })?;
        let above = |(class, score): &(usize, &f64)| **score > own || (**score == own && *class > label);
        self.ranks[scores.iter().enumerate().filter(above).count()] += 1;
        Ok(())
    }

    /// Adds what another has counted.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of classes.
    pub fn merge(&mut self, other: &TopKAccuracy) -> Result<(), MetricError> {
        mergeable("the number of classes", self.ranks.len(), other.ranks.len())?;
        self.ranks.iter_mut().zip(&other.ranks).for_each(|(count, more)| *count += more);
        Ok(())
    }

    /// The share of examples whose label is among the k best scores; 1 where k is the number of classes or more.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OutOfRange`] where k is 0.
    pub fn accuracy(&self, k: usize) -> Result<f64, MetricError> {
        if k == 0 {
            return Err(MetricError::OutOfRange { quantity: "k", value: 0.0, expected: "at least 1" });
        }
        match self.ranks.iter().sum::<u64>() {
            0 => Err(MetricError::Empty { measure: "top-k accuracy" }),
            total => Ok(self.ranks.iter().take(k).sum::<u64>() as f64 / total as f64),
        }
    }
}
