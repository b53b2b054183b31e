//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), as `torch.optim.AdamW`: bias-corrected moments, decay decoupled
//! from the gradient. One kernel moves everything in one pass over memory, libtorch's on a GPU and one of our own on the
//! processor; a table with a sparse gradient has its own.

use retune_torch::TorchError;
use retune_torch::optim::{AdamWState, AdamWStep, adamw, adamw_rows, fused_adamw, supports_adamw, supports_rows};
use tch::{Kind, Tensor};

use super::{UpdateNumbers, UpdateRule};

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl Default for AdamW {
    /// torch's: 0.9, 0.999, 1e-8.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl UpdateRule for AdamW {
    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq", "step"]
    }

    fn initial(&self, parameter: &Tensor) -> Vec<Tensor> {
        // The fused kernel reads the number of steps on the device, as float32.
        let step = Tensor::zeros([], (Kind::Float, parameter.device()));
        vec![parameter.zeros_like(), parameter.zeros_like(), step]
    }

    fn takes_sparse(&self, parameter: &Tensor) -> bool {
        supports_rows(parameter)
    }

    fn takes_factor(&self, parameters: &[Tensor]) -> bool {
        parameters.iter().all(supports_adamw)
    }

    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        self.moved(parameters, gradients, state, numbers, None)
    }

    fn update_unless(
        &self,
        skip: &Tensor,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        if skip.device().is_cuda() {
            return self.moved(parameters, gradients, state, numbers, Some(skip));
        }
        if skip.double_value(&[]) == 0.0 { self.update(parameters, gradients, state, numbers) } else { Ok(()) }
    }
}

impl AdamW {
    /// The step; not where `skip` is 1, which libtorch's kernel reads.
    fn moved(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
        skip: Option<&Tensor>,
    ) -> Result<(), TorchError> {
        let (sparse, dense): (Vec<usize>, Vec<usize>) =
            (0..parameters.len()).partition(|place| gradients[*place].is_sparse());
        let pick =
            |tensors: &[Tensor]| -> Vec<Tensor> { dense.iter().map(|place| tensors[*place].shallow_clone()).collect() };
        let mut moments =
            AdamWState { first_moments: pick(&state[0]), second_moments: pick(&state[1]), steps: pick(&state[2]) };
        let step = AdamWStep {
            learning_rate: numbers.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            weight_decay: numbers.weight_decay,
            epsilon: self.epsilon,
            gradient_factor: numbers.gradient_factor,
        };
        for place in sparse {
            let of_table = [0, 1, 2].map(|slot: usize| &state[slot][place]);
            adamw_rows(&parameters[place], &gradients[place], of_table, &step)?;
        }
        let (parameters, gradients) = (pick(parameters), pick(gradients));
        if skip.is_none() && parameters.iter().all(supports_adamw) {
            adamw(&parameters, &gradients, &moments, &step)
        } else {
            fused_adamw(&parameters, &gradients, &mut moments, &step, skip)
        }
    }
}
