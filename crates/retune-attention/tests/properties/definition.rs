//! Attention is what its equation says: a distribution over what is seen, the same by every backend, with its own
//! gradient.

use proptest::prelude::*;
use retune_attention::attention::reference;
use retune_attention::{Attention, Mode, Pairing, SequenceLayout, Visibility, attend, recording_weights};
use tch::{Device, Kind, Tensor};

use crate::cases::{
    BACKENDS, Backend, Batch, Bias, Case, ContentBias, DOUBLE, INPUTS, any_case, assert_close, assert_zero, config,
    gradients, numbers, randn, seed_of_draws, tensor,
};

/// The equation, number by number, with no tensor operation but those of the bias.
pub fn by_loops(batch: &Batch) -> Tensor {
    let [q, k, v] = batch.qkv().map(numbers);
    let (heads, size) = (batch.case.heads() as usize, batch.case.size as usize);
    let key_heads = batch.case.key_heads as usize;
    let scale = batch.case.scale.unwrap_or((size as f64).powf(-0.5));
    let mut out = vec![0.0; q.len()];
    for (s, i, row) in batch.rows() {
        let seen = batch.seen(s, i);
        for h in 0..heads {
            let key_head = h / (heads / key_heads);
            let key = |j: i64| (((batch.keys_of(s).start + j) as usize) * key_heads + key_head) * size;
            let query = (row as usize * heads + h) * size;
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let q = &q[query..query + size];
            let score = |&j: &i64| {
                scale * dot(q, &k[key(j)..key(j) + size]) + bias(batch, h, i, j, q, &k[key(j)..key(j) + size])
            };
            let powers: Vec<f64> = seen.iter().map(|j| score(j).exp()).collect();
            let total: f64 = powers.iter().sum();
            for (&j, power) in seen.iter().zip(&powers) {
                for c in 0..size {
                    out[query + c] += power / total * v[key(j) + c];
                }
            }
        }
    }
    tensor(&out, &batch.qkv()[0].size())
}

fn bias(batch: &Batch, h: usize, i: i64, j: i64, q: &[f64], k: &[f64]) -> f64 {
    let parameter = |index: &[i64]| batch.inputs()[3].double_value(index);
    match batch.case.bias {
        Bias::Absent => 0.0,
        Bias::Places => parameter(&[h as i64, i, j]),
        Bias::Content => {
            let turned = |c: usize| (0..q.len()).map(|r| q[r] * parameter(&[r as i64, c as i64])).sum::<f64>().tanh();
            (0..k.len()).map(|c| turned(c) * k[c]).sum()
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_backend_is_the_equation(case in any_case()) {
        let batch = case.batch();
        let expected = by_loops(&batch);
        for (name, backend) in BACKENDS {
            assert_close(name, &batch.run(backend), &expected, 1e-11);
        }
    }

    #[test]
    fn recorded_weights_mix_the_values_into_the_output(case in any_case()) {
        let batch = case.batch();
        let (output, calls) = recording_weights(|| batch.run(BACKENDS[3].1));
        prop_assert_eq!(calls.len(), 1);
        let groups = batch.case.heads() / batch.case.key_heads;
        let v = batch.qkv()[2].repeat_interleave_self_int(groups, 1, None); // [t_k, h, k]
        let mixed = calls[0].iter().zip(batch.pairing().keys.ranges()).map(|(weights, keys)| {
            assert!(!weights.requires_grad());
            weights.matmul(&v.narrow(0, keys.start, keys.end - keys.start).transpose(0, 1)).transpose(0, 1) // [l_q, h, k]
        });
        let mixed: Vec<Tensor> = mixed.collect();
        if !mixed.is_empty() {
            assert_close("weights times values", &Tensor::cat(&mixed, 0), &output, 1e-11);
        }
        // Nothing is heard outside, and the output is the same.
        prop_assert!(batch.run(BACKENDS[3].1).equal(&output));
    }

    #[test]
    fn backends_agree_in_gradients(case in any_case()) {
        let batch = case.batch();
        let expected = batch.gradients(reference::attend);
        for (name, backend) in BACKENDS {
            for ((input, found), expected) in INPUTS.iter().zip(batch.gradients(backend)).zip(&expected) {
                assert_close(&format!("{name}, gradient of {input}"), &found, expected, 1e-10);
            }
        }
    }

    #[test]
    fn gradients_agree_with_central_differences(case in any_case(), place in any::<prop::sample::Index>()) {
        let batch = case.batch();
        let step = 1e-5;
        for (name, backend) in BACKENDS {
            for (input, analytic) in batch.gradients(backend).iter().enumerate() {
                if analytic.numel() == 0 {
                    continue;
                }
                let element = place.index(analytic.numel()) as i64;
                let value = |offset: f64| {
                    let inputs: Vec<Tensor> = batch.inputs().iter().map(Tensor::copy).collect();
                    let _ = inputs[input].view([-1]).narrow(0, element, 1).g_add_scalar_(offset);
                    batch.loss(backend, &inputs).double_value(&[])
                };
                let numeric = (value(step) - value(-step)) / (2.0 * step);
                let found = analytic.reshape([-1]).double_value(&[element]);
                prop_assert!(
                    (found - numeric).abs() < 1e-6 * numeric.abs().max(1.0),
                    "{}, gradient of {} at {}: {} instead of {}", name, INPUTS[input], element, found, numeric
                );
            }
        }
    }

    #[test]
    fn weights_are_a_distribution_over_what_is_seen(case in any_case()) {
        let batch = case.batch();
        for (s, (&queries, &keys)) in case.queries.iter().zip(&case.keys).enumerate() {
            let scores = randn([case.heads(), queries as i64, keys as i64]);
            let weights = reference::weights(&scores, case.visibility);
            // Of one head alone, and of several batches of them, they are the same.
            for head in 0..case.heads() {
                prop_assert!(reference::weights(&scores.get(head), case.visibility).equal(&weights.get(head)));
            }
            let batches = scores.unsqueeze(0).unsqueeze(0);
            prop_assert!(reference::weights(&batches, case.visibility).get(0).get(0).equal(&weights));
            for i in 0..queries as i64 {
                let seen = batch.seen(s, i);
                for h in 0..case.heads() {
                    let row: Vec<f64> = numbers(&weights.get(h).get(i));
                    prop_assert!(row.iter().all(|weight| *weight >= 0.0));
                    let sum: f64 = row.iter().sum();
                    let expected = if seen.is_empty() { 0.0 } else { 1.0 };
                    prop_assert!((sum - expected).abs() < 1e-12, "query {} of sequence {}: {}", i, s, sum);
                    let hidden = (0..keys as i64).filter(|j| !seen.contains(j));
                    prop_assert!(hidden.map(|j| row[j as usize]).all(|weight| weight == 0.0));
                }
            }
        }
    }

    /// Values of one-hot rows make the output the weights themselves; values of ones make it their sum.
    #[test]
    fn each_backends_weights_are_a_distribution(case in any_case()) {
        let longest = case.keys.iter().max().copied().unwrap_or(0) as i64;
        // As wide as the longest sequence, so that every key has a dimension of its own.
        let case = Case { size: longest.max(1), ..case };
        let batch = case.batch();
        let [q, k, _] = batch.qkv();
        let one_hot = Tensor::eye(case.size, DOUBLE).index_select(0, &batch.keys.positions(Device::Cpu));
        let one_hot = one_hot.unsqueeze(1).expand([-1, case.key_heads, -1], false).contiguous();
        for (name, backend) in BACKENDS {
            let weights = batch.run_on(backend, q, k, &one_hot);
            let sums = batch.run_on(backend, q, k, &one_hot.ones_like());
            for (s, i, row) in batch.rows() {
                let seen = batch.seen(s, i);
                let whole = if seen.is_empty() { 0.0 } else { 1.0 };
                assert_close(name, &sums.get(row), &sums.get(row).full_like(whole), 1e-12);
                let weights = weights.get(row);
                prop_assert!(numbers(&weights).iter().all(|weight| *weight >= 0.0), "{}", name);
                assert_close(name, &weights.sum_dim_intlist(-1, false, Kind::Double), &weights.select(1, 0).full_like(whole), 1e-12);
                for j in (0..case.size).filter(|j| !seen.contains(j)) {
                    assert_zero(name, &weights.select(1, j));
                }
            }
        }
    }

    #[test]
    fn an_output_lies_within_the_values_that_are_seen(case in any_case()) {
        let batch = case.batch();
        let v = batch.qkv()[2].repeat_interleave_self_int(case.group, 1, None); // [t_k, h, k]
        for (name, backend) in BACKENDS {
            let out = batch.run(backend);
            for (s, i, row) in batch.rows() {
                let seen: Vec<i64> = batch.seen(s, i).iter().map(|j| batch.keys_of(s).start + j).collect();
                if seen.is_empty() {
                    continue;
                }
                let values = v.index_select(0, &Tensor::from_slice(&seen)); // [seen, h, k]
                let out = out.get(row);
                let (low, high) = (values.amin(0, false) - 1e-12, values.amax(0, false) + 1e-12);
                let inside = out.ge_tensor(&low).logical_and(&out.le_tensor(&high));
                prop_assert!(bool::try_from(inside.all()).unwrap(), "{}, query {} of sequence {}", name, i, s);
            }
        }
    }

    #[test]
    fn a_query_that_sees_nothing_gets_zero_and_gives_no_gradient(case in any_case()) {
        let batch = case.batch();
        for (name, backend) in BACKENDS {
            let out = batch.run(backend);
            prop_assert!(bool::try_from(out.isfinite().all()).unwrap(), "{}", name);
            let gradients = batch.gradients(backend);
            for (input, gradient) in INPUTS.iter().zip(&gradients) {
                prop_assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "{}, gradient of {}", name, input);
            }
            for (s, i, row) in batch.rows() {
                if batch.seen(s, i).is_empty() {
                    assert_zero(name, &out.get(row));
                    assert_zero(name, &gradients[0].get(row));
                }
            }
        }
    }

    #[test]
    fn extreme_logits_stay_finite(case in any_case(), logit in prop::sample::select(vec![1e4, -1e4]), single in any::<bool>()) {
        let batch = case.batch();
        let kind = if single { Kind::Float } else { Kind::Double };
        let inputs: Vec<Tensor> = batch.inputs().iter().map(|input| input.to_kind(kind)).collect();
        for (name, backend) in BACKENDS {
            let scaled = |inputs: &[Tensor]| {
                let none = Tensor::new();
                let attention = Attention { scale: Some(logit), ..batch.attention };
                batch.run_as(backend, &inputs[0], &inputs[1], &inputs[2], inputs.get(3).unwrap_or(&none), &attention, Mode::Evaluate)
            };
            let out = scaled(&inputs);
            prop_assert_eq!(out.kind(), kind);
            prop_assert!(bool::try_from(out.isfinite().all()).unwrap(), "{}", name);
            for (input, gradient) in INPUTS.iter().zip(gradients(&inputs, |inputs| crate::cases::weighed(&scaled(inputs)))) {
                prop_assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "{}, gradient of {}", name, input);
            }
        }
    }
}

/// Two keys, scores 0 and ln 3: weights ¼ and ¾.
#[test]
fn a_case_worked_by_hand() {
    let layout = SequenceLayout::from_lengths(&[2]);
    let q = tensor(&[1.0, 0.0, 1.0, 0.0], &[2, 1, 2]);
    let k = tensor(&[0.0, 9.0, 3f64.ln(), -9.0], &[2, 1, 2]);
    let v = tensor(&[4.0, 0.0, 0.0, 8.0], &[2, 1, 2]);
    let attention = Attention { scale: Some(1.0), ..Attention::default() };
    let causal = Attention { visibility: Visibility::Causal, ..attention };
    for (name, backend) in BACKENDS {
        let run = |attention| backend(&q, &k, &v, &Pairing::from(&layout), attention, Mode::Evaluate);
        assert_close(name, &run(&attention), &tensor(&[1.0, 6.0, 1.0, 6.0], &[2, 1, 2]), 1e-14);
        assert_close(name, &run(&causal), &tensor(&[4.0, 0.0, 1.0, 6.0], &[2, 1, 2]), 1e-14);
    }
    // Without a scale of its own it is 1/√k.
    assert_eq!(Attention::default().scale_for(16), 0.25);
    assert_eq!(attention.scale_for(16), 1.0);
}

/// Every query sees nothing: there are no keys at all, or all stand outside the window.
#[test]
fn where_nothing_can_be_seen_everything_is_zero() {
    let blind = Visibility::Window { before: 0, after: 0 };
    for (queries, keys, visibility) in [
        (vec![2, 3], vec![0, 0], Visibility::Bidirectional),
        (vec![2, 3], vec![0, 0], Visibility::Causal),
        (vec![4], vec![1], blind),
    ] {
        let (queries, keys) = (SequenceLayout::from_lengths(&queries), SequenceLayout::from_lengths(&keys));
        let inputs = [queries.tokens(), keys.tokens(), keys.tokens()].map(|t| randn([t, 2, 3]));
        let content = ContentBias(randn([3, 3]));
        for (name, backend) in BACKENDS {
            for pairing in [Pairing::across(&queries, &keys), Pairing::across(&queries, &keys).with_bias(&content)] {
                let attention = Attention { visibility, ..Attention::default() };
                // The last queries see nothing in all three.
                let last = |inputs: &[Tensor]| {
                    let out = backend(&inputs[0], &inputs[1], &inputs[2], &pairing, &attention, Mode::Evaluate);
                    out.narrow(0, queries.tokens() - 3, 3)
                };
                assert_zero(name, &last(&inputs));
                for gradient in gradients(&inputs, |inputs| last(inputs).sum(Kind::Double)) {
                    assert_zero(name, &gradient);
                }
            }
        }
    }
}

/// A scale of zero makes all scores equal, and a negative one turns their order round; neither is a mask undone.
#[test]
fn no_scale_looks_behind_a_mask() {
    let case = Case {
        queries: vec![4, 4, 2],
        keys: vec![4, 4, 3],
        key_heads: 2,
        group: 1,
        size: 3,
        visibility: Visibility::Causal,
        bias: Bias::Absent,
        scale: None,
        seed: 3,
    };
    for scale in [0.0, -0.7, -1e4] {
        let batch = Case { scale: Some(scale), ..case.clone() }.batch();
        let expected = batch.run(reference::attend);
        for (name, backend) in BACKENDS {
            assert_close(&format!("{name}, scale {scale}"), &batch.run(backend), &expected, 1e-12);
            assert!(bool::try_from(batch.gradients(backend)[0].isfinite().all()).unwrap(), "{name}, scale {scale}");
        }
    }
}

#[test]
fn a_batch_without_tokens_has_an_empty_output() {
    let empty = Tensor::zeros([0, 2, 4], DOUBLE);
    for lengths in [vec![], vec![0, 0]] {
        let layout = SequenceLayout::from_lengths(&lengths);
        for (name, backend) in BACKENDS {
            let out = backend(&empty, &empty, &empty, &Pairing::from(&layout), &Attention::default(), Mode::Evaluate);
            assert_eq!(out.size(), [0, 2, 4], "{name}");
        }
    }
}

/// In single and half precision too, a backend differs from float64 by no more than rounding does.
#[test]
fn lower_precision_rounds_and_no_more() {
    seed_of_draws(5);
    let layout = SequenceLayout::from_lengths(&[3, 6, 6, 1]);
    let [q, k, v] = [(); 3].map(|()| randn([16, 2, 8]));
    let run = |backend: Backend, kind: Kind| {
        let [q, k, v] = [&q, &k, &v].map(|tensor| tensor.to_kind(kind));
        let attention = Attention { visibility: Visibility::Causal, ..Attention::default() };
        let out = backend(&q, &k, &v, &Pairing::from(&layout), &attention, Mode::Evaluate);
        assert_eq!(out.kind(), kind);
        out
    };
    let exact = run(reference::attend, Kind::Double);
    for (name, backend) in BACKENDS {
        assert_close(name, &run(backend, Kind::Float), &exact, 1e-5);
        assert_close(name, &run(backend, Kind::BFloat16), &exact, 5e-2);
    }
}

/// A layout stands for self-attention, by itself or as a pairing.
#[test]
fn a_layout_pairs_with_itself() {
    let layout = SequenceLayout::from_lengths(&[2, 3]);
    let [q, k, v] = [(); 3].map(|()| randn([5, 1, 2]));
    let attention = Attention::default();
    let own = attend(&q, &k, &v, &layout, &attention, Mode::Evaluate);
    let paired = attend(&q, &k, &v, Pairing::across(&layout, &layout), &attention, Mode::Evaluate);
    assert!(own.equal(&paired));
    assert!(Pairing::from(&layout).bias.is_none());
}

/// Each of two recordings, one within the other, has its own calls; and afterwards, come what may, nobody listens.
#[test]
fn recordings_within_each_other_keep_their_own() {
    let layout = SequenceLayout::from_lengths(&[2]);
    let x = randn([2, 1, 4]);
    let call = || drop(attend(&x, &x, &x, &layout, &Attention::default(), Mode::Evaluate));
    let (inner, outer) = recording_weights(|| {
        call();
        let (_, inner) = recording_weights(call);
        call();
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            recording_weights(|| -> () { panic!("while it records") })
        }));
        assert!(panics.is_err());
        call();
        inner.len()
    });
    assert_eq!((inner, outer.len()), (1, 3));
}
