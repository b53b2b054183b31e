//! Lion (Chen et al. 2023, arXiv 2302.06675): every element moves by the learning rate, in the direction of the sign of
//! a mean of gradients. Half of AdamW's state; learning rates are three to ten times smaller, decays as much larger.

use retune_torch::TorchError;
use retune_torch::optim::{add_scaled, scale_by};
use tch::Tensor;

use super::{UpdateNumbers, UpdateRule, one};

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lion {
    /// The share of the running mean in the direction of a step; the rest is the step's own gradient.
    pub beta1: f64,
    /// Decay of the running mean of gradients.
    pub beta2: f64,
}

impl Default for Lion {
    /// The paper's: 0.9, 0.99.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl UpdateRule for Lion {
    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn initial(&self, parameter: &Tensor) -> Vec<Tensor> {
        vec![parameter.zeros_like()]
    }

    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        for ((parameter, gradient), mean) in parameters.iter().zip(gradients).zip(&state[0]) {
            scale_by(one(parameter), 1.0 - numbers.learning_rate * numbers.weight_decay)?;
            let mut direction = mean * self.beta1;
            add_scaled(one(&direction), one(gradient), 1.0 - self.beta1)?;
            add_scaled(one(parameter), one(&direction.sign_()), -numbers.learning_rate)?;
            scale_by(one(mean), self.beta2)?;
            add_scaled(one(mean), one(gradient), 1.0 - self.beta2)?;
        }
        Ok(())
    }
}
