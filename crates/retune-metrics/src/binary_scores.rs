//! Measures of how scores part positive examples from negative ones, and the threshold that does it best.
//!
//! At a threshold t every example with a score of at least t is called positive. Going down through the scores, the
//! threshold passes them in groups of equals; let TP and FP be the positive and the negative examples at or above it,
//! and P and N all of them. Then
//!
//! ROC AUC = the area under TP/P over FP/N, joined by straight lines
//!         = the probability that a positive example has a higher score than a negative one, a tie counting a half,
//! average precision = Σ (R − R') · TP/(TP + FP), over the groups, with R = TP/P and R' that of the group before.
//!
//! The first is from J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
//! characteristic (ROC) curve", Radiology 143 (1982). The second is the area under the precision-recall curve as a step
//! function, as scikit-learn has it; joining that curve by lines would be too optimistic (J. Davis and M. Goadrich, "The
//! relationship between precision-recall and ROC curves", 2006).

use serde::{Deserialize, Serialize};

use crate::binary_counts::BinaryCounts;
use crate::checks::finite;
use crate::confusion::ratio;
use crate::error::MetricError;

/// The score of each example, and whether it is positive. The measures are exact, so the state is of the order of n.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BinaryScores {
    examples: Vec<(f64, bool)>,
}

/// What a threshold gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// Examples with a score of at least this are called positive.
    pub threshold: f64,
    /// The four counts that this gives.
    pub counts: BinaryCounts,
}

/// A threshold, and the measure with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Examples with a score of at least this are called positive.
    pub threshold: f64,
    /// The measure.
    pub value: f64,
}

impl BinaryScores {
    /// Scores of nothing yet.
    pub fn new() -> Self {
        BinaryScores::default()
    }

    /// Adds one example.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, positive: bool, score: f64) -> Result<(), MetricError> {
        self.examples.push((finite("a score", score)?, positive));
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &BinaryScores) {
        self.examples.extend_from_slice(&other.examples);
    }

    /// n, the number of examples seen.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// The number of positive examples seen.
    pub fn positives(&self) -> usize {
        self.examples.iter().filter(|(_, positive)| *positive).count()
    }

    /// What every threshold gives, from the highest score to the lowest: the points of the ROC curve and of the
    /// precision-recall curve. Time is of the order of n · log n.
    pub fn cuts(&self) -> Vec<Cut> {
        let mut sorted = self.examples.clone(); // [n]
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let positives = self.positives() as u64;
        let mut counts = BinaryCounts {
            true_positives: 0,
            false_positives: 0,
            false_negatives: positives,
            true_negatives: sorted.len() as u64 - positives,
        };
        // −0 and 0, which stand side by side, are one score.
        let groups = sorted.chunk_by(|a, b| a.0 == b.0);
        let cut = |group: &[(f64, bool)]| {
            let positives = group.iter().filter(|(_, positive)| *positive).count() as u64;
            let negatives = group.len() as u64 - positives;
            counts.true_positives += positives;
            counts.false_negatives -= positives;
            counts.false_positives += negatives;
            counts.true_negatives -= negatives;
            Cut { threshold: group[0].0, counts }
        };
        groups.map(cut).collect()
    }

    /// The area under the ROC curve, from 0 to 1; a half for scores that say nothing.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OneSided`] where no example is positive, or none is negative.
    pub fn roc_auc(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "ROC AUC";
        let positives = self.positives();
        match (positives, self.examples.len() - positives) {
            (0, 0) => Err(MetricError::Empty { measure: MEASURE }),
            (0, _) => Err(MetricError::OneSided { measure: MEASURE, missing: "positive" }),
            (_, 0) => Err(MetricError::OneSided { measure: MEASURE, missing: "negative" }),
            (positives, negatives) => {
                let (mut twice_area, mut before) = (0, (0, 0));
                for Cut { counts, .. } in self.cuts() {
                    let now = (u128::from(counts.true_positives), u128::from(counts.false_positives));
                    twice_area += (now.1 - before.1) * (now.0 + before.0);
                    before = now;
                }
                Ok(twice_area as f64 / 2.0 / (positives as f64 * negatives as f64))
            }
        }
    }

    /// Average precision, the area under the precision-recall curve; 0 where no example is positive.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn average_precision(&self) -> Result<f64, MetricError> {
        if self.examples.is_empty() {
            return Err(MetricError::Empty { measure: "average precision" });
        }
        let (mut sum, mut before) = (0.0, 0);
        for Cut { counts, .. } in self.cuts() {
            sum += (counts.true_positives - before) as f64 * counts.precision();
            before = counts.true_positives;
        }
        Ok(ratio(sum, before as f64))
    }

    /// The threshold that makes a measure greatest, such as [`BinaryCounts::f1`]: one of the scores, or a number above
    /// them all, which calls nothing positive. Of equally good ones it is the highest. Choose it on other examples than
    /// those that it is reported on.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where the measure is NaN or infinite.
    pub fn best_threshold(&self, measure: impl Fn(&BinaryCounts) -> f64) -> Result<Threshold, MetricError> {
        let cuts = self.cuts();
        let first = cuts.first().ok_or(MetricError::Empty { measure: "the best threshold" })?;
        let none = BinaryCounts {
            true_positives: 0,
            false_positives: 0,
            false_negatives: first.counts.true_positives + first.counts.false_negatives,
            true_negatives: first.counts.false_positives + first.counts.true_negatives,
        };
        let value = finite("the measure", measure(&none))?;
        let mut best = Threshold { threshold: first.threshold.next_up(), value };
        for cut in &cuts {
            let value = finite("the measure", measure(&cut.counts))?;
            if value > best.value {
                best = Threshold { threshold: cut.threshold, value };
            }
        }
        Ok(best)
    }
}
