//! Stratified k-fold cross-validation: what a classifier says of rows that it has not seen.

use crate::error::{InspectError, same_length};
use crate::features::Features;
use crate::linear::LogisticRegression;
use crate::probabilities::Probabilities;
use crate::threads;
use retune_random::{Purpose, Random};

/// Of each row the fold, `0..folds`: the rows of each class in an order drawn by `seed` are dealt out one by one, each
/// class beginning where the one before it ended; so the sizes of folds, and of each class in them, differ by no more
/// than one.
///
/// # Errors
/// There are fewer than two folds, or fewer rows than folds; a label is no class.
pub fn stratified_folds(labels: &[usize], classes: usize, folds: usize, seed: u64) -> Result<Vec<usize>, InspectError> {
    if folds < 2 || labels.len() < folds {
        return Err(InspectError::Folds { rows: labels.len(), folds });
    }
    let mut rows_of = vec![Vec::new(); classes];
    for (row, label) in labels.iter().enumerate() {
        rows_of.get_mut(*label).ok_or(InspectError::Label { row, label: *label, classes })?.push(row);
    }
    let mut fold_of = vec![0; labels.len()];
    let mut dealt = 0;
    for (class, rows) in rows_of.iter_mut().enumerate() {
        Random::new(Purpose::Folds, seed, class as u64).shuffle(rows);
        for row in rows.iter() {
            fold_of[*row] = dealt % folds;
            dealt += 1;
        }
    }
    Ok(fold_of)
}

/// The probabilities that a regression gives each row where it was fitted on the rows of the other folds: `[n, c]`.
/// Folds are fitted on all cores.
///
/// # Errors
/// As [`LogisticRegression::fit`] for any of the folds.
pub fn out_of_fold(
    features: &Features,
    labels: &[usize],
    classes: usize,
    fold_of: &[usize],
    regression: &LogisticRegression,
) -> Result<Probabilities, InspectError> {
    same_length("the labels", features.rows(), labels.len())?;
    same_length("the folds", features.rows(), fold_of.len())?;
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let fitted = threads::map(folds, |fold| {
        let (held, used): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| fold_of[*row] == fold);
        let used_labels: Vec<usize> = used.iter().map(|row| labels[*row]).collect();
        let fitted = regression.fit(&features.select(&used), &used_labels, classes)?;
        Ok((fitted.probabilities(&features.select(&held))?, held))
    });
    let mut all = Probabilities::zeros(labels.len(), classes);
    for fold in fitted {
        let (probabilities, held) = fold?;
        held.iter().enumerate().for_each(|(place, row)| all.set(*row, probabilities.row(place)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::features::DenseRows;

    proptest! {
        #[test]
        fn folds_are_even_and_stratified(labels in prop::collection::vec(0_usize..4, 5..200), folds in 2_usize..6, seed: u64) {
            let fold_of = stratified_folds(&labels, 4, folds, seed).unwrap();
            let even = |rows: Vec<usize>| {
                let counts: Vec<usize> =
                    (0..folds).map(|fold| rows.iter().filter(|row| fold_of[**row] == fold).count()).collect();
                counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
            };
            prop_assert!(even((0..labels.len()).collect()));
            for class in 0..4 {
                prop_assert!(even((0..labels.len()).filter(|row| labels[*row] == class).collect()));
            }
        }
    }

    #[test]
    fn a_row_does_not_speak_for_itself() {
        // The one row of its kind that bears another label: a model that had seen it would know.
        let values = vec![0.0, 0.1, 0.2, 0.0, 1.0, 1.1, 1.2, 1.0];
        let features = Features::Dense(DenseRows::new(values, 1).unwrap());
        let labels = [0, 0, 0, 1, 1, 1, 1, 1];
        let regression = LogisticRegression { inverse_penalty: 1e6, ..LogisticRegression::default() };
        let found = out_of_fold(&features, &labels, 2, &[0, 1, 2, 3, 0, 1, 2, 3], &regression).unwrap();
        assert_eq!(found.likeliest(3), 0);
        assert!(found.row(3)[1] < 1e-3, "{found:?}");
    }
}
