//! MPNet (Song et al. 2020, arXiv 2004.09297), as `transformers.MPNetModel` computes it.
//!
//! RoBERTa without segments, whose layers all add one bias to the scores: a number for each head and each bucket of
//! relative positions, as T5's. Classifiers are RoBERTa's.
//!
//! Two numbers are transformers' own, whatever `config.json` says: the padding token is 1, and there are 32 buckets;
//! `relative_attention_num_buckets` is the number of rows of their table alone.

use retune_attention::positions::relative::{Buckets, PlaceBias};
use retune_attention::{Mode, Pairing, SequenceLayout};
use serde_json::json;
use tch::Tensor;

use crate::bert::BertConfig;
use crate::blocks::{AbsoluteEmbeddings, EmbeddingSizes, PostNormLayer, PostNormNames};
use crate::heads::{Head, HeadSpec};
use crate::layer::{Layer, first_tokens_through, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace, roberta};

const PADDING: i64 = 1;

const BUCKETS: Buckets = Buckets { count: 32, max_distance: 128, bidirectional: true };

const NAMES: PostNormNames = PostNormNames {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ..PostNormNames::BERT
};

/// The key that BERT has not.
#[derive(serde::Deserialize)]
struct MpnetKeys {
    relative_attention_num_buckets: i64,
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct Mpnet {
    config: BertConfig,
    embeddings: AbsoluteEmbeddings,
    /// What a bucket adds to each head's scores: `[buckets, h]`.
    relative: Tensor,
    layers: Vec<Layer<PostNormLayer>>,
}

impl Mpnet {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let config = config.filled(json!({
            "vocab_size": 30527, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "relative_attention_num_buckets": 32,
        }));
        let (parsed, activation) = BertConfig::read(&config)?;
        let parsed = BertConfig { pad_token_id: Some(PADDING), classifier_dropout: None, ..parsed };
        let rows = config.parse::<MpnetKeys>()?.relative_attention_num_buckets;
        if rows < BUCKETS.count {
            return Err(config.unsupported("relative_attention_num_buckets", rows.to_string(), "numbers from 32 on"));
        }
        if parsed.max_position_embeddings <= PADDING + 1 {
            let found = parsed.max_position_embeddings.to_string();
            return Err(config.unsupported("max_position_embeddings", found, "numbers from 3 on"));
        }
        let embeddings = EmbeddingSizes { segments: None, ..parsed.embeddings(parsed.hidden_size, PADDING + 1) };
        let sizes = parsed.layer(activation);
        let layers = scope.at("encoder.layer");
        Ok(Self {
            embeddings: AbsoluteEmbeddings::build(&embeddings, &scope.at("embeddings")),
            layers: (0..parsed.num_hidden_layers)
                .map(|layer| layers.at(layer).layer(|scope| PostNormLayer::build(&sizes, &NAMES, scope)))
                .collect(),
            relative: scope.at("encoder.relative_attention_bias").weight(rows, parsed.num_attention_heads),
            config: parsed,
        })
    }
}

/// A layer on a hidden state, `[t, d]`, and the bias of the scores, `[h, L, L]`.
fn in_sequence(layer: &PostNormLayer, inputs: &[Tensor], (layout, mode): &(SequenceLayout, Mode)) -> Tensor {
    let bias = PlaceBias(inputs[1].shallow_clone());
    layer.forward(&inputs[0], Pairing::from(layout).with_bias(&bias), *mode) // [t, d]
}

/// The same for first tokens alone: `[b, d]`.
fn first_tokens_in_sequence(
    layer: &PostNormLayer,
    inputs: &[Tensor],
    (layout, mode): &(SequenceLayout, Mode),
) -> Tensor {
    let bias = PlaceBias(inputs[1].shallow_clone());
    layer.first_tokens(&inputs[0], layout, Some(&bias), *mode) // [b, d]
}

impl Encoder for Mpnet {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let bias = BUCKETS.bias(&self.relative, input.layout.longest()); // [h, L, L]
        let x = self.embeddings.forward(input, mode); // [t, d]
        through(x, &[bias.0], &self.layers, &(input.layout.clone(), mode), trace, in_sequence)
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        let bias = BUCKETS.bias(&self.relative, input.layout.longest()); // [h, L, L]
        let x = self.embeddings.forward(input, mode); // [t, d]
        let context = (input.layout.clone(), mode);
        let each = (in_sequence as _, first_tokens_in_sequence as _);
        first_tokens_through(x, &[bias.0], &self.layers, (&context, &input.layout), trace, each) // [b, d]
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        roberta::head(&self.config, &self.embeddings.word, spec, places)
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            hidden: self.config.hidden_size,
            vocabulary: self.config.vocab_size as usize,
            max_length: (self.config.max_position_embeddings - PADDING - 1) as usize,
            initializer_range: self.config.initializer_range,
        }
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.embeddings.word.weight
    }
}
