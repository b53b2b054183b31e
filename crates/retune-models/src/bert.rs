//! BERT (Devlin et al. 2019, arXiv 1810.04805), as `transformers.BertModel` computes it.
//!
//! ```text
//! x₀ = LN(W_word[ids] + W_position[place] + W_type[segment])
//! a  = LN(x + W_O attention(x) + b_O)         for each layer: post-norm, dropout before each sum
//! x' = LN(a + W₂ gelu(W₁ a + b₁) + b₂)
//! pooled = tanh(W_P x[first token] + b_P)
//! ```

use retune_attention::{
    Activation, Attention, Dropout, Embedding, FeedForward, LayerNorm, Linear, Mode, MultiHeadAttention, SequenceLayout,
};
use serde::Deserialize;
use tch::Tensor;

use crate::parameters::Scope;
use crate::registry::{activation, require};
use crate::{Encoder, EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The keys of `config.json` that BERT reads. Keys that transformers fills in by default may be missing.
#[derive(Debug, Clone, Deserialize)]
struct BertConfig {
    vocab_size: i64,
    hidden_size: i64,
    num_hidden_layers: usize,
    num_attention_heads: i64,
    intermediate_size: i64,
    max_position_embeddings: i64,
    #[serde(default = "two")]
    type_vocab_size: i64,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "tenth")]
    hidden_dropout_prob: f64,
    #[serde(default = "tenth")]
    attention_probs_dropout_prob: f64,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "deviation")]
    initializer_range: f64,
    #[serde(default)]
    pad_token_id: Option<i64>,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default)]
    classifier_dropout: Option<f64>,
}

fn two() -> i64 {
    2
}
fn gelu() -> String {
    "gelu".to_owned()
}
fn tenth() -> f64 {
    0.1
}
fn epsilon() -> f64 {
    1e-12
}
fn deviation() -> f64 {
    0.02
}
fn absolute() -> String {
    "absolute".to_owned()
}

impl BertConfig {
    /// Refuses sizes that no tensor can have, heads that do not divide the hidden size, and what is no probability.
    fn check(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let unsupported = |key, found: String, supported| {
            Err(ModelError::UnsupportedValue { path: config.path().to_owned(), key, found, supported })
        };
        for (key, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if size < 1 {
                return unsupported(key, size.to_string(), "numbers from 1 on");
            }
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            return unsupported("num_attention_heads", self.num_attention_heads.to_string(), "divisors of hidden_size");
        }
        for (key, probability) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
            ("classifier_dropout", self.classifier_dropout.unwrap_or(0.0)),
        ] {
            if !(0.0..1.0).contains(&probability) {
                return unsupported(key, probability.to_string(), "probabilities from 0 to below 1");
            }
        }
        Ok(())
    }
}

/// The encoder, its pooler, and the sizes that heads need.
#[derive(Debug)]
pub(crate) struct Bert {
    config: BertConfig,
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    embeddings_norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Linear,
    dropout: Dropout,
}

#[derive(Debug)]
struct Layer {
    attention: MultiHeadAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
    dropout: Dropout,
}

impl Bert {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let parsed: BertConfig = config.parse()?;
        parsed.check(config)?;
        require(config, "position_embedding_type", &parsed.position_embedding_type, "absolute")?;
        let act = activation(config, "hidden_act", &parsed.hidden_act)?;
        let (d, epsilon) = (parsed.hidden_size, parsed.layer_norm_eps);
        let embeddings = scope.at("embeddings");
        let encoder = scope.at("encoder").at("layer");
        let padding_row = Some(parsed.pad_token_id.unwrap_or(0));
        Ok(Self {
            word_embeddings: embeddings.at("word_embeddings").embedding(parsed.vocab_size, d, padding_row),
            position_embeddings: embeddings.at("position_embeddings").embedding(
                parsed.max_position_embeddings,
                d,
                None,
            ),
            token_type_embeddings: embeddings.at("token_type_embeddings").embedding(parsed.type_vocab_size, d, None),
            embeddings_norm: embeddings.at("LayerNorm").layer_norm(d, epsilon),
            layers: (0..parsed.num_hidden_layers).map(|layer| Layer::build(&parsed, act, &encoder.at(layer))).collect(),
            pooler: scope.at("pooler").at("dense").as_head(parsed.initializer_range).linear(d, d),
            dropout: Dropout { probability: parsed.hidden_dropout_prob },
            config: parsed,
        })
    }

    fn embed(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let positions = input.layout.positions(input.input_ids.device()); // [t]
        let sum = self.word_embeddings.forward(&input.input_ids)
            + self.token_type_embeddings.forward(&input.token_type_ids)
            + self.position_embeddings.forward(&positions); // [t, d]
        self.dropout.forward(&self.embeddings_norm.forward(&sum), mode)
    }
}

impl Encoder for Bert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let mut x = self.embed(input, mode); // [t, d]
        let mut hidden_states = Vec::new();
        for layer in &self.layers {
            if trace == Trace::HiddenStates {
                hidden_states.push(x.shallow_clone());
            }
            x = layer.forward(&x, &input.layout, mode); // [t, d]
        }
        if trace == Trace::HiddenStates {
            hidden_states.push(x.shallow_clone());
        }
        EncoderOutput { last: x, hidden_states }
    }

    fn pool(&self, last: &Tensor, layout: &SequenceLayout) -> Tensor {
        let first = last.index_select(0, &layout.first_tokens(last.device())); // [b, d]
        self.pooler.forward(&first).tanh() // [b, d]
    }

    fn hidden_size(&self) -> i64 {
        self.config.hidden_size
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size as usize
    }

    fn max_length(&self) -> usize {
        self.config.max_position_embeddings as usize
    }

    fn head_dropout(&self) -> f64 {
        self.config.classifier_dropout.unwrap_or(self.config.hidden_dropout_prob)
    }

    fn initializer_range(&self) -> f64 {
        self.config.initializer_range
    }
}

impl Layer {
    fn build(config: &BertConfig, activation: Activation, scope: &Scope<'_>) -> Self {
        let (d, i) = (config.hidden_size, config.intermediate_size);
        let own = scope.at("attention").at("self");
        let output = scope.at("attention").at("output");
        Self {
            attention: MultiHeadAttention {
                query: own.at("query").linear(d, d),
                key: own.at("key").linear(d, d),
                value: own.at("value").linear(d, d),
                heads: config.num_attention_heads,
                attention: Attention { dropout: config.attention_probs_dropout_prob, ..Attention::default() },
            },
            attention_output: output.at("dense").linear(d, d),
            attention_norm: output.at("LayerNorm").layer_norm(d, config.layer_norm_eps),
            feed_forward: FeedForward {
                up: scope.at("intermediate").at("dense").linear(d, i),
                activation,
                down: scope.at("output").at("dense").linear(i, d),
            },
            output_norm: scope.at("output").at("LayerNorm").layer_norm(d, config.layer_norm_eps),
            dropout: Dropout { probability: config.hidden_dropout_prob },
        }
    }

    fn forward(&self, x: &Tensor, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let mixed = self.attention_output.forward(&self.attention.forward(x, layout, mode)); // [t, d]
        let x = self.attention_norm.forward(&(self.dropout.forward(&mixed, mode) + x)); // [t, d]
        let transformed = self.feed_forward.forward(&x); // [t, d]
        self.output_norm.forward(&(self.dropout.forward(&transformed, mode) + &x)) // [t, d]
    }
}
