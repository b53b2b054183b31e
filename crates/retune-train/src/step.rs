//! One optimiser step: forward, loss, backward, clip, optimiser.

use std::collections::VecDeque;

use retune_models::PackedInput;
use retune_recipe::NonFinite;
use retune_torch::optim::{global_norm, norms, scale_by};
use retune_torch::transfer::Arriving;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::features::Features;
use crate::loss_scale::LossScale;
use crate::memory::within_memory;
use crate::network::Network;
use crate::optimizers::{Optimizer, StepControl, is_sparse, numbers_of};
use crate::passes;
use crate::task::{Batch, Encoded, Task};

/// What a step needs besides the model and the rows.
#[derive(Debug, Clone, Copy)]
pub struct StepSettings {
    /// Where and in which number format.
    pub computation: Computation,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// The global norm that gradients are clipped to; 0 turns clipping off.
    pub max_gradient_norm: f64,
    /// The size that each element of a gradient is clipped to before; 0 turns it off.
    pub max_gradient_value: f64,
    /// The weight of the divergence between two passes (R-Drop); 0 for one pass.
    pub r_drop: f64,
    /// The size `α` of the noise on the word embeddings (NEFTune); `None` or 0 for none.
    pub embedding_noise: Option<f64>,
    /// Whether the gradient of a large table of word embeddings holds the rows of the batch alone.
    pub sparse_embeddings: bool,
    /// What the loss is multiplied by for the backward pass, where products are in float16.
    pub loss_scale: Option<LossScale>,
    /// What happens at a loss or gradient that is not finite.
    pub non_finite: NonFinite,
    /// The step's number, from 1, for messages.
    pub step: u64,
}

/// The rows of a step, in the parts that are computed one after another.
#[derive(Debug)]
pub struct StepRows<'a, T: Task> {
    /// The training data.
    pub encoded: &'a Encoded<T::Targets>,
    /// What the head reads, where the encoder stays as it is.
    pub features: Option<&'a Features>,
    /// The epoch, from 0: what is masked hangs on it.
    pub epoch: u64,
    /// The parts.
    pub parts: Vec<Vec<usize>>,
}

/// What a step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct StepNumbers {
    /// The batch's mean loss, before the step.
    pub loss: f64,
    /// The gradient's global 2-norm, before clipping.
    pub gradient_norm: f64,
    /// The 2-norms of the gradients of the parameters that have one, before clipping, each with the parameter's place.
    pub parameter_norms: Vec<(usize, f64)>,
    /// Tokens in the batch.
    pub tokens: usize,
    /// Tokens of the smallest part that did not fit into memory and was computed in halves.
    pub too_large: Option<usize>,
    /// Whether the parameters moved: not where a number was not finite, and the batch is to be skipped.
    pub moved: bool,
    /// Whether they did not because the scaled loss had gradients beyond float16's range, for which a smaller scale is
    /// the remedy.
    pub overflowed: bool,
}

/// A step that the device has been asked for. What it saw is on its way, and whether anything moved the device has settled
/// for itself.
#[derive(Debug)]
pub struct QueuedStep {
    /// The loss, the norm of all gradients, and that of each that there is: `[2 + n]`, float64.
    numbers: Arriving,
    /// Of which parameters those norms are.
    places: Vec<usize>,
    /// 1 where the step moves nothing, else 0: float32 on the device.
    skip: Tensor,
    tokens: usize,
    too_large: Option<usize>,
    rows: Vec<usize>,
    settings: StepSettings,
}

impl QueuedStep {
    /// Tokens of the smallest part that did not fit into memory and was computed in halves.
    pub fn too_large(&self) -> Option<usize> {
        self.too_large
    }

    /// What the step saw; waits for it, and on a GPU for nothing that was queued later. `moved` is what
    /// [`queue_step`] was given.
    ///
    /// # Errors
    /// The loss or the gradient's norm is not finite and the settings say to stop, or the device failed.
    pub fn read(self, moved: &[(String, Tensor)]) -> Result<StepNumbers, TrainError> {
        let Self { numbers, places, tokens, too_large, rows, settings, .. } = self;
        let read = Vec::<f64>::try_from(numbers.wait()?)?;
        let (loss, gradient_norm) = (read[0], read[1]);
        let parameter_norms: Vec<(usize, f64)> = places.into_iter().zip(read[2..].iter().copied()).collect();
        let moves = loss.is_finite() && gradient_norm.is_finite();
        let overflowed = !moves && loss.is_finite() && settings.loss_scale.is_some_and(|scale| scale.can_shrink());
        if !moves && !overflowed && settings.non_finite == NonFinite::Stop {
            let (what, value, place) = if loss.is_finite() {
                // In the backward pass, the last parameters come first. A gradient of numbers may have an infinite norm,
                // behind which one of none began.
                let is_such = |norm: f64| if gradient_norm.is_nan() { norm.is_nan() } else { norm.is_infinite() };
                let first = parameter_norms.iter().rfind(|(_, norm)| is_such(*norm));
                let place = first.map(|(place, _)| format!(", first in the gradient of {}", moved[*place].0));
                ("gradient norm", gradient_norm, place)
            } else {
                ("loss", loss, None)
            };
            let place = place.unwrap_or_default();
            return Err(TrainError::NotFinite { step: settings.step, what, value, rows, place });
        }
        Ok(StepNumbers { loss, gradient_norm, parameter_norms, tokens, too_large, moved: moves, overflowed })
    }
}

/// Moves the network, of its parameters those in `moved`, by one step on a batch, which may come in parts: losses are
/// summed over all of them and divided by their whole weight, so that the parts' sizes make no difference. A part for
/// which there is not enough memory is computed in halves.
///
/// # Errors
/// The loss or the gradient's norm is not finite and the settings say to stop (the model is left as it was), one example
/// alone does not fit into memory, or libtorch refuses.
pub fn train_step<T: Task>(
    network: &Network,
    moved: &[(String, Tensor)],
    task: &T,
    optimizer: &mut Optimizer,
    rows: &StepRows<'_, T>,
    settings: &StepSettings,
) -> Result<StepNumbers, TrainError> {
    queue_step(network, moved, task, optimizer, rows, settings, None)?.read(moved)
}

/// [`train_step`], of which nothing is read: a GPU may not have begun it. `unread` is the step before this one where that has
/// not been read either: if a number there is not finite, and the settings say to stop, this step moves nothing too.
///
/// # Errors
/// One example alone does not fit into memory, or libtorch refuses.
pub fn queue_step<T: Task>(
    network: &Network,
    moved: &[(String, Tensor)],
    task: &T,
    optimizer: &mut Optimizer,
    rows: &StepRows<'_, T>,
    settings: &StepSettings,
    unread: Option<&QueuedStep>,
) -> Result<QueuedStep, TrainError> {
    let mut sums = Sums::default();
    let parts = rows.parts.iter().map(|part| task.batch(rows.encoded, part, rows.epoch));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let tokens = parts.iter().map(|part| part.packed.tokens()).sum();
    // A batch in which nothing is asked (no word was masked) has the loss 0 over nothing, not 0/0.
    let weight: f64 = parts.iter().map(|part| part.weight).sum();
    let weight = if weight > 0.0 { weight } else { 1.0 };
    let parameters: Vec<&Tensor> = moved.iter().map(|(_, tensor)| tensor).collect();
    let moving: Vec<usize> = (0..parameters.len()).filter(|place| parameters[*place].requires_grad()).collect();
    let mut too_large = None;

    let mut waiting: VecDeque<(&[usize], Batch)> = rows.parts.iter().map(Vec::as_slice).zip(parts).collect();
    while let Some((part, batch)) = waiting.pop_front() {
        let size = batch.packed.tokens();
        let draws = Draws::now(settings.computation.device)?;
        match within_memory(|| backward(network, task, rows.features, (&parameters, &moving), batch, weight, settings))
        {
            Ok((loss, gradients)) => sums.add(loss, gradients),
            Err(TrainError::OutOfMemory) if part.len() > 1 && task.splits() => {
                draws.restore()?;
                too_large = Some(size);
                let (first, second) = part.split_at(part.len() / 2);
                for half in [second, first] {
                    waiting.push_front((half, task.batch(rows.encoded, half, rows.epoch)?));
                }
            }
            Err(error) => return Err(error),
        }
    }
    let Sums { loss, gradients } = sums;
    let loss = loss.unwrap_or_else(|| Tensor::zeros([], (Kind::Float, settings.computation.device)));
    // A row that occurs more than once has one gradient, the sum.
    let sum_rows = |gradient: Tensor| if is_sparse(&gradient) { gradient.coalesce() } else { gradient };
    let gradients: Vec<Tensor> = gradients.into_iter().map(sum_rows).collect();
    // What had no part in the loss has no gradient, and none in its norm; of a sparse one its rows count.
    let is_present = |place: &usize| gradients[*place].defined();
    let places: Vec<usize> = (0..gradients.len()).filter(is_present).collect();
    let present: Vec<Tensor> = places.iter().map(|place| numbers_of(&gradients[*place])).collect();
    if let Some(scale) = settings.loss_scale {
        scale_by(&present, 1.0 / scale.factor())?;
    }
    if settings.max_gradient_value > 0.0 {
        for gradient in &present {
            let _ = gradient.shallow_clone().clamp_(-settings.max_gradient_value, settings.max_gradient_value);
        }
    }
    let each = norms(&present)?; // [n]
    let norm = global_norm(&each);
    let double = |number: &Tensor| number.to_kind(Kind::Double).reshape([-1]);
    let numbers = Tensor::cat(&[double(&loss), double(&norm), double(&each)], 0); // [2 + n]
    // The device's own answer, for which the host does not wait: 1 where a number is not finite.
    let skip = numbers.narrow(0, 0, 2).isfinite().all().logical_not().to_kind(Kind::Float); // []
    let skip = match unread {
        Some(unread) if settings.non_finite == NonFinite::Stop => skip.maximum(&unread.skip),
        _ => skip,
    };
    let numbers = Arriving::send(&numbers)?;
    // As torch.nn.utils.clip_grad_norm_: the factor stays on the device, and 1 is its largest value.
    let factor =
        (settings.max_gradient_norm > 0.0).then(|| (settings.max_gradient_norm / (&norm + 1e-6)).clamp_max(1.0));
    let control = StepControl { learning_rate: settings.learning_rate, factor: factor.as_ref(), skip: Some(&skip) };
    optimizer.step(&gradients, control)?;
    let rows = rows.parts.concat();
    Ok(QueuedStep { numbers, places, skip, tokens, too_large, rows, settings: *settings })
}

/// The loss and the gradients of the parts so far.
#[derive(Debug, Default)]
struct Sums {
    loss: Option<Tensor>,
    gradients: Vec<Tensor>,
}

impl Sums {
    fn add(&mut self, loss: Tensor, gradients: Vec<Tensor>) {
        self.loss = Some(match self.loss.take() {
            None => loss,
            Some(sum) => sum + loss,
        });
        if self.gradients.is_empty() {
            self.gradients = gradients;
            return;
        }
        for (sum, one) in self.gradients.iter_mut().zip(gradients) {
            if !one.defined() {
                continue;
            }
            if !sum.defined() {
                *sum = one;
            } else if is_sparse(sum) {
                // What is sparse in one part may be dense in another.
                *sum = if is_sparse(&one) { &*sum + one } else { one + &*sum };
            } else {
                let _ = sum.g_add_(&one);
            }
        }
    }
}

/// The state of the generators that dropout draws from, so that what is computed again draws the same.
struct Draws {
    device: Device,
    state: Vec<u8>,
}

impl Draws {
    fn now(device: Device) -> Result<Self, TrainError> {
        Ok(Self { device, state: retune_torch::random::state(device)? })
    }

    fn restore(&self) -> Result<(), TrainError> {
        Ok(retune_torch::random::set_state(self.device, &self.state)?)
    }
}

/// One part's share of the loss, without a graph, and of the gradients.
fn backward<T: Task>(
    network: &Network,
    task: &T,
    features: Option<&Features>,
    (parameters, moving): (&[&Tensor], &[usize]),
    part: Batch,
    weight: f64,
    settings: &StepSettings,
) -> Result<(Tensor, Vec<Tensor>), TrainError> {
    let device = settings.computation.device;
    let batch = part.on_device(device);
    let input = PackedInput {
        embedding_noise: settings.embedding_noise,
        sparse_embeddings: settings.sparse_embeddings,
        ..to_input(&batch.packed, device)?
    };

    let autocast = settings.computation.autocast()?;
    let loss = passes::loss(network, task, &batch, &input, features, settings)? / weight;
    drop(autocast);

    let leaves: Vec<&Tensor> = moving.iter().map(|place| parameters[*place]).collect();
    let scaled = settings.loss_scale.map(|scale| &loss * scale.factor());
    let found = Tensor::f_run_backward(&[scaled.as_ref().unwrap_or(&loss)], &leaves, false, false)?;
    // What stands still has no gradient.
    let mut gradients: Vec<Tensor> = parameters.iter().map(|_| Tensor::new()).collect();
    for (place, gradient) in moving.iter().zip(found) {
        gradients[*place] = gradient;
    }
    Ok((loss.detach(), gradients))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_whether_their_gradients_are_sparse_or_not() {
        let dense = Tensor::from_slice(&[0f32, 0.0, 1.0, 2.0, 0.0, 0.0]).view([3, 2]);
        let sparse = dense.to_sparse_sparse_dim(1);
        for parts in [[&sparse, &sparse], [&sparse, &dense], [&dense, &sparse], [&dense, &dense]] {
            let mut sums = Sums::default();
            sums.add(Tensor::from(1.0), vec![parts[0].copy(), Tensor::new()]);
            sums.add(Tensor::from(2.0), vec![Tensor::new(), Tensor::new()]);
            sums.add(Tensor::from(4.0), vec![parts[1].copy(), dense.copy()]);
            let sum = if is_sparse(&sums.gradients[0]) {
                sums.gradients[0].to_dense(None, false)
            } else {
                sums.gradients[0].copy()
            };
            assert_eq!(sum, &dense * 2.0);
            assert_eq!(sums.gradients[1], dense);
            assert_eq!(sums.loss.unwrap().double_value(&[]), 7.0);
        }
        let doubled = (&sparse + &sparse).coalesce();
        assert_eq!(numbers_of(&doubled), Tensor::from_slice(&[2f32, 4.0]).view([1, 2]));
    }
}
