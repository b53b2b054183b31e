//! What the measures of numbers, scores, tags and answers refuse, and how they say it.

use expect_test::expect;
use retune_metrics::*;

const NAN: f64 = f64::NAN;

#[test]
fn every_refusal_says_what_and_how_to_mend_it() {
    let mut sums = Regression::new();
    let mut ranks = RankCorrelation::new();
    let mut scores = BinaryScores::new();
    let mut errors = vec![
        sums.update(NAN, 0.0).unwrap_err(),
        sums.update(0.0, f64::INFINITY).unwrap_err(),
        sums.update(-f64::MAX, f64::MAX).unwrap_err(),
        sums.mean_absolute_error().unwrap_err(),
        sums.r_squared().unwrap_err(),
        ranks.update(0.0, NAN).unwrap_err(),
        ranks.spearman().unwrap_err(),
        scores.update(true, NAN).unwrap_err(),
        scores.roc_auc().unwrap_err(),
        scores.average_precision().unwrap_err(),
        scores.best_threshold(BinaryCounts::f1).unwrap_err(),
    ];
    sums.update(1.0, 2.0).unwrap();
    ranks.update(1.0, 2.0).unwrap();
    scores.update(true, 0.5).unwrap();
    errors.extend([sums.pearson().unwrap_err(), sums.r_squared().unwrap_err(), ranks.kendall_tau_b().unwrap_err()]);
    errors.extend([scores.roc_auc().unwrap_err(), scores.best_threshold(|_| NAN).unwrap_err()]);
    sums.update(1.0, 3.0).unwrap();
    ranks.update(2.0, 2.0).unwrap();
    errors.extend([sums.pearson().unwrap_err(), ranks.spearman().unwrap_err()]);

    let mut labels = Multilabel::new(2).unwrap();
    let mut columns = MultilabelScores::new(2).unwrap();
    let mut classes = MulticlassScores::new(2).unwrap();
    errors.extend([
        Multilabel::new(0).unwrap_err(),
        labels.update(&[true], &[true, false]).unwrap_err(),
        labels.update(&[true, true], &[true]).unwrap_err(),
        labels.merge(&Multilabel::new(3).unwrap()).unwrap_err(),
        labels.samples_f1().unwrap_err(),
        LabelRanking::new().update(&[true], &[]).unwrap_err(),
        LabelRanking::new().update(&[true], &[NAN]).unwrap_err(),
        LabelRanking::new().average_precision().unwrap_err(),
        columns.update(&[true, false], &[NAN, 0.0]).unwrap_err(),
        columns.roc_auc(Average::Macro).unwrap_err(),
        classes.update(2, &[0.0, 0.0]).unwrap_err(),
        classes.update(0, &[0.0]).unwrap_err(),
        classes.merge(&MulticlassScores::new(3).unwrap()).unwrap_err(),
        classes.roc_auc_one_vs_one().unwrap_err(),
    ]);
    columns.update(&[true, false], &[0.5, 0.0]).unwrap();
    classes.update(1, &[0.5, 0.0]).unwrap();
    errors.extend([
        columns.roc_auc(Average::Macro).unwrap_err(),
        columns.roc_auc(Average::Weighted).unwrap_err(),
        classes.roc_auc_one_vs_rest(Average::Macro).unwrap_err(),
        classes.roc_auc_one_vs_one().unwrap_err(),
    ]);

    errors.extend([
        BrierScore::new(2).unwrap().update(0, &[1.0]).unwrap_err(),
        BrierScore::new(2).unwrap().update(0, &[NAN, 1.0]).unwrap_err(),
        BrierScore::new(2).unwrap().score().unwrap_err(),
        Calibration::new(0).unwrap_err(),
        Calibration::new(3).unwrap().update_confidence(true, 1.5).unwrap_err(),
        Calibration::new(3).unwrap().merge(&Calibration::new(4).unwrap()).unwrap_err(),
        Calibration::new(3).unwrap().maximum_error().unwrap_err(),
        Temperature::fit(&[], &[], 2).unwrap_err(),
        Temperature::fit(&[0], &[0.0], 2).unwrap_err(),
        Temperature::fit(&[2], &[0.0, 1.0], 2).unwrap_err(),
        Temperature::fit(&[0], &[0.0, NAN], 2).unwrap_err(),
        Temperature::fit(&[0], &[f64::MAX, -f64::MAX], 2).unwrap_err(),
        TopKAccuracy::new(2).unwrap().update(0, &[NAN, 0.0]).unwrap_err(),
        TopKAccuracy::new(2).unwrap().accuracy(0).unwrap_err(),
        Retrieval::new(0, Gain::Linear).unwrap_err(),
        Retrieval::new(1, Gain::Linear).unwrap().update(&[-1.0], &[0.0]).unwrap_err(),
        Retrieval::new(1, Gain::Exponential).unwrap().update(&[5000.0], &[0.0]).unwrap_err(),
        Retrieval::new(1, Gain::Linear).unwrap().merge(&Retrieval::new(2, Gain::Linear).unwrap()).unwrap_err(),
        Perplexity::new().update(NAN, 1).unwrap_err(),
        Perplexity::new().perplexity().unwrap_err(),
    ]);

    errors.extend([
        entities(&["B-PER", ""], Decoding::Lenient).unwrap_err(),
        entities(&["B-PER", "E-PER"], Decoding::Strict(Scheme::Iob2)).unwrap_err(),
        EntityScores::new().update(&["O"], &["O", "O"], Decoding::Lenient).unwrap_err(),
        EntityScores::new().f1(Average::Micro).unwrap_err(),
        EntityScores::new().tag_accuracy().unwrap_err(),
        AnswerScores::new().update::<&str>(&[], "x").unwrap_err(),
        AnswerScores::new().exact_match().unwrap_err(),
        UnanswerableScores::new().update(&["x"], "x", NAN).unwrap_err(),
        UnanswerableScores::new().measures(Questions::All, NAN).unwrap_err(),
        UnanswerableScores::new().best_f1().unwrap_err(),
        McNemar::new().chi_square().unwrap_err(),
        randomization_test(&[], 1, 1).unwrap_err(),
        randomization_test(&[1.0], 0, 1).unwrap_err(),
        randomization_test(&[NAN], 1, 1).unwrap_err(),
        Bootstrap::new(1, 1).unwrap().interval_of(0, |_| Ok(0.0)).unwrap_err(),
        Bootstrap::new(1, 1).unwrap().interval_of(1, |_| Ok(NAN)).unwrap_err(),
    ]);
    expect![[r#"
        a label is NaN; it must be finite
        a prediction is inf; it must be finite
        the difference of a label and its prediction is inf; it must be finite
        the mean absolute error of no examples is not defined; give at least one example
        R squared of no examples is not defined; give at least one example
        a prediction is NaN; it must be finite
        Spearman's correlation of no examples is not defined; give at least one example
        a score is NaN; it must be finite
        ROC AUC of no examples is not defined; give at least one example
        average precision of no examples is not defined; give at least one example
        the best threshold of no examples is not defined; give at least one example
        Pearson's correlation needs at least 2 examples; found 1
        R squared needs at least 2 examples; found 1
        Kendall's correlation needs at least 2 examples; found 1
        ROC AUC is not defined where no example is negative; give examples of both kinds
        the measure is NaN; it must be finite
        Pearson's correlation is not defined where the labels are all the same; give examples that differ
        Spearman's correlation is not defined where the predictions are all the same; give examples that differ
        the number of labels is 0; it must be at least 1
        expected 2 truths, one for each label; found 1
        expected 2 decisions, one for each label; found 1
        the number of labels is 3 in what is merged, and 2 in what it is merged into; it must be the same
        F1 of examples of no examples is not defined; give at least one example
        expected 1 scores, one for each label; found 0
        a score is NaN; it must be finite
        label-ranking average precision of no examples is not defined; give at least one example
        a score is NaN; it must be finite
        ROC AUC of no examples is not defined; give at least one example
        label 2 is not one of the 2 classes; classes are counted from 0
        expected 2 scores, one for each class; found 1
        the number of classes is 3 in what is merged, and 2 in what it is merged into; it must be the same
        ROC AUC of no examples is not defined; give at least one example
        ROC AUC is not defined for class 0, where no example is negative; give examples of it and of others
        ROC AUC is not defined for class 0, where no example is negative; give examples of it and of others
        ROC AUC is not defined for class 0, where no example is positive; give examples of it and of others
        ROC AUC is not defined where no example is negative; give examples of both kinds
        expected 2 probabilities, one for each class; found 1
        a probability is NaN; it must be from 0 to 1
        the Brier score of no examples is not defined; give at least one example
        the number of bins is 0; it must be at least 1
        a confidence is 1.5; it must be from 0 to 1
        the number of bins is 4 in what is merged, and 3 in what it is merged into; it must be the same
        the maximum calibration error of no examples is not defined; give at least one example
        the best temperature of no examples is not defined; give at least one example
        expected 2 logits, one for each label and class; found 1
        label 2 is not one of the 2 classes; classes are counted from 0
        a logit is NaN; it must be finite
        the difference of two logits is -inf; it must be finite
        a score is NaN; it must be finite
        k is 0; it must be at least 1
        k is 0; it must be at least 1
        a relevance is -1; it must be 0 or more
        the gain of a relevance is inf; it must be finite
        k is 2 in what is merged, and 1 in what it is merged into; it must be the same
        the summed negative log-likelihood is NaN; it must be finite
        the negative log-likelihood of no examples is not defined; give at least one example
        tag "" at position 1 is not one of the scheme; it must be a prefix and a type, such as B-PER, or O
        tag "E-PER" at position 1 is not one of the scheme; it must be O, or I or B with a type
        expected 1 predicted tags, one for each label; found 2
        F1 of entities of no examples is not defined; give at least one example
        accuracy of tags of no examples is not defined; give at least one example
        the number of answers to a question is 0; it must be at least 1
        exact match of no examples is not defined; give at least one example
        the probability of no answer is NaN; it must be finite
        the threshold is NaN; it must be finite
        the best F1 of no examples is not defined; give at least one example
        McNemar's chi-square is not defined where the outcomes of the two models are all the same; give examples that differ
        a randomization test of no examples is not defined; give at least one example
        the number of draws is 0; it must be at least 1
        a difference is NaN; it must be finite
        a bootstrap interval of no examples is not defined; give at least one example
        a statistic of a resample is NaN; it must be finite
    "#]].assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

/// A model whose logits are always right, or say nothing, has no best temperature: the bounds stand for it.
#[test]
fn a_temperature_without_a_minimum_is_at_its_bound() {
    let always_right = Temperature::fit(&[0, 1], &[1.0, 0.0, 0.0, 1.0], 2).unwrap();
    assert!((always_right.temperature - Temperature::LEAST).abs() < 1e-12);
    let always_wrong = Temperature::fit(&[1, 0], &[1.0, 0.0, 0.0, 1.0], 2).unwrap();
    assert!((always_wrong.temperature - Temperature::GREATEST).abs() < 1e-12);
}

/// Its square is infinite, and the share of two infinities is NaN.
#[test]
fn a_beta_whose_square_overflows_is_refused() {
    let refused = ConfusionMatrix::new(2).unwrap().class_f_beta(1e200);
    let expected = MetricError::OutOfRange { quantity: "beta", value: 1e200, expected: "at most 1e100" };
    assert_eq!(refused, Err(expected));
}

#[test]
fn what_is_refused_is_not_counted() {
    let mut labels = Multilabel::new(1).unwrap();
    labels.update(&[true], &[true]).unwrap();
    let before = labels.clone();
    labels.update(&[true], &[]).unwrap_err();
    assert_eq!(labels, before);
    let mut scores = EntityScores::new();
    scores.update(&["B-X"], &["B-X"], Decoding::Lenient).unwrap();
    let before = scores.clone();
    scores.update(&["B-X", ""], &["B-X", "O"], Decoding::Lenient).unwrap_err();
    assert_eq!(scores, before);
    let mut sums = Retrieval::new(3, Gain::Linear).unwrap();
    sums.update(&[1.0], &[NAN]).unwrap_err();
    assert_eq!(sums.queries(), 0);
}
