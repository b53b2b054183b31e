//! Attention as the equation reads, one sequence after another: what every backend must equal.

use tch::{Kind, Tensor};

use super::weights::part;
use super::{Attention, Pairing, Visibility, attention_weights};
use crate::Mode;

/// As [`attend`](super::attend), slowly and plainly.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> Tensor {
    let groups = q.size()[1] / v.size()[1];
    let weights = attention_weights(q, k, *pairing, attention);
    let mixed: Vec<Tensor> = (weights.iter().zip(pairing.keys.ranges()))
        .map(|(weights, keys)| {
            // Each head of values stands once for every query head of its group.
            let v = part(v, &keys).repeat_interleave_self_int(groups, 0, None); // [h, l_k, k]
            weights
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
