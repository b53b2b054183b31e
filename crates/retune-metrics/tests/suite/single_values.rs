//! Values worked out by hand, at the places where a formula could be wrong and random cases would not tell.

use retune_metrics::*;

#[test]
fn a_word_of_the_answer_counts_once_for_each_time_it_stands_there() -> Result<(), MetricError> {
    let mut scores = AnswerScores::new();
    scores.update(&["red green"], "red red")?;
    assert_eq!((scores.f1()?, scores.questions()), (0.5, 1));
    scores.update(&["red red green"], "red red red")?;
    assert_eq!((scores.f1()?, scores.questions()), ((0.5 + 2.0 / 3.0) / 2.0, 2));
    let mut none = AnswerScores::new();
    assert_eq!(none.questions(), 0);
    none.update(&[""], "red")?;
    assert_eq!(none.f1()?, 0.0);
    Ok(())
}

#[test]
fn beta_weighs_what_is_missed() {
    let counts = BinaryCounts { true_positives: 3, false_positives: 1, false_negatives: 4, true_negatives: 2 };
    assert_eq!(counts.f_beta(2.0), 15.0 / (15.0 + 16.0 + 1.0));
    assert_eq!(counts.f_beta(0.5), 3.75 / (3.75 + 1.0 + 1.0));
}

#[test]
fn minus_zero_ties_with_zero() -> Result<(), MetricError> {
    let mut scores = BinaryScores::new();
    for (positive, score) in [(false, -0.0), (true, 0.0), (true, -0.0), (false, 0.0)] {
        scores.update(positive, score)?;
    }
    assert_eq!((scores.examples(), scores.positives(), scores.cuts().len()), (4, 2, 1));
    assert_eq!(scores.roc_auc()?, 0.5);
    Ok(())
}

#[test]
fn of_equally_good_thresholds_the_highest_is_taken() -> Result<(), MetricError> {
    let mut scores = BinaryScores::new();
    for (positive, score) in [(true, 0.9), (false, 0.5), (false, 0.4), (true, 0.3)] {
        scores.update(positive, score)?;
    }
    // One right of four either way: 0.9 and above, or all.
    let best = scores.best_threshold(BinaryCounts::precision)?;
    assert_eq!((best.threshold, best.value), (0.9, 1.0));
    let nothing = scores.best_threshold(|_| 0.0)?;
    assert!(nothing.threshold > 0.9);
    Ok(())
}
