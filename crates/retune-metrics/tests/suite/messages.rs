//! The text of every error.

use expect_test::expect;
use retune_metrics::{Average, Bootstrap, ConfusionMatrix, MeanLoss, MetricError, log_loss};

#[test]
fn every_error_says_what_and_how_to_mend_it() {
    let empty = ConfusionMatrix::new(2).unwrap();
    let mut two = ConfusionMatrix::from_pairs(2, [(0, 1)]).unwrap();
    let mut mean = MeanLoss::new();
    let errors: Vec<MetricError> = vec![
        ConfusionMatrix::new(0).unwrap_err(),
        two.update(2, 0).unwrap_err(),
        two.update(0, 7).unwrap_err(),
        two.merge(&ConfusionMatrix::new(3).unwrap()).unwrap_err(),
        empty.accuracy().unwrap_err(),
        empty.balanced_accuracy().unwrap_err(),
        empty.mcc().unwrap_err(),
        empty.cohen_kappa().unwrap_err(),
        empty.f1(Average::Macro).unwrap_err(),
        two.f_beta(f64::NAN, Average::Macro).unwrap_err(),
        two.f_beta(-1.0, Average::Macro).unwrap_err(),
        Bootstrap::new(0, 1).unwrap_err(),
        Bootstrap::new(1, 1).unwrap().with_level(1.0).unwrap_err(),
        Bootstrap::new(1, 1).unwrap().with_level(0.0).unwrap_err(),
        Bootstrap::new(1, 1).unwrap().interval(&empty, |_| Ok(0.0)).unwrap_err(),
        mean.update(f64::NAN, 1).unwrap_err(),
        mean.update(f64::INFINITY, 1).unwrap_err(),
        mean.mean().unwrap_err(),
        log_loss(&[], &[], 2).unwrap_err(),
        log_loss(&[], &[], 0).unwrap_err(),
        log_loss(&[0], &[0.5, 0.5, 0.0], 2).unwrap_err(),
        log_loss(&[2], &[0.5, 0.5], 2).unwrap_err(),
        log_loss(&[0], &[f64::NAN, 0.5], 2).unwrap_err(),
        log_loss(&[0], &[1.5, -0.5], 2).unwrap_err(),
        log_loss(&[0, 1], &[0.5, 0.5, 0.75, 0.5], 2).unwrap_err(),
    ];
    expect![[r#"
        a confusion matrix needs at least one class; 0 were asked for
        label 2 is not one of the 2 classes; classes are counted from 0
        prediction 7 is not one of the 2 classes; classes are counted from 0
        a matrix of 3 classes cannot be merged into one of 2
        accuracy of no examples is not defined; give at least one example
        balanced accuracy of no examples is not defined; give at least one example
        MCC of no examples is not defined; give at least one example
        Cohen's kappa of no examples is not defined; give at least one example
        F1 of no examples is not defined; give at least one example
        beta is NaN; it must be finite and not negative
        beta is -1; it must be finite and not negative
        the number of bootstrap samples is 0; it must be at least 1
        the level is 1; it must be above 0 and below 1
        the level is 0; it must be above 0 and below 1
        a bootstrap interval of no examples is not defined; give at least one example
        the loss is NaN; it must be finite
        the loss is inf; it must be finite
        the mean loss of no examples is not defined; give at least one example
        log loss of no examples is not defined; give at least one example
        a confusion matrix needs at least one class; 0 were asked for
        expected 1 x 2 probabilities, one for each label and class; found 3
        label 2 is not one of the 2 classes; classes are counted from 0
        a probability is NaN; it must be from 0 to 1
        a probability is 1.5; it must be from 0 to 1
        the probabilities of example 1 add up to 1.25; they must add up to 1
    "#]]
    .assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn a_refused_example_is_not_counted() {
    let mut matrix = ConfusionMatrix::from_pairs(2, [(0, 1)]).unwrap();
    let before = matrix.clone();
    matrix.update(0, 2).unwrap_err();
    assert_eq!(matrix, before);
    let mut mean = MeanLoss::new();
    mean.update(2.0, 3).unwrap();
    mean.update(f64::NAN, 3).unwrap_err();
    assert_eq!((mean.mean(), mean.items()), (Ok(2.0), 3));
}

#[test]
fn what_a_statistic_refuses_is_passed_on() {
    let matrix = ConfusionMatrix::from_pairs(2, [(0, 1)]).unwrap();
    let refused = Bootstrap::new(5, 1).unwrap().interval(&matrix, |matrix| matrix.f_beta(-1.0, Average::Micro));
    assert_eq!(refused, matrix.f_beta(-1.0, Average::Micro).map(|_| unreachable!("a negative beta is refused")));
}

#[test]
fn a_matrix_that_is_not_square_is_not_read() {
    let read = |json: &str| serde_json::from_str::<ConfusionMatrix>(json).map_err(|error| error.to_string());
    expect!["a matrix of 1 classes cannot be merged into one of 2"].assert_eq(&read("[[1,2],[3]]").unwrap_err());
    expect!["a confusion matrix needs at least one class; 0 were asked for"].assert_eq(&read("[]").unwrap_err());
}
