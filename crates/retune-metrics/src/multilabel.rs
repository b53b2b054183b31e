//! Measures of decisions where an example may have several labels, or none.
//!
//! Notation: `n` examples; `l` labels; of one example, Y are the labels that it has and P those that are predicted.
//! Then
//!
//! subset accuracy = the share of examples with P = Y,
//! Hamming loss = Σ |P △ Y| / (n · l),
//!
//! from R. E. Schapire and Y. Singer, "BoosTexter", Machine Learning 39 (2000). Precision, recall and F are those of
//! each label, as at [`ConfusionMatrix::class_scores`](crate::ConfusionMatrix::class_scores), averaged over the labels;
//! or those of each example, |P ∩ Y| / |P|, |P ∩ Y| / |Y| and 2 |P ∩ Y| / (|P| + |Y|), averaged over the examples, from
//! S. Godbole and S. Sarawagi, "Discriminative methods for multi-labeled classification" (2004). Each is 0 where it
//! would be 0/0. Of examples without any label, predicted or given, F is so 0 too: scikit-learn's `zero_division=0`.

use serde::{Deserialize, Serialize};

use crate::averages::{Average, ClassScores};
use crate::checks::{mergeable, same_count};
use crate::counts::{Counts, averaged, check_beta};
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// Counts of the decisions: of the order of l, however many examples are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Multilabel {
    labels: Vec<Counts>,
    examples: u64,
    examples_all_right: u64,
    wrong_decisions: u64,
    precisions: CompensatedSum,
    recalls: CompensatedSum,
    f1s: CompensatedSum,
}

impl Multilabel {
    /// Counts of nothing yet.
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
        Ok(Multilabel {
            labels: vec![Counts::default(); labels],
            examples: 0,
            examples_all_right: 0,
            wrong_decisions: 0,
            precisions: CompensatedSum::default(),
            recalls: CompensatedSum::default(),
            f1s: CompensatedSum::default(),
        })
    }

    /// Counts one example: for each label whether the example has it, and whether it is predicted to.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`]; nothing is counted then.
    pub fn update(&mut self, labels: &[bool], predicted: &[bool]) -> Result<(), MetricError> {
        same_count("truths, one for each label", self.labels.len(), labels.len())?;
        same_count("decisions, one for each label", self.labels.len(), predicted.len())?;
        let mut example = Counts::default();
        let mut wrong = 0;
        for (counts, (&label, &predicted)) in self.labels.iter_mut().zip(labels.iter().zip(predicted)) {
            counts.update(label, predicted);
            example.update(label, predicted);
            wrong += u64::from(label != predicted);
        }
        self.examples += 1;
        self.examples_all_right += u64::from(wrong == 0);
        self.wrong_decisions += wrong;
        self.precisions.add(example.precision());
        self.recalls.add(example.recall());
        self.f1s.add(example.f_beta(1.0));
        Ok(())
    }

    /// Adds what another has counted.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of labels.
    pub fn merge(&mut self, other: &Multilabel) -> Result<(), MetricError> {
        mergeable("the number of labels", self.labels.len(), other.labels.len())?;
        for (counts, more) in self.labels.iter_mut().zip(&other.labels) {
            counts.merge(more);
        }
        self.examples += other.examples;
        self.examples_all_right += other.examples_all_right;
        self.wrong_decisions += other.wrong_decisions;
        self.precisions.merge(&other.precisions);
        self.recalls.merge(&other.recalls);
        self.f1s.merge(&other.f1s);
        Ok(())
    }

    /// n, the number of examples counted.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The share of examples of which every label is right.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn subset_accuracy(&self) -> Result<f64, MetricError> {
        Ok(self.examples_all_right as f64 / self.count("subset accuracy")?)
    }

    /// The share of decisions that are wrong.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn hamming_loss(&self) -> Result<f64, MetricError> {
        let n = self.count("Hamming loss")?;
        Ok(self.wrong_decisions as f64 / (n * self.labels.len() as f64))
    }

    /// The scores of each label. Where nothing is counted they are zeros.
    pub fn label_scores(&self) -> Vec<ClassScores> {
        self.labels.iter().map(|counts| counts.scores()).collect() // [l]
    }

    /// Precision, averaged over the labels. Unlike that of classes, a macro average is over all labels, those that the
    /// data lacks too; so it is in scikit-learn.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn precision(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("precision", average, Counts::precision)
    }

    /// Recall, averaged over the labels as [`precision`](Self::precision) is.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn recall(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("recall", average, Counts::recall)
    }

    /// F1, averaged over the labels as [`precision`](Self::precision) is.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn f1(&self, average: Average) -> Result<f64, MetricError> {
        self.averaged("F1", average, |counts| counts.f_beta(1.0))
    }

    /// F_β, averaged over the labels as [`precision`](Self::precision) is.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OutOfRange`] where β is negative or above 1e100.
    pub fn f_beta(&self, beta: f64, average: Average) -> Result<f64, MetricError> {
        check_beta(beta)?;
        self.averaged("F-beta", average, |counts| counts.f_beta(beta))
    }

    /// Precision of each example, averaged over the examples.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn samples_precision(&self) -> Result<f64, MetricError> {
        Ok(self.precisions.value() / self.count("precision of examples")?)
    }

    /// Recall of each example, averaged over the examples.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn samples_recall(&self) -> Result<f64, MetricError> {
        Ok(self.recalls.value() / self.count("recall of examples")?)
    }

    /// F1 of each example, averaged over the examples.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn samples_f1(&self) -> Result<f64, MetricError> {
        Ok(self.f1s.value() / self.count("F1 of examples")?)
    }

    fn count(&self, measure: &'static str) -> Result<f64, MetricError> {
        match self.examples {
            0 => Err(MetricError::Empty { measure }),
            examples => Ok(examples as f64),
        }
    }

    fn averaged(
        &self,
        measure: &'static str,
        average: Average,
        score: impl Fn(Counts) -> f64,
    ) -> Result<f64, MetricError> {
        self.count(measure)?;
        Ok(averaged(self.labels.iter().copied(), average, score))
    }
}
