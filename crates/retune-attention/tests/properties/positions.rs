//! Positions: what they are by definition, and what attention with them may depend on.

use proptest::prelude::*;
use retune_attention::positions::disentangled::{Disentangled, RelativeSpan};
use retune_attention::positions::relative::{Buckets, PlaceBias, alibi, alibi_slopes};
use retune_attention::positions::rotary::{Planes, Rotary, Scaling};
use retune_attention::positions::sinusoidal::sinusoidal;
use retune_attention::{Attention, Mode, Pairing, ScoreBias, SequenceLayout, Visibility};
use tch::{Device, Kind, Tensor};

use crate::cases::{BACKENDS, DOUBLE, assert_close, config, gradients, numbers, randn, seed_of_draws, tensor, weighed};

fn places(numbers: &[i64]) -> Tensor {
    Tensor::from_slice(numbers)
}

fn any_planes() -> impl Strategy<Value = Planes> {
    prop::sample::select(vec![Planes::Halves, Planes::Adjacent])
}

/// Rotary positions of some of a head's dimensions, and the head's size.
fn any_rotary() -> impl Strategy<Value = (Rotary, i64)> {
    (1i64..4, 0i64..4, any_planes(), 2.0f64..20_000.0).prop_map(|(half, rest, planes, base)| {
        (Rotary { rotated: 2 * half, base, planes, scaling: Scaling::Default }, 2 * half + rest)
    })
}

/// The two dimensions of plane `i` of `r/2`.
fn plane(planes: Planes, i: usize, half: usize) -> (usize, usize) {
    match planes {
        Planes::Halves => (i, i + half),
        Planes::Adjacent => (2 * i, 2 * i + 1),
    }
}

/// One head's vector rotated, plane by plane.
fn rotated_by_loops(rotary: &Rotary, vector: &[f64], position: i64) -> Vec<f64> {
    let mut turned = vector.to_vec();
    let half = rotary.rotated as usize / 2;
    for i in 0..half {
        let (x, y) = plane(rotary.planes, i, half);
        let angle = position as f64 * rotary.base.powf(-((2 * i) as f64) / rotary.rotated as f64);
        turned[x] = vector[x] * angle.cos() - vector[y] * angle.sin();
        turned[y] = vector[x] * angle.sin() + vector[y] * angle.cos();
    }
    turned
}

/// One vector at every one of `positions`: `[t, h, k]`.
fn everywhere(vector: &Tensor, positions: &[i64]) -> Tensor {
    vector.unsqueeze(0).repeat([positions.len() as i64, 1, 1])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sinusoidal_positions_are_their_equation(positions in prop::collection::vec(0i64..5000, 1..6), pairs in 1i64..9) {
        let d = 2 * pairs;
        let found = sinusoidal(&places(&positions), d, Kind::Double);
        let expected: Vec<f64> = (positions.iter())
            .flat_map(|&position| (0..d).map(move |c| {
                let angle = position as f64 / 10_000f64.powf((c - c % 2) as f64 / d as f64);
                if c % 2 == 0 { angle.sin() } else { angle.cos() }
            }))
            .collect();
        assert_close("encoding", &found, &tensor(&expected, &[positions.len() as i64, d]), 1e-11);
    }

    /// `PE(p + Δ)` is `PE(p)` turned by angles that do not depend on `p`; so the norm is always √(d/2).
    #[test]
    fn sinusoidal_positions_shift_by_a_rotation(position in 0i64..2000, shift in -1000i64..1000, pairs in 1i64..9) {
        let d = 2 * pairs;
        let [from, to] = [position, position + shift].map(|place| numbers(&sinusoidal(&places(&[place]), d, Kind::Double)));
        for i in 0..pairs as usize {
            let angle = shift as f64 / 10_000f64.powf((2 * i) as f64 / d as f64);
            let (sine, cosine) = (from[2 * i], from[2 * i + 1]);
            prop_assert!((to[2 * i] - (sine * angle.cos() + cosine * angle.sin())).abs() < 1e-11);
            prop_assert!((to[2 * i + 1] - (cosine * angle.cos() - sine * angle.sin())).abs() < 1e-11);
        }
        let norm = to.iter().map(|x| x * x).sum::<f64>().sqrt();
        prop_assert!((norm - (d as f64 / 2.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn rotary_positions_are_their_equation((rotary, size) in any_rotary(), positions in prop::collection::vec(0i64..300, 1..6), seed in any::<i64>()) {
        seed_of_draws(seed);
        let heads = randn([positions.len() as i64, 2, size]);
        let found = rotary.angles(&places(&positions), Kind::Double).rotate(&heads);
        let expected: Vec<f64> = (positions.iter().enumerate())
            .flat_map(|(token, &position)| (0..2).map(move |head| (token as i64, head, position)))
            .flat_map(|(token, head, position)| rotated_by_loops(&rotary, &numbers(&heads.get(token).get(head)), position))
            .collect();
        assert_close("rotation", &found, &tensor(&expected, &heads.size()), 1e-11);
        // Its gradient turns back, and so keeps norms as well.
        let gradient = &gradients(&[heads.shallow_clone()], |heads| {
            weighed(&rotary.angles(&places(&positions), Kind::Double).rotate(&heads[0]))
        })[0];
        let factors = Tensor::arange(heads.numel() as i64, DOUBLE).sin();
        assert_close("norm of the gradient", &gradient.norm(), &factors.norm(), 1e-11);
    }

    #[test]
    fn rotary_positions_keep_norms_and_do_nothing_at_zero((rotary, size) in any_rotary(), position in 0i64..5000, seed in any::<i64>()) {
        seed_of_draws(seed);
        let heads = randn([1, 3, size]);
        let turned = rotary.angles(&places(&[position]), Kind::Double).rotate(&heads);
        let norms = |heads: &Tensor| heads.square().sum_dim_intlist(-1, false, Kind::Double).sqrt();
        assert_close("norms", &norms(&turned), &norms(&heads), 1e-12);
        let rest = size - rotary.rotated;
        prop_assert!(turned.narrow(2, rotary.rotated, rest).equal(&heads.narrow(2, rotary.rotated, rest)));
        prop_assert!(rotary.angles(&places(&[0]), Kind::Double).rotate(&heads).equal(&heads));
    }

    #[test]
    fn rotary_scores_depend_on_the_distance_alone((rotary, size) in any_rotary(), i in 0i64..200, j in 0i64..200, shift in 0i64..500, seed in any::<i64>()) {
        seed_of_draws(seed);
        let [q, k] = [(); 2].map(|()| randn([2, size]));
        let score = |i: i64, j: i64| {
            let at = |vector: &Tensor, place: i64| rotary.angles(&places(&[place]), Kind::Double).rotate(&everywhere(vector, &[place]));
            (at(&q, i) * at(&k, j)).sum_dim_intlist(-1, false, Kind::Double)
        };
        assert_close("scores", &score(i + shift, j + shift), &score(i, j), 1e-10);
    }

    /// So attention with them does not change when all positions of a sequence are moved.
    #[test]
    fn attention_with_rotary_positions_forgets_where_a_sequence_begins((rotary, size) in any_rotary(), shift in 0i64..100, seed in any::<i64>()) {
        seed_of_draws(seed);
        let layout = SequenceLayout::from_lengths(&[3, 5, 5]);
        let [q, k, v] = [(); 3].map(|()| randn([13, 2, size]));
        let attention = Attention { visibility: Visibility::Causal, ..Attention::default() };
        let positions = layout.positions(Device::Cpu);
        for (name, backend) in BACKENDS {
            let run = |positions: &Tensor| {
                let angles = rotary.angles(positions, Kind::Double);
                backend(&angles.rotate(&q), &angles.rotate(&k), &v, &Pairing::from(&layout), &attention, Mode::Evaluate)
            };
            assert_close(name, &run(&(&positions + shift)), &run(&positions), 1e-10);
        }
    }

    #[test]
    fn linear_scaling_is_a_slower_position((rotary, size) in any_rotary(), position in 0i64..50, seed in any::<i64>()) {
        seed_of_draws(seed);
        let heads = randn([1, 2, size]);
        let slow = Rotary { scaling: Scaling::Linear { factor: 4.0 }, ..rotary.clone() };
        let found = slow.angles(&places(&[4 * position]), Kind::Double).rotate(&heads);
        assert_close("rotation", &found, &rotary.angles(&places(&[position]), Kind::Double).rotate(&heads), 1e-11);
    }

    #[test]
    fn buckets_are_in_range_and_do_not_fall_with_distance(half in 2i64..20, far in 1i64..200, bidirectional in any::<bool>()) {
        let buckets = Buckets { count: 4 * half, max_distance: 4 * half + far, bidirectional };
        let of = |offset: i64| buckets.bucket(offset);
        for distance in 0..400 {
            prop_assert!((0..buckets.count).contains(&of(distance)) && (0..buckets.count).contains(&of(-distance)));
            prop_assert!(of(-distance - 1) >= of(-distance));
            if bidirectional {
                // Both sides alike, each with half of the buckets; the query's own place counts to the side before.
                let side = buckets.count / 2;
                prop_assert!(of(-distance) < side);
                let expected = if distance == 0 { 0 } else { of(-distance) + side };
                prop_assert_eq!(of(distance), expected);
            } else {
                prop_assert_eq!(of(distance), 0);
            }
        }
        // Near distances have a bucket each, and the last bucket begins no later than it is said to.
        let side = if bidirectional { buckets.count / 2 } else { buckets.count };
        prop_assert!((0..side / 2).all(|distance| of(-distance) == distance));
        prop_assert_eq!(of(-buckets.max_distance), side - 1);
        prop_assert_eq!(of(-100_000), side - 1);
    }

    #[test]
    fn a_bias_of_buckets_stands_where_query_and_key_do(longest in 0i64..12, bidirectional in any::<bool>(), seed in any::<i64>()) {
        seed_of_draws(seed);
        let buckets = Buckets { count: 8, max_distance: 10, bidirectional };
        let weight = randn([8, 3]);
        let PlaceBias(bias) = buckets.bias(&weight, longest);
        prop_assert_eq!(bias.size(), [3, longest, longest]);
        for (i, j) in (0..longest).flat_map(|i| (0..longest).map(move |j| (i, j))) {
            for head in 0..3 {
                let expected = weight.double_value(&[buckets.bucket(j - i), head]);
                prop_assert_eq!(bias.double_value(&[head, i, j]), expected, "head {}, query {}, key {}", head, i, j);
            }
        }
    }

    #[test]
    fn shorter_sequences_use_the_first_places_of_a_bias(l_q in 0i64..6, l_k in 0i64..6) {
        let bias = PlaceBias(randn([2, 6, 6]));
        let [q, k] = [l_q, l_k].map(|length| Tensor::zeros([3, 2, length, 4], DOUBLE));
        let found = bias.of(&q, &k);
        prop_assert_eq!(found.size(), [2, l_q, l_k]);
        prop_assert!(found.equal(&bias.0.slice(1, 0, l_q, 1).slice(2, 0, l_k, 1)));
    }

    #[test]
    fn alibi_falls_linearly_with_distance_on_both_sides(heads in 1i64..20, longest in 0i64..9) {
        let PlaceBias(bias) = alibi(heads, longest, DOUBLE);
        let slopes = alibi_slopes(heads);
        prop_assert_eq!(bias.size(), [heads, longest, longest]);
        for (i, j) in (0..longest).flat_map(|i| (0..longest).map(move |j| (i, j))) {
            for (head, slope) in slopes.iter().enumerate() {
                let found = bias.double_value(&[head as i64, i, j]);
                prop_assert!((found + slope * (i - j).abs() as f64).abs() < 1e-14, "head {}, query {}, key {}", head, i, j);
            }
        }
    }

    #[test]
    fn alibis_slopes_are_distinct_and_geometric_for_powers_of_two(heads in 1i64..70) {
        let slopes = alibi_slopes(heads);
        prop_assert_eq!(slopes.len() as i64, heads);
        prop_assert!(slopes.iter().all(|slope| (2f64.powi(-8)..1.0).contains(slope)));
        let mut sorted = slopes.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        prop_assert_eq!(sorted.len(), slopes.len());
        if heads & (heads - 1) == 0 {
            let ratio = 2f64.powf(-8.0 / heads as f64);
            prop_assert!((slopes[0] - ratio).abs() < 1e-12);
            prop_assert!(slopes.windows(2).all(|pair| (pair[1] / pair[0] - ratio).abs() < 1e-12));
        }
    }

    #[test]
    fn rows_of_relative_places_are_in_range_symmetric_and_do_not_fall(mid in 2i64..20, far in 2i64..300, log in any::<bool>()) {
        let buckets = 2 * mid;
        let span = RelativeSpan { span: buckets, buckets: log.then_some(buckets), max_distance: mid + far };
        for distance in 0..500 {
            let (before, after) = (span.row(distance), span.row(-distance));
            prop_assert!((0..2 * span.span).contains(&before) && (0..2 * span.span).contains(&after));
            prop_assert!(span.row(distance + 1) >= before && span.row(-distance - 1) <= after);
            // Row s is the own place's; both sides alike but for the end, which has one row less on the side before.
            prop_assert_eq!(before, (2 * span.span - after).min(2 * span.span - 1));
            if distance <= mid {
                prop_assert_eq!(before, span.span + distance);
            }
        }
        if log {
            prop_assert_eq!(span.row(mid + far - 1), 2 * span.span - 1);
        }
    }

    /// The equation's sums, number by number; each term alone and both.
    #[test]
    fn disentangled_attention_is_its_equation(length in 1i64..7, mid in 1i64..4, log in any::<bool>(), terms in 0usize..4, seed in any::<i64>()) {
        seed_of_draws(seed);
        let (n, h, k) = (2i64, 2i64, 3i64);
        let span = RelativeSpan { span: 2 * mid, buckets: log.then_some(2 * mid), max_distance: 2 * mid + 2 };
        let table = |with: bool| with.then(|| randn([h, 2 * span.span, k]));
        let bias = Disentangled { span, position_keys: table(terms & 1 > 0), position_queries: table(terms & 2 > 0), scale: 0.3 };
        let [queries, keys] = [(); 2].map(|()| randn([n, h, length, k]));
        let found = bias.of(&queries, &keys).expand([n, h, length, length], false);
        let dot = |a: Tensor, b: Tensor| (a * b).sum(Kind::Double).double_value(&[]);
        for s in 0..n {
            for head in 0..h {
                for (i, j) in (0..length).flat_map(|i| (0..length).map(move |j| (i, j))) {
                    let row = span.row(i - j);
                    let mut expected = 0.0;
                    if let Some(position_keys) = &bias.position_keys {
                        expected += dot(queries.get(s).get(head).get(i), position_keys.get(head).get(row));
                    }
                    if let Some(position_queries) = &bias.position_queries {
                        expected += dot(keys.get(s).get(head).get(j), position_queries.get(head).get(row));
                    }
                    let found = found.double_value(&[s, head, i, j]);
                    prop_assert!((found - 0.3 * expected).abs() < 1e-12, "head {}, query {}, key {}: {} instead of {}", head, i, j, found, 0.3 * expected);
                }
            }
        }
    }

    /// In a packed batch, by every backend, forward and backward into its tables.
    #[test]
    fn disentangled_attention_of_a_packed_batch(seed in any::<i64>(), grouped in any::<bool>()) {
        seed_of_draws(seed);
        let layout = SequenceLayout::from_lengths(&[2, 5, 5, 0, 3]);
        let span = RelativeSpan { span: 4, buckets: Some(4), max_distance: 6 };
        let scale = Disentangled::scale_for(3, true, true);
        let attention = Attention { scale: Some(scale), ..Attention::default() };
        let key_heads = if grouped { 1 } else { 2 };
        let inputs = [[15, 2, 3], [15, key_heads, 3], [15, key_heads, 3], [2, 8, 3], [2, 8, 3]].map(randn);
        let run = |backend: crate::cases::Backend, inputs: &[Tensor]| {
            let table = |index: usize| Some(inputs[index].shallow_clone());
            let bias = Disentangled { span, position_keys: table(3), position_queries: table(4), scale };
            backend(&inputs[0], &inputs[1], &inputs[2], &Pairing::from(&layout).with_bias(&bias), &attention, Mode::Evaluate)
        };
        let (_, reference) = BACKENDS[0];
        let expected = gradients(&inputs, |inputs| weighed(&run(reference, inputs)));
        for (name, backend) in BACKENDS {
            assert_close(name, &run(backend, &inputs), &run(reference, &inputs), 1e-11);
            for (found, expected) in gradients(&inputs, |inputs| weighed(&run(backend, inputs))).iter().zip(&expected) {
                assert_close(&format!("{name}, gradient"), found, expected, 1e-10);
            }
        }
    }
}

#[test]
#[should_panic(expected = "d = 3 is even")]
fn sinusoidal_positions_have_an_even_number_of_dimensions() {
    let _ = sinusoidal(&places(&[0]), 3, Kind::Double);
}

#[test]
fn sinusoidal_positions_come_in_the_type_that_is_asked_for() {
    let positions = places(&[100_000]);
    let exact = sinusoidal(&positions, 4, Kind::Double);
    let single = sinusoidal(&positions, 4, Kind::Float);
    assert_eq!(single.kind(), Kind::Float);
    // Computed in float64 and rounded once: in float32 the angle alone would be off by more.
    assert_close("rounded once", &single, &exact, 1e-7);
}

#[test]
fn the_papers_rotary_positions_rotate_the_whole_head() {
    let rotary = Rotary::new(8, 10_000.0);
    assert_eq!((rotary.rotated, rotary.base), (8, 10_000.0));
    assert_eq!((rotary.planes, rotary.scaling.clone()), (Planes::Halves, Scaling::Default));
    let (frequencies, factor) = rotary.frequencies(100);
    assert_close("frequencies", &tensor(&frequencies, &[4]), &tensor(&[1.0, 0.1, 0.01, 0.001], &[4]), 1e-15);
    assert_eq!(factor, 1.0);
}

#[test]
fn rotary_positions_of_no_token_are_none() {
    let none = Tensor::zeros([0], (Kind::Int64, Device::Cpu));
    let angles = Rotary::new(4, 10_000.0).angles(&none, Kind::Float);
    assert_eq!(angles.rotate(&Tensor::zeros([0, 2, 6], (Kind::Float, Device::Cpu))).size(), [0, 2, 6]);
}

/// Angles in float32 rotate heads of half precision in float32, and give them back in theirs.
#[test]
fn heads_keep_their_type_and_are_rotated_in_the_angles() {
    seed_of_draws(6);
    let heads = randn([3, 2, 6]).to_kind(Kind::BFloat16);
    let rotary = Rotary { rotated: 4, ..Rotary::new(6, 100.0) };
    let positions = places(&[3, 50, 901]);
    let found = rotary.angles(&positions, Kind::Float).rotate(&heads);
    assert_eq!(found.kind(), Kind::BFloat16);
    let expected = rotary.angles(&positions, Kind::Float).rotate(&heads.to_kind(Kind::Float)).to_kind(Kind::BFloat16);
    assert!(found.equal(&expected));
}

/// Dynamic and LongRoPE scaling look at the longest sequence, which is one more than the last position.
#[test]
fn scaling_by_length_begins_beyond_the_trained_length() {
    let heads = Tensor::ones([1, 1, 8], DOUBLE);
    for scaling in [
        Scaling::Dynamic { factor: 4.0, trained: 10 },
        Scaling::LongRope { short: vec![1.0; 4], long: vec![2.0; 4], trained: 10, factor: 1.0, attention_factor: None },
    ] {
        let scaled = Rotary { scaling, ..Rotary::new(8, 10_000.0) };
        let turned = |rotary: &Rotary, last: i64| {
            rotary.angles(&places(&[3, last]), Kind::Double).rotate(&heads.repeat([2, 1, 1])).get(0)
        };
        let plain = turned(&Rotary::new(8, 10_000.0), 9);
        assert_close("within the trained length", &turned(&scaled, 9), &plain, 1e-14);
        let difference = (turned(&scaled, 10) - plain).abs().max().double_value(&[]);
        assert!(difference > 1e-3, "{:?}: {difference}", scaled.scaling);
    }
}

/// The factor of cosines and sines multiplies what is rotated, and scores by its square.
#[test]
fn an_attention_factor_multiplies_what_is_rotated() {
    let scaling = |attention_factor| Scaling::Yarn {
        factor: 4.0,
        trained: 64,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor: Some(attention_factor),
    };
    let heads = randn([2, 1, 6]);
    let turned = |factor: f64| {
        let rotary = Rotary { rotated: 4, scaling: scaling(factor), ..Rotary::new(6, 10_000.0) };
        rotary.angles(&places(&[1, 2]), Kind::Double).rotate(&heads)
    };
    assert_close("rotated", &turned(1.5).narrow(2, 0, 4), &(turned(1.0).narrow(2, 0, 4) * 1.5), 1e-14);
    assert_close("the rest", &turned(1.5).narrow(2, 4, 2), &heads.narrow(2, 4, 2), 0.0);
}

/// Behind a causal mask the symmetric form is the paper's, which adds `m` times the key's place: softmax forgets the
/// rest.
#[test]
fn alibi_behind_a_causal_mask_is_the_papers() {
    seed_of_draws(8);
    let layout = SequenceLayout::from_lengths(&[4, 6]);
    let [q, k, v] = [(); 3].map(|()| randn([10, 2, 3]));
    let symmetric = alibi(2, 6, DOUBLE);
    let slopes = tensor(&alibi_slopes(2), &[2, 1, 1]);
    let papers = PlaceBias((slopes * Tensor::arange(6, DOUBLE)).expand([2, 6, 6], false));
    let attention = Attention { visibility: Visibility::Causal, ..Attention::default() };
    for (name, backend) in BACKENDS {
        let run =
            |bias: &PlaceBias| backend(&q, &k, &v, &Pairing::from(&layout).with_bias(bias), &attention, Mode::Evaluate);
        assert_close(name, &run(&symmetric), &run(&papers), 1e-12);
    }
}

#[test]
fn alibi_comes_in_the_type_that_is_asked_for() {
    let PlaceBias(bias) = alibi(4, 3, (Kind::Float, Device::Cpu));
    assert_eq!(bias.kind(), Kind::Float);
}

#[test]
fn the_scale_of_disentangled_attention_counts_its_terms() {
    for (content_to_position, position_to_content, terms) in
        [(false, false, 1.0f64), (true, false, 2.0), (false, true, 2.0), (true, true, 3.0)]
    {
        let found = Disentangled::scale_for(5, content_to_position, position_to_content);
        assert!((found - 1.0 / (5.0 * terms).sqrt()).abs() < 1e-15);
    }
}

/// Queries of a sequence's first places alone have the bias that they have among all.
#[test]
fn the_bias_of_the_first_places_is_that_of_all() {
    seed_of_draws(9);
    for buckets in [None, Some(4)] {
        let table = || Some(randn([2, 8, 3]));
        let (position_keys, position_queries) = (table(), table());
        let span = RelativeSpan { span: 4, buckets, max_distance: 8 };
        let bias = Disentangled { span, position_keys, position_queries, scale: 0.5 };
        let [q, k] = [(); 2].map(|()| randn([1, 2, 7, 3]));
        let all = bias.of(&q, &k); // [1, 2, 7, 7]
        for first in [1, 3, 7] {
            assert_close("the first", &bias.of(&q.narrow(2, 0, first), &k), &all.narrow(2, 0, first), 1e-14);
        }
    }
}

#[test]
#[should_panic(expected = "disentangled attention is that of a sequence")]
fn disentangled_attention_of_more_queries_than_keys_is_refused() {
    let bias = Disentangled {
        span: RelativeSpan { span: 2, buckets: None, max_distance: 2 },
        position_keys: None,
        position_queries: None,
        scale: 1.0,
    };
    let _ = bias.of(&Tensor::zeros([1, 1, 4, 3], DOUBLE), &Tensor::zeros([1, 1, 3, 3], DOUBLE));
}
