//! The weights themselves, for whoever wants to look at them: no backend but the reference ever holds them.

use std::cell::RefCell;
use std::ops::Range;

use tch::Tensor;

use super::reference::weights;
use super::{Attention, Pairing};

thread_local! {
    /// What is recorded on this thread, while something is.
    static RECORDED: RefCell<Option<Vec<Vec<Tensor>>>> = const { RefCell::new(None) };
}

/// The weights `P` of each sequence, `[h, l_q, l_k]`, without dropout: `q` is `[t_q, h, k]` and `k` is `[t_k, h_kv, k]`.
pub fn attention_weights<'a>(
    q: &Tensor,
    k: &Tensor,
    pairing: impl Into<Pairing<'a>>,
    attention: &Attention,
) -> Vec<Tensor> {
    let pairing = pairing.into();
    let scale = attention.scale_for(q.size()[2]);
    let groups = q.size()[1] / k.size()[1];
    let of_sequence = |(queries, keys): (Range<i64>, Range<i64>)| {
        let q = part(q, &queries); // [h, l_q, k]
        // Each head of keys stands once for every query head of its group.
        let k = part(k, &keys).repeat_interleave_self_int(groups, 0, None); // [h, l_k, k]
        let scores = q.matmul(&k.transpose(1, 2)) * scale; // [h, l_q, l_k]
        let scores = match pairing.bias {
            Some(bias) => scores + bias.of(&q.unsqueeze(0), &k.unsqueeze(0)).squeeze_dim(0), // [h, l_q, l_k]
            None => scores,
        };
        weights(&scores, attention.visibility) // [h, l_q, l_k]
    };
    pairing.queries.ranges().zip(pairing.keys.ranges()).map(of_sequence).collect()
}

/// The rows of a sequence by head: `[h, l, k]` of `[t, h, k]`.
pub(super) fn part(tensor: &Tensor, range: &Range<i64>) -> Tensor {
    tensor.narrow(0, range.start, range.end - range.start).transpose(0, 1)
}

/// Computes something, and gives beside its result the weights of every [`attend`](super::attend) that it calls on this
/// thread, in their order: for each call those of each sequence, as [`attention_weights`] gives them, without a graph.
/// What it computes is the same; it takes longer.
///
/// ```
/// use retune_attention::{Attention, Mode, SequenceLayout, attend, recording_weights};
/// use tch::{Device, Kind, Tensor};
///
/// let layout = SequenceLayout::from_lengths(&[3, 2]);
/// let x = Tensor::randn([5, 2, 8], (Kind::Double, Device::Cpu));
/// let (_, calls) = recording_weights(|| attend(&x, &x, &x, &layout, &Attention::default(), Mode::Evaluate));
/// assert_eq!(calls.len(), 1);
/// assert_eq!(calls[0].iter().map(Tensor::size).collect::<Vec<_>>(), [[2, 3, 3], [2, 2, 2]]);
/// ```
pub fn recording_weights<R>(compute: impl FnOnce() -> R) -> (R, Vec<Vec<Tensor>>) {
    /// Puts back what was recorded before, even if what is computed panics.
    struct Before(Option<Vec<Vec<Tensor>>>);
    impl Drop for Before {
        fn drop(&mut self) {
            RECORDED.set(self.0.take());
        }
    }
    let _before = Before(RECORDED.replace(Some(Vec::new())));
    let result = compute();
    (result, RECORDED.take().unwrap_or_default())
}

/// Records a call of `attend`, where someone listens.
pub(super) fn record(q: &Tensor, k: &Tensor, pairing: &Pairing<'_>, attention: &Attention) {
    if RECORDED.with_borrow(Option::is_none) {
        return;
    }
    let weights = tch::no_grad(|| attention_weights(q, k, *pairing, attention));
    RECORDED.with_borrow_mut(|recorded| {
        if let Some(calls) = recorded {
            calls.push(weights);
        }
    });
}
