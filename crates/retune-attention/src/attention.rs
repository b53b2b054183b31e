//! Scaled dot-product attention over a packed batch.
//!
//! For each sequence and head, with queries, keys and values `Q, K, V: [l, k]`:
//!
//! ```text
//! S = scale · Q Kᵀ           [l, l]     scale = 1/√k unless given
//! P = softmax(S + M)         [l, l]     M is 0 where a query may look and −∞ where it may not
//! O = dropout(P) V           [l, k]
//! ```
//!
//! (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1; dropout on the weights as in section 5.4's code and in BERT.)
//! A query that may look at nothing gets a zero. [`mod@reference`] is this, read aloud: one sequence after another.
//! [`attend`] equals it and is fast: adjacent sequences of equal length form a rectangle `[n, h, l, k]`, on which
//! libtorch's fused kernels run. Nothing is padded.

use tch::Tensor;

use crate::{Mode, SequenceLayout};

/// Which keys a query may look at, inside its own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// All of them.
    #[default]
    Bidirectional,
    /// Its own and those before it.
    Causal,
}

/// What attention does beyond its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Attention {
    /// Which keys a query may look at.
    pub visibility: Visibility,
    /// The factor of the scores; `None` is `1/√k`.
    pub scale: Option<f64>,
    /// The probability with which a weight is dropped in training.
    pub dropout: f64,
}

impl Attention {
    fn scale_for(&self, head_size: i64) -> f64 {
        self.scale.unwrap_or_else(|| 1.0 / (head_size as f64).sqrt())
    }
}

/// Attention over a packed batch: `q`, `k`, `v` are `[t, h, k]`; the result is `[t, h, k]`.
pub fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    layout: &SequenceLayout,
    attention: &Attention,
    mode: Mode,
) -> Tensor {
    let (heads, size) = (q.size()[1], q.size()[2]);
    let runs = layout.runs();
    if runs.is_empty() {
        return q * 0.0;
    }
    let tokens: Vec<i64> = runs.iter().map(|run| run.sequences * run.length).collect();
    // One split, not one slice for each run: its gradient is one concatenation.
    let [qs, ks, vs] = [q, k, v].map(|tensor| tensor.split_with_sizes(&tokens, 0));
    let mixed: Vec<Tensor> = (0..runs.len())
        .map(|run| {
            let rectangle = |part: &Tensor| {
                part.view([runs[run].sequences, runs[run].length, heads, size]).transpose(1, 2) // [n, h, l, k]
            };
            Tensor::scaled_dot_product_attention(
                &rectangle(&qs[run]),
                &rectangle(&ks[run]),
                &rectangle(&vs[run]),
                None::<Tensor>,
                if mode.is_train() { attention.dropout } else { 0.0 },
                attention.visibility == Visibility::Causal,
                attention.scale_for(size),
                false,
            ) // [n, h, l, k]
            .transpose(1, 2) // [n, l, h, k]
            .reshape([tokens[run], heads, size]) // [n·l, h, k]
        })
        .collect();
    Tensor::cat(&mixed, 0) // [t, h, k]
}

/// Attention as the equation reads, one sequence after another: what every backend must equal.
pub mod reference {
    use super::*;

    /// As [`attend`](super::attend), slowly and plainly.
    pub fn attend(
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        layout: &SequenceLayout,
        attention: &Attention,
        mode: Mode,
    ) -> Tensor {
        let scale = attention.scale_for(q.size()[2]);
        let mixed: Vec<Tensor> = layout
            .ranges()
            .map(|range| {
                let part = |tensor: &Tensor| {
                    tensor.narrow(0, range.start, range.end - range.start).transpose(0, 1) // [h, l, k]
                };
                let weights = weights(&part(q), &part(k), scale, attention.visibility); // [h, l, l]
                weights
                    .dropout(attention.dropout, mode.is_train())
                    .matmul(&part(v)) // [h, l, k]
                    .transpose(0, 1) // [l, h, k]
            })
            .collect();
        Tensor::cat(&mixed, 0) // [t, h, k]
    }

    /// The weights of one sequence, `softmax(scale · q kᵀ + M)`: `q` and `k` are `[h, l, k]`, the result `[h, l, l]`.
    pub fn weights(q: &Tensor, k: &Tensor, scale: f64, visibility: Visibility) -> Tensor {
        let scores = q.matmul(&k.transpose(1, 2)) * scale; // [h, l, l]
        let scores = match visibility {
            Visibility::Bidirectional => scores,
            Visibility::Causal => {
                let future = scores.ones_like().triu(1).to_kind(tch::Kind::Bool); // [h, l, l]
                scores.masked_fill(&future, f64::NEG_INFINITY)
            }
        };
        scores.softmax(-1, None) // [h, l, l]
    }
}
