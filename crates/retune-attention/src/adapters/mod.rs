//! Adapters: small trainable parts beside layers whose own weights stay as they are.
//!
//! ```text
//! LoRA     x Wᵀ + b + s · dropout(x) Aᵀ Bᵀ                    Hu et al. 2022, arXiv 2106.09685
//! DoRA     m / ‖W + s B A‖ ⊙ (x (W + s B A)ᵀ) + b             Liu et al. 2024, arXiv 2402.09353
//! (IA)³    (x Wᵀ + b) ⊙ l, or (x ⊙ l) Wᵀ + b                  Liu et al. 2022, arXiv 2205.05638
//! ```
//!
//! A layer holds at most one, behind [`LinearAdapter`] or [`EmbeddingAdapter`]: a new kind is a file that implements
//! one of them.

mod embedding;
mod low_rank;
mod rescaling;

pub use embedding::LowRankEmbedding;
pub use low_rank::LowRank;
pub use rescaling::{Rescaled, Rescaling};

use std::fmt::Debug;

use tch::{Kind, Tensor};

use crate::{Embedding, Linear, Mode};

/// What an adapter makes of a linear layer.
pub trait LinearAdapter: Debug + Send {
    /// The adapted layer's result: `x` is `[…, in]`, the result `[…, out]`.
    fn forward(&self, layer: &Linear, x: &Tensor, mode: Mode) -> Tensor;

    /// A plain layer that computes in evaluation what the adapted one does, within rounding; no gradient leads to it.
    fn merged(&self, layer: &Linear) -> Linear;
}

/// What an adapter makes of a table of vectors.
pub trait EmbeddingAdapter: Debug + Send {
    /// The adapted table's rows: `ids` is `[t]`, int64, the result `[t, d]`.
    fn forward(&self, table: &Embedding, ids: &Tensor) -> Tensor;

    /// A plain table that gives what the adapted one does, within rounding; no gradient leads to it.
    fn merged(&self, table: &Embedding) -> Embedding;
}

/// `m / ‖V‖` in the sense of DoRA: `magnitude` is `m: [n]`, and the norm of `V` is taken over dimension `over` of its
/// two, as a constant that no gradient goes through (section 4.3 of the paper). The result is `[n]`.
fn magnitude_ratio(magnitude: &Tensor, directions: &Tensor, over: i64) -> Tensor {
    magnitude / directions.detach().norm_scalaropt_dim(2.0, [over], false)
}

/// `x` in the type of `like`: what an adapter's float32 parameters have widened under autocast becomes narrow again.
fn as_kind_of(x: Tensor, like: &Tensor) -> Tensor {
    x.to_kind(like.kind())
}

/// The norms from which DoRA starts, which leave the layer what it is: of `W: [out, in]` over `in`, or of a table
/// `[rows, d]` over its rows.
pub fn starting_magnitude(weight: &Tensor, over: i64) -> Tensor {
    let kind = if weight.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    weight.detach().to_kind(kind).norm_scalaropt_dim(2.0, [over], false)
}
