//! An encoder with the output layer of a task.

use std::path::Path;

use retune_attention::Mode;
use retune_models::registry::Sizes;
use retune_models::{
    LoadOptions, LoadReport, Model, ModelConfig, ModelError, PackedInput, ParameterSet, SentenceEncoder, Trace,
    Trainable, write_model,
};
use tch::Tensor;

use crate::task::OutputLayer;

/// An encoder with the output layer of a task, on one device.
#[derive(Debug)]
pub enum Network {
    /// With a head.
    Headed(Model),
    /// Pooled into sentence embeddings, possibly with a classifier of them.
    Sentence(SentenceEncoder),
}

impl Network {
    /// Loads a model directory for texts of at most `max_length` tokens, with the adapter that the options name. Draws,
    /// if the policy allows them, come from libtorch's default generator: seed it first.
    ///
    /// # Errors
    /// As [`Model::load_with`] and [`SentenceEncoder::load_with`].
    pub fn load(
        directory: &Path,
        config: &ModelConfig,
        output: OutputLayer,
        options: &LoadOptions<'_>,
        max_length: usize,
    ) -> Result<(Self, LoadReport), ModelError> {
        match output {
            OutputLayer::Head(spec) => {
                let (model, report) = Model::load_with(directory, config, spec, options)?;
                Ok((Self::Headed(model), report))
            }
            OutputLayer::Sentence(pooling) => {
                let encoder = SentenceEncoder::load_with(directory, config, options)?.with_max_length(max_length);
                let encoder = match pooling {
                    Some(mode) => encoder.with_pooling(&[mode]),
                    None => encoder,
                };
                Ok((Self::Sentence(encoder.without_classifier()), LoadReport::default()))
            }
            OutputLayer::SentenceClassifier(classes) => {
                let encoder = SentenceEncoder::load_with(directory, config, options)?.with_max_length(max_length);
                let (encoder, report) = encoder.with_classifier(classes as i64, options)?;
                Ok((Self::Sentence(encoder), report))
            }
        }
    }

    /// The same network, which in training computes layers again in the backward pass instead of keeping what they
    /// computed.
    pub fn recomputing(self) -> Self {
        match self {
            Self::Headed(model) => Self::Headed(model.recomputing()),
            Self::Sentence(encoder) => Self::Sentence(encoder.recomputing()),
        }
    }

    /// The outputs of a packed batch: `[b, w]`, or `[t, w]` where the head reads tokens; with `positions`, `[m]` in
    /// int64, those of these tokens alone.
    pub fn forward(&self, input: &PackedInput, positions: Option<&Tensor>, mode: Mode) -> Tensor {
        match self {
            Self::Headed(model) => model.forward_at(input, positions, mode),
            Self::Sentence(encoder) => encoder.forward(input, mode),
        }
    }

    /// Whether its head reads one vector of each sequence.
    pub fn reads_sequences(&self) -> bool {
        match self {
            Self::Headed(model) => model.reads_sequences(),
            Self::Sentence(encoder) => encoder.has_classifier(),
        }
    }

    /// What its head reads of a packed batch: `[n, d]`.
    pub fn read(&self, input: &PackedInput, mode: Mode) -> Tensor {
        match self {
            Self::Headed(model) => model.read(input, mode),
            Self::Sentence(encoder) => encoder.embed(input, mode),
        }
    }

    /// The outputs for what its head [read](Self::read): `[n, w]`.
    pub fn head_on(&self, read: &Tensor, mode: Mode) -> Tensor {
        match self {
            Self::Headed(model) => model.head_on(read, mode),
            Self::Sentence(encoder) => encoder.classify(read),
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

    /// The table of the encoder's word embeddings: `[v, e]`.
    pub fn word_embeddings(&self) -> &Tensor {
        match self {
            Self::Headed(model) => model.word_embeddings(),
            Self::Sentence(encoder) => encoder.word_embeddings(),
        }
    }

    /// Marks what is trained.
    ///
    /// # Errors
    /// Nothing would be, or the adapter is to be trained and there is none.
    pub fn select(&self, trainable: Trainable) -> Result<(), ModelError> {
        match self {
            Self::Headed(model) => model.select(trainable),
            Self::Sentence(encoder) => encoder.select(trainable),
        }
    }

    /// Whether it has an adapter.
    pub fn has_adapter(&self) -> bool {
        match self {
            Self::Headed(model) => model.adapter().is_some(),
            Self::Sentence(encoder) => encoder.adapter().is_some(),
        }
    }

    /// Writes the adapter alone into an existing folder, as `peft` reads it, with the name of its base model.
    ///
    /// # Errors
    /// There is none, or a file cannot be written.
    pub fn write_adapter(&mut self, folder: &Path, base_model: &str) -> Result<(), ModelError> {
        let adapter = match self {
            Self::Headed(model) => model.adapter_mut(),
            Self::Sentence(encoder) => encoder.adapter_mut(),
        };
        if let Some(adapter) = adapter {
            adapter.set_base_model(base_model);
        }
        match self {
            Self::Headed(model) => model.save_adapter(folder),
            Self::Sentence(encoder) => encoder.save_adapter(folder),
        }
    }

    /// Writes the configuration and the weights into an existing folder; an adapter is merged into them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        match self {
            Self::Headed(model) => write_model(folder, config, model.merged()?.iter()),
            Self::Sentence(encoder) => encoder.write(folder, config),
        }
    }
}
