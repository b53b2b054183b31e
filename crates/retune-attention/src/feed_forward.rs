//! The position-wise feed-forward network (Vaswani et al. 2017, section 3.3): `W₂ φ(W₁ x + b₁) + b₂`; and its gated
//! variants (Shazeer 2020, arXiv 2002.05202): `W₂ (φ(W₁ x + b₁) ⊙ (V x + c)) + b₂`.

use tch::Tensor;

use crate::gelu::{Form, gelu};
use crate::{Dropout, Linear, Mode};

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
    /// `1 / (1 + e⁻ˣ)`, the gate of the first GLU (Dauphin et al. 2017, arXiv 1612.08083).
    Sigmoid,
    /// `x` itself: with it a gated network is bilinear.
    Identity,
}

impl Activation {
    /// Elementwise; the result has the shape of `x`.
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Gelu => gelu(x, Form::Exact),
            Self::GeluTanh => gelu(x, Form::Tanh),
            Self::Relu => x.relu(),
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Identity => x.shallow_clone(),
        }
    }
}

/// Two linear layers with an activation between them.
///
/// ```
/// use retune_attention::{Activation, FeedForward, Linear, Mode};
/// use tch::{Device, Kind, Tensor};
///
/// let linear = |out: i64, size: i64| Linear::new(Tensor::randn([out, size], (Kind::Float, Device::Cpu)), None);
/// let layer = FeedForward { up: linear(64, 16), activation: Activation::Gelu, down: linear(16, 64) };
/// assert_eq!(layer.forward(&Tensor::randn([8, 16], (Kind::Float, Device::Cpu)), Mode::Evaluate).size(), [8, 16]);
/// ```
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
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.down.forward(&self.activation.forward(&self.up.forward(x, mode)), mode)
    }
}

/// The two projections of a gated network.
#[derive(Debug)]
pub enum GatedProjection {
    /// `W₁` above `V` in one matrix, `[2i, d]`, as ModernBERT's `Wi`.
    Fused(Linear),
    /// One matrix each, as Llama's `gate_proj` and `up_proj`.
    Apart {
        /// `W₁`, `b₁`, which is activated: `[i, d]`.
        gate: Linear,
        /// `V`, `c`: `[i, d]`.
        up: Linear,
    },
}

/// A feed-forward network with a gate: GEGLU with [`Activation::Gelu`], SwiGLU with [`Activation::Silu`], ReGLU with
/// [`Activation::Relu`], GLU with [`Activation::Sigmoid`].
///
/// ```
/// use retune_attention::{Activation, Dropout, GatedFeedForward, GatedProjection, Linear, Mode};
/// use tch::{Device, Kind, Tensor};
///
/// let linear = |out: i64, size: i64| Linear::new(Tensor::randn([out, size], (Kind::Float, Device::Cpu)), None);
/// let swiglu = GatedFeedForward {
///     up: GatedProjection::Apart { gate: linear(64, 16), up: linear(64, 16) },
///     activation: Activation::Silu,
///     dropout: Dropout { probability: 0.0 },
///     down: linear(16, 64),
/// };
/// assert_eq!(swiglu.forward(&Tensor::randn([8, 16], (Kind::Float, Device::Cpu)), Mode::Evaluate).size(), [8, 16]);
/// ```
#[derive(Debug)]
pub struct GatedFeedForward {
    /// `W₁`, `V`, and their biases.
    pub up: GatedProjection,
    /// `φ`, of `W₁`'s half.
    pub activation: Activation,
    /// Dropout of the product.
    pub dropout: Dropout,
    /// `W₂`, `b₂`: `[d, i]`.
    pub down: Linear,
}

impl GatedFeedForward {
    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let (activated, factor) = self.up.forward(x, mode); // [t, i] each
        let product = self.activation.forward(&activated) * factor; // [t, i]
        self.down.forward(&self.dropout.forward(&product, mode), mode) // [t, d]
    }
}

impl GatedProjection {
    /// What is activated, and what multiplies it: `[t, i]` each.
    fn forward(&self, x: &Tensor, mode: Mode) -> (Tensor, Tensor) {
        match self {
            Self::Fused(both) => {
                let both = both.forward(x, mode); // [t, 2i]
                let half = both.size()[1] / 2; // i
                (both.narrow(1, 0, half), both.narrow(1, half, half)) // [t, i] each
            }
            Self::Apart { gate, up } => (gate.forward(x, mode), up.forward(x, mode)), // [t, i] each
        }
    }
}
