//! ELECTRA (Clark et al. 2020, arXiv 2003.10555), as `transformers.ElectraModel` computes it: the discriminator, and the
//! generator with the head of a masked language model.
//!
//! BERT's layers without a pooler, on embeddings that have a size of their own, `e`: where it is not `d`, a linear layer
//! widens them. Heads have GELU where BERT's have tanh. That of multiple choice is a *sequence summary*, which the keys
//! `summary_*` describe; where it takes the last token, or the mean, they are those of the sequence (transformers, on a
//! padded batch, counts the padding in).

use retune_attention::{Activation, Linear, Mode};
use serde::Deserialize;
use serde_json::json;
use tch::Tensor;

use crate::bert::BertConfig;
use crate::blocks::{AbsoluteEmbeddings, PostNormLayer, PostNormNames, first_tokens_through};
use crate::heads::{Head, HeadKind, HeadSpec, Reads, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The keys that BERT has not.
#[derive(Debug, Clone, Deserialize)]
struct ElectraKeys {
    embedding_size: i64,
    summary_type: String,
    summary_use_proj: bool,
    summary_activation: Option<String>,
    summary_first_dropout: f64,
    summary_last_dropout: f64,
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct Electra {
    config: BertConfig,
    embedding_size: i64,
    summary: Summary,
    embeddings: AbsoluteEmbeddings,
    /// `[d, e]`.
    widening: Option<Linear>,
    layers: Vec<Layer<PostNormLayer>>,
}

/// How multiple choice makes one vector of a sequence.
#[derive(Debug)]
struct Summary {
    reads: Reads,
    has_projection: bool,
    activation: Activation,
    first_dropout: f64,
    last_dropout: f64,
}

impl Electra {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let config = config.filled(json!({
            "vocab_size": 30522, "embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 12,
            "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 512,
            "summary_type": "first", "summary_use_proj": true, "summary_activation": "gelu",
            "summary_first_dropout": 0.0, "summary_last_dropout": 0.1,
        }));
        let (parsed, activation) = BertConfig::read(&config)?;
        let keys: ElectraKeys = config.parse()?;
        config.require_sizes(&[("embedding_size", keys.embedding_size)])?;
        let summary = Summary::read(&keys, &config)?;
        let (e, d) = (keys.embedding_size, parsed.hidden_size);
        let sizes = parsed.layer(activation);
        let layers = scope.at("encoder.layer");
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(&parsed.embeddings(e, 0), &scope.at("embeddings")),
            widening: (e != d).then(|| scope.at("embeddings_project").linear(e, d)),
            layers: (0..parsed.num_hidden_layers)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &PostNormNames::BERT, scope)))
                .collect(),
            embedding_size: e,
            summary,
            config: parsed,
        })
    }
}

impl Summary {
    fn read(keys: &ElectraKeys, config: &ModelConfig) -> Result<Self, ModelError> {
        config.require_probabilities(&[
            ("summary_first_dropout", keys.summary_first_dropout),
            ("summary_last_dropout", keys.summary_last_dropout),
        ])?;
        Ok(Self {
            reads: match keys.summary_type.as_str() {
                "first" => Reads::FirstToken,
                // Nobody gives transformers' class an index, and then it takes the last token.
                "last" | "cls_index" => Reads::LastToken,
                "mean" => Reads::Mean,
                other => {
                    return Err(config.unsupported("summary_type", other.to_owned(), "first, last, mean, cls_index"));
                }
            },
            has_projection: keys.summary_use_proj,
            activation: match keys.summary_activation.as_deref() {
                None | Some("") => Activation::Identity,
                Some(name) => config.activation("summary_activation", name)?,
            },
            first_dropout: keys.summary_first_dropout,
            last_dropout: keys.summary_last_dropout,
        })
    }

    fn head(&self, d: i64, output: Linear, root: &Scope<'_>) -> Head {
        let dense = self.has_projection.then(|| root.at("sequence_summary.summary").linear(d, d));
        let transform = Transform { dense, activation: self.activation, norm: None };
        Head { reads: self.reads, ..Head::on_first_token(transform, self.last_dropout, output) }
            .with_input_dropout(self.first_dropout)
    }
}

impl Electra {
    /// The embeddings in the layers' size: `[t, d]`.
    fn widened(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let x = self.embeddings.forward(input, mode); // [t, e]
        self.widening.as_ref().map_or_else(|| x.shallow_clone(), |widening| widening.forward(&x, mode))
    }
}

impl Encoder for Electra {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let x = self.widened(input, mode); // [t, d]
        through(x, &[], &self.layers, &(input.layout.clone(), mode), trace, PostNormLayer::in_sequence) // [t, d]
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        first_tokens_through(self.widened(input, mode), &self.layers, &input.layout, mode, trace)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (e, d, root) = (self.embedding_size, self.config.hidden_size, &places.root);
        let dropout = self.config.head_dropout();
        let gelu = |dense, norm| Transform { dense: Some(dense), activation: Activation::Gelu, norm };
        match spec.kind {
            HeadKind::SequenceClassification => {
                let transform = gelu(root.at("classifier.dense").linear(d, d), None);
                Head::on_first_token(transform, dropout, root.at("classifier.out_proj").linear(d, spec.outputs))
                    .with_input_dropout(dropout)
            }
            HeadKind::MultipleChoice => self.summary.head(d, root.at("classifier").linear(d, spec.outputs), root),
            HeadKind::TokenClassification => Head::on_tokens(dropout, root.at("classifier").linear(d, spec.outputs)),
            HeadKind::QuestionAnswering => Head::on_tokens(0.0, root.at("qa_outputs").linear(d, spec.outputs)),
            HeadKind::MaskedLanguageModel => {
                let predictions = root.at("generator_predictions");
                let norm = predictions.at("LayerNorm").layer_norm(e, self.config.layer_norm_eps);
                let transform = gelu(predictions.at("dense").linear(d, e), Some(norm));
                let tied = self.config.tie_word_embeddings.then_some(&self.embeddings.word.weight);
                let output = places.vocabulary(tied, "generator_lm_head", "generator_lm_head", (spec.outputs, e));
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
