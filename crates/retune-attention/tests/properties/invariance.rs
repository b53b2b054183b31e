//! What may be done to the inputs of attention without changing its output, or changing it in a known way.

use proptest::prelude::*;
use retune_attention::attention::reference;
use retune_attention::{Attention, Mode, Visibility};
use tch::{Kind, Tensor};

use crate::cases::{BACKENDS, Bias, Case, any_case, assert_close, assert_zero, config, gradients, randn, tensor};

/// A permutation of a packed batch's tokens that leaves each in its sequence.
fn shuffled_within(lengths: &[usize]) -> Tensor {
    let mut start = 0;
    let parts: Vec<Tensor> = (lengths.iter())
        .map(|&length| {
            let part = randn([length as i64]).argsort(0, false) + start;
            start += length as i64;
            part
        })
        .collect();
    Tensor::cat(&parts, 0)
}

/// Without a bias, or with one that does not change when queries and keys are multiplied or shifted.
fn of_places(case: Case) -> Case {
    Case { bias: if case.bias == Bias::Content { Bias::Places } else { case.bias }, ..case }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn permuting_keys_with_values_changes_nothing_and_queries_permute(case in any_case()) {
        // Places would tell the tokens apart.
        let bias = if case.bias == Bias::Places { Bias::Content } else { case.bias };
        let case = Case { visibility: Visibility::Bidirectional, bias, ..case };
        let batch = case.batch();
        let [q, k, v] = batch.qkv();
        let (queries, keys) = (shuffled_within(&case.queries), shuffled_within(&case.keys));
        for (name, backend) in BACKENDS {
            let plain = batch.run(backend);
            let permuted = batch.run_on(backend, q, &k.index_select(0, &keys), &v.index_select(0, &keys));
            assert_close(name, &permuted, &plain, 1e-11);
            let permuted = batch.run_on(backend, &q.index_select(0, &queries), k, v);
            assert_close(name, &permuted, &plain.index_select(0, &queries), 1e-11);
        }
    }

    #[test]
    fn a_factor_moves_between_queries_keys_and_scale(case in any_case(), c in 0.1f64..10.0) {
        let batch = of_places(case).batch();
        let [q, k, v] = batch.qkv();
        let scaled = Attention { scale: Some(c * batch.attention.scale_for(batch.case.size)), ..batch.attention };
        let none = Tensor::new();
        for (name, backend) in BACKENDS {
            let plain = batch.run(backend);
            assert_close(name, &batch.run_on(backend, &(q * c), &(k / c), v), &plain, 1e-10);
            let parameter = batch.inputs().get(3).unwrap_or(&none);
            let by_scale = batch.run_as(backend, q, k, v, parameter, &scaled, Mode::Evaluate);
            assert_close(name, &by_scale, &batch.run_on(backend, &(q * c), k, v), 1e-10);
        }
    }

    #[test]
    fn a_query_of_zeros_gets_the_mean_of_what_it_sees(case in any_case()) {
        let batch = Case { bias: Bias::Absent, ..case }.batch();
        let [q, k, v] = batch.qkv();
        let repeated = v.repeat_interleave_self_int(batch.case.group, 1, None); // [t_k, h, k]
        for (name, backend) in BACKENDS {
            let out = batch.run_on(backend, &q.zeros_like(), k, v);
            for (s, i, row) in batch.rows() {
                let seen: Vec<i64> = batch.seen(s, i).iter().map(|j| batch.keys_of(s).start + j).collect();
                if !seen.is_empty() {
                    let values = repeated.index_select(0, &Tensor::from_slice(&seen));
                    assert_close(name, &out.get(row), &values.mean_dim(0, false, Kind::Double), 1e-12);
                }
            }
        }
    }

    #[test]
    fn adding_one_vector_to_every_key_changes_nothing(case in any_case()) {
        let batch = of_places(case).batch();
        let [q, k, v] = batch.qkv();
        let shift = randn([1, batch.case.key_heads, batch.case.size]);
        for (name, backend) in BACKENDS {
            assert_close(name, &batch.run_on(backend, q, &(k + &shift), v), &batch.run(backend), 1e-10);
            // So the gradients of all keys of a sequence add up to nothing.
            let sum = batch.gradients(backend)[1].sum_dim_intlist(0, false, Kind::Double);
            assert_close(name, &sum, &sum.zeros_like(), 1e-10);
        }
    }

    #[test]
    fn adding_one_number_to_every_score_of_a_query_changes_nothing(case in any_case()) {
        let batch = Case { bias: Bias::Places, ..case }.batch();
        let [q, k, v] = batch.qkv();
        let places = &batch.inputs()[3]; // [h, L_q, L_k]
        let shift = randn([places.size()[0], places.size()[1], 1]);
        for (name, backend) in BACKENDS {
            let moved = batch.run_as(backend, q, k, v, &(places + &shift), &batch.attention, Mode::Evaluate);
            assert_close(name, &moved, &batch.run(backend), 1e-10);
        }
    }

    #[test]
    fn values_enter_linearly(case in any_case(), a in -3.0f64..3.0) {
        let batch = case.batch();
        let [q, k, v] = batch.qkv();
        let w = randn(v.size());
        for (name, backend) in BACKENDS {
            let run = |v: &Tensor| batch.run_on(backend, q, k, v);
            assert_close(name, &run(&(v * a + &w)), &(run(v) * a + run(&w)), 1e-10);
            assert_zero(name, &run(&v.zeros_like()));
        }
    }

    /// A bias of −∞ hides a key, as a mask does.
    #[test]
    fn a_bias_of_minus_infinity_is_a_mask(case in any_case()) {
        let batch = Case { bias: Bias::Places, visibility: Visibility::Bidirectional, ..case }.batch();
        let [q, k, v] = batch.qkv();
        let places = &batch.inputs()[3]; // [h, L_q, L_k]
        let ahead = places.ones_like().triu(1).to_kind(Kind::Bool);
        let hidden = places.masked_fill(&ahead, f64::NEG_INFINITY);
        let causal = Attention { visibility: Visibility::Causal, ..batch.attention };
        for (name, backend) in BACKENDS {
            let by_bias = batch.run_as(backend, q, k, v, &hidden, &batch.attention, Mode::Evaluate);
            let by_mask = batch.run_as(backend, q, k, v, places, &causal, Mode::Evaluate);
            assert_close(name, &by_bias, &by_mask, 1e-12);
        }
    }
}

/// Scores of a bias alone, worked by hand: ln 1, ln 2 and ln 5 make weights of 1/8, 2/8 and 5/8.
#[test]
fn a_bias_is_added_to_the_scores_and_is_not_scaled() {
    let case = Case {
        queries: vec![1],
        keys: vec![3],
        key_heads: 1,
        group: 1,
        size: 2,
        visibility: Visibility::Bidirectional,
        bias: Bias::Places,
        scale: Some(0.125),
        seed: 0,
    };
    let batch = case.batch();
    let [q, k, _] = batch.qkv();
    let v = tensor(&[8.0, 0.0, 0.0, 8.0, 16.0, 0.0], &[3, 1, 2]);
    let bias = tensor(&[0.0, 2f64.ln(), 5f64.ln()], &[1, 1, 3]);
    for (name, backend) in BACKENDS {
        let out = batch.run_as(backend, &q.zeros_like(), k, &v, &bias, &batch.attention, Mode::Evaluate);
        assert_close(name, &out, &tensor(&[11.0, 2.0], &[1, 1, 2]), 1e-14);
    }
}

/// What a bias learns of a sequence is the sum over all sequences of the same places.
#[test]
fn a_bias_of_places_gathers_the_gradients_of_all_sequences() {
    let case = Case {
        queries: vec![3, 3, 2],
        keys: vec![3, 3, 2],
        key_heads: 2,
        group: 1,
        size: 2,
        visibility: Visibility::Causal,
        bias: Bias::Places,
        scale: None,
        seed: 4,
    };
    let batch = case.batch();
    let (q, rest) = batch.inputs().split_first().unwrap();
    let whole = |backend| {
        gradients(&rest[2..], |bias| {
            let out = batch.run_as(backend, q, &rest[0], &rest[1], &bias[0], &batch.attention, Mode::Evaluate);
            out.square().sum(Kind::Double)
        })
    };
    let expected = whole(reference::attend);
    for (name, backend) in BACKENDS {
        let found = &whole(backend)[0];
        assert_close(name, found, &expected[0], 1e-12);
        // A query's weights sum to one, so its gradients of the scores sum to nothing.
        let sums = found.sum_dim_intlist(-1, false, Kind::Double);
        assert_close(name, &sums, &sums.zeros_like(), 1e-12);
        assert_zero(name, &found.triu(1));
    }
}
