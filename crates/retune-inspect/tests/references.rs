//! Elementwise comparison with scikit-learn and cleanlab: `golden/make.py` made the files.

#![allow(clippy::unwrap_used, reason = "a golden that does not read must fail")]

use retune_inspect::features::{DenseRows, Features};
use retune_inspect::label_errors::{
    IssueRule, LabelQuality, confident_joint, confident_thresholds, find_label_errors, label_quality,
};
use retune_inspect::linear::{FittedRegression, LogisticRegression};
use retune_inspect::probabilities::Probabilities;
use retune_inspect::tfidf::{Terms, Tfidf};
use serde::Deserialize;

fn golden<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// That two lists are equal to within `within`; the worst place is named.
fn close(what: &str, found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst =
        (0..found.len()).max_by(|a, b| (found[*a] - expected[*a]).abs().total_cmp(&(found[*b] - expected[*b]).abs()));
    if let Some(worst) = worst {
        let (found, expected) = (found[worst], expected[worst]);
        assert!((found - expected).abs() <= within, "{what}, place {worst}: {found} instead of {expected}");
    }
}

#[derive(Deserialize)]
struct Fitted {
    c: f64,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    probabilities: Vec<Vec<f64>>,
}

impl Fitted {
    /// Fits the same, and compares.
    fn compare(&self, what: &str, features: &Features, labels: &[usize]) {
        let classes = self.probabilities[0].len();
        let regression = LogisticRegression { inverse_penalty: self.c, tolerance: 1e-10, iterations: 10_000 };
        let fitted: FittedRegression = regression.fit(features, labels, classes).unwrap();
        assert!(fitted.converged, "{what}");
        let probabilities = fitted.probabilities(features).unwrap();
        let flat: Vec<f64> = (0..probabilities.rows()).flat_map(|row| probabilities.row(row).to_vec()).collect();
        close(&format!("{what}: probabilities"), &flat, &self.probabilities.concat(), 1e-6);
        let first = if classes == 2 { 1 } else { 0 };
        for (output, coefficients) in self.coefficients.iter().enumerate() {
            let found = fitted.weights(first + output).unwrap();
            close(&format!("{what}: coefficients of {output}"), &found, coefficients, 1e-5);
            let intercept = fitted.intercept(first + output).unwrap();
            close(&format!("{what}: intercept of {output}"), &[intercept], &self.intercepts[output..=output], 1e-5);
        }
        if classes == 2 {
            assert_eq!(fitted.weights(0).unwrap(), fitted.weights(1).unwrap().iter().map(|w| -w).collect::<Vec<_>>());
        }
    }
}

#[test]
fn logistic_regression_is_scikit_learns() {
    #[derive(Deserialize)]
    struct Case {
        features: Vec<Vec<f64>>,
        labels: Vec<usize>,
        #[serde(flatten)]
        fitted: Fitted,
    }
    for (place, case) in golden::<Vec<Case>>("linear").iter().enumerate() {
        let dense = DenseRows::new(case.features.concat(), case.features[0].len()).unwrap();
        case.fitted.compare(&format!("case {place}"), &Features::Dense(dense), &case.labels);
    }
}

#[test]
fn tfidf_is_scikit_learns() {
    #[derive(Deserialize)]
    struct Case {
        pairs: bool,
        minimum_rows: usize,
        vocabulary: Vec<String>,
        rows: Vec<Vec<f64>>,
        labels: Vec<usize>,
        #[serde(flatten)]
        fitted: Fitted,
    }
    #[derive(Deserialize)]
    struct Golden {
        texts: Vec<String>,
        cases: Vec<Case>,
    }
    let golden: Golden = golden("tfidf");
    for (place, case) in golden.cases.iter().enumerate() {
        let terms = if case.pairs { Terms::WordsAndPairs } else { Terms::Words };
        let tfidf = Tfidf::fit(&golden.texts, terms, case.minimum_rows);
        assert_eq!(tfidf.vocabulary(), case.vocabulary, "case {place}");
        let rows = tfidf.transform(&golden.texts);
        for (row, expected) in case.rows.iter().enumerate() {
            let mut found = vec![0.0; expected.len()];
            rows.row(row).for_each(|(column, value)| found[column as usize] = value);
            close(&format!("case {place}, row {row}"), &found, expected, 1e-12);
        }
        case.fitted.compare(&format!("case {place}"), &Features::Sparse(rows), &case.labels);
    }
}

#[test]
fn label_errors_are_cleanlabs() {
    #[derive(Deserialize)]
    struct Issues {
        prune_by_noise_rate: Vec<usize>,
        confident_learning: Vec<usize>,
        predicted_neq_given: Vec<usize>,
    }
    #[derive(Deserialize)]
    struct Quality {
        self_confidence: Vec<f64>,
        normalized_margin: Vec<f64>,
        confidence_weighted_entropy: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Case {
        labels: Vec<usize>,
        probabilities: Vec<Vec<f64>>,
        thresholds: Vec<f64>,
        joint: Vec<Vec<u64>>,
        issues: Issues,
        quality: Quality,
    }
    for (place, case) in golden::<Vec<Case>>("label_errors").iter().enumerate() {
        let probabilities = Probabilities::new(case.probabilities.concat(), case.probabilities[0].len()).unwrap();
        let labels = &case.labels;
        let what = |of: &str| format!("case {place}: {of}");
        close(&what("thresholds"), &confident_thresholds(labels, &probabilities).unwrap(), &case.thresholds, 1e-12);
        assert_eq!(confident_joint(labels, &probabilities).unwrap(), case.joint, "{}", what("joint"));
        for (rule, expected) in [
            (IssueRule::ByNoiseRate, &case.issues.prune_by_noise_rate),
            (IssueRule::ConfidentLearning, &case.issues.confident_learning),
            (IssueRule::PredictedOther, &case.issues.predicted_neq_given),
        ] {
            let found = find_label_errors(labels, &probabilities, rule, LabelQuality::SelfConfidence).unwrap();
            assert_eq!(&found.rows, expected, "{}", what(&format!("{rule:?}")));
        }
        for (by, expected) in [
            (LabelQuality::SelfConfidence, &case.quality.self_confidence),
            (LabelQuality::NormalizedMargin, &case.quality.normalized_margin),
            (LabelQuality::ConfidenceWeightedEntropy, &case.quality.confidence_weighted_entropy),
        ] {
            close(&what(&format!("{by:?}")), &label_quality(labels, &probabilities, by).unwrap(), expected, 1e-9);
        }
    }
}

#[test]
fn areas_are_delongs() {
    #[derive(Deserialize)]
    struct Case {
        labels: Vec<usize>,
        scores: Vec<f64>,
        auc: f64,
        low: f64,
        high: f64,
    }
    for (place, case) in golden::<Vec<Case>>("auc").iter().enumerate() {
        let of = |label: usize| -> Vec<f64> {
            case.labels.iter().zip(&case.scores).filter(|(of, _)| **of == label).map(|(_, score)| *score).collect()
        };
        let found = retune_inspect::auc::area_under_curve(&of(1), &of(0)).unwrap();
        // The reference keeps its ranks in 32 bits.
        let expected = [case.auc, case.low.max(0.0), case.high.min(1.0)];
        close(&format!("case {place}"), &[found.area, found.low, found.high], &expected, 1e-6);
    }
}
