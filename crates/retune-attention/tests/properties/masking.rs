//! Who sees whom: sequences of a batch do not see each other, and within a sequence the mask says who does.

use proptest::prelude::*;
use retune_attention::attention::reference;
use retune_attention::{Mode, Pairing, SequenceLayout, Visibility};
use tch::{Device, Kind, Tensor};

use crate::cases::{
    BACKENDS, Bias, Case, DOUBLE, INPUTS, across, any_case, assert_close, assert_zero, config, gradients, randn,
    weighed, within,
};

/// The part of a packed tensor that one sequence is.
fn part(tensor: &Tensor, layout: &SequenceLayout, s: usize) -> Tensor {
    let range = layout.ranges().nth(s).unwrap();
    tensor.narrow(0, range.start, range.end - range.start)
}

/// The case of one sequence of a batch. Its bias is a parameter, which is the batch's.
fn alone(case: &Case, s: usize) -> Case {
    Case { queries: vec![case.queries[s]], keys: vec![case.keys[s]], ..case.clone() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rewriting_what_is_masked_changes_nothing_and_has_no_gradient(case in any_case(), which in any::<prop::sample::Index>()) {
        let batch = case.batch();
        let rows = batch.rows();
        if rows.is_empty() {
            return Ok(());
        }
        let (s, i, row) = rows[which.index(rows.len())];
        let seen: Vec<i64> = batch.seen(s, i).iter().map(|j| batch.keys_of(s).start + j).collect();
        let is_hidden: Vec<bool> = (0..batch.keys.tokens()).map(|key| !seen.contains(&key)).collect();
        let hidden = Tensor::from_slice(&is_hidden).view([-1, 1, 1]);
        let [q, k, v] = batch.qkv();
        let rewritten = |tensor: &Tensor| tensor.where_self(&hidden.logical_not(), &(randn(tensor.size()) * 50.0));
        let others: Vec<i64> = (0..batch.queries.tokens()).filter(|other| *other != row).collect();
        for (name, backend) in BACKENDS {
            let before = batch.run(backend).get(row);
            let after = batch.run_on(backend, q, &rewritten(k), &rewritten(v)).get(row);
            assert_close(name, &after, &before, 1e-12);
            let gradients = gradients(&batch.inputs()[..3], |inputs| {
                weighed(&batch.run_on(backend, &inputs[0], &inputs[1], &inputs[2]).get(row))
            });
            assert_zero(name, &gradients[0].index_select(0, &Tensor::from_slice(&others)));
            for gradient in &gradients[1..] {
                assert_zero(name, &(gradient * &hidden));
            }
        }
    }

    #[test]
    fn packing_equals_one_sequence_at_a_time(case in any_case()) {
        let batch = case.batch();
        for (name, backend) in BACKENDS {
            let packed = batch.run(backend);
            let packed_gradients = batch.gradients(backend);
            // The factors of the packed loss, so that gradients are those of the same number.
            let factors = Tensor::arange(packed.numel() as i64, DOUBLE).sin().view_as(&packed);
            let mut of_bias = batch.inputs().get(3).map(Tensor::zeros_like);
            for s in 0..case.queries.len() {
                let one = alone(&case, s).batch();
                let [q, k, v] = batch.qkv();
                let mut inputs = vec![part(q, &batch.queries, s), part(k, &batch.keys, s), part(v, &batch.keys, s)];
                inputs.extend(batch.inputs().get(3).map(Tensor::shallow_clone));
                let none = Tensor::new();
                let run = |inputs: &[Tensor]| {
                    let bias = inputs.get(3).unwrap_or(&none);
                    one.run_as(reference::attend, &inputs[0], &inputs[1], &inputs[2], bias, &one.attention, Mode::Evaluate)
                };
                assert_close(name, &part(&packed, &batch.queries, s), &run(&inputs), 1e-11);
                let own = part(&factors, &batch.queries, s);
                let gradients = gradients(&inputs, |inputs| (run(inputs) * &own).sum(Kind::Double));
                for (input, layout) in [&batch.queries, &batch.keys, &batch.keys].iter().enumerate() {
                    let what = format!("{name}, gradient of {}, sequence {s}", INPUTS[input]);
                    assert_close(&what, &part(&packed_gradients[input], layout, s), &gradients[input], 1e-10);
                }
                of_bias = of_bias.map(|sum| sum + &gradients[3]);
            }
            if let Some(expected) = of_bias {
                assert_close(&format!("{name}, gradient of the bias"), &packed_gradients[3], &expected, 1e-10);
            }
        }
    }

    /// The rectangle with padding that other libraries compute: every sequence as long as the longest, filled with
    /// numbers that a mask hides.
    #[test]
    fn packing_equals_padding(case in any_case()) {
        let batch = Case { bias: Bias::Absent, ..case }.batch();
        let [q, k, v] = batch.qkv();
        let count = batch.queries.sequences() as i64;
        let (longest_query, longest_key) = (batch.queries.longest(), batch.keys.longest());
        let padded = |tensor: &Tensor, layout: &SequenceLayout, longest: i64| {
            let full = randn([count, longest, tensor.size()[1], batch.case.size]) * 30.0;
            for s in 0..count {
                let own = part(tensor, layout, s as usize);
                full.get(s).narrow(0, 0, own.size()[0]).copy_(&own);
            }
            full.transpose(1, 2) // [b, h, L, k]
        };
        if longest_query == 0 || longest_key == 0 {
            return Ok(());
        }
        let repeated = |tensor: &Tensor| tensor.repeat_interleave_self_int(batch.case.group, 1, None);
        let (q, k, v) = (
            padded(q, &batch.queries, longest_query),
            repeated(&padded(k, &batch.keys, longest_key)),
            repeated(&padded(v, &batch.keys, longest_key)),
        );
        let visible: Vec<bool> = (0..count as usize)
            .flat_map(|s| (0..longest_query).flat_map(move |i| (0..longest_key).map(move |j| (s, i, j))))
            .map(|(s, i, j)| batch.seen(s, i).contains(&j))
            .collect();
        let visible = Tensor::from_slice(&visible).view([count, 1, longest_query, longest_key]);
        let scores = q.matmul(&k.transpose(2, 3)) * batch.attention.scale_for(batch.case.size);
        let highest = scores.masked_fill(&visible.logical_not(), -1e300).amax(-1, true);
        let powers = (scores - highest).exp().masked_fill(&visible.logical_not(), 0.0);
        let total = powers.sum_dim_intlist(-1, true, Kind::Double);
        let weights = powers / total.masked_fill(&total.eq(0.0), 1.0);
        let rectangle = weights.matmul(&v).transpose(1, 2); // [b, L_q, h, k]
        for (name, backend) in BACKENDS {
            let packed = batch.run(backend);
            for s in 0..count as usize {
                let own = part(&packed, &batch.queries, s);
                assert_close(name, &own, &rectangle.get(s as i64).narrow(0, 0, own.size()[0]), 1e-9);
            }
        }
    }

    #[test]
    fn the_order_of_sequences_in_a_batch_does_not_matter(case in any_case()) {
        let batch = case.batch();
        let reversed = Case {
            queries: case.queries.iter().rev().copied().collect(),
            keys: case.keys.iter().rev().copied().collect(),
            ..case
        }
        .batch();
        let turned = |tensor: &Tensor, layout: &SequenceLayout| {
            let parts: Vec<Tensor> = (0..layout.sequences()).rev().map(|s| part(tensor, layout, s)).collect();
            Tensor::cat(&parts, 0)
        };
        let [q, k, v] = batch.qkv();
        let (q, k, v) = (turned(q, &batch.queries), turned(k, &batch.keys), turned(v, &batch.keys));
        let none = Tensor::new();
        let bias = batch.inputs().get(3).unwrap_or(&none);
        for (name, backend) in BACKENDS {
            let found = reversed.run_as(backend, &q, &k, &v, bias, &batch.attention, Mode::Evaluate);
            assert_close(name, &found, &turned(&batch.run(backend), &batch.queries), 1e-11);
        }
    }

    #[test]
    fn a_prefix_does_not_see_its_future(case in within(), cut in 0i64..7) {
        let case = Case { queries: vec![7, 7], keys: vec![7, 7], visibility: Visibility::Causal, ..case };
        let batch = case.batch();
        // The first `cut` tokens of both sequences stay.
        let stays = batch.queries.positions(Device::Cpu).lt(cut).view([-1, 1, 1]);
        let changed = |tensor: &Tensor| tensor.where_self(&stays, &(tensor * 3.0 + 1.0));
        let [q, k, v] = batch.qkv();
        for (name, backend) in BACKENDS {
            let (before, after) = (batch.run(backend), batch.run_on(backend, &changed(q), &changed(k), &changed(v)));
            assert_close(name, &(after * &stays), &(&before * &stays), 1e-12);
            let own = v.repeat_interleave_self_int(case.group, 1, None);
            for first in [0, 7] {
                assert_close(name, &before.get(first), &own.get(first), 1e-12);
            }
        }
    }

    #[test]
    fn windows_go_from_the_own_place_to_everything(case in any_case()) {
        let batch = case.batch();
        let none = Tensor::new();
        let bias = batch.inputs().get(3).unwrap_or(&none);
        let [q, k, v] = batch.qkv();
        for (name, backend) in BACKENDS {
            let run = |visibility| {
                let attention = retune_attention::Attention { visibility, ..batch.attention };
                batch.run_as(backend, q, k, v, bias, &attention, Mode::Evaluate)
            };
            let wide = |before, after| run(Visibility::Window { before, after });
            assert_close(name, &wide(7, 7), &run(Visibility::Bidirectional), 1e-12);
            assert_close(name, &wide(7, 0), &run(Visibility::Causal), 1e-12);
            // Of one key the weight is one, whatever its score.
            let own = v.repeat_interleave_self_int(batch.case.group, 1, None);
            for (s, i, row) in batch.rows() {
                let expected = match i < batch.case.keys[s] as i64 {
                    true => own.get(batch.keys_of(s).start + i),
                    false => own.new_zeros([batch.case.heads(), batch.case.size], DOUBLE),
                };
                assert_close(name, &wide(0, 0).get(row), &expected, 1e-12);
            }
        }
    }

    /// What no query sees has no effect: neither sequences of keys without queries, nor sequences without both.
    #[test]
    fn sequences_without_queries_only_stand_there(case in across(), keys in 0usize..4) {
        let batch = case.batch();
        let longer = Case {
            queries: [&case.queries[..], &[0]].concat(),
            keys: [&case.keys[..], &[keys]].concat(),
            ..case
        }
        .batch();
        let [q, k, v] = batch.qkv();
        let more = |tensor: &Tensor| Tensor::cat(&[tensor.shallow_clone(), tensor.new_ones([keys as i64, tensor.size()[1], tensor.size()[2]], DOUBLE)], 0);
        let none = Tensor::new();
        let bias = batch.inputs().get(3).unwrap_or(&none);
        let wide = bias_for(&longer.case, bias);
        for (name, backend) in BACKENDS {
            let found = longer.run_as(backend, q, &more(k), &more(v), &wide, &batch.attention, Mode::Evaluate);
            assert_close(name, &found, &batch.run(backend), 1e-12);
        }
    }
}

/// A bias of places with room for a case's longest sequences; another kind as it is.
fn bias_for(case: &Case, bias: &Tensor) -> Tensor {
    if case.bias != Bias::Places {
        return bias.shallow_clone();
    }
    let longest = case.keys.iter().max().copied().unwrap_or(0) as i64;
    bias.constant_pad_nd([0, longest - bias.size()[2]])
}

/// The sequences of both sides belong together, so there are as many.
#[test]
#[should_panic(expected = "sequences of queries and of keys")]
fn sides_of_different_numbers_of_sequences_are_refused() {
    let (two, one) = (SequenceLayout::from_lengths(&[1, 1]), SequenceLayout::from_lengths(&[2]));
    let x = Tensor::zeros([2, 1, 1], DOUBLE);
    let (_, rectangles) = BACKENDS[1];
    let _ =
        rectangles(&x, &x, &x, &Pairing::across(&two, &one), &retune_attention::Attention::default(), Mode::Evaluate);
}

/// [`Visibility`]'s three answers about small rectangles, against the definition.
#[test]
fn a_visibility_says_the_same_in_all_its_ways() {
    let windows = (0..5).flat_map(|before| (0..5).map(move |after| Visibility::Window { before, after }));
    for visibility in [Visibility::Bidirectional, Visibility::Causal].into_iter().chain(windows) {
        let sees = |i: i64, j: i64| match visibility {
            Visibility::Bidirectional => true,
            Visibility::Causal => j - i <= 0,
            Visibility::Window { before, after } => i - j <= before && j - i <= after,
        };
        for (queries, keys) in (0..6).flat_map(|queries| (0..6).map(move |keys| (queries, keys))) {
            let all = (0..queries).all(|i| (0..keys).all(|j| sees(i, j)));
            assert_eq!(visibility.is_full(queries, keys), all, "{visibility:?}, {queries} queries, {keys} keys");
            let mask = visibility.mask(queries, keys, (Kind::Float, Device::Cpu));
            assert_eq!(mask.is_none(), all, "{visibility:?}, {queries} queries, {keys} keys");
            for (i, j) in (0..queries).flat_map(|i| (0..keys).map(move |j| (i, j))) {
                assert_eq!(visibility.allows(i, j), sees(i, j), "{visibility:?}, query {i}, key {j}");
                if let Some(mask) = &mask {
                    assert_eq!((mask.size(), mask.kind()), (vec![queries, keys], Kind::Float));
                    let expected = if sees(i, j) { 0.0 } else { f64::NEG_INFINITY };
                    assert_eq!(mask.double_value(&[i, j]), expected, "{visibility:?}, query {i}, key {j}");
                }
            }
        }
    }
}
