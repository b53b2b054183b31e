//! A histogram as the message `HistogramProto` (`tensorflow/core/framework/summary.proto`).

use crate::message::Message;

/// Values in buckets, each of which ends where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    smallest: f64,
    largest: f64,
    count: f64,
    sum: f64,
    sum_of_squares: f64,
    /// The upper end of each bucket, ascending.
    limits: Vec<f64>,
    /// How many values lie in it.
    counts: Vec<f64>,
}

/// TensorFlow's buckets: their ends grow by a tenth (`tensorflow/core/lib/histogram/histogram.cc`).
const GROWTH: f64 = 1.1;
/// The end of the first bucket above zero.
const FIRST: f64 = 1e-12;

impl Histogram {
    /// Of the finite ones among these values; `None` if there is none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (smallest, largest) = (*values.first()?, *values.last()?);
        let (mut limits, mut counts) = (Vec::new(), Vec::new());
        for same in values.chunk_by(|one, next| bucket(*one) == bucket(*next)) {
            let (own, before) = (bucket(same[0]), end(bucket(same[0]) - 1));
            // All empty buckets side by side are one.
            if limits.last() != Some(&before) {
                limits.push(before);
                counts.push(0.0);
            }
            limits.push(end(own));
            counts.push(same.len() as f64);
        }
        let sum = values.iter().sum();
        let sum_of_squares = values.iter().map(|value| value * value).sum();
        Some(Self { smallest, largest, count: values.len() as f64, sum, sum_of_squares, limits, counts })
    }

    pub fn message(&self) -> Message {
        Message::new()
            .double(1, self.smallest)
            .double(2, self.largest)
            .double(3, self.count)
            .double(4, self.sum)
            .double(5, self.sum_of_squares)
            .doubles(6, &self.limits)
            .doubles(7, &self.counts)
    }
}

/// Which bucket a value lies in: 0 holds all within [`FIRST`] of zero, positive ones lie above, negative ones below.
fn bucket(value: f64) -> i64 {
    if value.abs() < FIRST {
        return 0;
    }
    let place = ((value.abs() / FIRST).ln() / GROWTH.ln()).floor() as i64 + 1;
    if value > 0.0 { place } else { -place }
}

/// Where a bucket ends above.
fn end(bucket: i64) -> f64 {
    match bucket {
        0 => FIRST,
        place if place > 0 => FIRST * GROWTH.powi(place as i32),
        place => -FIRST * GROWTH.powi((-place - 1) as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in [1e-13, 1e-12, 0.3, 1.0, 7e5, -0.3, -1e-12, -4.0] {
            let place = bucket(value);
            assert!(value <= end(place) * (1.0 + 1e-9 * value.signum()), "{value} is above {}", end(place));
            assert!(value >= end(place - 1) - 1e-9 * value.abs(), "{value} is below {}", end(place - 1));
        }
    }

    #[test]
    fn moments_and_counts_are_those_of_the_values() {
        let histogram = Histogram::of(&[0.5, f64::NAN, -1.0, 0.5]).unwrap();
        assert_eq!((histogram.smallest, histogram.largest, histogram.count), (-1.0, 0.5, 3.0));
        assert_eq!((histogram.sum, histogram.sum_of_squares), (0.0, 1.5));
        assert_eq!(histogram.counts.iter().sum::<f64>(), 3.0);
        assert_eq!(histogram.counts, [0.0, 1.0, 0.0, 2.0]);
        assert!(histogram.limits.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Histogram::of(&[f64::INFINITY]), None);
    }
}
