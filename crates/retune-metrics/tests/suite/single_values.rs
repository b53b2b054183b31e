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

/// The largest β that is taken: precision no longer counts.
#[test]
fn the_largest_beta_is_recall() -> Result<(), MetricError> {
    let matrix = ConfusionMatrix::from_pairs(2, [(0, 0), (0, 1), (0, 1), (1, 1)])?;
    assert_eq!(matrix.class_f_beta(1e100)?, [1.0 / 3.0, 1.0]);
    assert_eq!(matrix.f_beta(1e100, Average::Macro)?, (1.0 / 3.0 + 1.0) / 2.0);
    Ok(())
}

#[test]
fn every_measure_says_how_much_it_has_seen() -> Result<(), MetricError> {
    let (mut entities, mut unanswerable) = (EntityScores::new(), UnanswerableScores::new());
    let (mut multiclass, mut multilabel) = (MulticlassScores::new(2)?, Multilabel::new(2)?);
    let (mut ranking, mut columns) = (LabelRanking::new(), MultilabelScores::new(2)?);
    let (mut numbers, mut ranks) = (Regression::new(), RankCorrelation::new());
    let (mut retrieval, mut perplexity) = (Retrieval::new(1, Gain::Linear)?, Perplexity::new());
    for seen in 0..3 {
        assert_eq!((entities.sequences(), unanswerable.questions()), (seen as u64, seen));
        assert_eq!((multiclass.examples(), multilabel.examples()), (seen, seen as u64));
        assert_eq!((ranking.examples(), columns.labels().len()), (seen as u64, 2));
        assert!(columns.labels().iter().all(|label| label.examples() == seen));
        assert_eq!((numbers.examples(), ranks.examples()), (seen as u64, seen));
        assert_eq!((retrieval.queries(), perplexity.tokens()), (seen as u64, 10 * seen as u64));
        entities.update(&["B-X"], &["O"], Decoding::Lenient)?;
        unanswerable.update(&["x"], "x", 0.5)?;
        multiclass.update(1, &[0.5, 0.5])?;
        multilabel.update(&[true, false], &[true, true])?;
        ranking.update(&[true, false], &[0.5, 0.5])?;
        columns.update(&[true, false], &[0.5, 0.5])?;
        numbers.update(1.0, 2.0)?;
        ranks.update(1.0, 2.0)?;
        retrieval.update(&[1.0], &[0.5])?;
        perplexity.update(3.0, 10)?;
    }
    assert_eq!(columns.labels().iter().map(BinaryScores::positives).collect::<Vec<_>>(), [3, 0]);
    Ok(())
}

#[test]
fn a_weighted_average_of_nothing_is_refused() -> Result<(), MetricError> {
    let nothing = MultilabelScores::new(2)?;
    for average in [Average::Micro, Average::Macro, Average::Weighted] {
        assert_eq!(nothing.roc_auc(average), Err(MetricError::Empty { measure: "ROC AUC" }));
        assert_eq!(nothing.average_precision(average), Err(MetricError::Empty { measure: "average precision" }));
    }
    Ok(())
}

/// Values are those of scipy's `kendalltau` and `spearmanr`, to whom the two zeros are one.
#[test]
fn minus_zero_has_the_rank_of_zero() -> Result<(), MetricError> {
    let mut ranks = RankCorrelation::new();
    let labels = [0.0, -0.0, 0.0, -0.0, 3.0, -2.0];
    for (label, prediction) in labels.into_iter().zip([1.0, 2.0, 2.0, 1.0, 4.0, 1.5]) {
        ranks.update(label, prediction)?;
    }
    assert!((ranks.kendall_tau_b()? - 0.4622501635210243).abs() < 1e-12);
    assert!((ranks.spearman()? - 0.5222329678670934).abs() < 1e-12);
    Ok(())
}

/// Documents with equal scores are ranked as they were given, and the two zeros are equal; nDCG is the mean of both
/// orders.
#[test]
fn minus_zero_is_not_ranked_below_zero() -> Result<(), MetricError> {
    let mut sums = Retrieval::new(1, Gain::Linear)?;
    sums.update(&[1.0, 0.0], &[-0.0, 0.0])?;
    let expected =
        RetrievalMeasures { precision: 1.0, recall: 1.0, reciprocal_rank: 1.0, average_precision: 1.0, ndcg: 0.5 };
    assert_eq!(sums.measures()?, expected);
    Ok(())
}

/// The script's search takes questions of one probability back in the order in which they came.
#[test]
fn a_probability_of_minus_zero_is_one_of_zero() -> Result<(), MetricError> {
    let mut scores = UnanswerableScores::new();
    scores.update(&["red"], "red", 0.0)?;
    scores.update::<&str>(&[], "red", -0.0)?;
    // At first one of two is right, then both; with the second question taken back first, no step would be better.
    assert_eq!(scores.best_f1()?, NoAnswerThreshold { threshold: 0.0, value: 1.0 });
    Ok(())
}

#[test]
fn questions_are_selected_in_their_order_and_as_often_as_named() -> Result<(), MetricError> {
    let mut scores = UnanswerableScores::new();
    let mut expected = UnanswerableScores::new();
    scores.update(&["red"], "red", 0.1)?;
    scores.update(&["green leaf"], "leaf", 0.2)?;
    scores.update::<&str>(&[], "blue", 0.3)?;
    expected.update::<&str>(&[], "blue", 0.3)?;
    expected.update(&["red"], "red", 0.1)?;
    expected.update(&["red"], "red", 0.1)?;
    assert_eq!(scores.select(&[2, 0, 0]), expected);
    assert_eq!(scores.select(&[2, 0, 0]).measures(Questions::All, 1.0)?.exact_match, 2.0 / 3.0);
    assert_eq!(scores.select(&[0, 1, 2]), scores);
    Ok(())
}

/// After a merge a stream goes on, and parts of parts merge. Values are those of scikit-learn and scipy.
#[test]
fn what_is_merged_can_be_merged_and_added_to() -> Result<(), MetricError> {
    let pairs = [(3.5, 2.25), (-1.25, -0.5), (0.75, 1.75), (8.0, 5.5), (2.5, 3.25), (-4.0, -1.0), (1.5, 0.25)];
    let of = |pairs: &[(f64, f64)]| {
        let mut sums = Regression::new();
        pairs.iter().try_for_each(|(label, prediction)| sums.update(*label, *prediction)).map(|()| sums)
    };
    let mut left = of(&pairs[..3])?;
    left.merge(&of(&pairs[3..5])?);
    let mut in_three_parts = left;
    in_three_parts.merge(&of(&pairs[5..])?);
    let mut gone_on = left;
    gone_on.update(-4.0, -1.0)?;
    gone_on.update(1.5, 0.25)?;
    let mut right = of(&pairs[5..])?;
    right.merge(&left);
    for sums in [in_three_parts, gone_on, right] {
        assert!((sums.r_squared()? - 0.7604840392238682).abs() < 1e-12);
        assert!((sums.pearson()? - 0.9311914968900729).abs() < 1e-12);
        assert!((sums.mean_squared_error()? - 2.9285714285714284).abs() < 1e-12);
    }
    Ok(())
}
