//! Areas under curves for more than two classes.
//!
//! One against the rest: of each class, the examples of it are positive and all others negative, scored by the score of
//! the class; then an average over the classes. One against one: of each two classes that some example has, the area
//! that the score of the one gives among the examples of both, and that of the other, and the mean of all these: M of
//! D. J. Hand and R. J. Till, "A simple generalisation of the area under the ROC curve for multiple class
//! classification problems", Machine Learning 45 (2001). It does not change with how common the classes are.

use crate::averages::Average;
use crate::binary_scores::BinaryScores;
use crate::checks::{all_finite, mergeable, same_count};
use crate::error::MetricError;
use crate::multilabel_scores::MultilabelScores;

/// The label and the scores of every example. The measures are exact, so the state is of the order of n · c, for n
/// examples and c classes.
#[derive(Debug, Clone, PartialEq)]
pub struct MulticlassScores {
    classes: usize,
    examples: Vec<(usize, Vec<f64>)>,
}

impl MulticlassScores {
    /// Scores of nothing yet.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoClasses`].
    pub fn new(classes: usize) -> Result<Self, MetricError> {
        match classes {
            0 => Err(MetricError::NoClasses),
            classes => Ok(MulticlassScores { classes, examples: Vec::new() }),
        }
    }

    /// Adds one example: its label, and a score for each class.
    ///
    /// # Errors
    ///
    /// [`MetricError::ClassOutOfRange`], [`MetricError::OtherCount`], [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, label: usize, scores: &[f64]) -> Result<(), MetricError> {
        if label >= self.classes {
            return Err(MetricError::ClassOutOfRange { role: "label", class: label, classes: self.classes });
        }
        same_count("scores, one for each class", self.classes, scores.len())?;
        all_finite("a score", scores)?;
        self.examples.push((label, scores.to_vec()));
        Ok(())
    }

    /// Adds what another has seen.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of classes.
    pub fn merge(&mut self, other: &MulticlassScores) -> Result<(), MetricError> {
        mergeable("the number of classes", self.classes, other.classes)?;
        self.examples.extend_from_slice(&other.examples);
        Ok(())
    }

    /// n, the number of examples seen.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// ROC AUC of each class against the rest, averaged. A weighted average leaves out the classes that no example has;
    /// a macro average of them is not defined.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OneSidedClass`], or in a micro average [`MetricError::OneSided`], where a
    /// class that counts has no example, or has all of them.
    pub fn roc_auc_one_vs_rest(&self, average: Average) -> Result<f64, MetricError> {
        self.one_vs_rest()?.roc_auc(average)
    }

    /// Average precision of each class against the rest, averaged; that of a class that no example has is 0.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn average_precision(&self, average: Average) -> Result<f64, MetricError> {
        self.one_vs_rest()?.average_precision(average)
    }

    /// ROC AUC of each class against each other, averaged over the pairs of classes that some example has.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::OneSided`] where all examples are of one class.
    pub fn roc_auc_one_vs_one(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "ROC AUC";
        let mut by_class = vec![Vec::new(); self.classes]; // [c][examples of it]
        for (label, scores) in &self.examples {
            by_class[*label].push(scores);
        }
        let present: Vec<usize> = (0..self.classes).filter(|class| !by_class[*class].is_empty()).collect();
        match present.len() {
            0 => return Err(MetricError::Empty { measure: MEASURE }),
            1 => return Err(MetricError::OneSided { measure: MEASURE, missing: "negative" }),
            _ => {}
        }
        let (mut sum, mut areas) = (0.0, 0);
        for &positive in &present {
            for &negative in present.iter().filter(|class| **class != positive) {
                let mut pair = BinaryScores::new();
                for class in [positive, negative] {
                    by_class[class].iter().try_for_each(|scores| pair.update(class == positive, scores[positive]))?;
                }
                sum += pair.roc_auc()?;
                areas += 1;
            }
        }
        Ok(sum / f64::from(areas))
    }

    /// Each class against the rest, as labels that exclude each other: for thresholds of classes, and curves.
    ///
    /// # Errors
    ///
    /// None that what was added can cause.
    pub fn one_vs_rest(&self) -> Result<MultilabelScores, MetricError> {
        let mut columns = MultilabelScores::new(self.classes)?;
        for (label, scores) in &self.examples {
            let labels: Vec<bool> = (0..self.classes).map(|class| class == *label).collect(); // [c]
            columns.update(&labels, scores)?;
        }
        Ok(columns)
    }
}
