//! What `config.json` says of DeBERTa-v2.

use retune_attention::Activation;
use retune_attention::positions::disentangled::{Disentangled, RelativeSpan};
use serde::Deserialize;
use serde_json::json;

use crate::{ModelConfig, ModelError};

/// The keys of `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct DebertaConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: usize,
    pub num_attention_heads: i64,
    pub attention_head_size: Option<i64>,
    pub intermediate_size: i64,
    pub hidden_act: String,
    pub hidden_dropout_prob: f64,
    pub attention_probs_dropout_prob: f64,
    pub max_position_embeddings: i64,
    pub type_vocab_size: i64,
    pub initializer_range: f64,
    pub layer_norm_eps: f64,
    pub relative_attention: bool,
    pub max_relative_positions: i64,
    pub position_buckets: i64,
    pub pos_att_type: Terms,
    pub share_att_key: bool,
    pub norm_rel_ebd: String,
    pub position_biased_input: bool,
    pub pad_token_id: Option<i64>,
    pub embedding_size: Option<i64>,
    pub conv_kernel_size: i64,
    pub conv_groups: i64,
    pub conv_act: String,
    pub pooler_hidden_size: Option<i64>,
    pub pooler_dropout: f64,
    pub pooler_hidden_act: String,
    pub cls_dropout: Option<f64>,
    pub legacy: bool,
    pub tie_word_embeddings: bool,
}

/// Which terms the scores have beside content to content.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "Option<Names>")]
pub(super) struct Terms {
    pub content_to_position: bool,
    pub position_to_content: bool,
}

/// `["c2p", "p2c"]`, or `"c2p|p2c"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Joined(String),
    Listed(Vec<String>),
}

impl From<Option<Names>> for Terms {
    fn from(names: Option<Names>) -> Self {
        let names = match names {
            None => Vec::new(),
            Some(Names::Joined(names)) => names.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect(),
            Some(Names::Listed(names)) => names,
        };
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        Self { content_to_position: has("c2p"), position_to_content: has("p2c") }
    }
}

/// The activation functions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Activations {
    pub hidden: Activation,
    pub pooler: Activation,
    pub convolution: Activation,
}

impl DebertaConfig {
    /// Reads and checks them.
    pub fn read(config: &ModelConfig) -> Result<(Self, Activations), ModelError> {
        let parsed: Self = config
            .filled(json!({
                "vocab_size": 128_100, "hidden_size": 1536, "num_hidden_layers": 24, "num_attention_heads": 24,
                "intermediate_size": 6144, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
                "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512, "type_vocab_size": 0,
                "initializer_range": 0.02, "layer_norm_eps": 1e-7, "relative_attention": false,
                "max_relative_positions": -1, "position_buckets": -1, "pos_att_type": null, "share_att_key": false,
                "norm_rel_ebd": "none", "position_biased_input": true, "pad_token_id": 0, "conv_kernel_size": 0,
                "conv_groups": 1, "conv_act": "tanh", "pooler_dropout": 0.0, "pooler_hidden_act": "gelu",
                "legacy": true, "tie_word_embeddings": true,
            }))
            .parse()?;
        parsed.check(config)?;
        let activations = Activations {
            hidden: config.activation("hidden_act", &parsed.hidden_act)?,
            pooler: config.activation("pooler_hidden_act", &parsed.pooler_hidden_act)?,
            convolution: config.activation("conv_act", &parsed.conv_act)?,
        };
        Ok((parsed, activations))
    }

    fn check(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let (d, e) = (self.hidden_size, self.embedding_size());
        config.require_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", d),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("embedding_size", e),
            ("conv_groups", self.conv_groups),
        ])?;
        config.require_divisor("num_attention_heads", self.num_attention_heads, d)?;
        config.require_divisor("conv_groups", self.conv_groups, d)?;
        config.require_probabilities(&[
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
            ("pooler_dropout", self.pooler_dropout),
            ("cls_dropout", self.cls_dropout.unwrap_or(0.0)),
        ])?;
        // With any of these transformers fails as well, later.
        let head_size = self.attention_head_size.unwrap_or(self.head_size());
        if head_size != self.head_size() {
            return Err(config.unsupported("attention_head_size", head_size.to_string(), "hidden size / heads"));
        }
        let pooled = self.pooler_hidden_size.unwrap_or(d);
        if pooled != d {
            return Err(config.unsupported("pooler_hidden_size", pooled.to_string(), "the hidden size"));
        }
        if self.conv_kernel_size > 0 && self.conv_kernel_size % 2 == 0 {
            return Err(config.unsupported("conv_kernel_size", self.conv_kernel_size.to_string(), "odd numbers"));
        }
        if !self.legacy && e != d {
            return Err(config.unsupported("embedding_size", e.to_string(), "the hidden size, where legacy is false"));
        }
        Ok(())
    }

    /// `e`, the size of the words' embeddings.
    pub fn embedding_size(&self) -> i64 {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// `k`.
    pub fn head_size(&self) -> i64 {
        self.hidden_size / self.num_attention_heads
    }

    /// Whether scores depend on relative positions.
    pub fn is_relative(&self) -> bool {
        let Terms { content_to_position, position_to_content } = self.pos_att_type;
        self.relative_attention && (content_to_position || position_to_content)
    }

    /// The factor of the scores. The terms are counted also where attention is not relative.
    pub fn scale(&self) -> f64 {
        let Terms { content_to_position, position_to_content } = self.pos_att_type;
        Disentangled::scale_for(self.head_size(), content_to_position, position_to_content)
    }

    /// Whether the relative positions' table is normalised.
    pub fn normalises_table(&self) -> bool {
        self.norm_rel_ebd.to_lowercase().split('|').any(|part| part.trim() == "layer_norm")
    }

    /// Which rows of the relative positions' table pairs of tokens read.
    pub fn span(&self) -> RelativeSpan {
        let max_distance = match self.max_relative_positions {
            ..1 => self.max_position_embeddings,
            own => own,
        };
        let buckets = (self.position_buckets > 0).then_some(self.position_buckets);
        RelativeSpan { span: buckets.unwrap_or(max_distance), buckets, max_distance }
    }
}
