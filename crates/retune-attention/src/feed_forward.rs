//! The position-wise feed-forward network (Vaswani et al. 2017, section 3.3): `W₂ φ(W₁ x + b₁) + b₂`.

use tch::Tensor;

use crate::Linear;

/// An activation function `φ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, with the exact normal distribution function (Hendrycks and Gimpel 2016, arXiv 1606.08415).
    Gelu,
    /// The same by `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + e⁻ˣ)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Elementwise; the result has the shape of `x`.
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
            Self::Relu => x.relu(),
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
        }
    }
}

/// Two linear layers with an activation between them.
#[derive(Debug)]
pub struct FeedForward {
    /// `W₁`, `b₁`: `[i, d]`.
    pub up: Linear,
    /// `φ`.
    pub activation: Activation,
    /// `W₂`, `b₂`: `[d, i]`.
    pub down: Linear,
}

impl FeedForward {
    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.down.forward(&self.activation.forward(&self.up.forward(x)))
    }
}
