//! Nomic-BERT (Nussbaum et al. 2024, arXiv 2402.01613), as `transformers.NomicBertModel` computes it.
//!
//! ```text
//! x₀ = LN(W_word[ids] + W_type[segment])
//! a  = LN(x + W_O attention(x))               for each layer: post-norm, without biases; dropout before each sum
//! x' = LN(a + W₂ (silu(W₁ a) ⊙ V a))
//! pooled = tanh(W_P x[first token] + b_P)
//! ```
//!
//! Queries and keys are rotated by their positions. Parameters bear the names that checkpoints have, which
//! `save_pretrained` writes too (`encoder.layers.0.attn.Wqkv`); the names of transformers' modules are others.

use retune_attention::positions::rotary::Rotary;
use retune_attention::{Activation, Attention, Dropout, Embedding, GatedFeedForward, GatedProjection, LayerNorm, Mode};
use serde::Deserialize;
use serde_json::json;
use tch::{Kind, Tensor};

use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::rope::{RopeSizes, of_model};
use crate::rotary_layers::{PostNormRotaryLayer, RotaryAttention};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The heads that transformers has for it.
pub(crate) const HEADS: &[HeadKind] =
    &[HeadKind::SequenceClassification, HeadKind::TokenClassification, HeadKind::MaskedLanguageModel];

/// The keys of `config.json`.
#[derive(Debug, Clone, Deserialize)]
struct NomicBertConfig {
    vocab_size: i64,
    hidden_size: i64,
    num_hidden_layers: usize,
    num_attention_heads: i64,
    intermediate_size: i64,
    hidden_act: String,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    max_position_embeddings: i64,
    type_vocab_size: i64,
    initializer_range: f64,
    layer_norm_eps: f64,
    pad_token_id: Option<i64>,
    classifier_dropout: Option<f64>,
    tie_word_embeddings: bool,
    head_dim: Option<i64>,
}

impl NomicBertConfig {
    /// Reads and checks them.
    fn read(config: &ModelConfig) -> Result<Self, ModelError> {
        let defaults = json!({
            "vocab_size": 30_528, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "hidden_act": "silu", "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 2048, "type_vocab_size": 2,
            "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0, "tie_word_embeddings": true,
        });
        let parsed: Self = config.filled(defaults).parse()?;
        config.require_sizes(&[
            ("vocab_size", parsed.vocab_size),
            ("hidden_size", parsed.hidden_size),
            ("num_attention_heads", parsed.num_attention_heads),
            ("intermediate_size", parsed.intermediate_size),
            ("max_position_embeddings", parsed.max_position_embeddings),
            ("type_vocab_size", parsed.type_vocab_size),
            ("head_dim", parsed.head_dim.unwrap_or(1)),
        ])?;
        if parsed.head_dim.is_none() {
            config.require_divisor("num_attention_heads", parsed.num_attention_heads, parsed.hidden_size)?;
        }
        config.require_probabilities(&[
            ("hidden_dropout_prob", parsed.hidden_dropout_prob),
            ("attention_probs_dropout_prob", parsed.attention_probs_dropout_prob),
            ("classifier_dropout", parsed.classifier_dropout.unwrap_or(0.0)),
        ])?;
        Ok(parsed)
    }

    fn head_size(&self) -> i64 {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    fn norm(&self, scope: &Scope<'_>) -> LayerNorm {
        scope.layer_norm(self.hidden_size, self.layer_norm_eps)
    }

    fn dropout(&self) -> Dropout {
        Dropout { probability: self.hidden_dropout_prob }
    }

    fn layer(&self, activation: Activation, scope: &Scope<'_>) -> PostNormRotaryLayer {
        let (d, i) = (self.hidden_size, self.intermediate_size);
        let heads = self.num_attention_heads * self.head_size(); // h·k
        let linear = |name: &str, inputs, outputs| scope.at(name).linear_with(inputs, outputs, false);
        PostNormRotaryLayer {
            attention: RotaryAttention {
                projections: linear("attn.Wqkv", d, 3 * heads),
                output: linear("attn.out_proj", heads, d),
                head_size: self.head_size(),
                attention: Attention { dropout: self.attention_probs_dropout_prob, ..Attention::default() },
            },
            attention_norm: self.norm(&scope.at("norm1")),
            feed_forward: GatedFeedForward {
                up: GatedProjection::Apart { gate: linear("mlp.fc12", d, i), up: linear("mlp.fc11", d, i) },
                activation,
                dropout: Dropout { probability: 0.0 },
                down: linear("mlp.fc2", i, d),
            },
            output_norm: self.norm(&scope.at("norm2")),
            dropout: self.dropout(),
        }
    }
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct NomicBert {
    config: NomicBertConfig,
    activation: Activation,
    words: Embedding,
    segments: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<Layer<PostNormRotaryLayer>>,
    rotary: Rotary,
}

impl NomicBert {
    pub(crate) fn build(model: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let config = NomicBertConfig::read(model)?;
        let activation = model.activation("hidden_act", &config.hidden_act)?;
        let sizes = RopeSizes { head_size: config.head_size(), base: 1000.0, longest: config.max_position_embeddings };
        let d = config.hidden_size;
        Ok(Self {
            words: scope.at("embeddings.word_embeddings").embedding(config.vocab_size, d, config.pad_token_id),
            segments: scope.at("embeddings.token_type_embeddings").embedding(config.type_vocab_size, d, None),
            norm: config.norm(&scope.at("emb_ln")),
            dropout: config.dropout(),
            layers: (0..config.num_hidden_layers)
                .map(|layer| scope.at("encoder.layers").at(layer).layer(|scope| config.layer(activation, scope)))
                .collect(),
            rotary: of_model(model, sizes)?,
            activation,
            config,
        })
    }
}

impl Encoder for NomicBert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let angles = self.rotary.angles(&input.layout.positions(input.input_ids.device()), Kind::Float);
        let sum = input.words(&self.words, mode) + self.segments.forward(&input.token_type_ids); // [t, d]
        let x = self.dropout.forward(&self.norm.forward(&sum), mode); // [t, d]
        let context = (angles, input.layout.clone(), mode);
        through(x, &[], &self.layers, &context, trace, |layer, inputs, (angles, layout, mode)| {
            layer.forward(&inputs[0], angles, layout, *mode) // [t, d]
        })
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (d, root) = (self.config.hidden_size, &places.root);
        let dropout = self.config.classifier_dropout.unwrap_or(self.config.hidden_dropout_prob);
        match spec.kind {
            HeadKind::MaskedLanguageModel => {
                let predictions = root.at("cls.predictions");
                let transform = Transform {
                    dense: Some(predictions.at("transform.dense").linear(d, d)),
                    activation: self.activation,
                    norm: Some(self.config.norm(&predictions.at("transform.layer_norm"))),
                };
                let tied = self.config.tie_word_embeddings.then_some(&self.words.weight);
                let output = places.vocabulary(tied, "cls.predictions.decoder", "cls.predictions", (spec.outputs, d));
                Head::on_vocabulary(transform, output)
            }
            kind if kind.is_per_token() => Head::on_tokens(dropout, root.at("classifier").linear(d, spec.outputs)),
            _ => {
                let dense = Some(places.base.at("pooler.dense").linear(d, d));
                let transform = Transform { dense, activation: Activation::Tanh, norm: None };
                Head::on_first_token(transform, dropout, root.at("classifier").linear(d, spec.outputs))
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
        &self.words.weight
    }
}
