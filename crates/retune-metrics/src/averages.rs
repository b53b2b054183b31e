//! Precision, recall and F, of each class and averaged over classes.
//!
//! Notation: of one class, `right` examples of it are predicted as it, `support` examples have it as their label,
//! `predicted` examples are predicted as it. Then
//!
//! precision = right / predicted,
//! recall = right / support,
//! F_β = (1 + β²) · right / (β² · support + predicted),
//!
//! and each is 0 where it would be 0/0, which scikit-learn calls `zero_division=0`. F_β is from C. J. van Rijsbergen,
//! "Information Retrieval" (1979), chapter 7.

use serde::{Deserialize, Serialize};

use crate::confusion::ConfusionMatrix;
use crate::counts::{Counts, averaged, check_beta};
use crate::error::MetricError;

/// How one number is made of the classes' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// Counts are added over the classes, and one ratio is taken. Over all classes this is accuracy.
    Micro,
    /// The mean over the classes that are some example's label or prediction, as scikit-learn does where it is not
    /// told of others. A class that the data lacks counts neither for nor against the model.
    Macro,
    /// The mean over the classes, each weighed by its support.
    Weighted,
}

/// The scores of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Of the examples predicted as the class, the share that are of it.
    pub precision: f64,
    /// Of the examples of the class, the share that are predicted as it.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// The examples of the class.
    pub support: u64,
}

impl ConfusionMatrix {
    /// The scores of each class. An empty matrix has zeros.
    pub fn class_scores(&self) -> Vec<ClassScores> {
        self.class_counts().into_iter().map(Counts::scores).collect() // [c]
    }

    /// Precision, averaged over classes.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn precision(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("precision", average, Counts::precision)
    }

    /// Recall, averaged over classes.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn recall(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("recall", average, Counts::recall)
    }

    /// F1, averaged over classes. The macro average is the mean of the classes' F1, not the F1 of mean precision and
    /// mean recall.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn f1(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("F1", average, |counts| counts.f_beta(1.0))
    }

    /// F_β, averaged over classes: recall counts β times as much as precision.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OutOfRange`] where β is negative or above 1e100.
    pub fn f_beta(&self, beta: f64, average: Average) -> Result<f64, MetricError> {
        check_beta(beta)?;
        self.averaged("F-beta", average, |counts| counts.f_beta(beta))
    }

    /// F_β of each class. An empty matrix has zeros.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where β is negative or above 1e100.
    pub fn class_f_beta(&self, beta: f64) -> Result<Vec<f64>, MetricError> {
        check_beta(beta)?;
        Ok(self.class_counts().into_iter().map(|counts| counts.f_beta(beta)).collect()) // [c]
    }

    fn class_counts(&self) -> Vec<Counts> {
        let margins = self.supports().into_iter().zip(self.predictions());
        let counts = self.right().into_iter().zip(margins);
        counts.map(|(right, (support, predicted))| Counts { right, support, predicted }).collect() // [c]
    }

    fn averaged(
        &self,
        measure: &'static str,
        average: Average,
        score: impl Fn(Counts) -> f64,
    ) -> Result<f64, MetricError> {
        self.examples(measure)?;
        let present = self.class_counts().into_iter().filter(|counts| counts.support + counts.predicted > 0);
        Ok(averaged(present, average, score))
    }
}
