//! Correlations of the order of labels and predictions.
//!
//! Spearman's ρ is Pearson's correlation of the ranks, where equal values share the mean of their ranks (C. Spearman,
//! "The proof and measurement of association between two things", American Journal of Psychology 15, 1904).
//!
//! Kendall's τ-b compares every two examples (M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33,
//! 1945):
//!
//! τ = (C − D) / √((N − T)(N − U))
//!
//! where of the N = n(n − 1)/2 pairs C are in the same order by label and by prediction, D in opposite order, T have
//! equal labels and U equal predictions. The pairs in opposite order are counted while merging sorted runs, as in W. R.
//! Knight, "A computer method for calculating Kendall's tau with ungrouped data", Journal of the American Statistical
//! Association 61 (1966): time is of the order of n · log n.

use serde::{Deserialize, Serialize};

use crate::checks::finite;
use crate::error::MetricError;
use crate::regression::Regression;

/// Labels and predictions, all of them: ranks are not known before the end, so the state is of the order of n.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RankCorrelation {
    /// Label and prediction of each example.
    examples: Vec<(f64, f64)>,
}

impl RankCorrelation {
    /// The correlation of nothing yet.
    pub fn new() -> Self {
        RankCorrelation::default()
    }

    /// Adds one example.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then.
    pub fn update(&mut self, label: f64, prediction: f64) -> Result<(), MetricError> {
        finite("a label", label)?;
        finite("a prediction", prediction)?;
        // −0 and 0 are equal, and a sort by total order would part them.
        self.examples.push((label + 0.0, prediction + 0.0));
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &RankCorrelation) {
        self.examples.extend_from_slice(&other.examples);
    }

    /// n, the number of examples seen.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// Spearman's ρ, from −1 to 1.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::TooFew`] of one example; [`MetricError::Constant`] where all labels, or
    /// all predictions, are the same.
    pub fn spearman(&self) -> Result<f64, MetricError> {
        self.check("Spearman's correlation")?;
        let mut ranked = Regression::new();
        let labels = mean_ranks(self.examples.iter().map(|(label, _)| *label));
        let predictions = mean_ranks(self.examples.iter().map(|(_, prediction)| *prediction));
        for (label, prediction) in labels.into_iter().zip(predictions) {
            ranked.update(label, prediction)?;
        }
        ranked.pearson()
    }

    /// Kendall's τ-b, from −1 to 1.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::TooFew`] of one example; [`MetricError::Constant`] where all labels, or
    /// all predictions, are the same.
    pub fn kendall_tau_b(&self) -> Result<f64, MetricError> {
        self.check("Kendall's correlation")?;
        let mut sorted = self.examples.clone();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let label_ties = tied_pairs(&sorted, |a, b| a.0 == b.0);
        let ties_of_both = tied_pairs(&sorted, |a, b| a == b);
        let mut predictions: Vec<f64> = sorted.into_iter().map(|(_, prediction)| prediction).collect();
        let opposite = sort_counting_swaps(&mut predictions);
        let prediction_ties = tied_pairs(&predictions, |a, b| a == b);
        let pairs = pairs_of(self.examples.len());
        let in_order = pairs - label_ties - prediction_ties + ties_of_both - opposite;
        let difference = in_order as f64 - opposite as f64;
        let tau = difference / ((pairs - label_ties) as f64).sqrt() / ((pairs - prediction_ties) as f64).sqrt();
        Ok(tau.clamp(-1.0, 1.0))
    }

    fn check(&self, measure: &'static str) -> Result<(), MetricError> {
        match self.examples.as_slice() {
            [] => Err(MetricError::Empty { measure }),
            [_] => Err(MetricError::TooFew { measure, expected: 2, found: 1 }),
            [(label, _), others @ ..] if others.iter().all(|other| other.0 == *label) => {
                Err(MetricError::Constant { measure, quantity: "the labels" })
            }
            [(_, prediction), others @ ..] if others.iter().all(|other| other.1 == *prediction) => {
                Err(MetricError::Constant { measure, quantity: "the predictions" })
            }
            _ => Ok(()),
        }
    }
}

/// The rank of each value, from 1; equal values have the mean of their ranks.
fn mean_ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<(usize, f64)> = values.enumerate().collect(); // [n]
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; sorted.len()]; // [n]
    let mut below = 0;
    for equal in sorted.chunk_by(|a, b| a.1 == b.1) {
        for (place, _) in equal {
            ranks[*place] = below as f64 + (equal.len() + 1) as f64 / 2.0;
        }
        below += equal.len();
    }
    ranks
}

fn pairs_of(n: usize) -> u128 {
    let n = n as u128;
    n * n.saturating_sub(1) / 2
}

fn tied_pairs<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> u128 {
    sorted.chunk_by(equal).map(|run| pairs_of(run.len())).sum()
}

/// Sorts by merging, and says how many pairs stood in opposite order.
fn sort_counting_swaps(values: &mut [f64]) -> u128 {
    let mut swaps = 0;
    let mut merged = Vec::with_capacity(values.len());
    let mut width = 1;
    while width < values.len() {
        merged.clear();
        for run in values.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([first, lefts @ ..], [second, rights @ ..]) = (left, right) {
                if first <= second {
                    merged.push(*first);
                    left = lefts;
                } else {
                    swaps += left.len() as u128;
                    merged.push(*second);
                    right = rights;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    swaps
}
