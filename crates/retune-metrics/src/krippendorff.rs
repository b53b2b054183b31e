//! Krippendorff's alpha: agreement of any number of judges, of whom any may be missing for any item.
//!
//! Notation: `c`, `k` values; `u` items; `m[u]` judgements of item `u`, of which those with m[u] ≥ 2 count;
//! `o[c][k] = Σᵤ (pairs of judgements c and k of u) / (m[u] − 1)`, the coincidences; `n[c] = Σₖ o[c][k]`; `n = Σ n[c]`.
//!
//! α = 1 − D₀ / Dₑ, with D₀ = Σ o[c][k] δ²(c, k) and Dₑ = Σ n[c] n[k] δ²(c, k) / (n − 1).
//!
//! From K. Krippendorff, "Content analysis: an introduction to its methodology" (2004), chapter 11. Values equal those
//! of the Python package `krippendorff`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checks::{all_finite, mergeable};
use crate::error::MetricError;

const MEASURE: &str = "Krippendorff's alpha";

/// What the values mean, and so how far apart two of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeasurementLevel {
    /// Names: δ² is 1 for two that differ.
    Nominal,
    /// Ranks: δ(c, k) is the number of judgements from c to k, those of c and of k by half.
    Ordinal,
    /// Numbers: δ(c, k) is their difference.
    Interval,
}

/// Counts of Krippendorff's alpha: the square of the values, for each number of judges that an item had. They are whole
/// numbers, so that parts merge into exactly the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KrippendorffAlpha {
    /// The values, ascending.
    values: Vec<f64>,
    /// By m, the pairs of judgements: `pairs[c * values + k]`.
    pairs: BTreeMap<u64, Vec<u64>>,
    items: u64,
}

impl KrippendorffAlpha {
    /// Counts of nothing yet, for values 0, 1, 2, …: classes, or ranks.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there is no value.
    pub fn of_categories(categories: usize) -> Result<Self, MetricError> {
        let values: Vec<f64> = (0..categories).map(|category| category as f64).collect();
        Self::of_values(&values)
    }

    /// Counts of nothing yet, for these values, which ascend.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there is no value, or one that does not ascend; [`MetricError::NotFinite`].
    pub fn of_values(values: &[f64]) -> Result<Self, MetricError> {
        all_finite("a value", values)?;
        if values.is_empty() {
            return Err(MetricError::OutOfRange {
                quantity: "the number of values",
                value: 0.0,
                expected: "at least 1",
            });
        }
        if let Some(pair) = values.windows(2).find(|pair| pair[0] >= pair[1]) {
            let expected = "above the value before it";
            return Err(MetricError::OutOfRange { quantity: "a value", value: pair[1], expected });
        }
        Ok(Self { values: values.to_vec(), pairs: BTreeMap::new(), items: 0 })
    }

    /// Counts one item: for each judge the place of the value that was given, counted from 0, and `None` where none was.
    ///
    /// # Errors
    ///
    /// [`MetricError::ClassOutOfRange`]; nothing is counted then.
    pub fn update(&mut self, judgements: &[Option<usize>]) -> Result<(), MetricError> {
        let values = self.values.len();
        let mut counts = vec![0_u64; values]; // [values]
        for class in judgements.iter().flatten().copied() {
            let out_of_range = MetricError::ClassOutOfRange { role: "judgement", class, classes: values };
            *counts.get_mut(class).ok_or(out_of_range)? += 1;
        }
        self.items += 1;
        let m: u64 = counts.iter().sum();
        if m < 2 {
            return Ok(());
        }
        let pairs = self.pairs.entry(m).or_insert_with(|| vec![0; values * values]);
        let given: Vec<usize> = (0..values).filter(|value| counts[*value] > 0).collect();
        for &c in &given {
            for &k in &given {
                pairs[c * values + k] += counts[c] * (counts[k] - u64::from(c == k));
            }
        }
        Ok(())
    }

    /// Adds what another has counted.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of values.
    pub fn merge(&mut self, other: &KrippendorffAlpha) -> Result<(), MetricError> {
        mergeable("the number of values", self.values.len(), other.values.len())?;
        self.items += other.items;
        for (m, more) in &other.pairs {
            let pairs = self.pairs.entry(*m).or_insert_with(|| vec![0; more.len()]);
            pairs.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        Ok(())
    }

    /// The number of items counted, those of fewer than two judgements too.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// α, at most 1; 0 where judges agree as often as chance would have it.
    ///
    /// # Errors
    ///
    /// [`MetricError::NothingPairable`] where no item has two judgements; [`MetricError::Constant`] where all of those
    /// that have are of one value.
    pub fn alpha(&self, level: MeasurementLevel) -> Result<f64, MetricError> {
        if self.pairs.is_empty() {
            return Err(MetricError::NothingPairable { measure: MEASURE, items: self.items });
        }
        let values = self.values.len();
        let mut coincidences = vec![0.0; values * values]; // o: [values, values]
        for (m, pairs) in &self.pairs {
            for (sum, count) in coincidences.iter_mut().zip(pairs) {
                *sum += *count as f64 / (m - 1) as f64;
            }
        }
        // Of whole numbers: Σₖ o[c][k] is the number of judgements c in items that count.
        let totals: Vec<f64> = coincidences.chunks_exact(values).map(|row| row.iter().sum::<f64>().round()).collect();
        let n: f64 = totals.iter().sum();
        let (mut observed, mut expected) = (0.0, 0.0);
        for c in 0..values {
            for k in c + 1..values {
                let apart = self.squared_distance(level, &totals, c, k);
                observed += coincidences[c * values + k] * apart;
                expected += totals[c] * totals[k] * apart;
            }
        }
        if expected == 0.0 {
            return Err(MetricError::Constant { measure: MEASURE, quantity: "the judgements" });
        }
        Ok(1.0 - (n - 1.0) * observed / expected)
    }

    /// δ² of two values, c < k.
    fn squared_distance(&self, level: MeasurementLevel, totals: &[f64], c: usize, k: usize) -> f64 {
        let distance = match level {
            MeasurementLevel::Nominal => 1.0,
            MeasurementLevel::Ordinal => totals[c..=k].iter().sum::<f64>() - (totals[c] + totals[k]) / 2.0,
            MeasurementLevel::Interval => self.values[k] - self.values[c],
        };
        distance * distance
    }
}
