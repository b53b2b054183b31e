//! Multi-head attention (Vaswani et al. 2017, section 3.2.2): `concat(head₁ … head_h)`, where
//! `headᵢ = Attention(X W_Qᵢ, X W_Kᵢ, X W_Vᵢ)`. The output projection is the caller's, since architectures differ in what
//! stands around it.

use tch::Tensor;

use crate::{Attention, Linear, Mode, SequenceLayout, attend};

/// Self-attention of `h` heads over a packed batch.
#[derive(Debug)]
pub struct MultiHeadAttention {
    /// Projection to queries, `[d, d]`.
    pub query: Linear,
    /// Projection to keys, `[d, d]`.
    pub key: Linear,
    /// Projection to values, `[d, d]`.
    pub value: Linear,
    /// The number of heads, `h`; it divides `d`.
    pub heads: i64,
    /// Visibility, scale and dropout of the attention itself.
    pub attention: Attention,
}

impl MultiHeadAttention {
    /// `x` is `[t, d]`; the heads' outputs side by side are `[t, d]`.
    pub fn forward(&self, x: &Tensor, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let split = |projected: Tensor| projected.unflatten(1, [self.heads, -1]); // [t, h, k]
        let (q, k, v) = (split(self.query.forward(x)), split(self.key.forward(x)), split(self.value.forward(x)));
        attend(&q, &k, &v, layout, &self.attention, mode).flatten(1, 2) // [t, d]
    }
}
