//! Attention on rectangles without padding: adjacent sequences of equal length lie in `[n, h, l, k]`, on which
//! libtorch's fused kernels run (`scaled_dot_product_attention`). Runs on every device.

use tch::Tensor;

use super::{Attention, Pairing, Visibility};
use crate::{Mode, layout::runs_of_pairs};

/// As [`attend`](super::attend).
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> Tensor {
    let (heads, size) = (q.size()[1], q.size()[2]);
    let runs = runs_of_pairs(pairing.queries, pairing.keys);
    if runs.is_empty() {
        return q.shallow_clone(); // without tokens
    }
    // One split, not one slice for each run: its gradient is one concatenation.
    let query_tokens: Vec<i64> = runs.iter().map(|run| run.sequences * run.queries).collect();
    let key_tokens: Vec<i64> = runs.iter().map(|run| run.sequences * run.keys).collect();
    let qs = q.split_with_sizes(&query_tokens, 0);
    let [ks, vs] = [k, v].map(|tensor| tensor.split_with_sizes(&key_tokens, 0));
    let mixed: Vec<Tensor> = (runs.iter().enumerate())
        .map(|(run, &shape)| {
            let rectangle = |part: &Tensor, length| {
                part.unflatten(0, [shape.sequences, length]).transpose(1, 2) // [n, h, l, k]
            };
            if shape.keys == 0 || shape.queries == 0 {
                return &qs[run] * 0.0; // [n·l_q, h, k]
            }
            let q = rectangle(&qs[run], shape.queries); // [n, h, l_q, k]
            let (k, v) = (rectangle(&ks[run], shape.keys), rectangle(&vs[run], shape.keys)); // [n, h_kv, l_k, k]
            one(&q, &k, &v, pairing, attention, mode) // [n, h, l_q, k]
                .transpose(1, 2) // [n, l_q, h, k]
                .reshape([query_tokens[run], heads, size]) // [n·l_q, h, k]
        })
        .collect();
    Tensor::cat(&mixed, 0) // [t_q, h, k]
}

/// One rectangle: `q` is `[n, h, l_q, k]`, `k` and `v` are `[n, h_kv, l_k, k]`.
fn one(q: &Tensor, k: &Tensor, v: &Tensor, pairing: &Pairing<'_>, attention: &Attention, mode: Mode) -> Tensor {
    let (heads, key_heads) = (q.size()[1], k.size()[1]);
    let (queries, keys) = (q.size()[2], k.size()[2]);
    let grouped = key_heads != heads;
    let bias = pairing.bias.map(|bias| match grouped {
        true => bias.of(q, &k.repeat_interleave_self_int(heads / key_heads, 1, None)),
        false => bias.of(q, k),
    }); // broadcasts to [n, h, l_q, l_k]
    let scale = attention.scale_for(q.size()[3]);
    // The kernels have a causal path of their own, which needs no mask. It means what we mean where the scale is
    // positive: it hides by −∞ before it scales.
    let causal = attention.visibility == Visibility::Causal && bias.is_none() && scale > 0.0;
    let mask = match causal {
        true => None,
        false => attention.visibility.mask(queries, keys, (q.kind(), q.device())), // [l_q, l_k]
    };
    let mask = match (bias, mask) {
        (Some(bias), Some(mask)) => Some(bias + mask),
        (bias, mask) => bias.or(mask),
    };
    Tensor::scaled_dot_product_attention(q, k, v, mask, attention.dropout_in(mode), causal, scale, grouped)
}
