//! Layers that work on every token alone, against their definitions.

use proptest::prelude::*;
use retune_attention::{
    Activation, Dropout, Embedding, FeedForward, GatedFeedForward, GatedProjection, LayerNorm, Linear, Mode, RmsNorm,
};
use tch::{Device, Kind, Tensor};

use crate::cases::{
    DOUBLE, assert_close, assert_zero, config, generator, gradients, numbers, randn, seed_of_draws, tensor, weighed,
};

/// Numbers from a seed.
fn drawn(seed: i64, shape: &[i64]) -> Tensor {
    seed_of_draws(seed);
    randn(shape)
}

fn linear(out: i64, size: i64, bias: bool) -> Linear {
    Linear::new(randn([out, size]), bias.then(|| randn([out])))
}

/// `W x + b` of one token, number by number.
fn by_loops(linear: &Linear, x: &[f64]) -> Vec<f64> {
    let (rows, bias) = (numbers(&linear.weight), linear.bias.as_ref().map(numbers));
    (rows.chunks(x.len()).enumerate())
        .map(|(row, weights)| {
            let dot: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
            dot + bias.as_ref().map_or(0.0, |bias| bias[row])
        })
        .collect()
}

/// Each row of `x` through a function of numbers.
fn rows(x: &Tensor, function: impl Fn(&[f64]) -> Vec<f64>) -> Tensor {
    let made: Vec<Vec<f64>> = (0..x.size()[0]).map(|row| function(&numbers(&x.get(row)))).collect();
    tensor(&made.concat(), &[x.size()[0], made[0].len() as i64])
}

/// The activations from their definitions, and the standard library's functions alone.
fn activation(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => x * normal_distribution(x),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Identity => x,
    }
}

/// `Φ(x)`, the integral of the normal density by Simpson's rule.
fn normal_distribution(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (steps, width) = (2000, x / 2000.0);
    let inner: f64 =
        (1..steps).map(|step| if step % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(step) * width)).sum();
    0.5 + width / 3.0 * (density(0.0) + inner + density(x))
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Relu,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn layer_norm_forgets_scale_and_shift(seed in any::<i64>(), a in 0.5f64..20.0, b in -5.0f64..5.0, with_bias in any::<bool>()) {
        let x = drawn(seed, &[3, 16]);
        let bias = with_bias.then(|| randn([16]));
        let norm = LayerNorm { weight: randn([16]), bias, epsilon: 0.0 };
        assert_close("layer norm", &norm.forward(&(&x * a + b)), &norm.forward(&x), 1e-9);
    }

    #[test]
    fn layer_norm_is_its_equation(seed in any::<i64>(), size in 1i64..9, with_bias in any::<bool>(), epsilon in 1e-12f64..0.5) {
        let x = drawn(seed, &[3, size]);
        let bias = with_bias.then(|| randn([size]));
        let norm = LayerNorm { weight: randn([size]), bias, epsilon };
        let (gamma, beta) = (numbers(&norm.weight), norm.bias.as_ref().map(numbers));
        let expected = rows(&x, |x| {
            let mean = x.iter().sum::<f64>() / size as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
            (x.iter().enumerate())
                .map(|(c, x)| (x - mean) / (variance + epsilon).sqrt() * gamma[c] + beta.as_ref().map_or(0.0, |beta| beta[c]))
                .collect()
        });
        assert_close("layer norm", &norm.forward(&x), &expected, 1e-10);
    }

    /// Of `a x` it keeps the sign of `a` and forgets its size; it does not forget a shift.
    #[test]
    fn rms_norm_keeps_a_sign_and_forgets_a_scale(seed in any::<i64>(), a in 0.5f64..20.0, flip in any::<bool>()) {
        let x = drawn(seed, &[3, 16]);
        let norm = RmsNorm { weight: randn([16]), epsilon: 0.0 };
        let sign = if flip { -1.0 } else { 1.0 };
        assert_close("rms norm", &norm.forward(&(&x * (a * sign))), &(norm.forward(&x) * sign), 1e-10);
        prop_assert!((norm.forward(&(&x + 1.0)) - norm.forward(&x)).abs().max().double_value(&[]) > 1e-3);
    }

    #[test]
    fn rms_norm_is_its_equation(seed in any::<i64>(), size in 1i64..9, epsilon in 1e-12f64..0.5) {
        let x = drawn(seed, &[3, size]);
        let norm = RmsNorm { weight: randn([size]), epsilon };
        let gamma = numbers(&norm.weight);
        let expected = rows(&x, |x| {
            let mean_square = x.iter().map(|x| x * x).sum::<f64>() / size as f64;
            x.iter().zip(&gamma).map(|(x, gamma)| x / (mean_square + epsilon).sqrt() * gamma).collect()
        });
        assert_close("rms norm", &norm.forward(&x), &expected, 1e-10);
    }

    #[test]
    fn a_linear_layer_is_its_equation(seed in any::<i64>(), size in 1i64..6, out in 1i64..6, with_bias in any::<bool>()) {
        let x = drawn(seed, &[3, size]);
        let layer = linear(out, size, with_bias);
        assert_close("linear", &layer.forward(&x, Mode::Evaluate), &rows(&x, |x| by_loops(&layer, x)), 1e-12);
    }

    #[test]
    fn activations_are_their_closed_forms(x in -8.0f64..8.0) {
        for which in ACTIVATIONS {
            let found = which.forward(&tensor(&[x], &[1])).double_value(&[0]);
            let expected = activation(which, x);
            prop_assert!((found - expected).abs() < 1e-9, "{:?} of {}: {} instead of {}", which, x, found, expected);
        }
    }

    #[test]
    fn feed_forward_is_its_equation(seed in any::<i64>(), which in prop::sample::select(ACTIVATIONS.to_vec()), with_bias in any::<bool>()) {
        let x = drawn(seed, &[4, 3]);
        let layer = FeedForward { up: linear(5, 3, with_bias), activation: which, down: linear(3, 5, with_bias) };
        let expected = rows(&x, |x| {
            let inner: Vec<f64> = by_loops(&layer.up, x).into_iter().map(|x| activation(which, x)).collect();
            by_loops(&layer.down, &inner)
        });
        assert_close("feed-forward", &layer.forward(&x, Mode::Evaluate), &expected, 1e-8);
    }

    /// Both ways of holding the projections; of the fused one the first half is activated.
    #[test]
    fn gated_feed_forward_is_its_equation(seed in any::<i64>(), which in prop::sample::select(ACTIVATIONS.to_vec()), with_bias in any::<bool>()) {
        let x = drawn(seed, &[4, 3]);
        let (gate, up, down) = (linear(5, 3, with_bias), linear(5, 3, with_bias), linear(3, 5, with_bias));
        let expected = rows(&x, |x| {
            let product: Vec<f64> = (by_loops(&gate, x).into_iter().zip(by_loops(&up, x)))
                .map(|(activated, factor)| activation(which, activated) * factor)
                .collect();
            by_loops(&down, &product)
        });
        let above = |part: fn(&Linear) -> Option<&Tensor>| Some(Tensor::cat(&[part(&gate)?, part(&up)?], 0));
        let fused = Linear::new(above(|linear| Some(&linear.weight)).unwrap(), above(|linear| linear.bias.as_ref()));
        let copy = |linear: &Linear| Linear::new(linear.weight.shallow_clone(), linear.bias.as_ref().map(Tensor::shallow_clone));
        let layer = |up| GatedFeedForward { up, activation: which, dropout: Dropout { probability: 0.5 }, down: copy(&down) };
        let layers = [layer(GatedProjection::Fused(fused)), layer(GatedProjection::Apart { gate: copy(&gate), up: copy(&up) })];
        for layer in &layers {
            assert_close("gated feed-forward", &layer.forward(&x, Mode::Evaluate), &expected, 1e-8);
        }
        let [first, second] = layers.each_ref().map(|layer| {
            gradients(&[x.shallow_clone()], |x| weighed(&layer.forward(&x[0], Mode::Evaluate))).remove(0)
        });
        assert_close("gradients of both ways", &first, &second, 1e-12);
    }
}

/// Layers that take `[…, d]` do the same to every vector of it.
#[test]
fn layers_take_any_number_of_dimensions_before_the_last() {
    let x = drawn(2, &[2, 3, 4]);
    let norm = LayerNorm { weight: randn([4]), bias: Some(randn([4])), epsilon: 1e-5 };
    let rms = RmsNorm { weight: randn([4]), epsilon: 1e-5 };
    let linear = linear(5, 4, true);
    for name in ["layer norm", "rms norm", "linear"] {
        let layer = |x: &Tensor| match name {
            "layer norm" => norm.forward(x),
            "rms norm" => rms.forward(x),
            _ => linear.forward(x, Mode::Evaluate),
        };
        let whole = layer(&x);
        for (i, j) in (0..2).flat_map(|i| (0..3).map(move |j| (i, j))) {
            assert_close(name, &whole.get(i).get(j), &layer(&x.get(i).get(j)), 1e-14);
        }
    }
}

/// The values at ±1 that the papers' formulas give, to the digits of a table.
#[test]
fn activations_have_the_values_of_tables() {
    for (which, at_one, at_minus_one) in [
        (Activation::Gelu, 0.841344746068543, -0.158655253931457),
        (Activation::GeluTanh, 0.841191990608277, -0.158808009391723),
        (Activation::Relu, 1.0, 0.0),
        (Activation::Silu, 0.731058578630005, -0.268941421369995),
        (Activation::Tanh, 0.761594155955765, -0.761594155955765),
        (Activation::Sigmoid, 0.731058578630005, 0.268941421369995),
        (Activation::Identity, 1.0, -1.0),
    ] {
        let found = which.forward(&tensor(&[1.0, -1.0], &[2]));
        assert_close(&format!("{which:?}"), &found, &tensor(&[at_one, at_minus_one], &[2]), 1e-14);
    }
}

/// With the identity for `down`, what is dropped shows: the product, in training alone.
#[test]
fn gated_feed_forward_drops_its_product() {
    let _alone = generator();
    tch::manual_seed(3);
    seed_of_draws(3);
    let x = randn([50, 3]);
    let layer = GatedFeedForward {
        up: GatedProjection::Fused(linear(12, 3, true)),
        activation: Activation::Identity,
        dropout: Dropout { probability: 0.5 },
        down: Linear::new(Tensor::eye(6, DOUBLE), None),
    };
    let plain = layer.forward(&x, Mode::Evaluate);
    let dropped = layer.forward(&x, Mode::Train);
    let kept = dropped.ne(0.0).to_kind(Kind::Double);
    assert_close("kept", &dropped, &(plain * 2.0 * &kept), 1e-12);
    let share = kept.mean(Kind::Double).double_value(&[]);
    assert!((0.35..0.65).contains(&share), "{share}");
}

/// In half precision the mean of squares is taken in float32, where 300² does not overflow, and the result rounded once.
#[test]
fn rms_norm_is_computed_in_single_precision_at_least() {
    seed_of_draws(4);
    let exact = randn([5, 64]) * 300.0;
    let norm = |kind| RmsNorm { weight: Tensor::ones([64], (kind, Device::Cpu)), epsilon: 1e-6 };
    for kind in [Kind::Half, Kind::BFloat16] {
        let x = exact.to_kind(kind);
        let found = norm(kind).forward(&x);
        assert_eq!(found.kind(), kind);
        let expected = norm(Kind::Float).forward(&x.to_kind(Kind::Float)).to_kind(kind);
        assert_close(&format!("{kind:?}"), &found, &expected, 0.0);
    }
    assert_eq!(norm(Kind::Float).forward(&exact.to_kind(Kind::Float)).kind(), Kind::Float);
    // In double precision no digit is lost to a narrower mean.
    let expected = &exact / (exact.square().mean_dim(-1, true, Kind::Double) + 1e-6).sqrt();
    assert_close("double", &norm(Kind::Double).forward(&exact), &expected, 1e-14);
}

#[test]
fn an_embedding_looks_rows_up_and_the_padding_row_learns_nothing() {
    let table = Tensor::arange(12, DOUBLE).view([4, 3]);
    let ids = Tensor::from_slice(&[3i64, 1, 1, 0]);
    for (padding_row, counts) in
        [(None, [1.0, 2.0, 0.0, 1.0]), (Some(1), [1.0, 0.0, 0.0, 1.0]), (Some(0), [0.0, 2.0, 0.0, 1.0])]
    {
        let layer = |weight: &Tensor| Embedding::new(weight.shallow_clone(), padding_row);
        let found = layer(&table).forward(&ids);
        assert_close(
            "rows",
            &found,
            &tensor(&[9.0, 10.0, 11.0, 3.0, 4.0, 5.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0], &[4, 3]),
            0.0,
        );
        let gradient =
            &gradients(&[table.shallow_clone()], |weight| layer(&weight[0]).forward(&ids).sum(Kind::Double))[0];
        let expected = tensor(&counts, &[4, 1]).expand([4, 3], false);
        assert_close(&format!("gradient with padding row {padding_row:?}"), gradient, &expected, 0.0);
        if padding_row == Some(1) {
            assert_zero("padding", &gradient.get(1));
        }
    }
}
