//! Multinomial logistic regression with an L2 penalty, as scikit-learn's `LogisticRegression` (solver `lbfgs`).
//!
//! Notation: `n` rows, `d` features, `c` classes, weights W `[k, d]` and intercepts b `[k]`, where k = c, but k = 1
//! where c = 2.
//!
//! Minimises Σᵢ −log p(yᵢ | xᵢ) + ‖W‖² / (2C), with p the softmax of W x + b, or of two classes its logistic function
//! for the second. Intercepts are not penalised. scikit-learn stops at a gradient of the mean loss below `tol`; so does
//! this.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::{InspectError, same_length};
use crate::features::{Features, SparseRows};
use crate::lbfgs::{Limits, minimize};
use crate::probabilities::Probabilities;

/// How a regression is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticRegression {
    /// C: how little the weights are held back.
    pub inverse_penalty: f64,
    /// The largest entry of the gradient of the mean loss at which it stops.
    pub tolerance: f64,
    /// The most steps.
    pub iterations: usize,
}

impl Default for LogisticRegression {
    /// scikit-learn's.
    fn default() -> Self {
        Self { inverse_penalty: 1.0, tolerance: 1e-4, iterations: 100 }
    }
}

/// A fitted regression.
#[derive(Clone, Debug)]
pub struct FittedRegression {
    /// W: `[k, d]`.
    weights: Array2<f64>,
    /// b: `[k]`.
    intercepts: Array1<f64>,
    /// Of each output the class: those that had rows.
    present: Vec<usize>,
    classes: usize,
    /// Whether the gradient fell below the tolerance within the steps that were allowed.
    pub converged: bool,
    /// Steps taken.
    pub iterations: usize,
}

impl LogisticRegression {
    /// Fits the classes `0..classes`; of one that no row has, the probability is 0.
    ///
    /// # Errors
    /// Labels are not as many as rows, or no classes; fewer than two classes have rows; a setting is out of its range.
    pub fn fit(&self, features: &Features, labels: &[usize], classes: usize) -> Result<FittedRegression, InspectError> {
        if !(self.inverse_penalty > 0.0 && self.inverse_penalty.is_finite()) {
            let value = self.inverse_penalty;
            return Err(InspectError::Setting { name: "inverse_penalty", value, range: "positive" });
        }
        let present = present(labels, classes, features.rows())?;
        let mut output_of = vec![0; classes];
        present.iter().enumerate().for_each(|(output, class)| output_of[*class] = output);
        let targets: Vec<usize> = labels.iter().map(|label| output_of[*label]).collect();
        let outputs = if present.len() == 2 { 1 } else { present.len() };
        let (n, d) = (features.rows() as f64, features.width());
        let penalty = 1.0 / (self.inverse_penalty * n);
        let mut logits = Array2::zeros((features.rows(), outputs));
        let evaluate = |point: &[f64], gradient: &mut [f64]| {
            let (weights, intercepts) = point.split_at(outputs * d);
            let weights = view(weights, outputs, d);
            products(features, weights, intercepts, &mut logits);
            let loss: f64 =
                logits.rows_mut().into_iter().zip(&targets).map(|(row, target)| residual(row, *target)).sum();
            let (weight_gradient, intercept_gradient) = gradient.split_at_mut(outputs * d);
            gradients(features, &logits, weight_gradient);
            for (gradient, column) in intercept_gradient.iter_mut().zip(logits.columns()) {
                *gradient = column.sum() / n;
            }
            let mut squares = 0.0;
            for (gradient, weight) in weight_gradient.iter_mut().zip(&point[..outputs * d]) {
                *gradient = *gradient / n + penalty * weight;
                squares += weight * weight;
            }
            loss / n + penalty / 2.0 * squares
        };
        let limits = Limits { tolerance: self.tolerance, iterations: self.iterations };
        let found = minimize(evaluate, vec![0.0; outputs * (d + 1)], limits);
        let (weights, intercepts) = found.point.split_at(outputs * d);
        Ok(FittedRegression {
            weights: view(weights, outputs, d).to_owned(),
            intercepts: Array1::from(intercepts.to_vec()),
            present,
            classes,
            converged: found.converged,
            iterations: found.iterations,
        })
    }
}

impl FittedRegression {
    /// The probabilities of the classes of other rows: `[n, c]`.
    ///
    /// # Errors
    /// The rows have another number of features.
    pub fn probabilities(&self, features: &Features) -> Result<Probabilities, InspectError> {
        same_length("a row of features", self.weights.ncols(), features.width())?;
        let mut logits = Array2::zeros((features.rows(), self.weights.nrows()));
        products(features, self.weights.view(), self.intercepts.as_slice().unwrap_or_default(), &mut logits);
        let mut values = vec![0.0; features.rows() * self.classes];
        for (logits, row) in logits.rows().into_iter().zip(values.chunks_mut(self.classes)) {
            if let [logit] = logits.as_slice().unwrap_or_default() {
                row[self.present[1]] = sigmoid(*logit);
                row[self.present[0]] = sigmoid(-logit);
                continue;
            }
            let largest = logits.fold(f64::NEG_INFINITY, |largest, logit| largest.max(*logit));
            let sum: f64 = logits.iter().map(|logit| libm::exp(logit - largest)).sum();
            for (logit, class) in logits.iter().zip(&self.present) {
                row[*class] = libm::exp(logit - largest) / sum;
            }
        }
        Ok(Probabilities::of(values, self.classes))
    }

    /// What each feature adds to the logit of a class for every unit of it: `[d]`; of two classes, the first's are the
    /// second's with the other sign. `None` for a class that had no rows.
    pub fn weights(&self, class: usize) -> Option<Vec<f64>> {
        let output = self.present.iter().position(|present| *present == class)?;
        Some(match (self.weights.nrows(), output) {
            (1, 0) => self.weights.row(0).iter().map(|weight| -weight).collect(),
            (1, _) => self.weights.row(0).to_vec(),
            _ => self.weights.row(output).to_vec(),
        })
    }

    /// The logit of a class where all features are 0, in the same way.
    pub fn intercept(&self, class: usize) -> Option<f64> {
        let output = self.present.iter().position(|present| *present == class)?;
        Some(match (self.intercepts.len(), output) {
            (1, 0) => -self.intercepts[0],
            (1, _) => self.intercepts[0],
            _ => self.intercepts[output],
        })
    }
}

/// The classes that have rows, in their order.
fn present(labels: &[usize], classes: usize, rows: usize) -> Result<Vec<usize>, InspectError> {
    same_length("the labels", rows, labels.len())?;
    let mut has_rows = vec![false; classes];
    for (row, label) in labels.iter().enumerate() {
        *has_rows.get_mut(*label).ok_or(InspectError::Label { row, label: *label, classes })? = true;
    }
    let present: Vec<usize> = (0..classes).filter(|class| has_rows[*class]).collect();
    if present.len() < 2 { Err(InspectError::OneClass { classes }) } else { Ok(present) }
}

fn view(values: &[f64], rows: usize, columns: usize) -> ArrayView2<'_, f64> {
    // The slice was cut to this size.
    ArrayView2::from_shape((rows, columns), values)
        .unwrap_or_else(|_| unreachable!("a slice of rows · columns numbers"))
}

/// X Wᵀ + b: `[n, k]`.
fn products(features: &Features, weights: ArrayView2<'_, f64>, intercepts: &[f64], logits: &mut Array2<f64>) {
    for (mut column, intercept) in logits.columns_mut().into_iter().zip(intercepts) {
        column.fill(*intercept);
    }
    match features {
        Features::Dense(dense) => general_mat_mul(1.0, &dense.view(), &weights.t(), 1.0, logits),
        Features::Sparse(sparse) => {
            // A column of weights is read for each entry: it should lie in one piece.
            let columns = weights.t().as_standard_layout().into_owned(); // [d, k]
            for (row, mut logits) in logits.rows_mut().into_iter().enumerate() {
                for (column, value) in sparse.row(row) {
                    logits.scaled_add(value, &columns.row(column as usize));
                }
            }
        }
    }
}

/// Rᵀ X: `[k, d]`, of the residuals R `[n, k]`.
fn gradients(features: &Features, residuals: &Array2<f64>, gradient: &mut [f64]) {
    let outputs = residuals.ncols();
    let product = match features {
        Features::Dense(dense) => residuals.t().dot(&dense.view()),
        Features::Sparse(sparse) => sparse_gradient(sparse, residuals).reversed_axes(),
    };
    debug_assert_eq!(product.nrows(), outputs);
    gradient.iter_mut().zip(product.iter()).for_each(|(gradient, product)| *gradient = *product);
}

/// Xᵀ R: `[d, k]`.
fn sparse_gradient(sparse: &SparseRows, residuals: &Array2<f64>) -> Array2<f64> {
    let mut product = Array2::zeros((sparse.width(), residuals.ncols()));
    for (row, residual) in residuals.axis_iter(Axis(0)).enumerate() {
        for (column, value) in sparse.row(row) {
            product.row_mut(column as usize).scaled_add(value, &residual);
        }
    }
    product
}

/// −log p of the target; the logits become the gradient of it: p − y.
fn residual(mut logits: ndarray::ArrayViewMut1<'_, f64>, target: usize) -> f64 {
    if logits.len() == 1 {
        let logit = logits[0];
        let signed = if target == 1 { logit } else { -logit };
        logits[0] = sigmoid(logit) - target as f64;
        return softplus(-signed);
    }
    let largest = logits.fold(f64::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let own = logits[target] - largest;
    logits.mapv_inplace(|logit| libm::exp(logit - largest));
    let sum = logits.sum();
    logits /= sum;
    logits[target] -= 1.0;
    libm::log(sum) - own
}

/// log(1 + eˣ).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::DenseRows;

    #[test]
    fn a_class_without_rows_is_impossible() {
        let features = Features::Dense(DenseRows::new(vec![0.0, 1.0, 2.0, 3.0], 1).unwrap());
        let fitted = LogisticRegression::default().fit(&features, &[0, 0, 2, 2], 4).unwrap();
        let probabilities = fitted.probabilities(&features).unwrap();
        for row in 0..4 {
            let row = probabilities.row(row);
            assert_eq!((row[1], row[3]), (0.0, 0.0));
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!((probabilities.likeliest(0), probabilities.likeliest(3)), (0, 2));
        assert!(fitted.weights(1).is_none() && fitted.intercept(3).is_none());
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let features = Features::Dense(DenseRows::new(vec![0.0, 1.0], 1).unwrap());
        let fit = |labels: &[usize]| LogisticRegression::default().fit(&features, labels, 2).unwrap_err();
        assert_eq!(fit(&[0, 0]), InspectError::OneClass { classes: 2 });
        assert_eq!(fit(&[0, 2]), InspectError::Label { row: 1, label: 2, classes: 2 });
        assert_eq!(fit(&[0]), InspectError::Length { what: "the labels", expected: 2, found: 1 });
        assert!(DenseRows::new(vec![0.0, f64::NAN], 1).is_err());
    }
}
