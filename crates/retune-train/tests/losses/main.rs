//! Losses and divergences against PyTorch and sentence-transformers: `golden/losses.py` says what is in
//! `golden/losses.json`.

#![allow(clippy::unwrap_used, clippy::panic)] // Clippy excuses test functions, not their helpers.

mod divergences;

use retune_attention::SequenceLayout;
use retune_train::losses::{
    CrossEntropy, IGNORED, binary_cross_entropy, cosine, huber, multiple_negatives, spans, squared_error, triplet,
};
use serde_json::Value;
use tch::{Kind, Tensor};

/// The largest difference, absolute and relative to the value itself.
const CLOSE: f64 = 1e-5;

/// The cases of a family.
fn cases(family: &str) -> Vec<Value> {
    let mut all: Value = serde_json::from_str(include_str!("../golden/losses.json")).unwrap();
    match all[family].take() {
        Value::Array(cases) if !cases.is_empty() => cases,
        other => panic!("{family}: {other}"),
    }
}

/// A nested list of numbers.
fn nested(value: &Value) -> Tensor {
    fn flatten(value: &Value, numbers: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| flatten(item, numbers)),
            item => numbers.push(item.as_f64().unwrap()),
        }
    }
    let (mut numbers, mut shape, mut inner) = (Vec::new(), Vec::new(), value);
    while let Value::Array(items) = inner {
        shape.push(items.len() as i64);
        inner = &items[0];
    }
    flatten(value, &mut numbers);
    Tensor::from_slice(&numbers).view(shape.as_slice())
}

fn float(value: &Value) -> Tensor {
    nested(value).to_kind(Kind::Float)
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|item| item.as_i64().unwrap()).collect()
}

fn weights(case: &Value) -> Option<Tensor> {
    (!case["weights"].is_null()).then(|| float(&case["weights"]))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let apart: Tensor = (&found - &expected).abs() - CLOSE * expected.abs();
    // Of what is not a number, the comparison is false.
    assert!(apart.max().double_value(&[]) <= CLOSE, "{what}: found\n{found}expected\n{expected}");
}

/// Compares the loss of a case's variables, and the gradient of each, with the case.
#[track_caller]
fn compare(case: &Value, variables: &[&str], loss: impl FnOnce(&[Tensor]) -> Tensor) {
    let given: Vec<Tensor> = variables.iter().map(|name| float(&case[name]).set_requires_grad(true)).collect();
    let loss = loss(&given);
    assert_eq!((loss.size(), loss.kind()), (Vec::new(), Kind::Float), "a loss is one number in float32");
    assert_close("loss", &loss.detach(), &Tensor::from(number(&case["loss"])));
    let gradients = Tensor::run_backward(&[&loss], &given.iter().collect::<Vec<_>>(), false, false);
    for (name, gradient) in variables.iter().zip(gradients) {
        assert_close(&format!("gradient of {name}"), &gradient, &nested(&case["gradients"][name]));
    }
}

fn cross_entropy(case: &Value) -> CrossEntropy {
    CrossEntropy {
        weights: weights(case),
        smoothing: case["smoothing"].as_f64().unwrap_or(0.0),
        focal_gamma: case["gamma"].as_f64(),
    }
}

/// The names of a case's sides.
fn sides(columns: usize) -> Vec<String> {
    (0..columns).map(|place| format!("side_{place}")).collect()
}

#[test]
fn cross_entropy_is_pytorchs_with_weights_smoothing_and_ignored_labels() {
    for case in cases("cross_entropy") {
        let labels = Tensor::from_slice(&integers(&case["labels"]));
        compare(&case, &["logits"], |given| cross_entropy(&case).sum(&given[0], &labels));
    }
}

#[test]
fn the_sum_over_the_weight_is_pytorchs_mean() {
    for case in cases("cross_entropy") {
        let (loss, labels) = (cross_entropy(&case), integers(&case["labels"]));
        let sum = loss.sum(&float(&case["logits"]), &Tensor::from_slice(&labels)).double_value(&[]);
        assert_close("mean", &Tensor::from(sum / loss.weight(labels.into_iter())), &nested(&case["mean"]));
    }
}

#[test]
fn weights_count_labels_that_are_not_ignored() {
    let labels = [2, IGNORED, 0, IGNORED, 2];
    let mut loss = CrossEntropy::plain();
    assert_eq!(loss.weight(labels.into_iter()), 3.0);
    loss.weights = Some(Tensor::from_slice(&[0.5f32, 8.0, 2.25]));
    assert_eq!(loss.weight(labels.into_iter()), 5.0);
    assert_eq!(loss.weight([IGNORED, IGNORED].into_iter()), 0.0);
}

#[test]
fn the_focal_loss_is_its_formula_and_with_exponent_zero_the_cross_entropy() {
    for case in cases("focal") {
        let labels = Tensor::from_slice(&integers(&case["labels"]));
        let loss = cross_entropy(&case);
        compare(&case, &["logits"], |given| loss.sum(&given[0], &labels));
        if loss.focal_gamma == Some(0.0) {
            let plain = CrossEntropy { weights: loss.weights, ..CrossEntropy::plain() };
            compare(&case, &["logits"], |given| plain.sum(&given[0], &labels));
        }
    }
}

#[test]
fn the_focal_loss_of_what_is_certain_has_a_finite_gradient() {
    for gamma in [0.0, 0.5, 1.0, 2.0] {
        // The first is right beyond the precision of float32, the second wrong beyond it.
        let logits = Tensor::from_slice(&[200f32, 0.0, 200.0, 0.0]).view([2, 2]).set_requires_grad(true);
        let loss = CrossEntropy { focal_gamma: Some(gamma), ..CrossEntropy::plain() };
        let sum = loss.sum(&logits, &Tensor::from_slice(&[0i64, 1]));
        assert_eq!(sum.double_value(&[]), 200.0);
        let gradient = Tensor::run_backward(&[&sum], &[&logits], false, false).remove(0);
        assert_close("gradient", &gradient, &Tensor::from_slice(&[0f64, 0.0, 1.0, -1.0]).view([2, 2]));
    }
}

#[test]
fn binary_cross_entropy_is_pytorchs_with_weights_of_positives() {
    for case in cases("binary") {
        let (targets, weights) = (float(&case["targets"]), weights(&case));
        compare(&case, &["logits"], |given| binary_cross_entropy(&given[0], &targets, weights.as_ref()));
    }
}

#[test]
fn squared_and_hubers_errors_are_pytorchs() {
    let cases = cases("regression");
    assert!(cases.iter().any(|case| case["delta"] == 0.7) && cases.iter().any(|case| case["delta"].is_null()));
    for case in cases {
        let targets = float(&case["targets"]);
        compare(&case, &["outputs"], |given| match case["delta"].as_f64() {
            Some(delta) => huber(&given[0], &targets, delta),
            None => squared_error(&given[0], &targets),
        });
    }
}

#[test]
fn spans_are_the_mean_cross_entropy_of_start_and_end_in_each_sequence() {
    for case in cases("spans") {
        let lengths: Vec<usize> = integers(&case["lengths"]).into_iter().map(|length| length as usize).collect();
        let layout = SequenceLayout::from_lengths(&lengths);
        let packed = |key: &str| {
            let places = integers(&case[key]).into_iter().zip(layout.offsets()).map(|(place, first)| place + first);
            Tensor::from_slice(&places.collect::<Vec<_>>())
        };
        compare(&case, &["logits"], |given| spans(&given[0], &layout, &packed("starts"), &packed("ends")));
    }
}

#[test]
fn in_batch_negatives_are_those_of_sentence_transformers_with_further_ones() {
    for case in cases("multiple_negatives") {
        let sides = sides(case["columns"].as_u64().unwrap() as usize);
        let names: Vec<&str> = sides.iter().map(String::as_str).collect();
        compare(&case, &names, |given| {
            multiple_negatives(&given[0], &Tensor::cat(&given[1..], 0), number(&case["scale"]))
        });
    }
}

#[test]
fn triplets_are_those_of_sentence_transformers_of_which_some_cost_nothing() {
    for case in cases("triplet") {
        compare(&case, &["side_0", "side_1", "side_2"], |given| {
            triplet(&given[0], &given[1], &given[2], number(&case["margin"]))
        });
    }
}

#[test]
fn cosines_are_those_of_sentence_transformers() {
    for case in cases("cosine") {
        let targets = float(&case["targets"]);
        compare(&case, &["side_0", "side_1"], |given| cosine(&given[0], &given[1], &targets));
    }
}

/// Adds a loss up over parts of `rows` items, of these sizes, and compares with the whole.
#[track_caller]
fn parts_add_up(rows: i64, loss: impl Fn(i64, i64) -> (Tensor, f64)) {
    let (whole, weight) = loss(0, rows);
    let whole = whole.double_value(&[]) / weight;
    for size in 1..rows {
        let parts = (0..rows).step_by(size as usize).map(|start| loss(start, (start + size).min(rows)));
        let (sum, weights) =
            parts.fold((0.0, 0.0), |(sum, weights), (part, weight)| (sum + part.double_value(&[]), weights + weight));
        assert!((weights - weight).abs() < 1e-9, "parts of {size} weigh {weights}, the whole {weight}");
        assert!((sum / weights - whole).abs() < CLOSE, "parts of {size}: {} for {whole}", sum / weights);
    }
}

#[test]
fn sums_over_parts_of_any_size_are_the_sum_of_the_whole() {
    for case in cases("cross_entropy").iter().chain(&cases("focal")) {
        let (loss, logits, labels) = (cross_entropy(case), float(&case["logits"]), integers(&case["labels"]));
        parts_add_up(labels.len() as i64, |start, end| {
            let of = &labels[start as usize..end as usize];
            (loss.sum(&logits.slice(0, start, end, 1), &Tensor::from_slice(of)), loss.weight(of.iter().copied()))
        });
    }
    let part = |value: &Value, start: i64, end: i64| float(value).slice(0, start, end, 1);
    for case in cases("binary") {
        let weights = weights(&case);
        parts_add_up(5, |start, end| {
            let [logits, targets] = ["logits", "targets"].map(|key| part(&case[key], start, end));
            (binary_cross_entropy(&logits, &targets, weights.as_ref()), logits.numel() as f64)
        });
    }
    for case in cases("triplet") {
        parts_add_up(6, |start, end| {
            let [anchors, near, far] = ["side_0", "side_1", "side_2"].map(|key| part(&case[key], start, end));
            (triplet(&anchors, &near, &far, number(&case["margin"])), (end - start) as f64)
        });
    }
    for case in cases("cosine") {
        parts_add_up(4, |start, end| {
            let [first, second, targets] = ["side_0", "side_1", "targets"].map(|key| part(&case[key], start, end));
            (cosine(&first, &second, &targets), (end - start) as f64)
        });
    }
}
