//! A pretrained encoder with a head.

use std::path::Path;

use retune_attention::Mode;
use tch::{Device, Tensor};

use crate::adapters::{Adapter, AdapterError, Plan};
use crate::heads::{Head, HeadSpec, Reads};
use crate::registry::{Architecture, HeadPlaces, Sizes};
use crate::{
    Checkpoint, Encoder, HeadPolicy, LoadOptions, LoadReport, Loader, ModelConfig, ModelError, PackedInput, Parameter,
    ParameterSet, Trace, Trainable,
};

/// A pretrained encoder with a head, on one device.
#[derive(Debug)]
pub struct Model {
    encoder: Box<dyn Encoder>,
    head: Head,
    spec: HeadSpec,
    parameters: ParameterSet,
    adapter: Option<Adapter>,
    /// Whether layers are computed again in the backward pass.
    recomputes: bool,
}

/// Everything that a model computes on the way to its logits. `n` is `b` sequences or `t` tokens, as the head's kind
/// says.
#[derive(Debug)]
pub struct ModelOutput {
    /// The embeddings' and each layer's output: `layers + 1` tensors `[t, d]`.
    pub hidden_states: Vec<Tensor>,
    /// What the head's output layer reads: `[n, d']`.
    pub pooled: Tensor,
    /// `[n, c]`.
    pub logits: Tensor,
}

impl Model {
    /// Loads a model directory onto a device with a head. Draws, if the policy allows them, come from libtorch's default
    /// generator: seed it first.
    ///
    /// # Errors
    /// The directory lacks a file, the architecture or its head is not supported, or weights are missing or of another
    /// shape.
    pub fn load(
        directory: &Path,
        config: &ModelConfig,
        spec: HeadSpec,
        policy: HeadPolicy,
        device: Device,
    ) -> Result<(Self, LoadReport), ModelError> {
        Self::load_with(directory, config, spec, &LoadOptions::new(policy, device))
    }

    /// The same with an adapter, if the options name one: new, or stored in a folder of its own. A stored one brings
    /// the head that was trained with it, so that the base model's checkpoint need not have one. The model is ready to
    /// train the adapter: nothing else has gradients.
    ///
    /// # Errors
    /// Those of [`Model::load`]; the adapter's configuration or files are wrong, its targets find no module, or its
    /// tensors do not fit the model.
    pub fn load_with(
        directory: &Path,
        config: &ModelConfig,
        spec: HeadSpec,
        options: &LoadOptions<'_>,
    ) -> Result<(Self, LoadReport), ModelError> {
        let architecture = Architecture::of(config)?;
        if !architecture.heads.contains(&spec.kind) {
            return Err(ModelError::NoHead {
                path: config.path().to_owned(),
                architecture: architecture.model_type,
                class: architecture.class(spec.kind),
                supported: architecture.heads.iter().map(|kind| architecture.class(*kind)).collect(),
            });
        }
        let checkpoint = Checkpoint::open(directory)?;
        let plan = options.adapter.map(|source| Plan::new(source, architecture.model_type, Some(spec.kind), ""));
        let loader = Loader::new(&checkpoint, architecture.base, options.device, options.policy);
        let loader = loader.with_adapter(plan.transpose()?);
        let base = loader.base(architecture.base);
        let encoder = architecture.build(config, &base)?;
        let deviation = encoder.sizes().initializer_range;
        let head = encoder.head(spec, &HeadPlaces { root: loader.head(deviation), base: base.as_head(deviation) });
        let (parameters, report, adapter) = loader.finish_adapted()?;
        if adapter.is_some() {
            parameters.select(Trainable::Adapter, adapter.as_ref())?;
        }
        Ok((Self { encoder, head, spec, parameters, adapter, recomputes: false }, report))
    }

    /// The same model, but in training nothing is kept of a layer for the backward pass except its input: that pass
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

    /// The logits of a packed batch: `[n, c]`.
    pub fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        self.forward_at(input, None, mode)
    }

    /// The logits of a packed batch, or, of a head that reads tokens, those of some tokens alone: `positions` is `[m]`
    /// in int64, the result `[m, c]`. What the head would compute for the other tokens is not computed.
    pub fn forward_at(&self, input: &PackedInput, positions: Option<&Tensor>, mode: Mode) -> Tensor {
        let trace = self.trace(input, mode);
        let read = match positions.filter(|_| self.spec.kind.is_per_token()) {
            Some(positions) => self.encoder.forward(input, mode, trace).last.index_select(0, positions), // [m, d]
            None => self.read_traced(input, mode, trace),                                                // [n, d]
        };
        self.head.on(&read, mode).logits
    }

    /// What the head reads: `[n, d]`. Nobody asks here for the hidden states.
    fn read_traced(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        match self.head.reads {
            Reads::FirstToken => self.encoder.first_tokens(input, mode, trace), // [b, d]
            Reads::LastToken | Reads::Mean | Reads::Tokens => {
                self.head.read(&self.encoder.forward(input, mode, trace).last, &input.layout) // [n, d]
            }
        }
    }

    /// Whether its head reads a row for each sequence, and not for each token.
    pub fn reads_sequences(&self) -> bool {
        self.head.reads != Reads::Tokens
    }

    /// What its head reads of a packed batch: `[n, d]`.
    pub fn read(&self, input: &PackedInput, mode: Mode) -> Tensor {
        self.read_traced(input, mode, Trace::Off)
    }

    /// The logits for what its head [read](Self::read): `[n, c]`.
    pub fn head_on(&self, read: &Tensor, mode: Mode) -> Tensor {
        self.head.on(read, mode).logits
    }

    /// The logits and, with [`Trace::HiddenStates`], all that lies before them.
    pub fn forward_traced(&self, input: &PackedInput, mode: Mode, trace: Trace) -> ModelOutput {
        let states = self.encoder.forward(input, mode, trace);
        let output = self.head.forward(&states.last, &input.layout, mode);
        ModelOutput { hidden_states: states.hidden_states, pooled: output.pooled, logits: output.logits }
    }

    /// What its head is for.
    pub fn spec(&self) -> HeadSpec {
        self.spec
    }

    /// All parameters under the checkpoint's names.
    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// What stands beside it, if anything.
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

    /// The parameters of a plain model that computes in evaluation what this one does, within rounding: what
    /// [`write_model`](crate::write_model) writes for those who know no adapters. Without an adapter they are its own.
    ///
    /// # Errors
    /// The adapter stands beside embeddings that an output layer shares.
    pub fn merged(&self) -> Result<ParameterSet, ModelError> {
        let Some(adapter) = &self.adapter else {
            let own = self.parameters.parameters().iter();
            return Ok(own.map(Parameter::shallow_clone).collect());
        };
        let output = self.head.output.weight.data_ptr();
        let is_shared = |module: &&str| {
            let weight = self.parameters.get(&format!("{module}.weight"));
            weight.is_some_and(|weight| weight.data_ptr() == output)
        };
        match adapter.modules().find(is_shared) {
            Some(module) => Err(AdapterError::TiedEmbedding { module: module.to_owned() }.into()),
            None => Ok(adapter.merged(&self.parameters)),
        }
    }

    /// Writes the adapter alone into an existing folder, as `peft` reads it.
    ///
    /// # Errors
    /// There is none, or a file cannot be written.
    pub fn save_adapter(&self, directory: &Path) -> Result<(), ModelError> {
        let adapter = self.adapter.as_ref().ok_or(AdapterError::NoAdapter)?;
        adapter.save(directory, &self.parameters)
    }

    /// The encoder's sizes.
    pub fn sizes(&self) -> Sizes {
        self.encoder.sizes()
    }

    /// The table of its encoder's word embeddings: `[v, e]`.
    pub fn word_embeddings(&self) -> &Tensor {
        self.encoder.word_embeddings()
    }

    /// The number of tokens in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.sizes().vocabulary
    }

    /// The longest sequence that the positions allow, in tokens.
    pub fn max_length(&self) -> usize {
        self.sizes().max_length
    }
}
