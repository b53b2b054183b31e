//! Properties of attention, in float64, forward and gradients, for every backend.

use proptest::prelude::*;
use retune_attention::{Attention, LayerNorm, Mode, SequenceLayout, Visibility, attend, attention::reference};
use tch::{Device, Kind, Tensor};

type Backend = fn(&Tensor, &Tensor, &Tensor, &SequenceLayout, &Attention, Mode) -> Tensor;

const BACKENDS: [(&str, Backend); 2] = [("reference", reference::attend), ("runs", attend)];

/// A packed batch: lengths, heads, head size, and the seed of its numbers.
#[derive(Debug, Clone)]
struct Case {
    lengths: Vec<usize>,
    heads: i64,
    size: i64,
    seed: i64,
    causal: bool,
}

impl Case {
    fn layout(&self) -> SequenceLayout {
        SequenceLayout::from_lengths(&self.lengths)
    }

    /// Queries, keys and values, `[t, h, k]` each.
    fn qkv(&self) -> [Tensor; 3] {
        tch::manual_seed(self.seed);
        let shape = [self.layout().tokens(), self.heads, self.size];
        [(); 3].map(|()| Tensor::randn(shape, (Kind::Double, Device::Cpu)))
    }

    fn attention(&self) -> Attention {
        let visibility = if self.causal { Visibility::Causal } else { Visibility::Bidirectional };
        Attention { visibility, ..Attention::default() }
    }
}

fn case() -> impl Strategy<Value = Case> {
    // Few distinct lengths, so that runs of several equal ones occur.
    (
        prop::collection::vec(prop::sample::select(vec![1usize, 2, 3, 3, 5, 5, 7]), 1..6),
        1i64..4,
        1i64..5,
        any::<i64>(),
        any::<bool>(),
    )
        .prop_map(|(lengths, heads, size, seed, causal)| Case { lengths, heads, size, seed, causal })
}

/// Fails with the worst element's index where two tensors differ.
#[track_caller]
fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}: shapes");
    if found.numel() == 0 {
        return;
    }
    let difference = (found - expected).abs().flatten(0, -1);
    let worst = difference.argmax(None, false).int64_value(&[]);
    let largest = difference.double_value(&[worst]);
    assert!(
        largest <= tolerance,
        "{what}: element {worst} is {} instead of {}",
        found.flatten(0, -1).double_value(&[worst]),
        expected.flatten(0, -1).double_value(&[worst]),
    );
}

/// The output and the gradients of q, k, v for one fixed weighting of the output.
fn with_gradients(backend: Backend, case: &Case) -> [Tensor; 4] {
    let inputs = case.qkv().map(|tensor| tensor.set_requires_grad(true));
    let out = backend(&inputs[0], &inputs[1], &inputs[2], &case.layout(), &case.attention(), Mode::Evaluate);
    let weights = Tensor::arange(out.numel() as i64, (Kind::Double, Device::Cpu)).sin().view_as(&out);
    (&out * weights).sum(Kind::Double).backward();
    let [q, k, v] = inputs;
    [out.detach(), q.grad(), k.grad(), v.grad()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn backends_agree_in_output_and_gradients(case in case()) {
        let expected = with_gradients(reference::attend, &case);
        for (name, backend) in BACKENDS {
            for (part, (found, expected)) in ["output", "dq", "dk", "dv"].iter().zip(with_gradients(backend, &case).iter().zip(&expected)) {
                assert_close(&format!("{name} {part}"), found, expected, 1e-10);
            }
        }
    }

    #[test]
    fn weights_are_a_distribution(case in case()) {
        let [q, k, _] = case.qkv().map(|tensor| tensor.transpose(0, 1));
        let weights = reference::weights(&q, &k, 0.7, case.attention().visibility);
        prop_assert!(weights.min().double_value(&[]) >= 0.0);
        assert_close("row sums", &weights.sum_dim_intlist(-1, false, Kind::Double), &weights.select(-1, 0).ones_like(), 1e-12);
        if case.causal {
            prop_assert_eq!(weights.triu(1).abs().max().double_value(&[]), 0.0);
        }
    }

    #[test]
    fn an_output_lies_within_the_values_of_its_sequence(case in case()) {
        let [q, k, v] = case.qkv();
        for (name, backend) in BACKENDS {
            let out = backend(&q, &k, &v, &case.layout(), &case.attention(), Mode::Evaluate);
            for range in case.layout().ranges() {
                let part = |tensor: &Tensor| tensor.narrow(0, range.start, range.end - range.start);
                let (low, high) = (part(&v).amin(0, true), part(&v).amax(0, true));
                let outside = part(&out).lt_tensor(&(low - 1e-12)).logical_or(&part(&out).gt_tensor(&(high + 1e-12)));
                prop_assert!(!bool::try_from(outside.any()).unwrap(), "{}", name);
            }
        }
    }

    #[test]
    fn packing_equals_one_sequence_at_a_time_and_isolates_gradients(case in case()) {
        let [q, k, v] = case.qkv();
        for (name, backend) in BACKENDS {
            let packed = backend(&q, &k, &v, &case.layout(), &case.attention(), Mode::Evaluate);
            for range in case.layout().ranges() {
                let length = range.end - range.start;
                let part = |tensor: &Tensor| tensor.narrow(0, range.start, length);
                let alone = SequenceLayout::from_lengths(&[length as usize]);
                let expected = reference::attend(&part(&q), &part(&k), &part(&v), &alone, &case.attention(), Mode::Evaluate);
                assert_close(name, &part(&packed), &expected, 1e-12);
            }
            // The gradient of the first sequence's output is zero on every other's tokens.
            let first = case.lengths[0] as i64;
            let keys = k.copy().set_requires_grad(true);
            let out = backend(&q, &keys, &v, &case.layout(), &case.attention(), Mode::Evaluate);
            out.narrow(0, 0, first).square().sum(Kind::Double).backward();
            let rest = keys.grad().narrow(0, first, case.layout().tokens() - first);
            prop_assert_eq!(rest.abs().sum(Kind::Double).double_value(&[]), 0.0, "{}", name);
        }
    }

    #[test]
    fn permuting_keys_with_values_changes_nothing_and_queries_permute(case in case()) {
        let case = Case { lengths: vec![case.lengths.iter().sum()], causal: false, ..case };
        let [q, k, v] = case.qkv();
        let order = Tensor::randperm(case.layout().tokens(), (Kind::Int64, Device::Cpu));
        let permuted = |tensor: &Tensor| tensor.index_select(0, &order);
        for (name, backend) in BACKENDS {
            let run = |q: &Tensor, k: &Tensor, v: &Tensor| backend(q, k, v, &case.layout(), &case.attention(), Mode::Evaluate);
            let plain = run(&q, &k, &v);
            assert_close(name, &run(&q, &permuted(&k), &permuted(&v)), &plain, 1e-12);
            assert_close(name, &run(&permuted(&q), &k, &v), &permuted(&plain), 1e-12);
        }
    }

    #[test]
    fn a_prefix_does_not_see_its_future(case in case(), cut in 0usize..7) {
        let case = Case { lengths: vec![7], causal: true, ..case };
        let [q, k, v] = case.qkv();
        let cut = cut as i64;
        let changed = |tensor: &Tensor| Tensor::cat(&[tensor.narrow(0, 0, cut), tensor.narrow(0, cut, 7 - cut) * 3.0 + 1.0], 0);
        for (name, backend) in BACKENDS {
            let run = |q: &Tensor, k: &Tensor, v: &Tensor| backend(q, k, v, &case.layout(), &case.attention(), Mode::Evaluate);
            let (before, after) = (run(&q, &k, &v), run(&changed(&q), &changed(&k), &changed(&v)));
            assert_close(name, &after.narrow(0, 0, cut), &before.narrow(0, 0, cut), 1e-12);
            assert_close(name, &before.get(0), &v.get(0), 1e-12);
        }
    }

    #[test]
    fn heads_are_independent(case in case()) {
        let [q, k, v] = case.qkv();
        for (name, backend) in BACKENDS {
            let together = backend(&q, &k, &v, &case.layout(), &case.attention(), Mode::Evaluate);
            for head in 0..case.heads {
                let one = |tensor: &Tensor| tensor.narrow(1, head, 1);
                let alone = backend(&one(&q), &one(&k), &one(&v), &case.layout(), &case.attention(), Mode::Evaluate);
                assert_close(name, &one(&together), &alone, 1e-12);
            }
        }
    }

    #[test]
    fn scale_moves_between_queries_and_keys_and_a_shift_of_keys_is_nothing(case in case(), c in 0.1f64..10.0) {
        let [q, k, v] = case.qkv();
        let shift = Tensor::randn([1, case.heads, case.size], (Kind::Double, Device::Cpu));
        for (name, backend) in BACKENDS {
            let run = |q: &Tensor, k: &Tensor| backend(q, k, &v, &case.layout(), &case.attention(), Mode::Evaluate);
            let plain = run(&q, &k);
            assert_close(name, &run(&(&q * c), &(&k / c)), &plain, 1e-10);
            assert_close(name, &run(&q, &(&k + &shift)), &plain, 1e-10);
            let scaled = Attention { scale: Some(c / (case.size as f64).sqrt()), ..case.attention() };
            assert_close(name, &backend(&q, &k, &v, &case.layout(), &scaled, Mode::Evaluate), &run(&(&q * c), &k), 1e-10);
        }
    }

    #[test]
    fn no_query_means_the_mean_and_values_enter_linearly(case in case(), a in -3.0f64..3.0) {
        let case = Case { causal: false, ..case };
        let [q, k, v] = case.qkv();
        let w = Tensor::randn(v.size(), (Kind::Double, Device::Cpu));
        for (name, backend) in BACKENDS {
            let run = |q: &Tensor, v: &Tensor| backend(q, &k, v, &case.layout(), &case.attention(), Mode::Evaluate);
            assert_close(name, &run(&q, &(&v * a + &w)), &(run(&q, &v) * a + run(&q, &w)), 1e-10);
            let uniform = run(&q.zeros_like(), &v);
            for range in case.layout().ranges() {
                let part = |tensor: &Tensor| tensor.narrow(0, range.start, range.end - range.start);
                let mean = part(&v).mean_dim(0, true, Kind::Double).expand_as(&part(&v));
                assert_close(name, &part(&uniform), &mean, 1e-12);
            }
        }
    }

    #[test]
    fn gradients_agree_with_central_differences(case in case(), which in 0usize..3, place in any::<prop::sample::Index>()) {
        let step = 1e-5;
        for (name, backend) in BACKENDS {
            let analytic = with_gradients(backend, &case);
            let element = place.index(analytic[0].numel()) as i64;
            let value = |offset: f64| {
                let inputs = case.qkv();
                let _ = inputs[which].view([-1]).narrow(0, element, 1).g_add_scalar_(offset);
                let out = backend(&inputs[0], &inputs[1], &inputs[2], &case.layout(), &case.attention(), Mode::Evaluate);
                let weights = Tensor::arange(out.numel() as i64, (Kind::Double, Device::Cpu)).sin().view_as(&out);
                (out * weights).sum(Kind::Double).double_value(&[])
            };
            let numeric = (value(step) - value(-step)) / (2.0 * step);
            let found = analytic[which + 1].reshape([-1]).double_value(&[element]);
            prop_assert!((found - numeric).abs() < 1e-6, "{} input {}: {} instead of {}", name, which, found, numeric);
        }
    }

    #[test]
    fn extreme_logits_stay_finite(case in case()) {
        let [q, k, v] = case.qkv();
        for (name, backend) in BACKENDS {
            let run = |factor: f64| backend(&(&q * factor), &(&k * factor), &v, &case.layout(), &case.attention(), Mode::Evaluate);
            prop_assert!(bool::try_from(run(100.0).isfinite().all()).unwrap(), "{}", name);
        }
    }

    #[test]
    fn layer_norm_forgets_scale_and_shift(seed in any::<i64>(), a in 0.5f64..20.0, b in -5.0f64..5.0) {
        tch::manual_seed(seed);
        let options = (Kind::Double, Device::Cpu);
        let norm = LayerNorm { weight: Tensor::randn([16], options), bias: Tensor::randn([16], options), epsilon: 0.0 };
        let x = Tensor::randn([3, 16], options);
        assert_close("layer norm", &norm.forward(&(&x * a + b)), &norm.forward(&x), 1e-9);
    }
}

/// Keys of one-hot values make the output the dropped weights themselves.
fn dropped_weights(backend: Backend, probability: f64, mode: Mode) -> (Tensor, Tensor) {
    let options = (Kind::Double, Device::Cpu);
    let layout = SequenceLayout::from_lengths(&[8, 8]);
    let [q, k] = [(); 2].map(|()| Tensor::randn([16, 1, 8], options));
    let v = Tensor::eye(8, options).repeat([2, 1]).unsqueeze(1); // [16, 1, 8]
    let dropping = Attention { dropout: probability, ..Attention::default() };
    let plain = backend(&q, &k, &v, &layout, &Attention::default(), Mode::Evaluate);
    (plain, backend(&q, &k, &v, &layout, &dropping, mode))
}

#[test]
fn dropout_scales_what_it_keeps_and_is_absent_in_evaluation() {
    for (name, backend) in BACKENDS {
        tch::manual_seed(11);
        let (plain, evaluated) = dropped_weights(backend, 0.5, Mode::Evaluate);
        assert!(evaluated.equal(&plain), "{name}");
        let (plain, nothing) = dropped_weights(backend, 0.0, Mode::Train);
        assert_close(name, &nothing, &plain, 1e-12);
        let (plain, dropped) = dropped_weights(backend, 0.25, Mode::Train);
        let kept = dropped.ne(0.0);
        assert_close(name, &dropped, &(&plain / 0.75 * kept.to_kind(Kind::Double)), 1e-12);
        let share = kept.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((0.5..0.95).contains(&share), "{name}: kept {share}");
    }
}

#[test]
fn the_mean_over_draws_is_the_evaluation() {
    for (name, backend) in BACKENDS {
        let draws = 2000;
        let mut sum = 0.0;
        let mut expected = 0.0;
        for draw in 0..draws {
            tch::manual_seed(3);
            // The same inputs each time, and other draws of dropout: the seed is set anew after the inputs are made.
            let options = (Kind::Double, Device::Cpu);
            let layout = SequenceLayout::from_lengths(&[4]);
            let [q, k, v] = [(); 3].map(|()| Tensor::randn([4, 1, 2], options));
            tch::manual_seed(draw);
            let dropping = Attention { dropout: 0.3, ..Attention::default() };
            sum += backend(&q, &k, &v, &layout, &dropping, Mode::Train).double_value(&[1, 0, 0]);
            expected = backend(&q, &k, &v, &layout, &dropping, Mode::Evaluate).double_value(&[1, 0, 0]);
        }
        let mean = sum / draws as f64;
        assert!((mean - expected).abs() < 0.05, "{name}: {mean} instead of {expected}");
    }
}

#[test]
fn an_empty_batch_is_fine() {
    let empty = Tensor::zeros([0, 2, 4], (Kind::Double, Device::Cpu));
    let layout = SequenceLayout::from_lengths(&[0, 0]);
    let out = attend(&empty, &empty, &empty, &layout, &Attention::default(), Mode::Evaluate);
    assert_eq!(out.size(), [0, 2, 4]);
}
