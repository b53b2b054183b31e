//! Measures of predicted numbers that are sums over examples.
//!
//! Notation: `n` examples with label `y` and prediction `p`; `ȳ`, `p̄` means over the examples; e = p − y. Then
//!
//! MAE = Σ |e| / n, MSE = Σ e² / n, RMSE = √MSE, max error = max |e|,
//! R² = 1 − Σ e² / Σ (y − ȳ)²,
//! r = Σ (y − ȳ)(p − p̄) / √(Σ (y − ȳ)² · Σ (p − p̄)²).
//!
//! r is from K. Pearson, "Notes on regression and inheritance in the case of two parents", Proceedings of the Royal
//! Society of London 58 (1895). The centred sums are kept centred, by the update of B. P. Welford, "Note on a method for
//! calculating corrected sums of squares and products", Technometrics 4 (1962), and merged by that of T. F. Chan, G. H.
//! Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979): sums of
//! squares would lose the digits of numbers that are far from zero.

use serde::{Deserialize, Serialize};

use crate::checks::finite;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// The sums over examples that the measures are made of: of constant size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    examples: u64,
    absolute_errors: CompensatedSum,
    squared_errors: CompensatedSum,
    max_error: f64,
    /// The first label and prediction. What is centred is taken from here, as a mean that is far from zero has few
    /// digits left for what it changes by.
    label_origin: f64,
    prediction_origin: f64,
    /// ȳ and p̄, from the origins.
    mean_label: f64,
    mean_prediction: f64,
    /// Σ (y − ȳ)², and so on.
    label_squares: f64,
    prediction_squares: f64,
    products: f64,
}

impl Regression {
    /// The measures of nothing yet.
    pub fn new() -> Self {
        Regression::default()
    }

    /// Adds one example.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, label: f64, prediction: f64) -> Result<(), MetricError> {
        finite("a label", label)?;
        finite("a prediction", prediction)?;
        let error = finite("the difference of a label and its prediction", prediction - label)?;
        self.absolute_errors.add(error.abs());
        self.squared_errors.add(error * error);
        self.max_error = self.max_error.max(error.abs());
        self.examples += 1;
        if self.examples == 1 {
            (self.label_origin, self.prediction_origin) = (label, prediction);
        }
        let (label, prediction) = (label - self.label_origin, prediction - self.prediction_origin);
        let n = self.examples as f64;
        let (from_old_label, from_old_prediction) = (label - self.mean_label, prediction - self.mean_prediction);
        self.mean_label += from_old_label / n;
        self.mean_prediction += from_old_prediction / n;
        self.label_squares += from_old_label * (label - self.mean_label);
        self.prediction_squares += from_old_prediction * (prediction - self.mean_prediction);
        self.products += from_old_label * (prediction - self.mean_prediction);
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Regression) {
        if other.examples == 0 {
            return;
        }
        if self.examples == 0 {
            *self = *other;
            return;
        }
        let (n, more) = (self.examples as f64, other.examples as f64);
        let labels_apart = (other.label_origin - self.label_origin) + (other.mean_label - self.mean_label);
        let predictions_apart =
            (other.prediction_origin - self.prediction_origin) + (other.mean_prediction - self.mean_prediction);
        let (share, weight) = (more / (n + more), n * more / (n + more));
        self.mean_label += labels_apart * share;
        self.mean_prediction += predictions_apart * share;
        self.label_squares += other.label_squares + labels_apart * labels_apart * weight;
        self.prediction_squares += other.prediction_squares + predictions_apart * predictions_apart * weight;
        self.products += other.products + labels_apart * predictions_apart * weight;
        self.absolute_errors.merge(&other.absolute_errors);
        self.squared_errors.merge(&other.squared_errors);
        self.max_error = self.max_error.max(other.max_error);
        self.examples += other.examples;
    }

    /// n, the number of examples seen.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The mean absolute error.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where the sum overflows.
    pub fn mean_absolute_error(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "the mean absolute error";
        let n = self.at_least(1, MEASURE)?;
        finite(MEASURE, self.absolute_errors.value() / n)
    }

    /// The mean squared error.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::NotFinite`] where the sum overflows.
    pub fn mean_squared_error(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "the mean squared error";
        let n = self.at_least(1, MEASURE)?;
        finite(MEASURE, self.squared_errors.value() / n)
    }

    /// The root of the mean squared error.
    ///
    /// # Errors
    ///
    /// Those of [`mean_squared_error`](Self::mean_squared_error).
    pub fn root_mean_squared_error(&self) -> Result<f64, MetricError> {
        Ok(self.mean_squared_error()?.sqrt())
    }

    /// The largest absolute error of an example.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn max_error(&self) -> Result<f64, MetricError> {
        self.at_least(1, "the largest error")?;
        Ok(self.max_error)
    }

    /// R², the coefficient of determination: 1 at best, 0 for a model that always says ȳ, and below 0 for a worse one.
    ///
    /// Where all labels are the same it is 1 if every prediction is right and 0 otherwise, as in scikit-learn.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::TooFew`] of one example; [`MetricError::NotFinite`] where a sum overflows.
    pub fn r_squared(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "R squared";
        self.at_least(2, MEASURE)?;
        let errors = self.squared_errors.value();
        if errors == 0.0 {
            return Ok(1.0);
        }
        if self.label_squares == 0.0 {
            return Ok(0.0);
        }
        finite(MEASURE, 1.0 - errors / self.label_squares)
    }

    /// r, Pearson's correlation of labels and predictions, from −1 to 1.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::TooFew`] of one example; [`MetricError::Constant`] where all labels, or
    /// all predictions, are the same; [`MetricError::NotFinite`] where a sum overflows.
    pub fn pearson(&self) -> Result<f64, MetricError> {
        const MEASURE: &str = "Pearson's correlation";
        self.at_least(2, MEASURE)?;
        for (quantity, squares) in [("the labels", self.label_squares), ("the predictions", self.prediction_squares)] {
            if squares == 0.0 {
                return Err(MetricError::Constant { measure: MEASURE, quantity });
            }
        }
        let r = self.products / self.label_squares.sqrt() / self.prediction_squares.sqrt();
        Ok(finite(MEASURE, r)?.clamp(-1.0, 1.0))
    }

    fn at_least(&self, expected: usize, measure: &'static str) -> Result<f64, MetricError> {
        match self.examples {
            0 => Err(MetricError::Empty { measure }),
            found if found < expected as u64 => Err(MetricError::TooFew { measure, expected, found: found as usize }),
            found => Ok(found as f64),
        }
    }
}
