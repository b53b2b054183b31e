//! An encoder with the output layer of a task.

use std::path::Path;

use retune_attention::Mode;
use retune_models::registry::Sizes;
use retune_models::{
    HeadPolicy, LoadReport, Model, ModelConfig, ModelError, PackedInput, ParameterSet, SentenceEncoder, Trace,
    write_model,
};
use tch::{Device, Tensor};

use crate::task::OutputLayer;

/// An encoder with the output layer of a task, on one device.
#[derive(Debug)]
pub enum Network {
    /// With a head.
    Headed(Model),
    /// Pooled into sentence embeddings.
    Sentence(SentenceEncoder),
}

impl Network {
    /// Loads a model directory for texts of at most `max_length` tokens. Draws, if the policy allows them, come from libtorch's default generator: seed it first.
    ///
    /// # Errors
    /// As [`Model::load`] and [`SentenceEncoder::load`].
    pub fn load(
        directory: &Path,
        config: &ModelConfig,
        output: OutputLayer,
        policy: HeadPolicy,
        max_length: usize,
        device: Device,
    ) -> Result<(Self, LoadReport), ModelError> {
        match output {
            OutputLayer::Head(spec) => {
                let (model, report) = Model::load(directory, config, spec, policy, device)?;
                Ok((Self::Headed(model), report))
            }
            OutputLayer::Sentence(pooling) => {
                let encoder = SentenceEncoder::load(directory, config, device)?.with_max_length(max_length);
                let encoder = match pooling {
                    Some(mode) => encoder.with_pooling(&[mode]),
                    None => encoder,
                };
                Ok((Self::Sentence(encoder), LoadReport::default()))
            }
        }
    }

    /// The same network, which in training computes layers again in the backward pass instead of keeping what they computed.
    pub fn recomputing(self) -> Self {
        match self {
            Self::Headed(model) => Self::Headed(model.recomputing()),
            Self::Sentence(encoder) => Self::Sentence(encoder.recomputing()),
        }
    }

    /// The outputs of a packed batch: `[b, w]`, or `[t, w]` where the head reads tokens; with `positions`, `[m]` in int64,
    /// those of these tokens alone.
    pub fn forward(&self, input: &PackedInput, positions: Option<&Tensor>, mode: Mode) -> Tensor {
        match self {
            Self::Headed(model) => model.forward_at(input, positions, mode),
            Self::Sentence(encoder) => encoder.forward(input, mode),
        }
    }

    /// The embeddings' and each layer's output, without dropout: `layers + 1` tensors `[t, d]`.
    pub fn hidden_states(&self, input: &PackedInput) -> Vec<Tensor> {
        match self {
            Self::Headed(model) => model.forward_traced(input, Mode::Evaluate, Trace::HiddenStates).hidden_states,
            Self::Sentence(encoder) => encoder.hidden_states(input),
        }
    }

    /// The model, where it has a head.
    pub fn model(&self) -> Option<&Model> {
        match self {
            Self::Headed(model) => Some(model),
            Self::Sentence(_) => None,
        }
    }

    /// All parameters under the checkpoint's names.
    pub fn parameters(&self) -> &ParameterSet {
        match self {
            Self::Headed(model) => model.parameters(),
            Self::Sentence(encoder) => encoder.parameters(),
        }
    }

    /// The encoder's sizes.
    pub fn sizes(&self) -> Sizes {
        match self {
            Self::Headed(model) => model.sizes(),
            Self::Sentence(encoder) => encoder.sizes(),
        }
    }

    /// Writes the configuration and the weights into an existing folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        match self {
            Self::Headed(model) => write_model(folder, config, model.parameters().iter()),
            Self::Sentence(encoder) => encoder.write(folder, config),
        }
    }
}
