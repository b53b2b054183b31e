//! The configuration of ModernBERT.

use serde::Deserialize;
use serde_json::json;

use crate::{ModelConfig, ModelError};

/// The keys of `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ModernBertConfig {
    pub(super) vocab_size: i64,
    pub(super) hidden_size: i64,
    pub(super) intermediate_size: i64,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: i64,
    pub(super) hidden_activation: String,
    pub(super) max_position_embeddings: i64,
    pub(super) initializer_range: f64,
    pub(super) norm_eps: f64,
    pub(super) norm_bias: bool,
    pub(super) pad_token_id: Option<i64>,
    pub(super) attention_bias: bool,
    pub(super) attention_dropout: f64,
    pub(super) layer_types: Option<Vec<LayerType>>,
    pub(super) global_attn_every_n_layers: usize,
    pub(super) local_attention: i64,
    pub(super) embedding_dropout: f64,
    pub(super) mlp_bias: bool,
    pub(super) mlp_dropout: f64,
    pub(super) decoder_bias: bool,
    pub(super) classifier_pooling: Pooling,
    pub(super) classifier_dropout: f64,
    pub(super) classifier_bias: bool,
    pub(super) classifier_activation: String,
    pub(super) tie_word_embeddings: bool,
}

/// How far a layer's tokens see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum LayerType {
    #[serde(rename = "full_attention")]
    Full,
    #[serde(rename = "sliding_attention")]
    Sliding,
}

/// What stands for a sequence.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pooling {
    Cls,
    Mean,
}

impl ModernBertConfig {
    /// Reads and checks them.
    pub(super) fn read(config: &ModelConfig) -> Result<Self, ModelError> {
        let defaults = json!({
            "vocab_size": 50_368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22,
            "num_attention_heads": 12, "hidden_activation": "gelu", "max_position_embeddings": 8192,
            "initializer_range": 0.02, "norm_eps": 1e-5, "norm_bias": false, "pad_token_id": 50_283,
            "attention_bias": false, "attention_dropout": 0.0, "global_attn_every_n_layers": 3,
            "local_attention": 128, "embedding_dropout": 0.0, "mlp_bias": false, "mlp_dropout": 0.0,
            "decoder_bias": true, "classifier_pooling": "cls", "classifier_dropout": 0.0, "classifier_bias": false,
            "classifier_activation": "gelu", "tie_word_embeddings": true,
        });
        let parsed: Self = config.filled(defaults).parse()?;
        config.require_sizes(&[
            ("vocab_size", parsed.vocab_size),
            ("hidden_size", parsed.hidden_size),
            ("intermediate_size", parsed.intermediate_size),
            ("num_attention_heads", parsed.num_attention_heads),
            ("max_position_embeddings", parsed.max_position_embeddings),
            ("global_attn_every_n_layers", parsed.global_attn_every_n_layers as i64),
            ("local_attention", parsed.local_attention),
        ])?;
        config.require_divisor("num_attention_heads", parsed.num_attention_heads, parsed.hidden_size)?;
        config.require_probabilities(&[
            ("attention_dropout", parsed.attention_dropout),
            ("embedding_dropout", parsed.embedding_dropout),
            ("mlp_dropout", parsed.mlp_dropout),
            ("classifier_dropout", parsed.classifier_dropout),
        ])?;
        if let Some(types) = &parsed.layer_types
            && types.len() != parsed.num_hidden_layers
        {
            let found = format!("{} types for {} layers", types.len(), parsed.num_hidden_layers);
            return Err(config.unsupported("layer_types", found, "one type for each layer"));
        }
        Ok(parsed)
    }

    pub(super) fn layer_type(&self, layer: usize) -> LayerType {
        match &self.layer_types {
            Some(types) => types[layer],
            None if layer.is_multiple_of(self.global_attn_every_n_layers) => LayerType::Full,
            None => LayerType::Sliding,
        }
    }
}
