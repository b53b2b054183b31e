//! The four counts of a decision between yes and no, and measures of them.

use serde::{Deserialize, Serialize};

use crate::confusion::ratio;

/// How examples were decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BinaryCounts {
    /// Positive, and called so.
    pub true_positives: u64,
    /// Negative, and called positive.
    pub false_positives: u64,
    /// Positive, and called negative.
    pub false_negatives: u64,
    /// Negative, and called so.
    pub true_negatives: u64,
}

/// Each measure is 0 where it would be 0/0.
impl BinaryCounts {
    /// TP / (TP + FP).
    pub fn precision(&self) -> f64 {
        ratio(self.true_positives as f64, (self.true_positives + self.false_positives) as f64)
    }

    /// TP / (TP + FN), the true positive rate.
    pub fn recall(&self) -> f64 {
        ratio(self.true_positives as f64, (self.true_positives + self.false_negatives) as f64)
    }

    /// FP / (FP + TN), the false positive rate.
    pub fn false_positive_rate(&self) -> f64 {
        ratio(self.false_positives as f64, (self.false_positives + self.true_negatives) as f64)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        self.f_beta(1.0)
    }

    /// F_β = (1 + β²) · TP / ((1 + β²) · TP + β² · FN + FP): recall counts β times as much as precision.
    pub fn f_beta(&self, beta: f64) -> f64 {
        let weight = beta * beta;
        let right = (1.0 + weight) * self.true_positives as f64;
        ratio(right, right + weight * self.false_negatives as f64 + self.false_positives as f64)
    }

    /// The share of examples that are decided rightly.
    pub fn accuracy(&self) -> f64 {
        let right = self.true_positives + self.true_negatives;
        ratio(right as f64, (right + self.false_positives + self.false_negatives) as f64)
    }

    /// Recall less the false positive rate, from −1 to 1 (W. J. Youden, "Index for rating diagnostic tests", Cancer 3,
    /// 1950).
    pub fn youden_j(&self) -> f64 {
        self.recall() - self.false_positive_rate()
    }
}
