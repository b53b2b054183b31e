//! LoRA (Hu et al. 2022, arXiv 2106.09685) of a linear layer, and DoRA (Liu et al. 2024, arXiv 2402.09353), as `peft`
//! computes them.

use tch::Tensor;

use super::{LinearAdapter, as_kind_of, magnitude_ratio};
use crate::affine::affine;
use crate::{Dropout, Linear, Mode};

/// A change of rank `r` of a linear layer:
///
/// ```text
/// LoRA   y = x Wᵀ + b + s · x̃ Aᵀ Bᵀ                                     x̃ = dropout(x)
/// DoRA   y = x Wᵀ + b + (c − 1) ⊙ x̃ Wᵀ + c ⊙ (s · x̃ Aᵀ Bᵀ)              c = m / ‖W + s B A‖, the norm of each row
/// ```
///
/// Without dropout DoRA is `c ⊙ (x (W + s B A)ᵀ) + b`. The norm is a constant for gradients.
///
/// ```
/// use retune_attention::adapters::LowRank;
/// use retune_attention::{Dropout, Linear, Mode};
/// use tch::Tensor;
///
/// let row = |values: &[f64]| Tensor::from_slice(values).view([1, -1]);
/// let adapter = LowRank {
///     a: row(&[1.0, -1.0]),                                                // [r, in]
///     b: row(&[3.0]),                                                      // [out, r]
///     scale: 0.5,
///     dropout: Dropout { probability: 0.0 },
///     magnitude: None,
/// };
/// let layer = Linear::new(row(&[1.0, 2.0]), None).with_adapter(Box::new(adapter));
/// let x = Tensor::from_slice(&[5.0, 1.0]);
/// assert_eq!(layer.forward(&x, Mode::Evaluate).double_value(&[0]), 7.0 + 0.5 * 3.0 * 4.0);
/// assert_eq!(layer.merged().forward(&x, Mode::Evaluate).double_value(&[0]), 13.0);
/// ```
#[derive(Debug)]
pub struct LowRank {
    /// `A`: `[r, in]`.
    pub a: Tensor,
    /// `B`: `[out, r]`.
    pub b: Tensor,
    /// `s`: `α / r`, or `α / √r` (Kalajdzievski 2023, arXiv 2312.03732).
    pub scale: f64,
    /// Of what `A` reads.
    pub dropout: Dropout,
    /// `m` of DoRA: `[out]`.
    pub magnitude: Option<Tensor>,
}

impl LowRank {
    /// `s B A`: `[out, in]`.
    pub fn delta(&self) -> Tensor {
        self.b.matmul(&self.a) * self.scale
    }

    /// `c` of DoRA: `[out]`.
    fn ratio(&self, magnitude: &Tensor, layer: &Linear) -> Tensor {
        let directions = tch::no_grad(|| &layer.weight + self.delta()); // [out, in]
        magnitude_ratio(magnitude, &directions, 1)
    }
}

impl LinearAdapter for LowRank {
    fn forward(&self, layer: &Linear, x: &Tensor, mode: Mode) -> Tensor {
        let read = self.dropout.forward(x, mode); // […, in]
        // The scale meets the smallest of the tensors.
        let narrow = affine(&read, &self.a, None) * self.scale; // […, r]
        let change = affine(&narrow, &self.b, None); // […, out]
        let Some(magnitude) = &self.magnitude else {
            return layer.plain(x) + change;
        };
        let ratio = self.ratio(magnitude, layer); // [out]
        let projected = affine(x, &layer.weight, None); // […, out]
        let turned = match self.dropout.drops(mode) {
            true => &projected + (&ratio - 1.0) * affine(&read, &layer.weight, None) + &ratio * change,
            false => &ratio * (&projected + change),
        };
        let turned = as_kind_of(turned, &projected);
        match &layer.bias {
            Some(bias) => as_kind_of(turned + bias, &projected),
            None => turned,
        }
    }

    fn merged(&self, layer: &Linear) -> Linear {
        let _no_grad = tch::no_grad_guard();
        let weight = &layer.weight + self.delta(); // [out, in]
        let weight = match &self.magnitude {
            Some(magnitude) => magnitude_ratio(magnitude, &weight, 1).unsqueeze(1) * weight,
            None => weight,
        };
        Linear::new(weight, layer.bias.as_ref().map(Tensor::detach))
    }
}
