//! Pretrained architectures, their heads, and checkpoint weights in and out.
//!
//! [`Model::load`] reads a model directory in Hugging Face's layout (`config.json`, `model.safetensors`) and gives a
//! model whose parameters bear the checkpoint's names; [`write_model`] writes one. [`registry`] lists the
//! architectures; each is one file that holds its configuration and its forward pass, on packed batches, and knows
//! nothing of recipes, file formats or tasks. [`adapters`] stand beside what is built.
//!
//! Notation of shapes in all files: `b` sequences, `t` tokens, `d` hidden size, `c` labels, `v` vocabulary.

pub mod adapters;
mod albert;
mod bert;
mod blocks;
mod checkpoint;
mod config;
mod deberta_v2;
mod distilbert;
mod electra;
mod embedding_noise;
mod error;
mod fresh_layers;
pub mod heads;
mod layer;
mod load;
mod model;
mod modernbert;
mod mpnet;
mod nomic_bert;
pub mod parameter_names;
mod parameter_set;
mod parameters;
mod pooling;
pub mod registry;
mod roberta;
mod rope;
mod rotary_layers;
mod save;
mod sentence_encoder;
mod sentence_modules;
mod trainable;

pub use adapters::{Adapter, AdapterConfig, AdapterError, AdapterSource};
pub use checkpoint::Checkpoint;
pub use config::{Labels, ModelConfig};
pub use error::{ModelError, ShapeProblem};
pub use heads::{HeadKind, HeadSpec};
pub use load::LoadOptions;
pub use model::{Model, ModelOutput};
pub use parameter_set::{Parameter, ParameterSet, Part};
pub use parameters::{HeadPolicy, LoadReport, Loader};
pub use pooling::PoolingMode;
pub use registry::Encoder;
pub use save::{Snapshot, save_safetensors, write_model};
pub use sentence_encoder::SentenceEncoder;
pub use trainable::Trainable;

use retune_attention::SequenceLayout;
use tch::Tensor;

/// One packed batch, as models take it.
#[derive(Debug)]
pub struct PackedInput {
    /// Token ids of all sequences end to end: `[t]`, int64.
    pub input_ids: Tensor,
    /// Segment of each token (0, or 1 for the second text of a pair): `[t]`, int64.
    pub token_type_ids: Tensor,
    /// Where the sequences begin.
    pub layout: SequenceLayout,
    /// In training, the size `α` of the noise on the word embeddings (NEFTune, Jain et al. 2023, arXiv 2310.05914);
    /// `None` or 0 for none.
    pub embedding_noise: Option<f64>,
    /// Whether the gradient of a large table of word embeddings is to be sparse: of the rows that occur alone.
    pub sparse_embeddings: bool,
    /// Word embeddings in place of the table's rows, `[t, e]`; `input_ids` still decide all else.
    pub inputs_embeds: Option<Tensor>,
}

/// The states of an encoder.
#[derive(Debug)]
pub struct EncoderOutput {
    /// The last layer's hidden state: `[t, d]`.
    pub last: Tensor,
    /// With [`Trace::HiddenStates`], the embeddings' and each layer's output: `layers + 1` tensors `[t, d]`.
    pub hidden_states: Vec<Tensor>,
}

/// What a forward pass keeps of what lies between input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// The result alone; for gradients, what autograd needs.
    Off,
    /// All hidden states.
    HiddenStates,
    /// The result alone; for gradients, the input of each layer, which the backward pass computes again.
    Recompute,
}
