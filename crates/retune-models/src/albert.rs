//! ALBERT (Lan et al. 2020, arXiv 1909.11942), as `transformers.AlbertModel` computes it.
//!
//! The embeddings have a size of their own, `e`, and a linear layer widens them to `d`. There are `G` groups of layers,
//! which are BERT's but that what the feed-forward network adds has no dropout; of `L` steps, step `s` goes through
//! group `⌊s / (L / G)⌋`, one layer of it after another. The hidden states are those after each layer, not after each
//! step: `L · inner_group_num + 1`.

use retune_attention::{Activation, Linear, Mode};
use serde::Deserialize;
use serde_json::json;
use tch::Tensor;

use crate::bert::BertConfig;
use crate::blocks::{AbsoluteEmbeddings, PostNormLayer, PostNormNames, PostNormSizes, first_tokens_through};
use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

const NAMES: PostNormNames = PostNormNames {
    query: "attention.query",
    key: "attention.key",
    value: "attention.value",
    attention_output: "attention.dense",
    attention_norm: "attention.LayerNorm",
    up: "ffn",
    down: "ffn_output",
    output_norm: "full_layer_layer_norm",
};

/// The keys that BERT has not.
#[derive(Debug, Clone, Deserialize)]
struct AlbertKeys {
    embedding_size: i64,
    num_hidden_groups: i64,
    inner_group_num: i64,
    classifier_dropout_prob: f64,
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct Albert {
    config: BertConfig,
    embedding_size: i64,
    activation: Activation,
    embeddings: AbsoluteEmbeddings,
    /// `[d, e]`.
    widening: Linear,
    groups: Vec<Vec<Layer<PostNormLayer>>>,
}

impl Albert {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let config = config.filled(json!({
            "vocab_size": 30000, "embedding_size": 128, "hidden_size": 4096, "num_hidden_layers": 12,
            "num_hidden_groups": 1, "num_attention_heads": 64, "intermediate_size": 16384, "inner_group_num": 1,
            "hidden_act": "gelu_new", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": 512, "classifier_dropout_prob": 0.1,
        }));
        let (parsed, activation) = BertConfig::read(&config)?;
        let keys: AlbertKeys = config.parse()?;
        config.require_sizes(&[
            ("embedding_size", keys.embedding_size),
            ("num_hidden_groups", keys.num_hidden_groups),
            ("inner_group_num", keys.inner_group_num),
        ])?;
        config.require_probabilities(&[("classifier_dropout_prob", keys.classifier_dropout_prob)])?;
        let parsed = BertConfig { classifier_dropout: Some(keys.classifier_dropout_prob), ..parsed };
        let (e, d) = (keys.embedding_size, parsed.hidden_size);
        let sizes = PostNormSizes { output_dropout: 0.0, ..parsed.layer(activation) };
        let encoder = scope.at("encoder");
        let group = |group| {
            let layers = encoder.at("albert_layer_groups").at(group).at("albert_layers");
            (0..keys.inner_group_num)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &NAMES, scope)))
                .collect()
        };
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(&parsed.embeddings(e, 0), &scope.at("embeddings")),
            widening: encoder.at("embedding_hidden_mapping_in").linear(e, d),
            groups: (0..keys.num_hidden_groups).map(group).collect(),
            embedding_size: e,
            activation,
            config: parsed,
        })
    }

    /// The layers in the order in which a hidden state passes them.
    fn layers(&self) -> impl Iterator<Item = &Layer<PostNormLayer>> {
        let steps = self.config.num_hidden_layers;
        // In float64, as the reference, so that steps on an edge fall on the same side of it.
        let steps_of_group = steps as f64 / self.groups.len() as f64;
        (0..steps).flat_map(move |step| &self.groups[(step as f64 / steps_of_group) as usize])
    }
}

impl Encoder for Albert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let x = self.widening.forward(&self.embeddings.forward(input, mode), mode); // [t, d]
        through(x, &[], self.layers(), &(input.layout.clone(), mode), trace, PostNormLayer::in_sequence) // [t, d]
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        let x = self.widening.forward(&self.embeddings.forward(input, mode), mode); // [t, d]
        first_tokens_through(x, self.layers(), &input.layout, mode, trace)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (e, d, root) = (self.embedding_size, self.config.hidden_size, &places.root);
        let dropout = self.config.head_dropout();
        match spec.kind {
            HeadKind::SequenceClassification | HeadKind::MultipleChoice => {
                let dense = places.base.at("pooler").linear(d, d);
                let transform = Transform { dense: Some(dense), activation: Activation::Tanh, norm: None };
                Head::on_first_token(transform, dropout, root.at("classifier").linear(d, spec.outputs))
            }
            HeadKind::TokenClassification => Head::on_tokens(dropout, root.at("classifier").linear(d, spec.outputs)),
            HeadKind::QuestionAnswering => Head::on_tokens(0.0, root.at("qa_outputs").linear(d, spec.outputs)),
            HeadKind::MaskedLanguageModel => {
                let predictions = root.at("predictions");
                let transform = Transform {
                    dense: Some(predictions.at("dense").linear(d, e)),
                    activation: self.activation,
                    norm: Some(predictions.at("LayerNorm").layer_norm(e, self.config.layer_norm_eps)),
                };
                let tied = self.config.tie_word_embeddings.then_some(&self.embeddings.word.weight);
                let output = places.vocabulary(tied, "predictions.decoder", "predictions", (spec.outputs, e));
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
