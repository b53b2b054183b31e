//! DistilBERT (Sanh et al. 2019, arXiv 1910.01108), as `transformers.DistilBertModel` computes it.
//!
//! BERT's layers under other names and without segments, pooler, or dropout of what attention adds:
//!
//! ```text
//! x₀ = dropout(LN(W_word[ids] + W_position[place]))
//! a  = LN(x + W_O attention(x) + b_O)                 for each layer
//! x' = LN(a + dropout(W₂ φ(W₁ a + b₁) + b₂))
//! ```
//!
//! `sinusoidal_pos_embds` says how the positions once began; they are parameters like all others.

use retune_attention::{Activation, Mode};
use serde::Deserialize;
use tch::Tensor;

use crate::blocks::{
    AbsoluteEmbeddings, EmbeddingSizes, PostNormLayer, PostNormNames, PostNormSizes, first_tokens_through,
};
use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// `config.json` has no key for it.
const EPSILON: f64 = 1e-12;

/// The keys of `config.json` that DistilBERT reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct DistilBertConfig {
    vocab_size: i64,
    dim: i64,
    n_layers: usize,
    n_heads: i64,
    hidden_dim: i64,
    max_position_embeddings: i64,
    activation: String,
    dropout: f64,
    attention_dropout: f64,
    qa_dropout: f64,
    seq_classif_dropout: f64,
    initializer_range: f64,
    pad_token_id: Option<i64>,
    tie_word_embeddings: bool,
}

impl Default for DistilBertConfig {
    /// What transformers fills in.
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            dim: 768,
            n_layers: 6,
            n_heads: 12,
            hidden_dim: 3072,
            max_position_embeddings: 512,
            activation: "gelu".to_owned(),
            dropout: 0.1,
            attention_dropout: 0.1,
            qa_dropout: 0.1,
            seq_classif_dropout: 0.2,
            initializer_range: 0.02,
            pad_token_id: Some(0),
            tie_word_embeddings: true,
        }
    }
}

impl DistilBertConfig {
    /// Reads and checks them.
    fn read(config: &ModelConfig) -> Result<(Self, Activation), ModelError> {
        let parsed: Self = config.parse()?;
        config.require_sizes(&[
            ("vocab_size", parsed.vocab_size),
            ("dim", parsed.dim),
            ("n_heads", parsed.n_heads),
            ("hidden_dim", parsed.hidden_dim),
            ("max_position_embeddings", parsed.max_position_embeddings),
        ])?;
        config.require_divisor("n_heads", parsed.n_heads, parsed.dim)?;
        config.require_probabilities(&[
            ("dropout", parsed.dropout),
            ("attention_dropout", parsed.attention_dropout),
            ("qa_dropout", parsed.qa_dropout),
            ("seq_classif_dropout", parsed.seq_classif_dropout),
        ])?;
        let activation = config.activation("activation", &parsed.activation)?;
        Ok((parsed, activation))
    }

    fn embeddings(&self) -> EmbeddingSizes {
        EmbeddingSizes {
            vocabulary: self.vocab_size,
            positions: self.max_position_embeddings,
            segments: None,
            size: self.dim,
            padding_row: self.pad_token_id,
            epsilon: EPSILON,
            dropout: self.dropout,
            first_position: 0,
        }
    }

    fn layer(&self, activation: Activation) -> PostNormSizes {
        PostNormSizes {
            hidden: self.dim,
            heads: self.n_heads,
            intermediate: self.hidden_dim,
            activation,
            epsilon: EPSILON,
            weights_dropout: self.attention_dropout,
            attention_dropout: 0.0,
            output_dropout: self.dropout,
        }
    }
}

const NAMES: PostNormNames = PostNormNames {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// The encoder.
#[derive(Debug)]
pub(crate) struct DistilBert {
    config: DistilBertConfig,
    activation: Activation,
    embeddings: AbsoluteEmbeddings,
    layers: Vec<Layer<PostNormLayer>>,
}

impl DistilBert {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let (config, activation) = DistilBertConfig::read(config)?;
        let sizes = config.layer(activation);
        let layers = scope.at("transformer.layer");
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(&config.embeddings(), &scope.at("embeddings")),
            layers: (0..config.n_layers)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &NAMES, scope)))
                .collect(),
            activation,
            config,
        })
    }
}

impl Encoder for DistilBert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let x = self.embeddings.forward(input, mode); // [t, d]
        through(x, &[], &self.layers, &(input.layout.clone(), mode), trace, PostNormLayer::in_sequence) // [t, d]
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        first_tokens_through(self.embeddings.forward(input, mode), &self.layers, &input.layout, mode, trace)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (d, root, config) = (self.config.dim, &places.root, &self.config);
        match spec.kind {
            HeadKind::SequenceClassification | HeadKind::MultipleChoice => {
                let dense = root.at("pre_classifier").linear(d, d);
                let transform = Transform { dense: Some(dense), activation: Activation::Relu, norm: None };
                let output = root.at("classifier").linear(d, spec.outputs);
                Head::on_first_token(transform, config.seq_classif_dropout, output)
            }
            HeadKind::TokenClassification => {
                Head::on_tokens(config.dropout, root.at("classifier").linear(d, spec.outputs))
            }
            HeadKind::QuestionAnswering => {
                Head::on_tokens(config.qa_dropout, root.at("qa_outputs").linear(d, spec.outputs))
            }
            HeadKind::MaskedLanguageModel => {
                let transform = Transform {
                    dense: Some(root.at("vocab_transform").linear(d, d)),
                    activation: self.activation,
                    norm: Some(root.at("vocab_layer_norm").layer_norm(d, EPSILON)),
                };
                let tied = config.tie_word_embeddings.then_some(&self.embeddings.word.weight);
                let output = places.vocabulary(tied, "vocab_projector", "vocab_projector", (spec.outputs, d));
                Head::on_vocabulary(transform, output)
            }
        }
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            hidden: self.config.dim,
            vocabulary: self.config.vocab_size as usize,
            max_length: self.config.max_position_embeddings as usize,
            initializer_range: self.config.initializer_range,
        }
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }
}
