//! R-Drop's divergences: their values and gradients, and what they are of equal outputs and of parts.

use retune_attention::SequenceLayout;
use retune_train::divergences::{binary, spans, squared_difference};
use retune_train::losses::{CrossEntropy, IGNORED};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::{cases, compare, cross_entropy, float, integers, parts_add_up};

fn layout(case: &Value) -> SequenceLayout {
    let lengths: Vec<usize> = integers(&case["lengths"]).into_iter().map(|length| length as usize).collect();
    SequenceLayout::from_lengths(&lengths)
}

/// The divergence of a case's two outputs.
fn divergence(case: &Value, first: &Tensor, second: &Tensor) -> Tensor {
    match case["form"].as_str() {
        Some("classes") => {
            cross_entropy(case).divergence(first, second, &Tensor::from_slice(&integers(&case["labels"])))
        }
        Some("binary") => binary(first, second),
        Some("spans") => spans(first, second, &layout(case)),
        Some("numbers") => squared_difference(first, second),
        other => panic!("there is no form {other:?}"),
    }
}

#[test]
fn divergences_are_pytorchs_in_both_directions_with_the_gradient_of_both_outputs() {
    for case in cases("divergence") {
        compare(&case, &["first", "second"], |given| divergence(&case, &given[0], &given[1]));
    }
}

#[test]
fn equal_outputs_have_the_divergence_zero_and_no_gradient_at_all() {
    for case in cases("divergence") {
        let [first, second] = [(); 2].map(|()| float(&case["first"]).set_requires_grad(true));
        let found = divergence(&case, &first, &second);
        assert_eq!(found.double_value(&[]), 0.0, "{}", case["form"]);
        for gradient in Tensor::run_backward(&[&found], &[&first, &second], false, false) {
            assert_eq!(gradient.abs().max().double_value(&[]), 0.0, "{}", case["form"]);
        }
    }
}

#[test]
fn it_is_the_same_either_way_round_and_positive() {
    for case in cases("divergence") {
        let [first, second] = ["first", "second"].map(|side| float(&case[side]));
        let [one, other] =
            [(&first, &second), (&second, &first)].map(|(a, b)| divergence(&case, a, b).double_value(&[]));
        assert!(one > 0.0 && (one - other).abs() <= 1e-5 * one, "{}: {one} and {other}", case["form"]);
    }
}

#[test]
fn outputs_of_half_precision_are_compared_in_single() {
    for case in cases("divergence") {
        let [first, second] = ["first", "second"].map(|side| float(&case[side]).to_kind(Kind::BFloat16));
        let found = divergence(&case, &first, &second);
        assert_eq!(found.kind(), Kind::Float);
        let widened = divergence(&case, &first.to_kind(Kind::Float), &second.to_kind(Kind::Float));
        assert!(found.equal(&widened), "{}: {found} and {widened}", case["form"]);
    }
}

#[test]
fn what_does_not_count_may_be_infinite() {
    let logits = |values: [f32; 4]| Tensor::from_slice(&values).view([2, 2]).set_requires_grad(true);
    let (first, second) = (logits([0.0, 1.0, f32::INFINITY, 0.0]), logits([1.0, 0.0, 0.0, 1.0]));
    let labels = Tensor::from_slice(&[1, IGNORED]);
    let found = CrossEntropy::plain().divergence(&first, &second, &labels).double_value(&[]);
    let expected = 2.0 / (1.0 + (-1f64).exp()) - 1.0; // (σ(1) − σ(−1)) · (1 − −1) / 2
    assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
}

#[test]
fn parts_of_any_size_add_up_to_the_divergence_of_the_whole() {
    for case in cases("divergence").iter().filter(|case| case["form"] != "spans") {
        let [first, second] = ["first", "second"].map(|side| float(&case[side]));
        let rows = first.size()[0];
        let labels = case["labels"].is_array().then(|| integers(&case["labels"]));
        parts_add_up(rows, |start, end| {
            let mut part = case.clone();
            let mut weight = (end - start) as f64;
            if let Some(labels) = &labels {
                let own = &labels[start as usize..end as usize];
                part["labels"] = own.into();
                weight = cross_entropy(case).weight(own.iter().copied());
            }
            let [first, second] = [&first, &second].map(|side| side.slice(0, start, end, 1));
            (divergence(&part, &first, &second), weight)
        });
    }
}

#[test]
fn sequences_add_up_to_the_divergence_of_the_spans_of_all() {
    for case in cases("divergence").iter().filter(|case| case["form"] == "spans") {
        let [first, second] = ["first", "second"].map(|side| float(&case[side]));
        let layout = layout(case);
        let alone = layout.ranges().map(|range| {
            let [first, second] = [&first, &second].map(|side| side.slice(0, range.start, range.end, 1));
            let own = SequenceLayout::from_lengths(&[(range.end - range.start) as usize]);
            spans(&first, &second, &own).double_value(&[])
        });
        let (alone, whole) = (alone.sum::<f64>(), divergence(case, &first, &second).double_value(&[]));
        assert!((alone - whole).abs() < 1e-4 * whole, "{alone} for {whole}");
    }
}
