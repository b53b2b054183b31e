//! The area under the ROC curve with its interval by DeLong's method (E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson,
//! "Comparing the areas under two or more correlated receiver operating characteristic curves", 1988), computed from
//! ranks as X. Sun and W. Xu (2014).

/// An area and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// The chance that a positive row has a higher score than a negative one; half where they are equal.
    pub area: f64,
    /// The lower end, at least 0.
    pub low: f64,
    /// The upper end, at most 1.
    pub high: f64,
}

/// The area for positive and negative rows' scores; `None` where there are none of either.
pub fn area_under_curve(positive: &[f64], negative: &[f64]) -> Option<Area> {
    let (m, n) = (positive.len() as f64, negative.len() as f64);
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let all: Vec<f64> = positive.iter().chain(negative).copied().collect();
    let ranks = mid_ranks(&all);
    let (of_positive, of_negative) = ranks.split_at(positive.len());
    // Of each positive row the share of negative ones below it, and of each negative the share of positive ones above.
    let positive_parts: Vec<f64> =
        of_positive.iter().zip(mid_ranks(positive)).map(|(rank, own)| (rank - own) / n).collect();
    let negative_parts: Vec<f64> =
        of_negative.iter().zip(mid_ranks(negative)).map(|(rank, own)| 1.0 - (rank - own) / m).collect();
    let area = positive_parts.iter().sum::<f64>() / m;
    let error = (variance(&positive_parts) / m + variance(&negative_parts) / n).sqrt();
    // The 97.5 % quantile of the normal distribution.
    let reach = 1.959_963_984_540_054 * error;
    Some(Area { area, low: (area - reach).max(0.0), high: (area + reach).min(1.0) })
}

/// Ranks from 1; equal values share the mean of theirs.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    ranks
}

/// Of a sample; 0 of one value.
fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_ties() {
        let area = |positive: &[f64], negative: &[f64]| area_under_curve(positive, negative).unwrap().area;
        assert_eq!(area(&[2.0, 3.0], &[0.0, 1.0]), 1.0);
        assert_eq!(area(&[0.0], &[0.0, 0.0]), 0.5);
        assert_eq!(area(&[1.0, 2.0], &[1.0, 3.0]), 0.375);
        assert!(area_under_curve(&[], &[1.0]).is_none());
    }
}
