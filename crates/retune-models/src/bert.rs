//! BERT (Devlin et al. 2019, arXiv 1810.04805), as `transformers.BertModel` computes it.
//!
//! ```text
//! x₀ = LN(W_word[ids] + W_position[place] + W_type[segment])
//! a  = LN(x + W_O attention(x) + b_O)         for each layer: post-norm, dropout before each sum
//! x' = LN(a + W₂ gelu(W₁ a + b₁) + b₂)
//! pooled = tanh(W_P x[first token] + b_P)
//! ```

use retune_attention::{Activation, Mode};
use serde::Deserialize;
use tch::Tensor;

use crate::blocks::{
    AbsoluteEmbeddings, EmbeddingSizes, PostNormLayer, PostNormNames, PostNormSizes, first_tokens_through,
};
use crate::config::defaults;
use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The keys of `config.json` that BERT and its descendants read. Keys that transformers fills in may be missing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BertConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: usize,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    pub max_position_embeddings: i64,
    #[serde(default = "defaults::two")]
    pub type_vocab_size: i64,
    #[serde(default = "defaults::gelu")]
    pub hidden_act: String,
    #[serde(default = "defaults::tenth")]
    pub hidden_dropout_prob: f64,
    #[serde(default = "defaults::tenth")]
    pub attention_probs_dropout_prob: f64,
    #[serde(default = "defaults::tiny_epsilon")]
    pub layer_norm_eps: f64,
    #[serde(default = "defaults::deviation")]
    pub initializer_range: f64,
    #[serde(default)]
    pub pad_token_id: Option<i64>,
    #[serde(default = "defaults::absolute")]
    pub position_embedding_type: String,
    #[serde(default)]
    pub classifier_dropout: Option<f64>,
    #[serde(default = "defaults::yes")]
    pub tie_word_embeddings: bool,
    #[serde(default)]
    pub is_decoder: bool,
}

impl BertConfig {
    /// Reads and checks them.
    pub fn read(config: &ModelConfig) -> Result<(Self, Activation), ModelError> {
        let parsed: Self = config.parse()?;
        config.require_sizes(&[
            ("vocab_size", parsed.vocab_size),
            ("hidden_size", parsed.hidden_size),
            ("num_attention_heads", parsed.num_attention_heads),
            ("intermediate_size", parsed.intermediate_size),
            ("max_position_embeddings", parsed.max_position_embeddings),
            ("type_vocab_size", parsed.type_vocab_size),
        ])?;
        config.require_divisor("num_attention_heads", parsed.num_attention_heads, parsed.hidden_size)?;
        config.require_probabilities(&[
            ("hidden_dropout_prob", parsed.hidden_dropout_prob),
            ("attention_probs_dropout_prob", parsed.attention_probs_dropout_prob),
            ("classifier_dropout", parsed.classifier_dropout.unwrap_or(0.0)),
        ])?;
        config.require("is_decoder", &parsed.is_decoder.to_string(), "false")?;
        config.require("position_embedding_type", &parsed.position_embedding_type, "absolute")?;
        let activation = config.activation("hidden_act", &parsed.hidden_act)?;
        Ok((parsed, activation))
    }

    /// The padding token, whose embedding has no gradient.
    pub fn padding_row(&self) -> i64 {
        self.pad_token_id.unwrap_or(0)
    }

    /// The sizes of the embeddings, each of `size` numbers, whose first position has row `first_position`.
    pub fn embeddings(&self, size: i64, first_position: i64) -> EmbeddingSizes {
        EmbeddingSizes {
            vocabulary: self.vocab_size,
            positions: self.max_position_embeddings,
            segments: Some(self.type_vocab_size),
            size,
            padding_row: Some(self.padding_row()),
            epsilon: self.layer_norm_eps,
            dropout: self.hidden_dropout_prob,
            first_position,
        }
    }

    /// The sizes of a layer.
    pub fn layer(&self, activation: Activation) -> PostNormSizes {
        PostNormSizes {
            hidden: self.hidden_size,
            heads: self.num_attention_heads,
            intermediate: self.intermediate_size,
            activation,
            epsilon: self.layer_norm_eps,
            weights_dropout: self.attention_probs_dropout_prob,
            attention_dropout: self.hidden_dropout_prob,
            output_dropout: self.hidden_dropout_prob,
        }
    }

    /// The dropout before a classifier.
    pub fn head_dropout(&self) -> f64 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
    }
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct Bert {
    config: BertConfig,
    activation: Activation,
    embeddings: AbsoluteEmbeddings,
    layers: Vec<Layer<PostNormLayer>>,
}

impl Bert {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let (config, activation) = BertConfig::read(config)?;
        let sizes = config.layer(activation);
        let layers = scope.at("encoder.layer");
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(&config.embeddings(config.hidden_size, 0), &scope.at("embeddings")),
            layers: (0..config.num_hidden_layers)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &PostNormNames::BERT, scope)))
                .collect(),
            activation,
            config,
        })
    }
}

impl Encoder for Bert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let x = self.embeddings.forward(input, mode); // [t, d]
        through(x, &[], &self.layers, &(input.layout.clone(), mode), trace, PostNormLayer::in_sequence) // [t, d]
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        first_tokens_through(self.embeddings.forward(input, mode), &self.layers, &input.layout, mode, trace)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (d, root) = (self.config.hidden_size, &places.root);
        let pooled = || {
            let dense = places.base.at("pooler.dense").linear(d, d);
            let transform = Transform { dense: Some(dense), activation: Activation::Tanh, norm: None };
            Head::on_first_token(transform, self.config.head_dropout(), root.at("classifier").linear(d, spec.outputs))
        };
        match spec.kind {
            HeadKind::SequenceClassification | HeadKind::MultipleChoice => pooled(),
            HeadKind::TokenClassification => {
                Head::on_tokens(self.config.head_dropout(), root.at("classifier").linear(d, spec.outputs))
            }
            HeadKind::QuestionAnswering => Head::on_tokens(0.0, root.at("qa_outputs").linear(d, spec.outputs)),
            HeadKind::MaskedLanguageModel => {
                let predictions = root.at("cls.predictions");
                let transform = Transform {
                    dense: Some(predictions.at("transform.dense").linear(d, d)),
                    activation: self.activation,
                    norm: Some(predictions.at("transform.LayerNorm").layer_norm(d, self.config.layer_norm_eps)),
                };
                let tied = self.config.tie_word_embeddings.then_some(&self.embeddings.word.weight);
                let output = places.vocabulary(tied, "cls.predictions.decoder", "cls.predictions", (spec.outputs, d));
                Head::on_vocabulary(transform, output)
            }
        }
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            hidden: self.config.hidden_size,
            vocabulary: self.config.vocab_size as usize,
            max_length: self.config.max_position_embeddings as usize,
            initializer_range: self.config.initializer_range,
        }
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }
}
