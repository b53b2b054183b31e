//! Layers that work on every token alone.

use tch::{Kind, Tensor};

use crate::Mode;
use crate::adapters::LinearAdapter;
use crate::affine::affine;

/// `y = x Wᵀ + b`, or what an adapter makes of it.
///
/// ```
/// use retune_attention::{Linear, Mode};
/// use tch::Tensor;
///
/// let layer = Linear::new(Tensor::from_slice(&[1.0, 2.0]).view([1, 2]), Some(Tensor::from_slice(&[0.5])));
/// let y = layer.forward(&Tensor::from_slice(&[3.0, 4.0]), Mode::Evaluate);
/// assert_eq!(y.double_value(&[0]), 11.5);
/// ```
#[derive(Debug)]
pub struct Linear {
    /// `W`: `[out, in]`.
    pub weight: Tensor,
    /// `b`: `[out]`.
    pub bias: Option<Tensor>,
    /// What stands beside the layer, if anything.
    pub adapter: Option<Box<dyn LinearAdapter>>,
}

impl Linear {
    /// A layer without an adapter: `W` is `[out, in]`, `b` is `[out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias, adapter: None }
    }

    /// The same layer with an adapter.
    pub fn with_adapter(self, adapter: Box<dyn LinearAdapter>) -> Self {
        Self { adapter: Some(adapter), ..self }
    }

    /// `x` is `[…, in]`; the result is `[…, out]`. The mode is for dropout of an adapter; without one it changes
    /// nothing.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        match &self.adapter {
            None => self.plain(x),
            Some(adapter) => adapter.forward(self, x, mode),
        }
    }

    /// `x Wᵀ + b`, whatever adapter stands beside it: `x` is `[…, in]`; the result is `[…, out]`.
    ///
    /// In float32 on a processor with AVX2 or AVX-512, and under autocast to bfloat16 on one with `AVX512_BF16` but no AMX,
    /// a row's result is the same to the bit whatever other rows there are and however many threads compute; so are
    /// the gradients of `x` and `W` on any number of threads.
    pub fn plain(&self, x: &Tensor) -> Tensor {
        affine(x, &self.weight, self.bias.as_ref())
    }

    /// The layer without an adapter that computes in evaluation what this one does, within rounding.
    pub fn merged(&self) -> Self {
        match &self.adapter {
            None => Self::new(self.weight.shallow_clone(), self.bias.as_ref().map(Tensor::shallow_clone)),
            Some(adapter) => adapter.merged(self),
        }
    }
}

/// Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450):
/// `y = (x − mean(x)) / √(var(x) + ε) · γ + β` over the last dimension, with the biased variance.
///
/// ```
/// use retune_attention::LayerNorm;
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Double, Device::Cpu);
/// let norm = LayerNorm { weight: Tensor::ones([2], options), bias: Some(Tensor::zeros([2], options)), epsilon: 1e-12 };
/// let y = norm.forward(&Tensor::from_slice(&[3.0, 7.0]));
/// assert!(y.allclose(&Tensor::from_slice(&[-1.0, 1.0]), 1e-9, 1e-9, false));
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    /// `γ`: `[d]`.
    pub weight: Tensor,
    /// `β`: `[d]`, or none.
    pub bias: Option<Tensor>,
    /// `ε`, added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// `x` is `[…, d]`; the result has its shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), self.bias.as_ref(), self.epsilon, false)
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467): `y = x / √(mean(x²) + ε) · γ` over the
/// last dimension. The mean is taken in float32 at least, as `transformers` does.
///
/// ```
/// use retune_attention::RmsNorm;
/// use tch::{Device, Kind, Tensor};
///
/// let norm = RmsNorm { weight: Tensor::ones([2], (Kind::Double, Device::Cpu)), epsilon: 1e-12 };
/// let y = norm.forward(&Tensor::from_slice(&[1.0, 7.0]));                  // √(mean of 1 and 49) is 5
/// assert!(y.allclose(&Tensor::from_slice(&[0.2, 1.4]), 1e-9, 1e-9, false));
/// ```
#[derive(Debug)]
pub struct RmsNorm {
    /// `γ`: `[d]`.
    pub weight: Tensor,
    /// `ε`, added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// `x` is `[…, d]`; the result has its shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let wide = x.to_kind(kind);
        let mean_square = wide.square().mean_dim(-1, true, kind); // […, 1]
        (wide * (mean_square + self.epsilon).rsqrt()).to_kind(x.kind()) * &self.weight
    }
}
