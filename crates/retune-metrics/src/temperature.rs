//! The temperature that makes a classifier's probabilities fit its labels best.
//!
//! Logits z of an example become probabilities softmax(z / T). The T that makes the mean negative log-likelihood of held
//! out labels y smallest leaves every prediction as it is and mends the confidence (C. Guo, G. Pleiss, Y. Sun and K. Q.
//! Weinberger, "On calibration of modern neural networks", 2017). With b = 1/T,
//!
//! NLL(b) = mean of (log Σ exp(b·z) − b·z_y),
//! NLL'(b) = mean of (E z − z_y),
//!
//! the mean of z being that under softmax(b·z). NLL is convex in b, so its minimum is where NLL' passes zero, which is
//! found by halving an interval: the one way of which every step shows in the result.

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
    /// The greatest T. Where the logits say nothing of the labels, or the opposite, the best T is infinite: this is
    /// taken.
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
    // From 100 down to what is lost beside 0.01 in double precision.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if Likelihood::at(middle, margins, classes).slope < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The mean negative log-likelihood at 1/T, and its derivative by 1/T.
struct Likelihood {
    loss: f64,
    slope: f64,
}

impl Likelihood {
    fn at(inverse: f64, margins: &[f64], classes: usize) -> Self {
        let mut sums = [CompensatedSum::default(); 2];
        for row in margins.chunks_exact(classes) {
            let greatest = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let (mut total, mut moment) = (0.0, 0.0);
            for margin in row {
                let weight = (inverse * (margin - greatest)).exp();
                total += weight;
                moment += weight * margin;
            }
            for (sum, value) in sums.iter_mut().zip([total.ln() + inverse * greatest, moment / total]) {
                sum.add(value);
            }
        }
        let [loss, slope] = sums.map(|sum| sum.value() / (margins.len() / classes) as f64);
        Likelihood { loss, slope }
    }
}

#[cfg(test)]
mod tests {
    use super::Likelihood;

    #[test]
    fn the_derivative_equals_central_differences() {
        const STEP: f64 = 1e-4;
        let margins = [0.0, -1.5, 2.25, 3.0, 0.0, -0.5, -2.0, 1.0, 0.0]; // [3, 3]
        for inverse in [0.05, 0.5, 1.0, 2.0, 7.0] {
            let [before, at, after] =
                [inverse - STEP, inverse, inverse + STEP].map(|inverse| Likelihood::at(inverse, &margins, 3));
            let slope = (after.loss - before.loss) / (2.0 * STEP);
            assert!((at.slope - slope).abs() < 1e-6, "at {inverse}: {} is not {slope}", at.slope);
        }
    }
}
