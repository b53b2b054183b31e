//! From a batch to its loss: one pass through the network or, with R-Drop, two.

use retune_attention::Mode;
use retune_models::PackedInput;
use tch::Tensor;

use crate::TrainError;
use crate::features::Features;
use crate::network::Network;
use crate::step::StepSettings;
use crate::task::{Batch, Task};

/// The training loss of a batch, summed over its items; on features, where they are there, in the encoder's place.
///
/// With a weight `α` above 0 it is that of R-Drop (Liang et al. 2021, arXiv 2106.14448): two passes, which differ by
/// what dropout draws, the mean of their losses, and the divergence between their outputs:
///
/// ```text
/// (L₁ + L₂) / 2 + α · (KL(p ‖ q) + KL(q ‖ p)) / 2
/// ```
///
/// The paper's equation 4 adds the two losses instead of taking their mean, so that this α is half of its.
///
/// # Errors
/// The task has no divergence.
pub(crate) fn loss<T: Task>(
    network: &Network,
    task: &T,
    batch: &Batch,
    input: &PackedInput,
    features: Option<&Features>,
    settings: &StepSettings,
) -> Result<Tensor, TrainError> {
    let positions = batch.positions_on(input.input_ids.device());
    let alpha = settings.r_drop;
    let pass = || match features {
        Some(features) => features.outputs(network, &batch.packed.rows, Mode::Train, &settings.computation),
        None => network.forward(input, positions.as_ref(), Mode::Train),
    };
    let of = |outputs: &Tensor| task.loss(outputs, batch, &input.layout);
    let first = pass();
    if alpha == 0.0 {
        return Ok(of(&first));
    }
    let second = pass();
    let divergence = task.divergence(&first, &second, batch, &input.layout);
    let divergence = divergence.ok_or_else(|| TrainError::Input {
        reason: format!("regularization.r_drop cannot go with {}; leave it out", task.describe()),
    })?;
    Ok((of(&first) + of(&second)) / 2.0 + divergence * alpha)
}
