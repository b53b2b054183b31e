//! A stratified split, for those who have one file.

use std::collections::BTreeMap;

use retune_random::{Purpose, Random};

use crate::error::DataError;

/// The rows of the two sides, each ascending; together they are all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows held out for evaluation.
    pub eval: Vec<usize>,
}

/// Holds out a share of each class: `fraction` of its rows, rounded, but at least one row on each side where the class
/// has two. A class of one row is trained on.
///
/// A function of its arguments alone: the seed and the class choose the rows.
///
/// # Errors
///
/// [`DataError::SplitFraction`] unless `0 < fraction < 1`; [`DataError::SplitTooSmall`] where no class has two rows.
pub fn stratified_split(labels: &[u32], fraction: f64, seed: u64) -> Result<Split, DataError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(DataError::SplitFraction { fraction });
    }
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(row);
    }
    let mut split = Split { train: Vec::new(), eval: Vec::new() };
    for (class, mut rows) in classes {
        Random::new(Purpose::Split, seed, class.into()).shuffle(&mut rows);
        let held_out = match rows.len() {
            1 => 0,
            count => ((count as f64 * fraction).round() as usize).clamp(1, count - 1),
        };
        split.train.extend_from_slice(&rows[held_out..]);
        split.eval.extend_from_slice(&rows[..held_out]);
    }
    if split.eval.is_empty() {
        return Err(DataError::SplitTooSmall { rows: labels.len() });
    }
    split.train.sort_unstable();
    split.eval.sort_unstable();
    Ok(split)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn count(rows: &[usize], labels: &[u32], class: u32) -> usize {
        rows.iter().filter(|&&row| labels[row] == class).count()
    }

    proptest! {
        #[test]
        fn each_class_is_split_by_the_fraction(
            labels in prop::collection::vec(0_u32..5, 1..200),
            fraction in 0.01..0.99_f64,
            seed in any::<u64>(),
        ) {
            let all: Vec<usize> = (0..labels.len()).collect();
            let classes_with_two = (0..5).filter(|&class| count(&all, &labels, class) > 1).count();
            let split = match stratified_split(&labels, fraction, seed) {
                Ok(split) => split,
                Err(error) => {
                    prop_assert_eq!(classes_with_two, 0, "{}", error);
                    return Ok(());
                }
            };
            prop_assert_eq!(&split, &stratified_split(&labels, fraction, seed).expect("the same split"));
            prop_assert!(split.train.is_sorted() && split.eval.is_sorted());
            let mut both = [split.train.clone(), split.eval.clone()].concat();
            both.sort_unstable();
            prop_assert_eq!(both, all);
            for class in 0..5 {
                let (train, eval) = (count(&split.train, &labels, class), count(&split.eval, &labels, class));
                if train + eval >= 2 {
                    prop_assert!(train >= 1 && eval >= 1);
                    prop_assert!((eval as f64 - fraction * (train + eval) as f64).abs() < 1.0);
                } else {
                    prop_assert_eq!(eval, 0);
                }
            }
        }
    }

    #[test]
    fn seeds_choose_other_rows_of_which_each_is_as_likely() {
        let labels = [0; 10];
        let mut times_held_out = [0_u32; 10];
        for seed in 0..2000 {
            for row in stratified_split(&labels, 0.3, seed).expect("a split").eval {
                times_held_out[row] += 1;
            }
        }
        // 600 on average, with a standard deviation of 20.5.
        assert!(times_held_out.iter().all(|&times| (500..700).contains(&times)), "{times_held_out:?}");
    }

    #[test]
    fn the_choice_is_fixed_for_good() {
        expect!["[0, 1, 3]"].assert_eq(&format!("{:?}", stratified_split(&[0; 12], 0.25, 42).expect("a split").eval));
    }

    #[test]
    fn errors() {
        let text =
            |labels: &[u32], fraction| format!("{}\n", stratified_split(labels, fraction, 0).expect_err("an error"));
        expect![[r#"
            the share of rows held out for evaluation is 1; it must lie between 0 and 1, such as 0.1
        "#]]
        .assert_eq(&text(&[0, 0], 1.0));
        expect![[r#"
            the share of rows held out for evaluation is NaN; it must lie between 0 and 1, such as 0.1
        "#]]
        .assert_eq(&text(&[0, 0], f64::NAN));
        expect![[r#"
            2 rows cannot be split: no class has two rows; give an evaluation file, or more examples
        "#]]
        .assert_eq(&text(&[0, 1], 0.5));
    }
}
