//! Areas under curves where an example may have several labels, and a threshold for each.
//!
//! Each label is a question of yes or no, measured as [`BinaryScores`]; an average of the labels' measures, or the
//! measure of all decisions together, is one number. The macro average of average precision is the mean average
//! precision.

use serde::{Deserialize, Serialize};

use crate::averages::Average;
use crate::binary_counts::BinaryCounts;
use crate::binary_scores::{BinaryScores, Threshold};
use crate::checks::{all_finite, mergeable, same_count};
use crate::confusion::ratio;
use crate::error::MetricError;

/// The scores of every label of every example. The measures are exact, so the state is of the order of n · l, for n
/// examples and l labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultilabelScores {
    labels: Vec<BinaryScores>,
}

impl MultilabelScores {
    /// Scores of nothing yet.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there are no labels.
    pub fn new(labels: usize) -> Result<Self, MetricError> {
        if labels == 0 {
            return Err(MetricError::OutOfRange {
                quantity: "the number of labels",
                value: 0.0,
                expected: "at least 1",
            });
        }
        Ok(MultilabelScores { labels: vec![BinaryScores::new(); labels] })
    }

    /// Adds one example: for each label whether the example has it, and its score.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`], [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, labels: &[bool], scores: &[f64]) -> Result<(), MetricError> {
        same_count("truths, one for each label", self.labels.len(), labels.len())?;
        same_count("scores, one for each label", self.labels.len(), scores.len())?;
        all_finite("a score", scores)?;
        let decisions = labels.iter().zip(scores);
        self.labels.iter_mut().zip(decisions).try_for_each(|(column, (label, score))| column.update(*label, *score))
    }

    /// Adds what another has seen.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of labels.
    pub fn merge(&mut self, other: &MultilabelScores) -> Result<(), MetricError> {
        mergeable("the number of labels", self.labels.len(), other.labels.len())?;
        self.labels.iter_mut().zip(&other.labels).for_each(|(column, more)| column.merge(more));
        Ok(())
    }

    /// The scores of each label.
    pub fn labels(&self) -> &[BinaryScores] {
        &self.labels
    }

    /// ROC AUC, averaged over the labels. A weighted average leaves out the labels that no example has.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OneSidedClass`], or in a micro average [`MetricError::OneSided`], where a
    /// label that counts has no positive example or no negative one.
    pub fn roc_auc(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged(average, BinaryScores::roc_auc)
    }

    /// Average precision, averaged over the labels.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn average_precision(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged(average, BinaryScores::average_precision)
    }

    /// For each label its best threshold, as [`BinaryScores::best_threshold`] finds it.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where the measure is NaN or infinite.
    pub fn best_thresholds(&self, measure: impl Fn(&BinaryCounts) -> f64) -> Result<Vec<Threshold>, MetricError> {
        self.labels.iter().map(|column| column.best_threshold(&measure)).collect() // [l]
    }

    /// The one threshold for all labels that makes the measure of all decisions together greatest.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where the measure is NaN or infinite.
    pub fn best_common_threshold(&self, measure: impl Fn(&BinaryCounts) -> f64) -> Result<Threshold, MetricError> {
        self.together().best_threshold(measure)
    }

    fn together(&self) -> BinaryScores {
        let mut all = BinaryScores::new();
        self.labels.iter().for_each(|column| all.merge(column));
        all
    }

    fn averaged(
        &self,
        average: Average,
        measure: impl Fn(&BinaryScores) -> Result<f64, MetricError>,
    ) -> Result<f64, MetricError> {
        if average == Average::Micro {
            return measure(&self.together());
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (class, column) in self.labels.iter().enumerate() {
            let weight = if average == Average::Weighted { column.positives() as f64 } else { 1.0 };
            if weight == 0.0 && column.examples() > 0 {
                continue;
            }
            sum += weight
                * measure(column).map_err(|error| match error {
                    MetricError::OneSided { measure, missing } => {
                        MetricError::OneSidedClass { measure, class, missing }
                    }
                    other => other,
                })?;
            weights += weight;
        }
        Ok(ratio(sum, weights))
    }
}
