//! Attention on CUDA with libtorch's variable-length kernels, which take the packed batch as it is: FlashAttention-2
//! (Dao 2023, arXiv 2307.08691) for half precision, and the memory-efficient kernel (Rabe and Staats 2021, arXiv
//! 2112.05682, as xFormers wrote it) for single precision. Both have their gradient in libtorch, dropout included.

use retune_torch::attention::{CausalMask, VariableLength, flash, memory_efficient};
use tch::{Kind, Tensor};

use super::{Attention, Pairing, Visibility};
use crate::Mode;

/// One of the two kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// `_flash_attention_forward`.
    Flash,
    /// `_efficient_attention_forward`.
    MemoryEfficient,
}

/// The kernel that computes this attention as the equation says, if there is one.
pub fn supports(q: &Tensor, pairing: &Pairing<'_>, attention: &Attention) -> Option<Kernel> {
    if !q.device().is_cuda() {
        return None;
    }
    kernel_for(q.kind(), q.size()[2], pairing, attention)
}

/// The choice, but for the device.
fn kernel_for(kind: Kind, head_size: i64, pairing: &Pairing<'_>, attention: &Attention) -> Option<Kernel> {
    // Neither kernel has a gradient for a bias of variable length, nor a defined result for a sequence without keys.
    let empty = |layout: &crate::SequenceLayout| layout.ranges().any(|range| range.is_empty());
    if pairing.bias.is_some() || empty(pairing.keys) || empty(pairing.queries) {
        return None;
    }
    // Both take the largest score before they scale, so that a negative scale would make it the smallest.
    if attention.scale_for(head_size) <= 0.0 {
        return None;
    }
    // Flash counts places from the ends of the sequences, which is the same only where they are equally long.
    let aligned = attention.visibility == Visibility::Bidirectional || pairing.queries == pairing.keys;
    match kind {
        Kind::Half | Kind::BFloat16 if aligned && head_size <= 256 && head_size % 8 == 0 => Some(Kernel::Flash),
        Kind::Float if !matches!(attention.visibility, Visibility::Window { .. }) && head_size % 4 == 0 => {
            Some(Kernel::MemoryEfficient)
        }
        _ => None,
    }
}

/// As [`attend`](super::attend), by a kernel that [`supports`] has named.
///
/// # Panics
/// libtorch refuses, which for inputs that the kernel supports is a bug.
pub fn attend(
    kernel: Kernel,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    pairing: &Pairing<'_>,
    attention: &Attention,
    mode: Mode,
) -> Tensor {
    let device = q.device();
    let lengths = VariableLength {
        query_offsets: &pairing.queries.device_offsets(device), // [b + 1]
        key_offsets: &pairing.keys.device_offsets(device),      // [b + 1]
        longest_query: pairing.queries.longest(),
        longest_key: pairing.keys.longest(),
        dropout: attention.dropout_in(mode),
        scale: attention.scale_for(q.size()[2]),
    };
    let result = match kernel {
        Kernel::Flash => {
            let (mask, window) = match attention.visibility {
                Visibility::Bidirectional => (CausalMask::None, None),
                Visibility::Causal => (CausalMask::Causal, None),
                Visibility::Window { before, after } => (CausalMask::None, Some((before, after))),
            };
            flash(q, k, v, &lengths, mask, window) // [t_q, h, k]
        }
        Kernel::MemoryEfficient => {
            let mask = match attention.visibility {
                Visibility::Causal => CausalMask::Causal,
                _ => CausalMask::None,
            };
            let groups = q.size()[1] / k.size()[1];
            let repeated = |tensor: &Tensor| tensor.repeat_interleave_self_int(groups, 1, None); // [t_k, h, k]
            memory_efficient(q, &repeated(k), &repeated(v), &lengths, mask) // [t_q, h, k]
        }
    };
    match result {
        Ok(mixed) => mixed,
        #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
        Err(error) => panic!("{kernel:?} attention: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScoreBias, SequenceLayout};

    struct Nothing;

    impl ScoreBias for Nothing {
        fn of(&self, q: &Tensor, _: &Tensor) -> Tensor {
            q.zeros_like()
        }
    }

    #[test]
    fn a_kernel_is_chosen_only_for_what_it_computes() {
        let (three, other) = (SequenceLayout::from_lengths(&[2, 3]), SequenceLayout::from_lengths(&[2, 4]));
        let hollow = SequenceLayout::from_lengths(&[2, 0]);
        let with = |visibility| Attention { visibility, ..Attention::default() };
        let (open, causal) = (with(Visibility::Bidirectional), with(Visibility::Causal));
        let window = with(Visibility::Window { before: 1, after: 1 });
        let own = Pairing::from(&three);
        let across = Pairing::across(&three, &other);
        for (kind, size, pairing, attention, expected) in [
            (Kind::BFloat16, 64, own, open, Some(Kernel::Flash)),
            (Kind::Half, 32, own, causal, Some(Kernel::Flash)),
            (Kind::BFloat16, 64, own, window, Some(Kernel::Flash)),
            (Kind::BFloat16, 256, own, open, Some(Kernel::Flash)),
            (Kind::BFloat16, 264, own, open, None),
            (Kind::BFloat16, 60, own, open, None),
            (Kind::BFloat16, 64, across, open, Some(Kernel::Flash)),
            (Kind::BFloat16, 64, across, causal, None),
            (Kind::BFloat16, 64, Pairing::across(&three, &hollow), open, None),
            (Kind::BFloat16, 64, Pairing::across(&hollow, &three), open, None),
            (Kind::BFloat16, 64, own.with_bias(&Nothing), open, None),
            (Kind::Float, 64, own, open, Some(Kernel::MemoryEfficient)),
            (Kind::Float, 64, across, causal, Some(Kernel::MemoryEfficient)),
            (Kind::Float, 64, own, window, None),
            (Kind::Float, 62, own, open, None),
            (Kind::Float, 64, own, Attention { scale: Some(0.1), ..open }, Some(Kernel::MemoryEfficient)),
            (Kind::Float, 64, own, Attention { scale: Some(0.0), ..open }, None),
            (Kind::BFloat16, 64, own, Attention { scale: Some(-1.0), ..causal }, None),
            (Kind::Double, 64, own, open, None),
        ] {
            let found = kernel_for(kind, size, &pairing, &attention);
            assert_eq!(found, expected, "{kind:?} {size} {attention:?}");
        }
    }

    #[test]
    fn nothing_of_it_runs_on_the_processor() {
        let layout = SequenceLayout::from_lengths(&[2]);
        let q = Tensor::zeros([2, 1, 8], (Kind::Float, tch::Device::Cpu));
        assert_eq!(supports(&q, &Pairing::from(&layout), &Attention::default()), None);
    }
}
