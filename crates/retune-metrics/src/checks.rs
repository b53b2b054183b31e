//! What is asked of numbers before they are counted.

use crate::error::MetricError;

/// The probability that the row gives to the label, once the whole row is found to be a distribution.
///
/// The rounding of half precision stays below the tolerance of 1e-4 for the sum.
pub(crate) fn checked_distribution(row: &[f64], label: usize, example: usize) -> Result<f64, MetricError> {
    const TOLERANCE: f64 = 1e-4;

    if let Some(&value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(MetricError::OutOfRange { quantity: "a probability", value, expected: "from 0 to 1" });
    }
    let sum: f64 = row.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(MetricError::NotADistribution { example, sum });
    }
    let probability = row.get(label);
    probability.copied().ok_or(MetricError::ClassOutOfRange { role: "label", class: label, classes: row.len() })
}

/// The class with the greatest number; of equals, the lowest class.
pub(crate) fn argmax(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// The number, where it is finite.
pub(crate) fn finite(quantity: &'static str, value: f64) -> Result<f64, MetricError> {
    if value.is_finite() { Ok(value) } else { Err(MetricError::NotFinite { quantity, value }) }
}

/// Nothing, where each number is finite.
pub(crate) fn all_finite(quantity: &'static str, values: &[f64]) -> Result<(), MetricError> {
    values.iter().try_for_each(|&value| finite(quantity, value).map(|_| ()))
}

/// Nothing, where there are as many as expected.
pub(crate) fn same_count(quantity: &'static str, expected: usize, found: usize) -> Result<(), MetricError> {
    if expected == found { Ok(()) } else { Err(MetricError::OtherCount { quantity, expected, found }) }
}

/// Nothing, where what is merged is of the same kind.
pub(crate) fn mergeable(quantity: &'static str, expected: usize, found: usize) -> Result<(), MetricError> {
    if expected == found { Ok(()) } else { Err(MetricError::NotMergeable { quantity, expected, found }) }
}
