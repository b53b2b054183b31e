//! Transformer layers with rotary positions and a gated feed-forward network, normalised before or after each half.

use retune_attention::positions::rotary::Angles;
use retune_attention::{
    Attention, Dropout, GatedFeedForward, LayerNorm, Linear, Mode, SequenceLayout, add_norm, attend,
};
use tch::Tensor;

/// Self-attention whose queries and keys are rotated by their positions: `W_O attention(R W_Q x, R W_K x, W_V x)`.
#[derive(Debug)]
pub(crate) struct RotaryAttention {
    /// `W_Q` above `W_K` above `W_V`: `[3·h·k, d]`.
    pub projections: Linear,
    /// `W_O`: `[d, h·k]`.
    pub output: Linear,
    /// `k`.
    pub head_size: i64,
    pub attention: Attention,
}

impl RotaryAttention {
    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor, angles: &Angles, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let projected = self.projections.forward(x, mode).unflatten(1, [3, -1, self.head_size]); // [t, 3, h, k]
        let parts = projected.unbind(1); // q, k and v: [t, h, k] each
        let (q, k) = (angles.rotate(&parts[0]), angles.rotate(&parts[1])); // [t, h, k] each
        let mixed = attend(&q, &k, &parts[2], layout, &self.attention, mode); // [t, h, k]
        self.output.forward(&mixed.flatten(1, 2), mode) // [t, d]
    }
}

/// A layer that normalises what each half reads (Xiong et al. 2020, arXiv 2002.04745):
///
/// ```text
/// a  = x + dropout(attention(LN(x)))
/// x' = a + gated(LN(a))
/// ```
#[derive(Debug)]
pub(crate) struct PreNormRotaryLayer {
    /// `None` where `x` is normalised already: the first layer after embeddings with a norm.
    pub attention_norm: Option<LayerNorm>,
    pub attention: RotaryAttention,
    pub attention_dropout: Dropout,
    pub feed_forward_norm: LayerNorm,
    pub feed_forward: GatedFeedForward,
}

impl PreNormRotaryLayer {
    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor, angles: &Angles, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let normed = self.attention_norm.as_ref().map_or_else(|| x.shallow_clone(), |norm| norm.forward(x)); // [t, d]
        let mixed = self.attention.forward(&normed, angles, layout, mode); // [t, d]
        let x = self.attention_dropout.forward(&mixed, mode) + x; // [t, d]
        self.feed_forward.forward(&self.feed_forward_norm.forward(&x), mode) + &x // [t, d]
    }
}

/// A layer that normalises after each sum:
///
/// ```text
/// a  = LN(x + dropout(attention(x)))
/// x' = LN(a + dropout(gated(a)))
/// ```
#[derive(Debug)]
pub(crate) struct PostNormRotaryLayer {
    pub attention: RotaryAttention,
    pub attention_norm: LayerNorm,
    pub feed_forward: GatedFeedForward,
    pub output_norm: LayerNorm,
    /// Of what each half adds.
    pub dropout: Dropout,
}

impl PostNormRotaryLayer {
    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor, angles: &Angles, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let mixed = self.attention.forward(x, angles, layout, mode); // [t, d]
        let x = add_norm(&mixed, x, &self.dropout, &self.attention_norm, mode); // [t, d]
        let transformed = self.feed_forward.forward(&x, mode); // [t, d]
        add_norm(&transformed, &x, &self.dropout, &self.output_norm, mode) // [t, d]
    }
}
