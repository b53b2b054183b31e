//! Confidence intervals by the bootstrap.
//!
//! The examples are drawn again, as many as there are, with replacement, and the measure is taken of each such
//! resample; the percentiles of what comes out bound the interval. This is the percentile interval of B. Efron and R. J.
//! Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3. One deviation: a percentile that falls between
//! two resamples is interpolated linearly, as numpy does, and not rounded to one of them.
//!
//! A measure that depends on the confusion matrix alone is taken of a draw of `n` of the matrix's own entries: no list
//! of examples is kept during evaluation. Any other statistic is given the examples that were drawn. Time is of the
//! order of samples · n, memory of the order of n.

use retune_random::Random;
use serde::{Deserialize, Serialize};

use crate::checks::finite;
use crate::confusion::ConfusionMatrix;
use crate::error::MetricError;

/// A measure of a confusion matrix, such as [`ConfusionMatrix::accuracy`].
pub type Statistic<'a> = &'a dyn Fn(&ConfusionMatrix) -> Result<f64, MetricError>;

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    samples: usize,
    level: f64,
    seed: u64,
}

/// A measure with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The measure of the examples as they are.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The share of repetitions in which such an interval should hold the true value, such as 0.95.
    pub level: f64,
}

impl Bootstrap {
    /// Intervals of 95 % from so many resamples. The same seed and matrix give the same intervals, on every machine.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there are no resamples.
    pub fn new(samples: usize, seed: u64) -> Result<Self, MetricError> {
        if samples == 0 {
            return Err(MetricError::OutOfRange {
                quantity: "the number of bootstrap samples",
                value: 0.0,
                expected: "at least 1",
            });
        }
        Ok(Bootstrap { samples, level: 0.95, seed })
    }

    /// The same with another level.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where the level is not above 0 and below 1.
    pub fn with_level(self, level: f64) -> Result<Self, MetricError> {
        if level > 0.0 && level < 1.0 {
            Ok(Bootstrap { level, ..self })
        } else {
            Err(MetricError::OutOfRange { quantity: "the level", value: level, expected: "above 0 and below 1" })
        }
    }

    /// The interval of one measure.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`], and what the measure returns.
    pub fn interval(
        &self,
        matrix: &ConfusionMatrix,
        statistic: impl Fn(&ConfusionMatrix) -> Result<f64, MetricError>,
    ) -> Result<Interval, MetricError> {
        let [interval] = self.intervals(matrix, [&statistic])?;
        Ok(interval)
    }

    /// The intervals of several measures over the same resamples.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`], and what the measures return.
    pub fn intervals<const N: usize>(
        &self,
        matrix: &ConfusionMatrix,
        statistics: [Statistic<'_>; N],
    ) -> Result<[Interval; N], MetricError> {
        matrix.examples("a bootstrap interval")?;
        let entries = entries(matrix); // [n]
        let mut random = Random::seeded(self.seed);
        let mut replicates = [const { Vec::new() }; N]; // [N][samples]
        let mut resample = matrix.clone();
        for _ in 0..self.samples {
            let counts = resample.counts_mut();
            counts.fill(0);
            for _ in 0..entries.len() {
                counts[entries[random.below(entries.len())]] += 1;
            }
            for (statistic, replicates) in statistics.iter().zip(&mut replicates) {
                replicates.push(statistic(&resample)?);
            }
        }
        let mut intervals = [Interval { estimate: 0.0, low: 0.0, high: 0.0, level: self.level }; N];
        for ((interval, statistic), replicates) in intervals.iter_mut().zip(statistics).zip(&mut replicates) {
            *interval = self.percentiles(statistic(matrix)?, replicates);
        }
        Ok(intervals)
    }

    /// The interval of any statistic of `n` examples, such as a metric of their records. The statistic is given the
    /// examples of a resample, each from 0 to n − 1 and as often as it was drawn. The estimate is that of each example
    /// once, in order.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] where n is 0, [`MetricError::NotFinite`], and what the statistic returns.
    pub fn interval_of(
        &self,
        n: usize,
        statistic: impl FnMut(&[usize]) -> Result<f64, MetricError>,
    ) -> Result<Interval, MetricError> {
        let (estimate, mut replicates) = self.replicates(n, statistic)?;
        Ok(self.percentiles(estimate, &mut replicates))
    }

    /// The statistic of the examples as they are, and of every resample.
    pub(crate) fn replicates(
        &self,
        n: usize,
        mut statistic: impl FnMut(&[usize]) -> Result<f64, MetricError>,
    ) -> Result<(f64, Vec<f64>), MetricError> {
        if n == 0 {
            return Err(MetricError::Empty { measure: "a bootstrap interval" });
        }
        let mut measure = |drawn: &[usize]| finite("a statistic of a resample", statistic(drawn)?);
        let mut drawn: Vec<usize> = (0..n).collect(); // [n]
        let estimate = measure(&drawn)?;
        let mut random = Random::seeded(self.seed);
        let mut replicates = Vec::new(); // [samples]
        for _ in 0..self.samples {
            drawn.iter_mut().for_each(|example| *example = random.below(n));
            replicates.push(measure(&drawn)?);
        }
        Ok((estimate, replicates))
    }

    pub(crate) fn percentiles(&self, estimate: f64, replicates: &mut [f64]) -> Interval {
        replicates.sort_by(f64::total_cmp);
        let low = quantile(replicates, (1.0 - self.level) / 2.0);
        let high = quantile(replicates, (1.0 + self.level) / 2.0);
        Interval { estimate, low, high, level: self.level }
    }
}

/// For each example the place of its count in the matrix.
fn entries(matrix: &ConfusionMatrix) -> Vec<usize> {
    let repeat =
        |(place, &count): (usize, &u64)| std::iter::repeat_n(place, usize::try_from(count).unwrap_or(usize::MAX));
    matrix.counts().iter().enumerate().flat_map(repeat).collect()
}

/// The value below which the share `q` of the sorted values lies, interpolated (type 7 of R. J. Hyndman and Y. Fan,
/// "Sample quantiles in statistical packages", The American Statistician 50, 1996).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    low + (high - low) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `numpy.quantile(values, q)`.
    #[test]
    fn quantiles_are_interpolated_as_in_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, expected) in [(0.0, 1.0), (0.025, 1.1), (0.25, 2.0), (0.6, 5.6), (0.975, 15.2), (1.0, 16.0)] {
            assert!((quantile(&values, q) - expected).abs() < 1e-12, "{q}: {}", quantile(&values, q));
        }
        assert_eq!(quantile(&[3.0], 0.975), 3.0);
    }

    /// The matrix alone stands for the list of examples: drawing from the list gives the same intervals.
    #[test]
    fn resampling_counts_equals_resampling_examples() {
        let pairs = [(0, 0), (0, 0), (0, 2), (1, 1), (1, 0), (2, 2), (2, 2), (2, 2)];
        let matrix = ConfusionMatrix::from_pairs(3, pairs).unwrap();
        let mut random = Random::seeded(7);
        let mut sorted = pairs;
        sorted.sort_unstable();
        let mut replicates: Vec<f64> = (0..200)
            .map(|_| {
                let drawn: Vec<_> = (0..pairs.len()).map(|_| sorted[random.below(pairs.len())]).collect();
                ConfusionMatrix::from_pairs(3, drawn).unwrap().mcc().unwrap()
            })
            .collect();
        replicates.sort_by(f64::total_cmp);
        let bootstrap = Bootstrap::new(200, 7).unwrap().with_level(0.5).unwrap();
        let interval = bootstrap.interval(&matrix, ConfusionMatrix::mcc).unwrap();
        assert_eq!((interval.low, interval.high), (quantile(&replicates, 0.25), quantile(&replicates, 0.75)));
    }
}
