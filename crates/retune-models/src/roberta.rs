//! RoBERTa (Liu et al. 2019, arXiv 1907.11692), as `transformers.RobertaModel` computes it; XLM-R (Conneau et al. 2020,
//! arXiv 1911.02116) and CamemBERT (Martin et al. 2020, arXiv 1911.03894) are configurations of it.
//!
//! The encoder is BERT's, but that positions are counted from the padding token's id on: the first token's row is
//! `pad_token_id + 1`. Classifiers read `<s>` through a layer of their own instead of the pooler.

use retune_attention::{Activation, Embedding, Mode};
use tch::Tensor;

use crate::bert::BertConfig;
use crate::blocks::{AbsoluteEmbeddings, PostNormLayer, PostNormNames, first_tokens_through};
use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The encoder.
#[derive(Debug)]
pub(crate) struct Roberta {
    config: BertConfig,
    embeddings: AbsoluteEmbeddings,
    layers: Vec<Layer<PostNormLayer>>,
    /// The row of a sequence's first token in the table of positions.
    first_position: i64,
}

impl Roberta {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let (mut parsed, activation) = BertConfig::read(config)?;
        parsed.pad_token_id = Some(parsed.pad_token_id.unwrap_or(1));
        let first_position = parsed.padding_row() + 1;
        if parsed.max_position_embeddings <= first_position {
            let found = parsed.max_position_embeddings.to_string();
            return Err(config.unsupported("max_position_embeddings", found, "numbers from pad_token_id + 2 on"));
        }
        let sizes = parsed.layer(activation);
        let layers = scope.at("encoder.layer");
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(
                &parsed.embeddings(parsed.hidden_size, first_position),
                &scope.at("embeddings"),
            ),
            layers: (0..parsed.num_hidden_layers)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &PostNormNames::BERT, scope)))
                .collect(),
            first_position,
            config: parsed,
        })
    }
}

impl Encoder for Roberta {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let x = self.embeddings.forward(input, mode); // [t, d]
        through(x, &[], &self.layers, &(input.layout.clone(), mode), trace, PostNormLayer::in_sequence) // [t, d]
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        first_tokens_through(self.embeddings.forward(input, mode), &self.layers, &input.layout, mode, trace)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        head(&self.config, &self.embeddings.word, spec, places)
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            hidden: self.config.hidden_size,
            vocabulary: self.config.vocab_size as usize,
            max_length: (self.config.max_position_embeddings - self.first_position) as usize,
            initializer_range: self.config.initializer_range,
        }
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }
}

/// RoBERTa's heads, which MPNet has too.
pub(crate) fn head(config: &BertConfig, words: &Embedding, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
    let (d, root) = (config.hidden_size, &places.root);
    let dropout = config.head_dropout();
    let tanh = |dense| Transform { dense: Some(dense), activation: Activation::Tanh, norm: None };
    match spec.kind {
        HeadKind::SequenceClassification => {
            let transform = tanh(root.at("classifier.dense").linear(d, d));
            Head::on_first_token(transform, dropout, root.at("classifier.out_proj").linear(d, spec.outputs))
                .with_input_dropout(dropout)
        }
        HeadKind::MultipleChoice => {
            let transform = tanh(places.base.at("pooler.dense").linear(d, d));
            let output = root.at("classifier").linear(d, spec.outputs);
            Head::on_first_token(transform, config.hidden_dropout_prob, output)
        }
        HeadKind::TokenClassification => Head::on_tokens(dropout, root.at("classifier").linear(d, spec.outputs)),
        HeadKind::QuestionAnswering => Head::on_tokens(0.0, root.at("qa_outputs").linear(d, spec.outputs)),
        HeadKind::MaskedLanguageModel => {
            let transform = Transform {
                dense: Some(root.at("lm_head.dense").linear(d, d)),
                activation: Activation::Gelu,
                norm: Some(root.at("lm_head.layer_norm").layer_norm(d, config.layer_norm_eps)),
            };
            let tied = config.tie_word_embeddings.then_some(&words.weight);
            Head::on_vocabulary(transform, places.vocabulary(tied, "lm_head.decoder", "lm_head", (spec.outputs, d)))
        }
    }
}
