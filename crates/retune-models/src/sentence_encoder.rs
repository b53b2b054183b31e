//! Sentence embeddings: an encoder, and the modules that sentence-transformers puts after it.

use std::path::{Path, PathBuf};

use retune_attention::Mode;
use tch::{Device, Tensor};

use crate::adapters::{Adapter, AdapterError, Plan};
use crate::pooling::PoolingMode;
use crate::registry::{Architecture, Sizes};
use crate::sentence_modules::Modules;
use crate::{
    Checkpoint, Encoder, HeadPolicy, LoadOptions, LoadReport, Loader, ModelConfig, ModelError, PackedInput, Parameter,
    ParameterSet, ShapeProblem, Trace, Trainable,
};

/// An encoder of sentences, on one device.
#[derive(Debug)]
pub struct SentenceEncoder {
    /// Where it was loaded from, for messages.
    directory: PathBuf,
    encoder: Box<dyn Encoder>,
    /// What the base model is called where a head stands beside it; here nothing does, and the name is left out.
    prefix: String,
    modules: Modules,
    /// The longest text that it is used with, in tokens; `None` for what the encoder allows.
    max_length: Option<usize>,
    parameters: ParameterSet,
    adapter: Option<Adapter>,
    /// Whether layers are computed again in the backward pass.
    recomputes: bool,
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
        Self::load_with(directory, config, &LoadOptions::new(HeadPolicy::Require, device))
    }

    /// The same with an adapter beside the encoder, if the options name one; their policy says nothing here, since
    /// there is no head. The encoder is ready to train the adapter: nothing else has gradients, dense layers after the
    /// encoder neither.
    ///
    /// # Errors
    /// Those of [`SentenceEncoder::load`]; the adapter's configuration or files are wrong, its targets find no module,
    /// or its tensors do not fit the model.
    pub fn load_with(directory: &Path, config: &ModelConfig, options: &LoadOptions<'_>) -> Result<Self, ModelError> {
        let device = options.device;
        let architecture = Architecture::of(config)?;
        let checkpoint = Checkpoint::open(directory)?;
        let prefix = format!("{}.", architecture.base);
        let plan =
            options.adapter.map(|source| Plan::new(source, architecture.model_type, None, &prefix)).transpose()?;
        let loader = Loader::new(&checkpoint, architecture.base, device, HeadPolicy::Require).with_adapter(plan);
        let encoder = architecture.build(config, &loader.base(architecture.base))?;
        let (parameters, report, adapter) = loader.finish_adapted()?;
        let mut loaded = Self {
            directory: directory.to_owned(),
            encoder,
            prefix,
            modules: Modules::default(),
            max_length: None,
            parameters,
            adapter,
            recomputes: false,
            passengers: Vec::new(),
        };
        for name in report.unexpected {
            if let Some(tensor) = checkpoint.tensor(&name)? {
                let bare = name.strip_prefix(&loaded.prefix).unwrap_or(&name).to_owned();
                loaded.passengers.push((bare, tensor));
            }
        }
        loaded.modules = Modules::read(directory, device, &mut loaded.parameters)?;
        if loaded.adapter.is_some() {
            loaded.select(Trainable::Adapter)?;
        }
        Ok(loaded)
    }

    /// The same encoder, but in training nothing is kept of a layer for the backward pass except its input: that pass
    /// computes the layer again ([`Trace::Recompute`]). Gradients are the same to the bit.
    pub fn recomputing(self) -> Self {
        Self { recomputes: true, ..self }
    }

    fn trace(&self, input: &PackedInput, mode: Mode) -> Trace {
        if !(self.recomputes && mode.is_train()) {
            return Trace::Off;
        }
        // Made now, the copy of the offsets is that of the layers' clones of the layout too.
        let _kept = input.layout.device_offsets(input.input_ids.device());
        Trace::Recompute
    }

    /// What the last module gives for a packed batch: the embeddings, `[b, e]`, or the classifier's logits, `[b, c]`.
    pub fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        self.classify(&self.embed(input, mode))
    }

    /// The embeddings of a packed batch, which the classifier reads where there is one: `[b, e]`.
    pub fn embed(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let trace = self.trace(input, mode);
        if self.modules.reads_first_tokens() {
            return self.modules.after_pooling(self.encoder.first_tokens(input, mode, trace)); // [b, e]
        }
        let tokens = self.encoder.forward(input, mode, trace).last; // [t, d]
        self.modules.forward(&tokens, &input.layout) // [b, e]
    }

    /// The classifier's logits for embeddings, `[b, e]`: `[b, c]`. Without a classifier, the embeddings.
    pub fn classify(&self, embeddings: &Tensor) -> Tensor {
        match &self.modules.classifier {
            Some(classifier) => classifier.plain(embeddings),
            None => embeddings.shallow_clone(),
        }
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

    /// The same encoder with a classifier of its embeddings into so many classes as its last module, which
    /// sentence-transformers loads as a dense layer: the directory's own where it has one of that size, else, if the
    /// policy allows it, one drawn from libtorch's default generator: seed it first. The report says which it was.
    ///
    /// # Errors
    /// The directory has no classifier, or one of another size, and none is to be drawn.
    pub fn with_classifier(
        mut self,
        classes: i64,
        options: &LoadOptions<'_>,
    ) -> Result<(Self, LoadReport), ModelError> {
        const WEIGHT: &str = "classifier.linear.weight";
        let sizes = self.sizes();
        let expected = vec![classes, self.modules.size(sizes.hidden)];
        let found = self.modules.classifier.as_ref().map(|classifier| classifier.weight.size());
        let (mut report, mut missing, mut shapes) = (LoadReport::default(), Vec::new(), Vec::new());
        match found {
            Some(found) if found == expected => return Ok((self, report)),
            Some(found) => shapes.push(ShapeProblem { name: WEIGHT.to_owned(), expected: expected.clone(), found }),
            None => missing.push(WEIGHT.to_owned()),
        }
        if options.policy == HeadPolicy::Require {
            return Err(ModelError::Weights { directory: self.directory, missing, shapes });
        }
        self.modules.draw_classifier(
            (expected[1], classes),
            sizes.initializer_range,
            options.device,
            &mut self.parameters,
        );
        (report.drawn, report.reshaped) = (missing, shapes);
        Ok((self, report))
    }

    /// The same encoder without a classifier: its last module gives embeddings.
    pub fn without_classifier(mut self) -> Self {
        self.modules.drop_classifier(&mut self.parameters);
        self
    }

    /// Whether it has a classifier.
    pub fn has_classifier(&self) -> bool {
        self.modules.classifier.is_some()
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

    /// The table of the encoder's word embeddings: `[v, e]`.
    pub fn word_embeddings(&self) -> &Tensor {
        self.encoder.word_embeddings()
    }

    /// What stands beside the encoder, if anything.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// The same, to say where its base model is found.
    pub fn adapter_mut(&mut self) -> Option<&mut Adapter> {
        self.adapter.as_mut()
    }

    /// Marks what is trained.
    ///
    /// # Errors
    /// Nothing would be, or the adapter is to be trained and there is none.
    pub fn select(&self, trainable: Trainable) -> Result<(), ModelError> {
        self.parameters.select(trainable, self.adapter())
    }

    /// Writes the adapter alone into an existing folder, as `peft` reads it.
    ///
    /// # Errors
    /// There is none, or a file cannot be written.
    pub fn save_adapter(&self, directory: &Path) -> Result<(), ModelError> {
        let adapter = self.adapter.as_ref().ok_or(AdapterError::NoAdapter)?;
        adapter.save(directory, &self.parameters)
    }

    /// The parameters of a plain encoder that computes in evaluation what this one does, within rounding. Without an
    /// adapter they are its own.
    pub fn merged(&self) -> ParameterSet {
        match &self.adapter {
            Some(adapter) => adapter.merged(&self.parameters),
            None => self.parameters.parameters().iter().map(Parameter::shallow_clone).collect(),
        }
    }

    /// The encoder's sizes.
    pub fn sizes(&self) -> Sizes {
        self.encoder.sizes()
    }

    /// Writes `config.json`, `model.safetensors` and the files of the modules into an existing folder, as every version
    /// of sentence-transformers reads them: an adapter is merged. The tokenizer is the caller's.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, directory: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        let bare = |name: &'_ str| name.strip_prefix(&self.prefix).map(str::to_owned);
        let merged = self.merged();
        let own = merged.iter().filter_map(|(name, tensor)| Some((bare(name)?, tensor)));
        let passengers = self.passengers.iter().map(|(name, tensor)| (name.clone(), tensor));
        let all: Vec<(String, &Tensor)> = own.chain(passengers).collect();
        crate::write_model(directory, config, all.iter().map(|(name, tensor)| (name.as_str(), *tensor)))?;
        let sizes = self.sizes();
        let max_length = self.max_length.unwrap_or(sizes.max_length);
        self.modules.write(directory, Sizes { max_length, ..sizes }, &self.parameters)
    }
}
