//! What classifiers say of rows.

use crate::error::{InspectError, same_length};

/// A probability for each row and class: `[n, c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    values: Vec<f64>,
    classes: usize,
}

impl Probabilities {
    /// `n` rows of one number for each class, end to end.
    ///
    /// # Errors
    /// They do not fill whole rows, or one is outside \[0, 1\].
    pub fn new(values: Vec<f64>, classes: usize) -> Result<Self, InspectError> {
        let rows = values.len() / classes.max(1);
        same_length("the probabilities", rows * classes, values.len())?;
        let wrong = values.iter().position(|value| !(0.0..=1.0).contains(value));
        match wrong {
            Some(place) => {
                Err(InspectError::Value { what: "a probability", row: place / classes, value: values[place] })
            }
            None => Ok(Self { values, classes }),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.classes.max(1)
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Those of one row: `[c]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.classes..(row + 1) * self.classes]
    }

    /// The likeliest class of a row, the first of several.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn likeliest(&self, row: usize) -> usize {
        let row = self.row(row);
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    }

    /// The mean of two classifiers' probabilities.
    ///
    /// # Errors
    /// They are of different shapes.
    pub fn mean_with(&self, other: &Self) -> Result<Self, InspectError> {
        same_length("the probabilities", self.values.len(), other.values.len())?;
        same_length("a row of probabilities", self.classes, other.classes)?;
        let values = self.values.iter().zip(&other.values).map(|(a, b)| (a + b) / 2.0).collect();
        Ok(Self { values, classes: self.classes })
    }

    pub(crate) fn of(values: Vec<f64>, classes: usize) -> Self {
        Self { values, classes }
    }

    pub(crate) fn zeros(rows: usize, classes: usize) -> Self {
        Self { values: vec![0.0; rows * classes], classes }
    }

    pub(crate) fn set(&mut self, row: usize, values: &[f64]) {
        self.values[row * self.classes..(row + 1) * self.classes].copy_from_slice(values);
    }
}
