//! Sequence classification: the encoder's pooled state, dropout, one linear layer (`BertForSequenceClassification`).

use std::path::Path;

use retune_attention::{Dropout, Linear, Mode};
use tch::{Device, Tensor};

use crate::registry::Architecture;
use crate::{
    Checkpoint, Encoder, HeadPolicy, LoadReport, Loader, ModelConfig, ModelError, PackedInput, ParameterSet, Trace,
};

/// A pretrained encoder with a classification head.
#[derive(Debug)]
pub struct SequenceClassifier {
    encoder: Box<dyn Encoder>,
    dropout: Dropout,
    classifier: Linear,
    parameters: ParameterSet,
}

/// Everything that a classifier computes on the way to its logits.
#[derive(Debug)]
pub struct ClassifierOutput {
    /// The embeddings' and each layer's output: `layers + 1` tensors `[t, d]`.
    pub hidden_states: Vec<Tensor>,
    /// What the classifier reads of each sequence: `[b, d]`.
    pub pooled: Tensor,
    /// `[b, c]`.
    pub logits: Tensor,
}

impl SequenceClassifier {
    /// Loads a model directory onto a device with a head of `labels` classes. Draws, if the policy allows them, come from
    /// libtorch's default generator: seed it first.
    ///
    /// # Errors
    /// The directory lacks a file, the architecture is not supported, or weights are missing or of another shape.
    pub fn load(
        directory: &Path,
        config: &ModelConfig,
        labels: usize,
        policy: HeadPolicy,
        device: Device,
    ) -> Result<(Self, LoadReport), ModelError> {
        let architecture = Architecture::of(config)?;
        let checkpoint = Checkpoint::open(directory)?;
        let loader = Loader::new(&checkpoint, architecture.base, device, policy);
        let encoder = architecture.build(config, &loader.base(architecture.base))?;
        let head = loader.head(encoder.initializer_range());
        let classifier = head.at("classifier").linear(encoder.hidden_size(), labels as i64);
        let (parameters, report) = loader.finish()?;
        let dropout = Dropout { probability: encoder.head_dropout() };
        Ok((Self { encoder, dropout, classifier, parameters }, report))
    }

    /// The logits of a packed batch: `[b, c]`.
    pub fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        self.forward_traced(input, mode, Trace::Off).logits
    }

    /// The logits and, with [`Trace::HiddenStates`], all that lies before them.
    pub fn forward_traced(&self, input: &PackedInput, mode: Mode, trace: Trace) -> ClassifierOutput {
        let states = self.encoder.forward(input, mode, trace);
        let pooled = self.encoder.pool(&states.last, &input.layout); // [b, d]
        let logits = self.classifier.forward(&self.dropout.forward(&pooled, mode)); // [b, c]
        ClassifierOutput { hidden_states: states.hidden_states, pooled, logits }
    }

    /// All parameters under the checkpoint's names.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// The number of tokens in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.encoder.vocab_size()
    }

    /// The longest sequence that the positions allow, in tokens.
    pub fn max_length(&self) -> usize {
        self.encoder.max_length()
    }
}
