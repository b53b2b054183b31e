//! Multi-head attention (Vaswani et al. 2017, section 3.2.2): `concat(head₁ … head_h)`, where `headᵢ = Attention(X
//! W_Qᵢ, X W_Kᵢ, X W_Vᵢ)`. The output projection is the caller's, since architectures differ in what stands around it.

use tch::Tensor;

use crate::{Attention, Linear, Mode, Pairing, attend};

/// The projections of multi-head attention.
///
/// ```
/// use retune_attention::{Attention, Linear, Mode, MultiHeadAttention, SequenceLayout};
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Float, Device::Cpu);
/// let linear = |out| Linear::new(Tensor::randn([out, 32], options), Some(Tensor::zeros([out], options)));
/// let layer = MultiHeadAttention {
///     query: linear(32),
///     key: linear(32),
///     value: linear(32),
///     head_size: 8,                                                        // 4 heads
///     attention: Attention { dropout: 0.1, ..Attention::default() },
/// };
/// let x = Tensor::randn([8, 32], options);
/// let y = layer.forward(&x, &SequenceLayout::from_lengths(&[3, 5]), Mode::Evaluate);
/// assert_eq!(y.size(), [8, 32]);
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    /// Projection to queries, `[h·k, d]`.
    pub query: Linear,
    /// Projection to keys, `[h_kv·k, d]`.
    pub key: Linear,
    /// Projection to values, `[h_kv·k, d]`.
    pub value: Linear,
    /// The size of a head, `k`.
    pub head_size: i64,
    /// Visibility, scale and dropout of the attention itself.
    pub attention: Attention,
}

impl MultiHeadAttention {
    /// Self-attention: `x` is `[t, d]`; the heads' outputs side by side are `[t, h·k]`.
    pub fn forward<'a>(&self, x: &Tensor, pairing: impl Into<Pairing<'a>>, mode: Mode) -> Tensor {
        self.across(x, x, pairing, mode)
    }

    /// Cross-attention: queries are read from `x`, `[t_q, d]`, keys and values from `memory`, `[t_k, d]`; the heads'
    /// outputs side by side are `[t_q, h·k]`.
    pub fn across<'a>(&self, x: &Tensor, memory: &Tensor, pairing: impl Into<Pairing<'a>>, mode: Mode) -> Tensor {
        let split = |projected: Tensor| projected.unflatten(1, [-1, self.head_size]); // [t, h, k]
        let q = split(self.query.forward(x, mode)); // [t_q, h, k]
        let (k, v) = (split(self.key.forward(memory, mode)), split(self.value.forward(memory, mode))); // [t_k, h_kv, k]
        attend(&q, &k, &v, pairing, &self.attention, mode).flatten(1, 2) // [t_q, h·k]
    }
}
