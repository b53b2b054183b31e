//! The temperature that makes a classifier's probabilities fit its labels best.
//!
//! Logits z of an example become probabilities softmax(z / T). The T that makes the mean negative log-likelihood of held
//! out labels y smallest leaves every prediction as it is and mends the confidence (C. Guo, G. Pleiss, Y. Sun and K. Q.
//! Weinberger, "On calibration of modern neural networks", 2017). With b = 1/T,
//!
//! NLL(b) = mean of (log Σ exp(b·z) − b·z_y),
//! NLL'(b) = mean of (E z − z_y),   NLL''(b) = mean of Var z,
//!
//! mean and variance being those of z under softmax(b·z). So NLL is convex in b, and its minimum is where NLL' passes
//! zero: found by Newton's steps. Where a step would leave the interval that is known to hold the zero, or is not half as
//! long as the last, the interval is halved instead, so that steps to and fro across a bend of NLL' come to an end.

use serde::{Deserialize, Serialize};

use crate::checks::all_finite;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// A temperature, and what it does to the examples that it was fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// T; logits are divided by it.
    pub temperature: f64,
    /// The mean negative log-likelihood with T = 1, in nats.
    pub loss_before: f64,
    /// The mean negative log-likelihood with this T.
    pub loss_after: f64,
}

impl Temperature {
    /// The least T. Where all labels have the greatest logit the best T is 0, which is no temperature: this is taken.
    pub const LEAST: f64 = 0.01;
    /// The greatest T. Where the logits say nothing of the labels, or the opposite, the best T is infinite: this is taken.
    pub const GREATEST: f64 = 100.0;

    /// The best temperature from [`LEAST`](Self::LEAST) to [`GREATEST`](Self::GREATEST). `logits` are `[n, c]`, row by
    /// row: for each label those of every class.
    ///
    /// # Errors
    ///
    /// [`MetricError::NoClasses`], [`MetricError::OtherCount`], [`MetricError::ClassOutOfRange`],
    /// [`MetricError::NotFinite`], [`MetricError::Empty`].
    pub fn fit(labels: &[usize], logits: &[f64], classes: usize) -> Result<Self, MetricError> {
        if classes == 0 {
            return Err(MetricError::NoClasses);
        }
        if labels.is_empty() {
            return Err(MetricError::Empty { measure: "the best temperature" });
        }
        let expected = labels.len().saturating_mul(classes);
        if logits.len() != expected {
            let quantity = "logits, one for each label and class";
            return Err(MetricError::OtherCount { quantity, expected, found: logits.len() });
        }
        if let Some(&class) = labels.iter().find(|label| **label >= classes) {
            return Err(MetricError::ClassOutOfRange { role: "label", class, classes });
        }
        all_finite("a logit", logits)?;
        let margins = margins(labels, logits, classes); // [n, c]
        all_finite("the difference of two logits", &margins)?;
        let inverse = best_inverse(&margins, classes);
        Ok(Temperature {
            temperature: 1.0 / inverse,
            loss_before: Likelihood::at(1.0, &margins, classes).loss,
            loss_after: Likelihood::at(inverse, &margins, classes).loss,
        })
    }
}

/// z − z_y: what all three sums depend on.
fn margins(labels: &[usize], logits: &[f64], classes: usize) -> Vec<f64> {
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.flat_map(|(row, label)| row.iter().map(|logit| logit - row[*label])).collect() // [n, c]
}

fn best_inverse(margins: &[f64], classes: usize) -> f64 {
    let (mut low, mut high) = (1.0 / Temperature::GREATEST, 1.0 / Temperature::LEAST);
    if Likelihood::at(low, margins, classes).slope >= 0.0 {
        return low;
    }
    if Likelihood::at(high, margins, classes).slope <= 0.0 {
        return high;
    }
    let (mut inverse, mut last_step) = (1.0, f64::INFINITY);
    // Newton's steps converge in a few; halving alone would need about sixty.
    for _ in 0..200 {
        let Likelihood { slope, curvature, .. } = Likelihood::at(inverse, margins, classes);
        let newton = inverse - slope / curvature;
        if (newton - inverse).abs() <= 2.0 * f64::EPSILON * inverse || high - low <= 2.0 * f64::EPSILON * low {
            break;
        }
        if slope < 0.0 {
            low = inverse;
        } else {
            high = inverse;
        }
        let good = low < newton && newton < high && (newton - inverse).abs() <= last_step / 2.0;
        let next = if good { newton } else { low + (high - low) / 2.0 };
        last_step = (next - inverse).abs();
        inverse = next;
    }
    inverse
}

/// The mean negative log-likelihood at 1/T, and its first and second derivative by 1/T.
struct Likelihood {
    loss: f64,
    slope: f64,
    curvature: f64,
}

impl Likelihood {
    fn at(inverse: f64, margins: &[f64], classes: usize) -> Self {
        let mut sums = [CompensatedSum::default(); 3];
        for row in margins.chunks_exact(classes) {
            let greatest = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let weight = |margin: f64| (inverse * (margin - greatest)).exp();
            let total: f64 = row.iter().map(|margin| weight(*margin)).sum();
            let mean = row.iter().map(|margin| weight(*margin) * margin).sum::<f64>() / total;
            let variance = row.iter().map(|margin| weight(*margin) * (margin - mean).powi(2)).sum::<f64>() / total;
            for (sum, value) in sums.iter_mut().zip([total.ln() + inverse * greatest, mean, variance]) {
                sum.add(value);
            }
        }
        let [loss, slope, curvature] = sums.map(|sum| sum.value() / (margins.len() / classes) as f64);
        Likelihood { loss, slope, curvature }
    }
}

#[cfg(test)]
mod tests {
    use super::Likelihood;

    /// A wrong second derivative would not show in the result, only in the number of steps to it.
    #[test]
    fn derivatives_equal_central_differences() {
        const STEP: f64 = 1e-4;
        let margins = [0.0, -1.5, 2.25, 3.0, 0.0, -0.5, -2.0, 1.0, 0.0]; // [3, 3]
        for inverse in [0.05, 0.5, 1.0, 2.0, 7.0] {
            let [before, at, after] =
                [inverse - STEP, inverse, inverse + STEP].map(|inverse| Likelihood::at(inverse, &margins, 3));
            let slope = (after.loss - before.loss) / (2.0 * STEP);
            let curvature = (after.slope - before.slope) / (2.0 * STEP);
            assert!((at.slope - slope).abs() < 1e-6, "at {inverse}: {} is not {slope}", at.slope);
            assert!((at.curvature - curvature).abs() < 1e-6, "at {inverse}: {} is not {curvature}", at.curvature);
        }
    }
}
