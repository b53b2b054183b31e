//! Against the values that scikit-learn gives; `tests/generate_reference.py` writes them.

use retune_metrics::{Average, Bootstrap, ConfusionMatrix, log_loss};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn reference() -> Value {
    serde_json::from_str(include_str!("../reference.json")).unwrap()
}

fn cases<'a>(reference: &'a Value, name: &str) -> &'a Vec<Value> {
    let cases = reference[name].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn integers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: &Value, what: &str, case: usize) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= TOLERANCE, "case {case}, {what}: {found} is not {expected}");
}

fn matrix_of(case: &Value) -> ConfusionMatrix {
    let pairs = integers(&case["labels"]).into_iter().zip(integers(&case["predicted"]));
    ConfusionMatrix::from_pairs(integers(&serde_json::json!([case["classes"]]))[0], pairs).unwrap()
}

#[test]
fn measures_of_the_whole_equal_scikit_learn() {
    for (index, case) in cases(&reference(), "classification").iter().enumerate() {
        let matrix = matrix_of(case);
        assert_near(matrix.accuracy().unwrap(), &case["accuracy"], "accuracy", index);
        assert_near(matrix.balanced_accuracy().unwrap(), &case["balanced_accuracy"], "balanced accuracy", index);
        assert_near(matrix.mcc().unwrap(), &case["mcc"], "MCC", index);
        // Where scikit-learn has NaN, which the file holds as null, we have 0.
        let kappa = if case["kappa"].is_null() { &serde_json::json!(0.0) } else { &case["kappa"] };
        assert_near(matrix.cohen_kappa().unwrap(), kappa, "kappa", index);
    }
}

#[test]
fn scores_of_classes_equal_scikit_learn() {
    for (index, case) in cases(&reference(), "classification").iter().enumerate() {
        let scores = matrix_of(case).class_scores();
        let expected = case["class_scores"].as_array().unwrap();
        assert_eq!(scores.len(), expected.len());
        for (score, expected) in scores.iter().zip(expected) {
            assert_near(score.precision, &expected[0], "precision", index);
            assert_near(score.recall, &expected[1], "recall", index);
            assert_near(score.f1, &expected[2], "F1", index);
            assert_eq!(score.support, expected[3].as_u64().unwrap(), "case {index}");
        }
    }
}

#[test]
fn averages_equal_scikit_learn() {
    let reference = reference();
    let betas: Vec<f64> = reference["betas"].as_array().unwrap().iter().map(|beta| beta.as_f64().unwrap()).collect();
    for (index, case) in cases(&reference, "classification").iter().enumerate() {
        let matrix = matrix_of(case);
        for (name, average) in [("micro", Average::Micro), ("macro", Average::Macro), ("weighted", Average::Weighted)] {
            let expected = &case[name];
            assert_near(matrix.precision(average).unwrap(), &expected[0], name, index);
            assert_near(matrix.recall(average).unwrap(), &expected[1], name, index);
            assert_near(matrix.f1(average).unwrap(), &expected[2], name, index);
            for (beta, expected) in betas.iter().zip(&expected.as_array().unwrap()[3..]) {
                assert_near(matrix.f_beta(*beta, average).unwrap(), expected, name, index);
            }
        }
    }
}

#[test]
fn the_reference_has_the_cases_that_go_wrong() {
    let reference = reference();
    let cases = cases(&reference, "classification");
    let having =
        |property: &dyn Fn(&ConfusionMatrix) -> bool| cases.iter().filter(|case| property(&matrix_of(case))).count();
    assert!(having(&|matrix| matrix.classes() == 1) > 5);
    assert!(having(&|matrix| matrix.supports().contains(&0)) > 20);
    assert!(having(&|matrix| matrix.predictions().iter().filter(|count| **count > 0).count() == 1) > 20);
    assert!(having(&|matrix| matrix.mcc().unwrap() < 0.0) > 5);
    assert!(cases.iter().any(|case| case["kappa"].is_null()));
}

#[test]
fn log_loss_equals_scikit_learn() {
    for (index, case) in cases(&reference(), "log_loss").iter().enumerate() {
        let rows = case["thousandths"].as_array().unwrap();
        let probabilities: Vec<f64> =
            rows.iter().flat_map(integers).map(|thousandths| thousandths as f64 / 1000.0).collect();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let loss = log_loss(&integers(&case["labels"]), &probabilities, classes).unwrap();
        assert_near(loss, &case["log_loss"], "log loss", index);
    }
}

/// Of a binomial the quantiles are known. The bounds of 20,000 resamples lie within a step of 1/n and a few standard
/// errors of them.
#[test]
fn intervals_of_accuracy_equal_the_binomial() {
    for (index, case) in cases(&reference(), "accuracy_intervals").iter().enumerate() {
        let [n, right] = ["n", "right"].map(|name| case[name].as_u64().unwrap() as usize);
        let level = case["level"].as_f64().unwrap();
        let pairs = (0..n).map(|example| (example % 2, if example < right { example % 2 } else { 1 - example % 2 }));
        let matrix = ConfusionMatrix::from_pairs(2, pairs).unwrap();
        let bootstrap = Bootstrap::new(20_000, index as u64).unwrap().with_level(level).unwrap();
        let interval = bootstrap.interval(&matrix, ConfusionMatrix::accuracy).unwrap();
        assert_eq!(interval.estimate, right as f64 / n as f64);
        let share = interval.estimate;
        // The standard error of a 2.5 % point of so many draws is about 0.02 standard deviations.
        let tolerance = 1.0 / n as f64 + 0.08 * (share * (1.0 - share) / n as f64).sqrt() + TOLERANCE;
        for (found, expected) in [(interval.low, &case["low"]), (interval.high, &case["high"])] {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() <= tolerance, "case {index}: {found} is not {expected} +- {tolerance}");
        }
    }
}
