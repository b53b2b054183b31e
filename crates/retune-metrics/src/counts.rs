//! The counts that precision, recall and F are made of, whatever is counted: classes, labels or types of entities.

use serde::{Deserialize, Serialize};

use crate::averages::{Average, ClassScores};
use crate::confusion::ratio;
use crate::error::MetricError;

/// The three counts of a class, or sums of them over classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) right: u64,
    pub(crate) support: u64,
    pub(crate) predicted: u64,
}

impl Counts {
    /// Counts one decision on whether something is of the class.
    pub(crate) fn update(&mut self, label: bool, predicted: bool) {
        self.right += u64::from(label && predicted);
        self.support += u64::from(label);
        self.predicted += u64::from(predicted);
    }

    pub(crate) fn merge(&mut self, other: &Counts) {
        self.right += other.right;
        self.support += other.support;
        self.predicted += other.predicted;
    }

    pub(crate) fn precision(self) -> f64 {
        ratio(self.right as f64, self.predicted as f64)
    }

    pub(crate) fn recall(self) -> f64 {
        ratio(self.right as f64, self.support as f64)
    }

    pub(crate) fn f_beta(self, beta: f64) -> f64 {
        let weight = beta * beta;
        ratio((1.0 + weight) * self.right as f64, weight * self.support as f64 + self.predicted as f64)
    }

    pub(crate) fn scores(self) -> ClassScores {
        ClassScores { precision: self.precision(), recall: self.recall(), f1: self.f_beta(1.0), support: self.support }
    }
}

/// One number of the scores of several classes; 0 where there are none, or none has support for a weighted one.
pub(crate) fn averaged(counts: impl Iterator<Item = Counts>, average: Average, score: impl Fn(Counts) -> f64) -> f64 {
    match average {
        Average::Micro => {
            let mut sum = Counts::default();
            counts.for_each(|counts| sum.merge(&counts));
            score(sum)
        }
        Average::Macro => {
            let (sum, classes) = counts.fold((0.0, 0), |(sum, classes), counts| (sum + score(counts), classes + 1));
            ratio(sum, f64::from(classes))
        }
        Average::Weighted => {
            let (sum, total) = counts.fold((0.0, 0), |(sum, total), counts| {
                (sum + counts.support as f64 * score(counts), total + counts.support)
            });
            ratio(sum, total as f64)
        }
    }
}

pub(crate) fn check_beta(beta: f64) -> Result<(), MetricError> {
    if !(beta.is_finite() && beta >= 0.0) {
        return Err(MetricError::OutOfRange { quantity: "beta", value: beta, expected: "finite and not negative" });
    }
    // The square of a larger one would overflow.
    if beta > 1e100 {
        return Err(MetricError::OutOfRange { quantity: "beta", value: beta, expected: "at most 1e100" });
    }
    Ok(())
}
