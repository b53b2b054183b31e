//! Adapters against their equations, written with whole matrices; and that merging, freezing and dropout are what they
//! say.

use proptest::prelude::*;
use retune_attention::adapters::{
    EmbeddingAdapter, LinearAdapter, LowRank, LowRankEmbedding, Rescaled, Rescaling, starting_magnitude,
};
use retune_attention::{Dropout, Embedding, Linear, Mode};
use tch::{Kind, Tensor};

use crate::cases::{assert_close, config, generator, gradients, randn, seed_of_draws, weighed};

/// `x`, `W`, `b`, `A`, `B` and `m` of a layer from 5 to 4 with rank 2.
fn drawn(seed: i64) -> [Tensor; 6] {
    seed_of_draws(seed);
    [randn([7, 5]), randn([4, 5]), randn([4]), randn([2, 5]), randn([4, 2]), randn([4]).abs() + 0.5]
}

fn low_rank(a: &Tensor, b: &Tensor, magnitude: Option<&Tensor>, dropout: f64) -> LowRank {
    LowRank {
        a: a.shallow_clone(),
        b: b.shallow_clone(),
        scale: 0.7,
        dropout: Dropout { probability: dropout },
        magnitude: magnitude.map(Tensor::shallow_clone),
    }
}

fn layer(weight: &Tensor, bias: Option<&Tensor>, adapter: impl LinearAdapter + 'static) -> Linear {
    Linear::new(weight.shallow_clone(), bias.map(Tensor::shallow_clone)).with_adapter(Box::new(adapter))
}

/// The rows' norms, as a constant.
fn norms(matrix: &Tensor, over: i64) -> Tensor {
    matrix.detach().square().sum_dim_intlist(over, false, Kind::Double).sqrt()
}

/// Equal results, and equal gradients of everything that is given.
fn assert_same(
    what: &str,
    inputs: &[Tensor],
    found: impl Fn(&[Tensor]) -> Tensor,
    expected: impl Fn(&[Tensor]) -> Tensor,
) {
    assert_close(what, &found(inputs), &expected(inputs), 1e-10);
    let [ours, theirs] =
        [gradients(inputs, |inputs| weighed(&found(inputs))), gradients(inputs, |inputs| weighed(&expected(inputs)))];
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_close(what, ours, theirs, 1e-9);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn low_rank_adds_the_product(seed in any::<i64>()) {
        assert_same(
            "LoRA",
            &drawn(seed)[..5],
            |t| layer(&t[1], Some(&t[2]), low_rank(&t[3], &t[4], None, 0.0)).forward(&t[0], Mode::Train),
            |t| t[0].matmul(&(&t[1] + t[4].matmul(&t[3]) * 0.7).tr()) + &t[2],
        );
    }

    #[test]
    fn magnitudes_replace_the_norms_of_rows(seed in any::<i64>()) {
        assert_same(
            "DoRA",
            &drawn(seed),
            |t| layer(&t[1], Some(&t[2]), low_rank(&t[3], &t[4], Some(&t[5]), 0.0)).forward(&t[0], Mode::Train),
            |t| {
                let directions = &t[1] + t[4].matmul(&t[3]) * 0.7;
                let weight = (&t[5] / norms(&directions, 1)).unsqueeze(1) * directions;
                t[0].matmul(&weight.tr()) + &t[2]
            },
        );
    }

    #[test]
    fn tables_change_by_the_product(seed in any::<i64>(), padding in prop::option::of(0i64..3), dora in any::<bool>()) {
        seed_of_draws(seed);
        let inputs = [randn([6, 3]), randn([2, 6]), randn([3, 2]), randn([3]).abs() + 0.5];
        let ids = Tensor::from_slice(&[5i64, 0, 2, 5, 1]);
        let adapter = |t: &[Tensor]| LowRankEmbedding {
            a: t[1].shallow_clone(),
            b: t[2].shallow_clone(),
            scale: 0.7,
            magnitude: dora.then(|| t[3].shallow_clone()),
        };
        let found = |t: &[Tensor]| Embedding::new(t[0].shallow_clone(), padding).with_adapter(Box::new(adapter(t))).forward(&ids);
        let expected = |t: &[Tensor]| {
            // What is looked up of the padding row is a constant.
            let row = |table: &Tensor| -> Tensor {
                let rows = table.index_select(0, &ids);
                let kept = ids.ne(padding.unwrap_or(-1)).unsqueeze(1).to_kind(Kind::Double);
                &rows * &kept + rows.detach() * (1.0 - &kept)
            };
            let sum = row(&t[0]) + row(&t[1].tr()).matmul(&t[2].tr()) * 0.7;
            match dora {
                false => sum + &t[3] * 0.0,
                true => &t[3] / norms(&(&t[0] + (t[2].matmul(&t[1]) * 0.7).tr()), 0) * sum,
            }
        };
        // Without DoRA nothing reads the magnitudes.
        let given = if dora { 4 } else { 3 };
        let with_rest = |t: &[Tensor]| -> Vec<Tensor> {
            t.iter().chain(&inputs[given..]).map(Tensor::shallow_clone).collect()
        };
        assert_same("embedding", &inputs[..given], |t| found(&with_rest(t)), |t| expected(&with_rest(t)));
        let merged = adapter(&inputs).merged(&Embedding::new(inputs[0].shallow_clone(), padding));
        assert_close("merged", &merged.forward(&ids), &found(&inputs), 1e-12);
    }

    #[test]
    fn factors_multiply_inputs_or_outputs(seed in any::<i64>()) {
        let [x, weight, bias, ..] = drawn(seed);
        // In any shape.
        let (inputs, outputs) = (randn([5]), randn([4, 1]));
        let with = |t: &[Tensor], rescaled| layer(&t[1], Some(&t[2]), Rescaling { factors: t[3].shallow_clone(), rescaled });
        let copy = |factors: &Tensor| [&x, &weight, &bias, factors].map(Tensor::shallow_clone);
        assert_same(
            "inputs",
            &copy(&inputs),
            |t| with(t, Rescaled::Inputs).forward(&t[0], Mode::Train),
            |t| (&t[0] * &t[3]).matmul(&t[1].tr()) + &t[2],
        );
        assert_same(
            "outputs",
            &copy(&outputs),
            |t| with(t, Rescaled::Outputs).forward(&t[0], Mode::Train),
            |t| (t[0].matmul(&t[1].tr()) + &t[2]) * t[3].tr(),
        );
    }

    #[test]
    fn what_is_merged_computes_the_same(seed in any::<i64>(), with_bias in any::<bool>()) {
        let [x, weight, bias, a, b, m] = drawn(seed);
        let bias = with_bias.then_some(&bias);
        let (inputs, outputs) = (randn([5]), randn([4, 1]));
        for (what, adapted) in [
            ("LoRA", layer(&weight, bias, low_rank(&a, &b, None, 0.5))),
            ("DoRA", layer(&weight, bias, low_rank(&a, &b, Some(&m), 0.5))),
            ("inputs", layer(&weight, bias, Rescaling { factors: inputs, rescaled: Rescaled::Inputs })),
            ("outputs", layer(&weight, bias, Rescaling { factors: outputs, rescaled: Rescaled::Outputs })),
        ] {
            let merged = adapted.merged();
            prop_assert!(merged.adapter.is_none());
            assert_close(what, &merged.forward(&x, Mode::Train), &adapted.forward(&x, Mode::Evaluate), 1e-12);
        }
    }

    #[test]
    fn an_adapter_begins_as_the_identity(seed in any::<i64>()) {
        let [x, weight, bias, a, b, _] = drawn(seed);
        let plain = Linear::new(weight.shallow_clone(), Some(bias.shallow_clone())).forward(&x, Mode::Evaluate);
        let zero = b.zeros_like();
        let found = layer(&weight, Some(&bias), low_rank(&a, &zero, None, 0.5)).forward(&x, Mode::Train);
        prop_assert!(found.equal(&plain));
        let magnitude = starting_magnitude(&weight, 1);
        let found = layer(&weight, Some(&bias), low_rank(&a, &zero, Some(&magnitude), 0.5)).forward(&x, Mode::Train);
        assert_close("DoRA", &found, &plain, 1e-12);
    }
}

#[test]
fn dropout_reaches_the_adapter_alone_and_in_training_alone() {
    let _generator = generator();
    let [_, weight, bias, a, b, m] = drawn(5);
    let x = randn([400, 5]);
    for magnitude in [None, Some(&m)] {
        let adapted = layer(&weight, Some(&bias), low_rank(&a, &b, magnitude, 0.5));
        let without = layer(&weight, Some(&bias), low_rank(&a, &b, magnitude, 0.0));
        let evaluated = adapted.forward(&x, Mode::Evaluate);
        assert!(evaluated.equal(&without.forward(&x, Mode::Evaluate)));
        let trained = adapted.forward(&x, Mode::Train);
        assert!(!trained.allclose(&evaluated, 1e-3, 1e-3, false));
        // What the adapter reads has the same mean.
        let mean = |many: fn(&Linear, &Tensor) -> Tensor| {
            let sum: Tensor = (0..400).map(|_| many(&adapted, &x)).reduce(|a, b| a + b).unwrap();
            (sum / 400.0).mean_dim(0, false, Kind::Double)
        };
        let found = mean(|adapted, x| adapted.forward(x, Mode::Train));
        assert_close("mean of draws", &found, &evaluated.mean_dim(0, false, Kind::Double), 0.05);
    }
    let a = a.zeros_like();
    let adapted = layer(&weight, Some(&bias), low_rank(&a, &b, None, 0.5));
    assert!(adapted.forward(&x, Mode::Train).equal(&adapted.plain(&x)), "dropout reaches the layer itself");
}

/// In training DoRA's magnitudes multiply what the layer makes of the dropped inputs, and of the others as they are it
/// makes what it did (equation of `peft` 0.19's `DoraLinearLayer`). The result is linear in the dropped inputs, of
/// which there are fewer than outputs: solved for them, it gives each input doubled or none.
#[test]
fn dropped_inputs_reach_the_magnitudes_and_no_others_do() {
    seed_of_draws(9);
    let [x, weight, bias, a, b, m] =
        [randn([50, 3]), randn([4, 3]), randn([4]), randn([2, 3]), randn([4, 2]), randn([4]).abs() + 0.5];
    let adapted = layer(&weight, Some(&bias), low_rank(&a, &b, Some(&m), 0.5));
    let change = b.matmul(&a) * 0.7; // [out, in]
    let ratio = (&m / norms(&(&weight + &change), 1)).unsqueeze(1); // [out, 1]
    let of_dropped = (&ratio - 1.0) * &weight + &ratio * change; // [out, in]
    let rest = adapted.forward(&x, Mode::Train) - x.matmul(&weight.tr()) - &bias;
    let dropped = rest.matmul(&of_dropped.linalg_pinv(1e-12, false).tr()); // [n, in]
    let (none, doubled) = (dropped.abs().lt(1e-9), (&dropped - &x * 2.0).abs().lt(1e-9));
    assert!(none.logical_or(&doubled).all().int64_value(&[]) == 1, "{dropped:?}");
    assert!(none.any().int64_value(&[]) == 1 && doubled.any().int64_value(&[]) == 1);
}
