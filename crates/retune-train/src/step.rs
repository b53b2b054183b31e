//! One optimiser step: forward, loss, backward, clip, AdamW.

use retune_attention::Mode;
use retune_torch::optim::{global_norm, scale};
use tch::Tensor;

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::network::Network;
use crate::optimizers::Optimizer;
use crate::task::{Batch, Task};

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

/// Moves the network by one step on a batch, which may come in parts: losses are summed over all of them and divided by
/// their whole weight, so that the parts' sizes make no difference.
///
/// # Errors
/// The loss or the gradient's norm is not finite (the model is left as it was), or libtorch refuses.
pub fn train_step<T: Task>(
    network: &Network,
    task: &T,
    optimizer: &mut Optimizer,
    parts: Vec<Batch>,
    settings: &StepSettings,
) -> Result<StepNumbers, TrainError> {
    let parameters: Vec<&Tensor> = network.parameters().iter().map(|(_, tensor)| tensor).collect();
    let rows: Vec<usize> = parts.iter().flat_map(|part| part.packed.rows.iter().copied()).take(8).collect();
    // A batch in which nothing is asked (no word was masked) has the loss 0 over nothing, not 0/0.
    let weight: f64 = parts.iter().map(|part| part.weight).sum();
    let weight = if weight > 0.0 { weight } else { 1.0 };
    let mut loss = None;
    let mut gradients: Vec<Tensor> = Vec::new();
    for part in parts {
        let (part_loss, part_gradients) = backward(network, task, &parameters, part, weight, settings)?;
        loss = Some(match loss {
            None => part_loss,
            Some(sum) => sum + part_loss,
        });
        add(&mut gradients, part_gradients);
    }
    let loss = loss.unwrap_or_else(|| Tensor::from(0.0));
    // What had no part in the loss has no gradient, and none in its norm.
    let present: Vec<Tensor> = gradients.iter().filter(|one| one.defined()).map(Tensor::shallow_clone).collect();
    let norm = global_norm(&present)?;
    if settings.max_gradient_norm > 0.0 {
        // As torch.nn.utils.clip_grad_norm_: the factor stays on the device, and 1 is its largest value.
        scale(&present, &(settings.max_gradient_norm / (&norm + 1e-6)).clamp_max(1.0))?;
    }
    let finite = |what, tensor: &Tensor| {
        let value = f64::try_from(tensor)?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(TrainError::NotFinite { step: settings.step, what, value, rows: rows.clone() })
        }
    };
    let numbers = StepNumbers { loss: finite("loss", &loss)?, gradient_norm: finite("gradient norm", &norm)? };
    optimizer.step(&gradients, settings.learning_rate)?;
    Ok(numbers)
}

/// One part's share of the loss, without a graph, and of the gradients.
fn backward<T: Task>(
    network: &Network,
    task: &T,
    parameters: &[&Tensor],
    part: Batch,
    weight: f64,
    settings: &StepSettings,
) -> Result<(Tensor, Vec<Tensor>), TrainError> {
    let device = settings.computation.device;
    let batch = part.on_device(device);
    let input = to_input(&batch.packed, device)?;
    let positions = batch.positions_on(device);

    let autocast = settings.computation.autocast()?;
    let outputs = network.forward(&input, positions.as_ref(), Mode::Train);
    let loss = task.loss(&outputs, &batch, &input.layout) / weight;
    drop(autocast);

    let gradients = Tensor::f_run_backward(&[&loss], parameters, false, false)?;
    Ok((loss.detach(), gradients))
}

/// Adds the gradients of one more part.
fn add(sums: &mut Vec<Tensor>, more: Vec<Tensor>) {
    if sums.is_empty() {
        *sums = more;
        return;
    }
    for (sum, one) in sums.iter_mut().zip(more) {
        if !sum.defined() {
            *sum = one;
        } else if one.defined() {
            let _ = sum.g_add_(&one);
        }
    }
}
