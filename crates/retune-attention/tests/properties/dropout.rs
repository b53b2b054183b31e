//! Dropout: absent in evaluation, unbiased in training, and on the weights themselves.

use retune_attention::{Attention, Dropout, Mode, Pairing, SequenceLayout, Visibility};
use tch::{Kind, Tensor};

use crate::cases::{
    BACKENDS, Backend, ContentBias, DOUBLE, assert_close, assert_zero, generator, randn, seed_of_draws,
};

/// Eight sequences of eight tokens, whose values are one-hot rows, so that the output is the weights: `[64, 2, 8]`.
pub struct Weights {
    layout: SequenceLayout,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Option<ContentBias>,
    visibility: Visibility,
}

impl Weights {
    /// The ways through a backend: with and without a mask of its own, and with a bias.
    fn all() -> Vec<Self> {
        let ways = [(Visibility::Bidirectional, false), (Visibility::Causal, false), (Visibility::Causal, true)];
        ways.into_iter().map(|(visibility, bias)| Self::new(visibility, bias)).collect()
    }

    pub fn new(visibility: Visibility, bias: bool) -> Self {
        tch::set_num_threads(1);
        seed_of_draws(11);
        let [q, k] = [(); 2].map(|()| randn([64, 2, 8]));
        let bias = bias.then(|| ContentBias(randn([8, 8])));
        let v = Tensor::eye(8, DOUBLE).repeat([8, 1]).unsqueeze(1).repeat([1, 2, 1]);
        Self { layout: SequenceLayout::from_lengths(&[8; 8]), q, k, v, bias, visibility }
    }

    pub fn run(&self, backend: Backend, dropout: f64, mode: Mode) -> Tensor {
        let attention = Attention { visibility: self.visibility, dropout, ..Attention::default() };
        let pairing = Pairing { bias: self.bias.as_ref().map(|bias| bias as _), ..Pairing::from(&self.layout) };
        backend(&self.q, &self.k, &self.v, &pairing, &attention, mode)
    }
}

#[test]
fn evaluation_is_deterministic_and_draws_nothing() {
    let _alone = generator();
    for weights in Weights::all() {
        for (name, backend) in BACKENDS {
            tch::manual_seed(1);
            let plain = weights.run(backend, 0.0, Mode::Evaluate);
            assert!(weights.run(backend, 0.5, Mode::Evaluate).equal(&plain), "{name}");
            let after = Tensor::rand([1], DOUBLE);
            tch::manual_seed(1);
            assert!(Tensor::rand([1], DOUBLE).equal(&after), "{name} drew from the generator");
        }
    }
}

#[test]
fn dropout_of_nothing_equals_evaluation() {
    let _alone = generator();
    for weights in Weights::all() {
        for (name, backend) in BACKENDS {
            assert_close(
                name,
                &weights.run(backend, 0.0, Mode::Train),
                &weights.run(backend, 0.0, Mode::Evaluate),
                1e-14,
            );
        }
    }
}

/// The weights themselves are dropped: each is 0 or w/(1 − p). Dropped scores would leave rows that still sum to one.
#[test]
fn kept_weights_are_divided_by_the_share_that_is_kept() {
    let _alone = generator();
    for weights in Weights::all() {
        for (name, backend) in BACKENDS {
            let plain = weights.run(backend, 0.0, Mode::Evaluate);
            tch::manual_seed(3);
            let dropped = weights.run(backend, 0.25, Mode::Train);
            let kept = dropped.ne(0.0);
            assert_close(name, &dropped, &(&plain / 0.75 * kept.to_kind(Kind::Double)), 1e-12);
            // Of up to 1024 draws with probability ¾, within five standard deviations.
            let drawn = plain.ne(0.0).to_kind(Kind::Double).sum(Kind::Double).double_value(&[]);
            let share = kept.to_kind(Kind::Double).sum(Kind::Double).double_value(&[]) / drawn;
            assert!((share - 0.75).abs() < 5.0 * (0.75 * 0.25 / drawn).sqrt(), "{name}: kept {share}");
        }
    }
}

#[test]
fn a_seed_gives_its_draw_again_and_another_seed_another() {
    let _alone = generator();
    for weights in Weights::all() {
        for (name, backend) in BACKENDS {
            let [first, again, other] = [5, 5, 6].map(|seed| {
                tch::manual_seed(seed);
                weights.run(backend, 0.5, Mode::Train)
            });
            assert!(first.equal(&again) && !first.equal(&other), "{name}");
        }
    }
}

#[test]
fn the_mean_over_draws_is_the_evaluation() {
    let _alone = generator();
    for weights in Weights::all() {
        for (name, backend) in BACKENDS {
            tch::manual_seed(2);
            let draws = 300;
            let mut sum = weights.q.zeros_like();
            for _ in 0..draws {
                sum += weights.run(backend, 0.3, Mode::Train);
            }
            let plain = weights.run(backend, 0.0, Mode::Evaluate);
            // A mean of w·b/(1 − p) has the standard deviation w √(p/(1 − p)/draws).
            let deviation = (0.3f64 / 0.7 / f64::from(draws)).sqrt();
            let off = (sum / f64::from(draws) - &plain) / plain.clamp_min(1e-12);
            assert_close(name, &(off / deviation / 5.5).clamp_min(0.0).floor(), &plain.zeros_like(), 0.0);
        }
    }
}

#[test]
fn the_layer_drops_divides_and_is_absent_in_evaluation() {
    let _alone = generator();
    let x = Tensor::arange(2000, DOUBLE) + 1.0;
    tch::manual_seed(7);
    let half = Dropout { probability: 0.4 };
    assert!(half.forward(&x, Mode::Evaluate).equal(&x));
    assert!(Dropout { probability: 0.0 }.forward(&x, Mode::Train).equal(&x));
    let dropped = half.forward(&x, Mode::Train);
    let kept = dropped.ne(0.0).to_kind(Kind::Double);
    assert_close("kept", &dropped, &(&x / 0.6 * &kept), 1e-12);
    let share = kept.mean(Kind::Double).double_value(&[]);
    assert!((share - 0.6).abs() < 0.06, "{share}");
    assert_zero("all dropped", &Dropout { probability: 1.0 }.forward(&x, Mode::Train));
    assert!(Mode::Train.is_train() && !Mode::Evaluate.is_train());
}
