//! The architectures there are. A new one is its file and a line of [`ARCHITECTURES`].

use retune_attention::{Activation, Mode, SequenceLayout};
use tch::Tensor;

use crate::parameters::Scope;
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace, bert};

/// What every architecture gives: hidden states of packed batches, and what heads need to know.
pub trait Encoder: std::fmt::Debug {
    /// The hidden states of a packed batch.
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput;

    /// What the architecture's classifier reads of each sequence: `last` is `[t, d]`, the result `[b, d]`.
    fn pool(&self, last: &Tensor, layout: &SequenceLayout) -> Tensor;

    /// `d`.
    fn hidden_size(&self) -> i64;

    /// `v`.
    fn vocab_size(&self) -> usize;

    /// The longest sequence that the positions allow, in tokens.
    fn max_length(&self) -> usize;

    /// The dropout before the classifier.
    fn head_dropout(&self) -> f64;

    /// The deviation of the normal distribution from which new weights are drawn.
    fn initializer_range(&self) -> f64;
}

/// One architecture.
pub struct Architecture {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// What the base model is called in checkpoints where a head stands beside it.
    pub base: &'static str,
    /// The class that loads a classifier in transformers.
    pub sequence_classifier: &'static str,
    build: Build,
}

/// Takes an encoder's parameters from a checkpoint, by name.
type Build = fn(&ModelConfig, &Scope<'_>) -> Result<Box<dyn Encoder>, ModelError>;

/// All architectures.
pub const ARCHITECTURES: &[Architecture] = &[Architecture {
    model_type: "bert",
    base: "bert",
    sequence_classifier: "BertForSequenceClassification",
    build: |config, scope| Ok(Box::new(bert::Bert::build(config, scope)?)),
}];

impl Architecture {
    /// The architecture that a configuration names.
    ///
    /// # Errors
    /// The name is missing, or not among [`ARCHITECTURES`].
    pub fn of(config: &ModelConfig) -> Result<&'static Self, ModelError> {
        let name = config.model_type()?;
        ARCHITECTURES.iter().find(|architecture| architecture.model_type == name).ok_or_else(|| {
            ModelError::UnknownArchitecture {
                path: config.path().to_owned(),
                found: name.to_owned(),
                supported: ARCHITECTURES.iter().map(|architecture| architecture.model_type).collect(),
            }
        })
    }

    pub(crate) fn build(&self, config: &ModelConfig, scope: &Scope<'_>) -> Result<Box<dyn Encoder>, ModelError> {
        (self.build)(config, scope)
    }
}

/// The activation that a key of the configuration names, in transformers' words.
pub(crate) fn activation(config: &ModelConfig, key: &'static str, name: &str) -> Result<Activation, ModelError> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        "silu" | "swish" => Ok(Activation::Silu),
        "tanh" => Ok(Activation::Tanh),
        other => Err(ModelError::UnsupportedValue {
            path: config.path().to_owned(),
            key,
            found: other.to_owned(),
            supported: "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish, tanh",
        }),
    }
}

/// Refuses a value of the configuration that is not the only one supported.
pub(crate) fn require(
    config: &ModelConfig,
    key: &'static str,
    found: &str,
    supported: &'static str,
) -> Result<(), ModelError> {
    if found == supported {
        return Ok(());
    }
    Err(ModelError::UnsupportedValue { path: config.path().to_owned(), key, found: found.to_owned(), supported })
}
