//! What the packed kernel alone has to show: single precision, realistic sizes, and that both passes drop the same
//! weights.

use retune_attention::attention::{packed, reference};
use retune_attention::{Attention, Mode, Pairing, ScoreBias, SequenceLayout, Visibility};
use tch::{Device, Kind, Tensor};

use crate::cases::{DOUBLE, generator, randn, seed_of_draws};

const VISIBILITIES: [Visibility; 3] =
    [Visibility::Bidirectional, Visibility::Causal, Visibility::Window { before: 5, after: 9 }];

/// The output and the gradients of q, k, v of a fixed weighting of it.
fn passes(attend: impl Fn(&[Tensor; 3]) -> Tensor, inputs: &[Tensor; 3]) -> Vec<Tensor> {
    let inputs = inputs.each_ref().map(|input| input.detach().copy().set_requires_grad(true));
    let out = attend(&inputs);
    let weights = Tensor::arange(out.numel() as i64, (Kind::Double, Device::Cpu)).sin().to_kind(out.kind());
    (out.flatten(0, -1) * weights).sum(out.kind()).backward();
    let mut found = vec![out.detach()];
    found.extend(inputs.iter().map(Tensor::grad));
    found
}

#[test]
fn single_precision_at_real_sizes_is_as_near_as_libtorchs() {
    let layout = SequenceLayout::from_lengths(&[1, 2, 3, 4, 5, 17, 40, 65, 128]);
    // 20 numbers end within a wide block.
    for (heads, size) in [(3, 32), (2, 64), (1, 80), (1, 20)] {
        for visibility in VISIBILITIES {
            seed_of_draws(7);
            let double = [(); 3].map(|()| randn([layout.tokens(), heads, size]));
            let single = double.each_ref().map(|input| input.to_kind(Kind::Float));
            let how = Attention { visibility, ..Attention::default() };
            let pairing = Pairing::from(&layout);
            let exact = passes(|[q, k, v]| reference::attend(q, k, v, &pairing, &how, Mode::Train), &double);
            let apart = |found: Vec<Tensor>| -> f64 {
                let pairs = found.iter().zip(&exact);
                pairs.map(|(found, exact)| (found - exact).abs().max().double_value(&[])).fold(0.0, f64::max)
            };
            let ours = apart(passes(|[q, k, v]| packed::attend(q, k, v, &pairing, &how, Mode::Train), &single));
            let torch = apart(passes(|[q, k, v]| reference::attend(q, k, v, &pairing, &how, Mode::Train), &single));
            assert!(ours < 2.0 * torch.max(1e-6), "{heads} heads of {size}, {visibility:?}: {ours:.1e}, {torch:.1e}");
        }
    }
}

/// With the seed set before each call, every call drops the same weights; so the gradient is that of a fixed function.
#[test]
fn the_backward_pass_drops_what_the_forward_pass_dropped() {
    let _alone = generator();
    let layout = SequenceLayout::from_lengths(&[5, 1, 9]);
    let how = Attention { dropout: 0.4, ..Attention::default() };
    seed_of_draws(3);
    let inputs = [(); 3].map(|()| randn([layout.tokens(), 2, 4]));
    let attend = |[q, k, v]: &[Tensor; 3]| {
        tch::manual_seed(11);
        packed::attend(q, k, v, &Pairing::from(&layout), &how, Mode::Train)
    };
    let found = passes(attend, &inputs);
    let weights = Tensor::arange(inputs[0].numel() as i64, DOUBLE).sin();
    let value = |inputs: &[Tensor; 3]| (attend(inputs).flatten(0, -1) * &weights).sum(Kind::Double).double_value(&[]);
    for which in 0..3 {
        for place in 0..inputs[which].numel() as i64 {
            let moved = |by: f64| {
                let moved = inputs.each_ref().map(Tensor::copy);
                let _ = moved[which].view([-1]).narrow(0, place, 1).g_add_scalar_(by);
                value(&moved)
            };
            let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let analytic = found[which + 1].view([-1]).double_value(&[place]);
            assert!((numeric - analytic).abs() < 1e-7, "input {which}, {place}: {analytic} instead of {numeric}");
        }
    }
}

#[test]
fn the_share_of_dropped_weights_is_the_probability_in_every_head() {
    let _alone = generator();
    tch::manual_seed(5);
    let (length, heads) = (100, 8);
    let layout = SequenceLayout::from_lengths(&[length as usize]);
    // Values of one-hot rows make the output the weights themselves; equal scores make all weights 1/l.
    let zero = Tensor::zeros([length, heads, length], DOUBLE);
    let v = Tensor::eye(length, DOUBLE).unsqueeze(1).repeat([1, heads, 1]);
    for dropout in [0.1, 0.5, 0.9] {
        let how = Attention { dropout, ..Attention::default() };
        let out = packed::attend(&zero, &zero, &v, &Pairing::from(&layout), &how, Mode::Train); // [l, h, l]
        let dropped = out.eq(0.0).to_kind(Kind::Double);
        for head in 0..heads {
            let own = dropped.select(1, head);
            let share = own.mean(Kind::Double).double_value(&[]);
            // Five deviations of the mean of 10,000 draws.
            assert!((share - dropout).abs() < 5.0 * (dropout * (1.0 - dropout) / 1e4).sqrt(), "head {head}: {share}");
            assert!(head == 0 || !own.equal(&dropped.select(1, 0)), "head {head} drops what head 0 drops");
        }
        let kept = out.masked_select(&out.ne(0.0)) * length as f64 * (1.0 - dropout);
        assert!((kept - 1.0).abs().max().double_value(&[]) < 1e-12);
    }
}

#[test]
fn threads_change_nothing() {
    let layout = SequenceLayout::from_lengths(&[3, 30, 7, 7, 21, 1, 12]);
    seed_of_draws(1);
    let inputs = [(); 3].map(|()| randn([layout.tokens(), 4, 16]).to_kind(Kind::Float));
    let run = |threads| {
        tch::set_num_threads(threads);
        passes(
            |[q, k, v]| packed::attend(q, k, v, &Pairing::from(&layout), &Attention::default(), Mode::Train),
            &inputs,
        )
    };
    let (one, two) = (run(1), run(2));
    tch::set_num_threads(1);
    assert!(one.iter().zip(&two).all(|(a, b)| a.equal(b)));
}

/// In training with dropout, of short sequences whose lengths differ without it too, as docs/performance.md measures; and
/// in evaluation, unless in half the precision.
#[test]
fn it_is_taken_where_it_is_the_faster_one() {
    for (lengths, scattered) in [
        (vec![32; 4], false),
        (vec![32; 3], true),
        (vec![9, 9, 9, 9, 26, 26, 26, 26], false),
        (vec![9, 9, 9, 26, 26, 26, 26], true),
        (vec![4, 26], true),
        (vec![62, 66], true),
        (vec![62, 67], false),
        (vec![300, 8], false),
        (vec![], false),
    ] {
        let layout = SequenceLayout::from_lengths(&lengths);
        for (kind, is_wide) in [(Kind::Float, true), (Kind::Double, true), (Kind::BFloat16, false)] {
            let q = Tensor::zeros([layout.tokens(), 1, 2], (kind, Device::Cpu));
            let preferred = |dropout, mode| {
                let attention = Attention { dropout, ..Attention::default() };
                packed::is_preferred(&q, &Pairing::from(&layout), &attention, mode)
            };
            assert!(preferred(0.1, Mode::Train), "{lengths:?}");
            let found = [preferred(0.0, Mode::Train), preferred(0.1, Mode::Evaluate)];
            assert_eq!(found, [is_wide && scattered, is_wide], "{lengths:?}");
        }
    }
}

#[test]
fn it_computes_every_precision_of_training_without_a_bias() {
    struct Zero;
    impl ScoreBias for Zero {
        fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
            Tensor::zeros([q.size()[0], q.size()[1], q.size()[2], k.size()[2]], (q.kind(), q.device()))
        }
    }
    let layout = SequenceLayout::from_lengths(&[2, 3]);
    let pairing = Pairing::from(&layout);
    for (kind, expected) in
        [(Kind::Float, true), (Kind::Double, true), (Kind::BFloat16, true), (Kind::Half, false), (Kind::Int64, false)]
    {
        let q = Tensor::zeros([5, 1, 2], (kind, Device::Cpu));
        assert_eq!(packed::supports(&q, &pairing), expected, "{kind:?}");
        assert!(!packed::supports(&q, &pairing.with_bias(&Zero)), "{kind:?} with a bias");
    }
}

/// Scores of 0 and the identity for values: what comes out are the weights, and which of them are dropped.
#[test]
fn every_head_of_every_sequence_drops_weights_of_its_own() {
    let (heads, keys) = (2, 16);
    let layout = SequenceLayout::from_lengths(&[16, 16]);
    let zeros = Tensor::zeros([layout.tokens(), heads, keys], DOUBLE);
    let values = Tensor::eye(keys, DOUBLE).repeat([2, 1]).unsqueeze(1).repeat([1, heads, 1]); // [t, h, k]
    let attention = Attention { dropout: 0.5, ..Attention::default() };
    seed_of_draws(11);
    let out = packed::attend(&zeros, &zeros, &values, &Pairing::from(&layout), &attention, Mode::Train);
    let weights = out.view([2, keys, heads, keys]).transpose(1, 2).reshape([2 * heads, keys, keys]);
    for one in 0..2 * heads {
        for other in 0..one {
            assert!(!weights.get(one).equal(&weights.get(other)), "head {one} drops what head {other} drops");
        }
    }
}
