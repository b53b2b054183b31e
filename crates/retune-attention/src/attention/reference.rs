//! Attention as the equation reads, one sequence after another: what every backend must equal.

use tch::{Kind, Tensor};

use super::{Attention, Pairing, Visibility};
use crate::Mode;

/// As [`attend`](super::attend), slowly and plainly.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> Tensor {
    let scale = attention.scale_for(q.size()[2]);
    let groups = q.size()[1] / k.size()[1];
    let part = |tensor: &Tensor, range: &std::ops::Range<i64>| {
        tensor.narrow(0, range.start, range.end - range.start).transpose(0, 1) // [h, l, k]
    };
    // Each head of keys stands once for every query head of its group.
    let repeated = |tensor: &Tensor| tensor.repeat_interleave_self_int(groups, 0, None); // [h, l_k, k]
    let mixed: Vec<Tensor> = (pairing.queries.ranges().zip(pairing.keys.ranges()))
        .map(|(queries, keys)| {
            let (q, k, v) = (part(q, &queries), repeated(&part(k, &keys)), repeated(&part(v, &keys)));
            let scores = q.matmul(&k.transpose(1, 2)) * scale; // [h, l_q, l_k]
            let scores = match pairing.bias {
                Some(bias) => scores + bias.of(&q.unsqueeze(0), &k.unsqueeze(0)).squeeze_dim(0), // [h, l_q, l_k]
                None => scores,
            };
            weights(&scores, attention.visibility) // [h, l_q, l_k]
                .dropout(attention.dropout, mode.is_train())
                .matmul(&v) // [h, l_q, k]
                .transpose(0, 1) // [l_q, h, k]
        })
        .collect();
    if mixed.is_empty() { q.shallow_clone() } else { Tensor::cat(&mixed, 0) } // [t_q, h, k]
}

/// `softmax(S + M)` over the last dimension, zero in a row of which nothing may be seen: `scores` is `[…, l_q, l_k]`.
pub fn weights(scores: &Tensor, visibility: Visibility) -> Tensor {
    let size = scores.size();
    let (queries, keys) = (size[size.len() - 2], size[size.len() - 1]);
    let visible: Vec<bool> = (0..queries).flat_map(|i| (0..keys).map(move |j| visibility.allows(i, j))).collect();
    let visible = Tensor::from_slice(&visible).to_device(scores.device()).view([queries, keys]); // [l_q, l_k]
    let blind = visible.any_dim(1, true).logical_not(); // [l_q, 1]
    // A blind row's softmax would be NaN, whose gradient no later zero takes away: there all scores stay finite.
    let hidden = visible.logical_not().logical_and(&blind.logical_not()); // [l_q, l_k]
    scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(-1, None::<Kind>).masked_fill(&blind, 0.0) // […, l_q, l_k]
}
