//! Sentence embeddings: an encoder, and the modules that sentence-transformers puts after it.

use std::path::Path;

use retune_attention::Mode;
use tch::{Device, Tensor};

use crate::pooling::PoolingMode;
use crate::registry::{Architecture, Sizes};
use crate::sentence_modules::Modules;
use crate::{Checkpoint, Encoder, HeadPolicy, Loader, ModelConfig, ModelError, PackedInput, ParameterSet, Trace};

/// An encoder of sentences, on one device.
#[derive(Debug)]
pub struct SentenceEncoder {
    encoder: Box<dyn Encoder>,
    /// What the base model is called where a head stands beside it; here nothing does, and the name is left out.
    prefix: String,
    modules: Modules,
    /// The longest text that it is used with, in tokens; `None` for what the encoder allows.
    max_length: Option<usize>,
    parameters: ParameterSet,
    /// Tensors that the encoder has no use for (a pooler), written back as they were.
    passengers: Vec<(String, Tensor)>,
}

impl SentenceEncoder {
    /// Loads a model directory. Where it has no `modules.json`, it is an encoder alone: its tokens' mean is taken, as
    /// sentence-transformers does.
    ///
    /// # Errors
    /// The directory lacks a file, the architecture or a module is not supported, or weights are missing or of another
    /// shape.
    pub fn load(directory: &Path, config: &ModelConfig, device: Device) -> Result<Self, ModelError> {
        let architecture = Architecture::of(config)?;
        let checkpoint = Checkpoint::open(directory)?;
        let loader = Loader::new(&checkpoint, architecture.base, device, HeadPolicy::Require);
        let encoder = architecture.build(config, &loader.base(architecture.base))?;
        let (parameters, report) = loader.finish()?;
        let mut loaded = Self {
            encoder,
            prefix: format!("{}.", architecture.base),
            modules: Modules::default(),
            max_length: None,
            parameters,
            passengers: Vec::new(),
        };
        for name in report.unexpected {
            if let Some(tensor) = checkpoint.tensor(&name)? {
                let bare = name.strip_prefix(&loaded.prefix).unwrap_or(&name).to_owned();
                loaded.passengers.push((bare, tensor));
            }
        }
        loaded.modules = Modules::read(directory, device, &mut loaded.parameters)?;
        Ok(loaded)
    }

    /// The embeddings of a packed batch: `[b, e]`.
    pub fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let tokens = self.encoder.forward(input, mode, Trace::Off).last; // [t, d]
        self.modules.forward(&tokens, &input.layout) // [b, e]
    }

    /// The embeddings' and each layer's output, without dropout: `layers + 1` tensors `[t, d]`.
    pub fn hidden_states(&self, input: &PackedInput) -> Vec<Tensor> {
        self.encoder.forward(input, Mode::Evaluate, Trace::HiddenStates).hidden_states
    }

    /// The same encoder with other modes of pooling, side by side in the order of [`PoolingMode::ALL`].
    pub fn with_pooling(mut self, modes: &[PoolingMode]) -> Self {
        self.modules.pooling = PoolingMode::ALL.into_iter().filter(|mode| modes.contains(mode)).collect();
        self
    }

    /// The same encoder with normalised vectors.
    pub fn normalised(mut self) -> Self {
        self.modules.normalise = true;
        self
    }

    /// The same encoder for texts of at most so many tokens, which its directory says when it is written.
    pub fn with_max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// All parameters, dense layers after the encoder.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// The encoder's sizes.
    pub fn sizes(&self) -> Sizes {
        self.encoder.sizes()
    }

    /// Writes `config.json`, `model.safetensors` and the files of the modules into an existing folder, as every version of
    /// sentence-transformers reads them. The tokenizer is the caller's.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, directory: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        let bare = |name: &'_ str| name.strip_prefix(&self.prefix).map(str::to_owned);
        let own = self.parameters.iter().filter_map(|(name, tensor)| Some((bare(name)?, tensor)));
        let passengers = self.passengers.iter().map(|(name, tensor)| (name.clone(), tensor));
        let all: Vec<(String, &Tensor)> = own.chain(passengers).collect();
        crate::write_model(directory, config, all.iter().map(|(name, tensor)| (name.as_str(), *tensor)))?;
        let sizes = self.sizes();
        let max_length = self.max_length.unwrap_or(sizes.max_length);
        self.modules.write(directory, Sizes { max_length, ..sizes }, &self.parameters)
    }
}
