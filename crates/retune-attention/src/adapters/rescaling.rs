//! (IA)³ (Liu et al. 2022, arXiv 2205.05638): learned factors of a linear layer's inputs or outputs, as `peft` computes
//! them.

use tch::Tensor;

use super::{LinearAdapter, as_kind_of};
use crate::{Linear, Mode};

/// What the factors of [`Rescaling`] multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescaled {
    /// What the layer reads: `y = (x ⊙ l) Wᵀ + b`, in feed-forward networks.
    Inputs,
    /// What it gives: `y = (x Wᵀ + b) ⊙ l`, for keys and values.
    Outputs,
}

/// Factors `l` that begin as ones.
///
/// ```
/// use retune_attention::adapters::{Rescaled, Rescaling};
/// use retune_attention::{Linear, Mode};
/// use tch::Tensor;
///
/// let weight = || Tensor::from_slice(&[1.0, 2.0]).view([1, 2]);
/// let of = |factors: &[f64], rescaled| Box::new(Rescaling { factors: Tensor::from_slice(factors), rescaled });
/// let bias = || Some(Tensor::from_slice(&[1.0]));
/// let inputs = Linear::new(weight(), bias()).with_adapter(of(&[2.0, 0.5], Rescaled::Inputs));
/// let outputs = Linear::new(weight(), bias()).with_adapter(of(&[10.0], Rescaled::Outputs));
/// let x = Tensor::from_slice(&[3.0, 4.0]);
/// assert_eq!(inputs.forward(&x, Mode::Evaluate).double_value(&[0]), 6.0 + 4.0 + 1.0);
/// assert_eq!(outputs.forward(&x, Mode::Evaluate).double_value(&[0]), 10.0 * (11.0 + 1.0));
/// ```
#[derive(Debug)]
pub struct Rescaling {
    /// `l`, of `in` or `out` numbers in whatever shape: `peft` stores `[1, in]` and `[out, 1]`.
    pub factors: Tensor,
    /// What they multiply.
    pub rescaled: Rescaled,
}

impl LinearAdapter for Rescaling {
    fn forward(&self, layer: &Linear, x: &Tensor, _mode: Mode) -> Tensor {
        let factors = self.factors.flatten(0, -1); // [in] or [out]
        match self.rescaled {
            Rescaled::Inputs => layer.plain(&as_kind_of(x * factors, x)),
            Rescaled::Outputs => {
                let plain = layer.plain(x); // […, out]
                as_kind_of(&plain * factors, &plain)
            }
        }
    }

    fn merged(&self, layer: &Linear) -> Linear {
        let _no_grad = tch::no_grad_guard();
        let factors = self.factors.flatten(0, -1); // [in] or [out]
        match self.rescaled {
            Rescaled::Inputs => Linear::new(&layer.weight * factors, layer.bias.as_ref().map(Tensor::detach)),
            Rescaled::Outputs => {
                let bias = layer.bias.as_ref().map(|bias| bias * &factors); // [out]
                Linear::new(&layer.weight * factors.unsqueeze(1), bias)
            }
        }
    }
}
