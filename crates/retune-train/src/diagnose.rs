//! Where a number first went wrong.

use tch::Tensor;

use crate::network::Network;
use crate::{TrainError, batch::to_input, task::Batch};

/// The first of a model's parameters or layers whose numbers are not all finite on a batch, in words, begun by a comma;
/// empty where all are. Dropout is off.
///
/// # Errors
/// The batch describes no layout.
pub(crate) fn first_not_finite(network: &Network, batch: &Batch, device: tch::Device) -> Result<String, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let is_wrong = |tensor: &Tensor| tensor.isfinite().all().int64_value(&[]) == 0;
    if let Some((name, _)) = network.parameters().iter().find(|(_, tensor)| is_wrong(tensor)) {
        return Ok(format!(", and so is the parameter {name}, as it was before the step"));
    }
    let states = network.hidden_states(&to_input(&batch.packed, device)?);
    Ok(match states.iter().position(is_wrong) {
        Some(0) => ", first in the output of the embeddings".to_owned(),
        Some(layer) => format!(", first in the output of layer {layer} of {}", states.len() - 1),
        None => ", in the head or the loss; all layers of the encoder are finite".to_owned(),
    })
}
