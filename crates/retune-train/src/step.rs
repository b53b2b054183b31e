//! One optimiser step: forward, loss, backward, clip, AdamW.

use retune_attention::Mode;
use retune_data::PackedBatch;
use retune_models::Model;
use retune_torch::optim::{global_norm, scale};
use tch::Tensor;

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::optimizer::AdamW;
use crate::tasks::sequence_classification::loss;

/// What a step needs besides the model and the batch.
#[derive(Debug, Clone, Copy)]
pub struct StepSettings {
    /// Where and in which number format.
    pub computation: Computation,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// The global norm that gradients are clipped to; 0 turns clipping off.
    pub max_gradient_norm: f64,
    /// The step's number, from 1, for messages.
    pub step: u64,
}

/// What a step saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepNumbers {
    /// The batch's mean loss, before the step.
    pub loss: f64,
    /// The gradient's global 2-norm, before clipping.
    pub gradient_norm: f64,
}

/// Moves the model by one step on a packed batch.
///
/// # Errors
/// The loss or the gradient's norm is not finite (the model is left as it was), or libtorch refuses.
pub fn train_step(
    model: &Model,
    optimizer: &mut AdamW,
    batch: &PackedBatch,
    settings: &StepSettings,
) -> Result<StepNumbers, TrainError> {
    let device = settings.computation.device;
    let input = to_input(batch, device)?;
    let labels = Tensor::from_slice(&batch.labels).to_device(device); // [b]

    let autocast = settings.computation.autocast()?;
    let logits = model.forward(&input, Mode::Train); // [b, c]
    let loss = loss(&logits, &labels);
    drop(autocast);

    let parameters: Vec<&Tensor> = model.parameters().iter().map(|(_, tensor)| tensor).collect();
    let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
    // What had no part in the loss has no gradient, and none in its norm.
    let present: Vec<Tensor> = gradients.iter().filter(|one| one.defined()).map(Tensor::shallow_clone).collect();
    let norm = global_norm(&present)?;
    if settings.max_gradient_norm > 0.0 {
        // As torch.nn.utils.clip_grad_norm_: the factor stays on the device, and 1 is its largest value.
        scale(&present, &(settings.max_gradient_norm / (&norm + 1e-6)).clamp_max(1.0))?;
    }
    let finite = |what, tensor: &Tensor| {
        let value = f64::try_from(tensor)?;
        let rows = || batch.rows.iter().take(8).copied().collect();
        if value.is_finite() {
            Ok(value)
        } else {
            Err(TrainError::NotFinite { step: settings.step, what, value, rows: rows() })
        }
    };
    let numbers = StepNumbers { loss: finite("loss", &loss)?, gradient_norm: finite("gradient norm", &norm)? };
    optimizer.step(&gradients, settings.learning_rate)?;
    Ok(numbers)
}
