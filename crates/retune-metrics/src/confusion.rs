//! The confusion matrix, and the measures that are one formula of it.
//!
//! Notation: `c` classes; `n` examples; `count[i][j]` examples of label `i` that were predicted `j`; `t[i]` examples of
//! label `i` (its support); `p[j]` examples predicted `j`; `s` examples that are right, the sum of the diagonal.

use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// How many examples of each label were predicted as each class.
///
/// It has c² counts, however many examples are counted. All measures of it cost at most one pass over these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row by row: `count[label * classes + predicted]`.
    counts: Vec<u64>,
}

/// Examples of one label that were taken for another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What they are.
    pub label: usize,
    /// What they were taken for.
    pub predicted: usize,
    /// How many were.
    pub count: u64,
    /// How many examples have this label, taken for whatever class.
    pub support: u64,
}

impl ConfusionMatrix {
    /// A matrix that has counted nothing.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoClasses`].
    pub fn new(classes: usize) -> Result<Self, MetricError> {
        if classes == 0 {
            return Err(MetricError::NoClasses);
        }
        Ok(ConfusionMatrix { classes, counts: vec![0; classes * classes] })
    }

    /// A matrix that has counted every `(label, predicted)`.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new) and [`update`](Self::update).
    pub fn from_pairs(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Result<Self, MetricError> {
        let mut matrix = ConfusionMatrix::new(classes)?;
        for (label, predicted) in pairs {
            matrix.update(label, predicted)?;
        }
        Ok(matrix)
    }

    /// Counts one example.
    ///
    /// # Errors
    ///
    /// [`MetricError::ClassOutOfRange`]; nothing is counted then.
    pub fn update(&mut self, label: usize, predicted: usize) -> Result<(), MetricError> {
        let classes = self.classes;
        for (role, class) in [("label", label), ("prediction", predicted)] {
            if class >= classes {
                return Err(MetricError::ClassOutOfRange { role, class, classes });
            }
        }
        self.counts[label * classes + predicted] += 1;
        Ok(())
    }

    /// Adds what another matrix has counted.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherClasses`] where the other has another number of classes.
    pub fn merge(&mut self, other: &ConfusionMatrix) -> Result<(), MetricError> {
        if self.classes != other.classes {
            return Err(MetricError::OtherClasses { expected: self.classes, found: other.classes });
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        Ok(())
    }

    /// c, the number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// n, the number of examples counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Examples of this label that were predicted as this class; 0 for classes that there are not.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        if label < self.classes && predicted < self.classes { self.counts[label * self.classes + predicted] } else { 0 }
    }

    /// t, for each class the number of examples that have it as their label.
    pub fn supports(&self) -> Vec<u64> {
        self.counts.chunks_exact(self.classes).map(|row| row.iter().sum()).collect() // [c]
    }

    /// p, for each class the number of examples that were predicted as it.
    pub fn predictions(&self) -> Vec<u64> {
        let mut predictions = vec![0; self.classes]; // [c]
        for row in self.counts.chunks_exact(self.classes) {
            for (sum, count) in predictions.iter_mut().zip(row) {
                *sum += count;
            }
        }
        predictions
    }

    /// s/n: the share of examples that are right.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn accuracy(&self) -> Result<f64, MetricError> {
        let total = self.examples("accuracy")?;
        Ok(self.right().iter().sum::<u64>() as f64 / total as f64)
    }

    /// The mean of recall over the classes that are some example's label.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn balanced_accuracy(&self) -> Result<f64, MetricError> {
        self.examples("balanced accuracy")?;
        let supports = self.supports();
        let recalls = self.right().into_iter().zip(supports).filter(|(_, support)| *support > 0);
        let (sum, classes) =
            recalls.fold((0.0, 0), |(sum, n), (right, support)| (sum + right as f64 / support as f64, n + 1));
        Ok(sum / f64::from(classes))
    }

    /// Matthews' correlation coefficient for any number of classes, from −1 to 1:
    ///
    /// (s·n − Σ p·t) / √((n² − Σ p²)(n² − Σ t²))
    ///
    /// from J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient",
    /// Computational Biology and Chemistry 28 (2004). It is 0 where all labels, or all predictions, are one class.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn mcc(&self) -> Result<f64, MetricError> {
        let margins = self.margins("MCC")?;
        let covariance = signed_difference(margins.right * margins.total, margins.agreement_by_chance);
        let square = margins.total * margins.total;
        let variance_of_predictions = (square - margins.predictions_squared) as f64;
        let variance_of_labels = (square - margins.supports_squared) as f64;
        // The root of the product, not the product of the roots: so a perfect prediction gives exactly 1.
        Ok(ratio(covariance, (variance_of_predictions * variance_of_labels).sqrt()))
    }

    /// Cohen's kappa: by how much of what chance leaves the agreement of labels and predictions exceeds chance,
    ///
    /// (s·n − Σ p·t) / (n² − Σ p·t)
    ///
    /// from J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20
    /// (1960). It is 0 where all labels and all predictions are one class; scikit-learn gives NaN there.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn cohen_kappa(&self) -> Result<f64, MetricError> {
        let margins = self.margins("Cohen's kappa")?;
        let above_chance = signed_difference(margins.right * margins.total, margins.agreement_by_chance);
        Ok(ratio(above_chance, (margins.total * margins.total - margins.agreement_by_chance) as f64))
    }

    /// The `most` commonest mistakes, the commonest first; among equals those of lower classes first.
    pub fn most_confused(&self, most: usize) -> Vec<Confusion> {
        let mut confusions = Vec::new();
        for (label, row) in self.counts.chunks_exact(self.classes).enumerate() {
            let support = row.iter().sum();
            let mistakes = row.iter().enumerate().filter(|(predicted, count)| *predicted != label && **count > 0);
            confusions.extend(mistakes.map(|(predicted, &count)| Confusion { label, predicted, count, support }));
        }
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
        confusions.truncate(most);
        confusions
    }

    /// The counts, row by row.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The same classes with other counts.
    pub(crate) fn counts_mut(&mut self) -> &mut [u64] {
        &mut self.counts
    }

    /// The diagonal: for each class the number of its examples that are right.
    pub(crate) fn right(&self) -> Vec<u64> {
        self.counts.iter().step_by(self.classes + 1).copied().collect() // [c]
    }

    /// n, where there is any example.
    pub(crate) fn examples(&self, measure: &'static str) -> Result<u64, MetricError> {
        match self.total() {
            0 => Err(MetricError::Empty { measure }),
            total => Ok(total),
        }
    }

    fn margins(&self, measure: &'static str) -> Result<Margins, MetricError> {
        let total = self.examples(measure)?.into();
        let sum_of_products =
            |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| u128::from(*a) * u128::from(*b)).sum();
        let (supports, predictions) = (self.supports(), self.predictions());
        Ok(Margins {
            total,
            right: self.right().iter().sum::<u64>().into(),
            agreement_by_chance: sum_of_products(&supports, &predictions),
            supports_squared: sum_of_products(&supports, &supports),
            predictions_squared: sum_of_products(&predictions, &predictions),
        })
    }
}

/// The sums that correlation measures are made of, exact: a difference of large products in floats would lose digits.
struct Margins {
    total: u128,
    right: u128,
    agreement_by_chance: u128,
    supports_squared: u128,
    predictions_squared: u128,
}

fn signed_difference(a: u128, b: u128) -> f64 {
    if a >= b { (a - b) as f64 } else { -((b - a) as f64) }
}

/// a/b, and 0 for 0/0.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

impl From<ConfusionMatrix> for Vec<Vec<u64>> {
    fn from(matrix: ConfusionMatrix) -> Self {
        matrix.counts.chunks_exact(matrix.classes).map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for ConfusionMatrix {
    type Error = MetricError;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, MetricError> {
        let classes = rows.len();
        if classes == 0 {
            return Err(MetricError::NoClasses);
        }
        match rows.iter().find(|row| row.len() != classes) {
            Some(row) => Err(MetricError::OtherClasses { expected: classes, found: row.len() }),
            None => Ok(ConfusionMatrix { classes, counts: rows.concat() }),
        }
    }
}
