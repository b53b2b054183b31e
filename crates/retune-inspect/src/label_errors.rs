//! Confident learning: which labels are likely wrong, judged by the probabilities of a model that has not seen them (C.
//! Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021). The reference
//! is `cleanlab` 2.9.
//!
//! Notation: `n` rows, `c` classes, p̂(k | x) the out-of-fold probability of class k, ỹ the given label.
//!
//! 1. The threshold of a class is its mean self-confidence: t_k = mean of p̂(k | x) over the rows with ỹ = k.
//! 2. A row counts as one of class k where p̂(k | x) ≥ t_k; where that is so of several, of the likeliest class; where
//!    of none, of none. The *confident joint* C\[i\]\[k\] is how many rows of the label i count as k; it is scaled so
//!    that its rows sum to the labels' counts.
//! 3. By noise rate: of the label i, for each other class k, the C\[i\]\[k\] rows of the largest p̂(k | x) − p̂(i | x)
//!    are issues, save those whose likeliest class is the given one.
//!
//! Rows of equal margins are taken in their order, where `cleanlab` takes them as numpy's sort leaves them.

use crate::error::{InspectError, same_length};
use crate::probabilities::Probabilities;

/// Two probabilities that are no farther apart count as one.
const CLOSE: f64 = 1e-6;

/// How sure a label is; small where it is likely wrong. As `cleanlab.rank.get_label_quality_scores`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelQuality {
    /// p̂(ỹ | x).
    SelfConfidence,
    /// (p̂(ỹ | x) − max over the other classes + 1) / 2.
    NormalizedMargin,
    /// log(1 + q) / q with q the entropy of p̂, divided by log c and by p̂(ỹ | x).
    ConfidenceWeightedEntropy,
}

/// Which rows are issues. As `filter_by` of `cleanlab.filter.find_label_issues`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueRule {
    /// As many for each pair of classes as the confident joint estimates, of the largest margins.
    ByNoiseRate,
    /// Every row that counts as another class than its own.
    ConfidentLearning,
    /// Every row whose likeliest class is another than its own: finds most, and is right the least often.
    PredictedOther,
}

/// What confident learning says of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelErrors {
    /// The rows whose labels are likely wrong, the least likely label first.
    pub rows: Vec<usize>,
    /// The confident joint, scaled to the labels' counts: `[c, c]`, given labels down, estimated ones across.
    pub joint: Vec<Vec<u64>>,
    /// The share of rows that the joint holds to be wrongly labelled.
    pub estimated_share: f64,
}

/// The mean self-confidence of each class: `[c]`; 2, which no probability reaches, where a class has no rows.
///
/// # Errors
/// Labels are not as many as rows, or no classes.
pub fn confident_thresholds(labels: &[usize], probabilities: &Probabilities) -> Result<Vec<f64>, InspectError> {
    check(labels, probabilities)?;
    let (mut sums, mut counts) = (vec![0.0; probabilities.classes()], vec![0_usize; probabilities.classes()]);
    for (row, label) in labels.iter().enumerate() {
        sums[*label] += probabilities.row(row)[*label];
        counts[*label] += 1;
    }
    let mean = |(sum, count): (f64, usize)| if count == 0 { 2.0 } else { (sum / count as f64).max(2.0 * CLOSE) };
    Ok(sums.into_iter().zip(counts).map(mean).collect())
}

/// The confident joint, `[c, c]`, scaled to the counts of the given labels; each class has at least one right row
/// before that.
///
/// # Errors
/// As [`confident_thresholds`].
pub fn confident_joint(labels: &[usize], probabilities: &Probabilities) -> Result<Vec<Vec<u64>>, InspectError> {
    let counted = counted_as(labels, probabilities)?;
    Ok(joint_of(labels, &counted, probabilities.classes()))
}

/// The rows whose labels are likely wrong.
///
/// # Errors
/// As [`confident_thresholds`].
pub fn find_label_errors(
    labels: &[usize],
    probabilities: &Probabilities,
    rule: IssueRule,
    rank_by: LabelQuality,
) -> Result<LabelErrors, InspectError> {
    let counted = counted_as(labels, probabilities)?;
    let joint = joint_of(labels, &counted, probabilities.classes());
    let mut is_issue = match rule {
        IssueRule::ByNoiseRate => by_noise_rate(labels, probabilities, &joint),
        IssueRule::ConfidentLearning => {
            counted.iter().zip(labels).map(|(counted, label)| counted.is_some_and(|class| class != *label)).collect()
        }
        IssueRule::PredictedOther => vec![true; labels.len()],
    };
    for (row, issue) in is_issue.iter_mut().enumerate() {
        *issue = *issue && !agrees(probabilities.row(row), labels[row]);
    }
    let quality = label_quality(labels, probabilities, rank_by)?;
    let mut rows: Vec<usize> = (0..labels.len()).filter(|row| is_issue[*row]).collect();
    rows.sort_by(|a, b| quality[*a].total_cmp(&quality[*b]));
    let all: u64 = joint.iter().flatten().sum();
    let right: u64 = joint.iter().enumerate().map(|(class, row)| row[class]).sum();
    let estimated_share = if all == 0 { 0.0 } else { 1.0 - right as f64 / all as f64 };
    Ok(LabelErrors { rows, joint, estimated_share })
}

/// The quality of every label, `[n]`.
///
/// # Errors
/// As [`confident_thresholds`].
pub fn label_quality(
    labels: &[usize],
    probabilities: &Probabilities,
    by: LabelQuality,
) -> Result<Vec<f64>, InspectError> {
    check(labels, probabilities)?;
    let of_row = |(row, label): (usize, &usize)| {
        let row = probabilities.row(row);
        let own = row[*label];
        match by {
            LabelQuality::SelfConfidence => own,
            LabelQuality::NormalizedMargin => {
                let others = row.iter().enumerate().filter(|(class, _)| class != label).map(|(_, p)| *p);
                (own - others.fold(f64::NEG_INFINITY, f64::max) + 1.0) / 2.0
            }
            LabelQuality::ConfidenceWeightedEntropy => {
                let entropy: f64 = row.iter().map(|p| if *p > 0.0 { -p * libm::log(*p) } else { 0.0 }).sum();
                let weighted = entropy / libm::log(row.len() as f64) / own.max(CLOSE);
                libm::log(weighted + 1.0) / weighted.max(CLOSE)
            }
        }
    };
    Ok(labels.iter().enumerate().map(of_row).collect())
}

fn check(labels: &[usize], probabilities: &Probabilities) -> Result<(), InspectError> {
    same_length("the labels", probabilities.rows(), labels.len())?;
    let classes = probabilities.classes();
    match labels.iter().position(|label| *label >= classes) {
        Some(row) => Err(InspectError::Label { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

/// Of each row the class that it counts as, if any.
fn counted_as(labels: &[usize], probabilities: &Probabilities) -> Result<Vec<Option<usize>>, InspectError> {
    let thresholds = confident_thresholds(labels, probabilities)?;
    let class = |row: usize| {
        let confident = |class: &usize| probabilities.row(row)[*class] >= thresholds[*class] - CLOSE;
        let mut classes = (0..probabilities.classes()).filter(confident);
        match (classes.next(), classes.next()) {
            (Some(_), Some(_)) => Some(probabilities.likeliest(row)),
            (only, _) => only,
        }
    };
    Ok((0..labels.len()).map(class).collect())
}

fn joint_of(labels: &[usize], counted: &[Option<usize>], classes: usize) -> Vec<Vec<u64>> {
    let mut joint = vec![vec![0.0_f64; classes]; classes];
    let mut counts = vec![0.0_f64; classes];
    for (label, counted) in labels.iter().zip(counted) {
        counts[*label] += 1.0;
        if let Some(counted) = counted {
            joint[*label][*counted] += 1.0;
        }
    }
    for class in 0..classes {
        joint[class][class] = joint[class][class].max(1.0);
        let sum: f64 = joint[class].iter().sum();
        joint[class].iter_mut().for_each(|count| *count = *count / sum * counts[class]);
    }
    let (all, rows): (f64, f64) = (joint.iter().flatten().sum(), labels.len() as f64);
    if all > 0.0 {
        joint.iter_mut().flatten().for_each(|count| *count = *count / all * rows);
    }
    joint.iter().map(|row| round_keeping_sum(row)).collect()
}

/// Rounded so that the sum is the rounded sum: what lacks is added to those that lost most, and what is too much taken
/// from those that gained most (`cleanlab.internal.util.round_preserving_sum`).
fn round_keeping_sum(values: &[f64]) -> Vec<u64> {
    let mut rounded: Vec<f64> = values.iter().map(|value| value.round_ties_even()).collect();
    let wanted = values.iter().sum::<f64>().round_ties_even();
    loop {
        let lacks = wanted - rounded.iter().sum::<f64>().round_ties_even();
        if lacks == 0.0 {
            return rounded.into_iter().map(|value| value.max(0.0) as u64).collect();
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| (values[*a] - rounded[*a]).total_cmp(&(values[*b] - rounded[*b])));
        if lacks > 0.0 {
            order.reverse();
        }
        for place in order.into_iter().take(lacks.abs() as usize) {
            rounded[place] += lacks.signum();
        }
    }
}

/// As many of each pair of classes as the joint says, but one row of each label stays.
fn by_noise_rate(labels: &[usize], probabilities: &Probabilities, joint: &[Vec<u64>]) -> Vec<bool> {
    let mut is_issue = vec![false; labels.len()];
    let mut rows_of = vec![Vec::new(); joint.len()];
    labels.iter().enumerate().for_each(|(row, label)| rows_of[*label].push(row));
    for (given, rows) in rows_of.iter().enumerate().filter(|(_, rows)| rows.len() > 1) {
        let counts = keeping_one(&joint[given], given);
        for (other, count) in counts.into_iter().enumerate().filter(|(other, count)| *other != given && *count > 0) {
            let margin = |row: &usize| probabilities.row(*row)[other] - probabilities.row(*row)[given];
            let mut order = rows.clone();
            order.sort_by(|a, b| margin(b).total_cmp(&margin(a)));
            order.into_iter().take(count as usize).for_each(|row| is_issue[row] = true);
        }
    }
    is_issue
}

/// The joint's row of a label with at least one right; what that takes is taken from the others in equal parts.
fn keeping_one(row: &[u64], label: usize) -> Vec<u64> {
    let right = row[label].max(1);
    let added = (right - row[label]) as f64;
    let others = (row.iter().filter(|count| **count > 0).count() as f64 - 1.0).max(1.0);
    let reduced = |(class, count): (usize, &u64)| {
        if class == label { right } else { (*count as f64 - added / others).max(0.0) as u64 }
    };
    row.iter().enumerate().map(reduced).collect()
}

/// Whether the likeliest class is the given one, or as likely.
fn agrees(row: &[f64], label: usize) -> bool {
    let own = row[label] + CLOSE;
    row.iter().enumerate().all(|(class, p)| class == label || *p < own || (*p == own && class > label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_label_is_found_and_right_ones_stay() {
        let rows = [[0.9, 0.1], [0.8, 0.2], [0.85, 0.15], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05]];
        let probabilities = Probabilities::new(rows.concat(), 2).unwrap();
        let labels = [0, 0, 0, 1, 1, 1];
        for rule in [IssueRule::ByNoiseRate, IssueRule::ConfidentLearning] {
            let found = find_label_errors(&labels, &probabilities, rule, LabelQuality::SelfConfidence).unwrap();
            assert_eq!(found.rows, [5]);
        }
    }

    #[test]
    fn sums_are_kept() {
        // Of equals numpy's sort, read backwards, takes the last.
        assert_eq!(round_keeping_sum(&[1.4, 1.4, 1.2]), [1, 2, 1]);
        assert_eq!(round_keeping_sum(&[0.5, 1.5, 2.0]), [0, 2, 2]);
        assert_eq!(round_keeping_sum(&[0.0, 0.0]), [0, 0]);
    }
}
