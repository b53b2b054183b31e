//! From plain vectors to tensors on the device.

use retune_attention::SequenceLayout;
use retune_data::PackedBatch;
use retune_models::PackedInput;
use retune_torch::transfer::to_device;
use tch::{Device, Tensor};

use crate::TrainError;

/// A packed batch as the model takes it.
///
/// # Errors
/// The batch's offsets describe no layout.
pub fn to_input(batch: &PackedBatch, device: Device) -> Result<PackedInput, TrainError> {
    Ok(PackedInput {
        input_ids: to_device(&Tensor::from_slice(&batch.input_ids), device),
        token_type_ids: to_device(&Tensor::from_slice(&batch.token_type_ids), device),
        layout: SequenceLayout::from_offsets(batch.cu_seqlens.clone())?,
        embedding_noise: None,
        sparse_embeddings: false,
        inputs_embeds: None,
    })
}
