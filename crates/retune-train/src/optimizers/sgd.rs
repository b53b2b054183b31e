//! Stochastic gradient descent with momentum, as `torch.optim.SGD`.

use retune_torch::TorchError;
use retune_torch::optim::{add_scaled, scale_by};
use tch::Tensor;

use super::{UpdateNumbers, UpdateRule, number, one, set, value};

/// Where weight decay enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightDecay {
    /// Added to the gradient, and so to the momentum: an L2 penalty, as in `torch.optim.SGD`.
    L2,
    /// Beside the gradient, as in AdamW: the parameter shrinks by `learning_rate * weight_decay` of itself (SGDW,
    /// Loshchilov and Hutter 2019, arXiv 1711.05101).
    Decoupled,
}

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// How much of the velocity is kept; 0 is plain gradient descent.
    pub momentum: f64,
    /// The share of the gradient that does not enter the velocity; the first gradient enters whole.
    pub dampening: f64,
    /// Steps along the gradient plus the velocity to come (Nesterov), as Sutskever et al. 2013 write it.
    pub nesterov: bool,
    /// Where weight decay enters.
    pub weight_decay: WeightDecay,
}

impl Default for Sgd {
    /// torch's: no momentum, decay as an L2 penalty.
    fn default() -> Self {
        Self { momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: WeightDecay::L2 }
    }
}

impl UpdateRule for Sgd {
    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer", "step"]
    }

    fn initial(&self, parameter: &Tensor) -> Vec<Tensor> {
        let buffer = if self.momentum == 0.0 { Tensor::new() } else { parameter.zeros_like() };
        vec![buffer, number(0.0)]
    }

    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        let [buffers, steps] = state else { unreachable!("two slots") };
        let UpdateNumbers { learning_rate, weight_decay, .. } = *numbers;
        for (((parameter, gradient), buffer), step) in parameters.iter().zip(gradients).zip(buffers).zip(steps) {
            let mut direction = gradient.shallow_clone();
            match self.weight_decay {
                _ if weight_decay == 0.0 => {}
                WeightDecay::Decoupled => scale_by(one(parameter), 1.0 - learning_rate * weight_decay)?,
                WeightDecay::L2 => {
                    direction = direction.copy();
                    add_scaled(one(&direction), one(parameter), weight_decay)?;
                }
            }
            if self.momentum != 0.0 {
                let share = if value(step) == 0.0 { 1.0 } else { 1.0 - self.dampening };
                scale_by(one(buffer), self.momentum)?;
                add_scaled(one(buffer), one(&direction), share)?;
                if self.nesterov {
                    direction = direction.copy();
                    add_scaled(one(&direction), one(buffer), self.momentum)?;
                } else {
                    direction = buffer.shallow_clone();
                }
            }
            add_scaled(one(parameter), one(&direction), -learning_rate)?;
            set(step, value(step) + 1.0);
        }
        Ok(())
    }
}
