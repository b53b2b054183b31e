//! Layers that work on every token alone.

use tch::Tensor;

use crate::Mode;

/// `y = x Wᵀ + b`.
#[derive(Debug)]
pub struct Linear {
    /// `W`: `[out, in]`.
    pub weight: Tensor,
    /// `b`: `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// `x` is `[…, in]`; the result is `[…, out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

/// Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450):
/// `y = (x − mean(x)) / √(var(x) + ε) · γ + β` over the last dimension, with the biased variance.
#[derive(Debug)]
pub struct LayerNorm {
    /// `γ`: `[d]`.
    pub weight: Tensor,
    /// `β`: `[d]`.
    pub bias: Tensor,
    /// `ε`, added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// `x` is `[…, d]`; the result has its shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}

/// Dropout (Srivastava et al. 2014): in training each element is zero with probability `p`, else divided by `1 − p`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability `p`, in `0..1`.
    pub probability: f64,
}

impl Dropout {
    /// The result has the shape of `x`; in evaluation it is `x`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        x.dropout(self.probability, mode.is_train())
    }
}
