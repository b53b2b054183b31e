//! The variable-length kernels against the reference, where there is a GPU.

use retune_attention::attention::{reference, varlen};
use retune_attention::{Attention, Mode, Pairing, SequenceLayout, Visibility, attend};
use tch::{Device, Kind, Tensor};

use crate::cases::{assert_close, gradients, randn, seed_of_draws, weighed};

#[test]
fn variable_length_kernels_agree_with_the_reference() {
    if let Err(reason) = retune_torch::cuda::load() {
        println!("skipped: {reason}");
        return;
    }
    let device = Device::Cuda(0);
    seed_of_draws(1);
    let (own, other) =
        (SequenceLayout::from_lengths(&[5, 9, 9, 1, 33]), SequenceLayout::from_lengths(&[2, 9, 17, 4, 8]));
    let visibilities = [Visibility::Bidirectional, Visibility::Causal, Visibility::Window { before: 3, after: 2 }];
    for (kind, tolerance) in [(Kind::Float, 2e-3), (Kind::Half, 2e-2), (Kind::BFloat16, 1e-1)] {
        for visibility in visibilities {
            for (keys, key_heads) in [(&own, 4), (&own, 2), (&other, 4), (&other, 1)] {
                let pairing = Pairing::across(&own, keys);
                let attention = Attention { visibility, ..Attention::default() };
                let shapes = [[own.tokens(), 4, 32], [keys.tokens(), key_heads, 32], [keys.tokens(), key_heads, 32]];
                // Numbers that all types hold, so that the kernels' own rounding is all that differs.
                let exact = shapes.map(|shape| (randn(shape) * 16.0).round() / 16.0);
                let inputs = exact.each_ref().map(|tensor| tensor.to_kind(kind).to_device(device));
                let what = format!(
                    "{kind:?}, {visibility:?}, {key_heads} heads of keys, {:?}",
                    varlen::supports(&inputs[0], &pairing, &attention)
                );
                let run =
                    |inputs: &[Tensor]| attend(&inputs[0], &inputs[1], &inputs[2], pairing, &attention, Mode::Evaluate);
                let plain = |inputs: &[Tensor]| {
                    reference::attend(&inputs[0], &inputs[1], &inputs[2], &pairing, &attention, Mode::Evaluate)
                };
                assert_close(&what, &run(&inputs).to_device(Device::Cpu), &plain(&exact), tolerance);
                let expected = gradients(&exact, |inputs| weighed(&plain(inputs)));
                for (found, expected) in gradients(&inputs, |inputs| weighed(&run(inputs))).iter().zip(&expected) {
                    assert_close(
                        &format!("{what}, gradient"),
                        &found.to_device(Device::Cpu),
                        expected,
                        4.0 * tolerance,
                    );
                }
            }
        }
    }
}
