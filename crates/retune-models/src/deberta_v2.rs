//! DeBERTa-v2 and v3 (He et al. 2021, arXiv 2006.03654 and 2111.09543), as `transformers.DebertaV2Model` computes it.
//!
//! ```text
//! x₀ = LN(W_E (W_word[ids] + W_position[place] + W_type[segment]))   absolute positions, segments, W_E: if configured
//! a  = LN(x + W_O disentangled attention(x, P) + b_O)                for each layer; P: the relative positions' table
//! x' = LN(a + W₂ gelu(W₁ a + b₁) + b₂)
//! x₁ ← LN(x₁ + tanh(conv(x₀)))                                       the first layer's output, if configured
//! pooled = gelu(W_P x[first token] + b_P)
//! ```

mod config;
mod convolution;
mod layer;

use retune_attention::positions::disentangled::RelativeSpan;
use retune_attention::{Dropout, Embedding, LayerNorm, Linear, Mode};
use tch::Tensor;

use self::config::{Activations, DebertaConfig};
use self::convolution::Convolution;
use self::layer::{Context, DebertaLayer};
use crate::heads::{Head, HeadKind, HeadSpec, Transform};
use crate::layer::{Layer, first_tokens_through, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

/// The encoder.
#[derive(Debug)]
pub(crate) struct DebertaV2 {
    config: DebertaConfig,
    activations: Activations,
    embeddings: Embeddings,
    /// `None` leaves attention to content alone.
    relative: Option<Relative>,
    layers: Vec<Layer<DebertaLayer>>,
}

#[derive(Debug)]
struct Embeddings {
    word: Embedding,
    position: Option<Embedding>,
    segment: Option<Embedding>,
    /// `W_E`, where the embeddings' size is not the hidden size.
    projection: Option<Linear>,
    norm: LayerNorm,
    dropout: Dropout,
}

/// The relative positions of all layers.
#[derive(Debug)]
struct Relative {
    /// `P`: `[2s, d]`.
    table: Tensor,
    norm: Option<LayerNorm>,
    span: RelativeSpan,
    dropout: Dropout,
}

impl DebertaV2 {
    pub(crate) fn build(config: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let (config, activations) = DebertaConfig::read(config)?;
        let (encoder, layers) = (scope.at("encoder"), scope.at("encoder.layer"));
        let convolution = (config.conv_kernel_size > 0).then(|| {
            let build = |scope: &Scope<'_>| Convolution::build(&config, activations.convolution, scope);
            encoder.at("conv").with_own_parameters(build)
        });
        // The first layer takes it.
        let (mut convolution, mut of_convolution) = convolution.unzip();
        let mut layer = |index| {
            let build = |scope: &Scope<'_>| DebertaLayer {
                convolution: convolution.take(),
                ..DebertaLayer::build(&config, activations.hidden, scope)
            };
            layers.at(index).layer(build).with_parameters(of_convolution.take().unwrap_or_default())
        };
        Ok(Self {
            embeddings: Embeddings::build(&config, &scope.at("embeddings")),
            relative: config.is_relative().then(|| Relative::build(&config, &encoder)),
            layers: (0..config.num_hidden_layers).map(&mut layer).collect(),
            activations,
            config,
        })
    }
}

impl Embeddings {
    fn build(config: &DebertaConfig, scope: &Scope<'_>) -> Self {
        let (d, e) = (config.hidden_size, config.embedding_size());
        let (positions, segments) = (config.max_position_embeddings, config.type_vocab_size);
        let table = |name: &str, rows| scope.at(name).embedding(rows, e, None);
        Self {
            word: scope.at("word_embeddings").embedding(config.vocab_size, e, config.pad_token_id),
            position: config.position_biased_input.then(|| table("position_embeddings", positions)),
            segment: (segments > 0).then(|| table("token_type_embeddings", segments)),
            projection: (e != d).then(|| scope.at("embed_proj").linear_with(e, d, false)),
            norm: scope.at("LayerNorm").layer_norm(d, config.layer_norm_eps),
            dropout: Dropout { probability: config.hidden_dropout_prob },
        }
    }

    fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let mut sum = input.words(&self.word, mode); // [t, e]
        if let Some(position) = &self.position {
            sum += position.forward(&input.layout.positions(input.input_ids.device())); // [t, e]
        }
        if let Some(segment) = &self.segment {
            sum += segment.forward(&input.token_type_ids); // [t, e]
        }
        if let Some(projection) = &self.projection {
            sum = projection.forward(&sum, mode); // [t, d]
        }
        self.dropout.forward(&self.norm.forward(&sum), mode) // [t, d]
    }
}

impl Relative {
    fn build(config: &DebertaConfig, scope: &Scope<'_>) -> Self {
        let (d, span) = (config.hidden_size, config.span());
        Self {
            table: scope.at("rel_embeddings").weight(2 * span.span, d),
            norm: config.normalises_table().then(|| scope.at("LayerNorm").layer_norm(d, config.layer_norm_eps)),
            span,
            dropout: Dropout { probability: config.hidden_dropout_prob },
        }
    }

    /// `P` of one batch: `[2s, d]`.
    fn table(&self) -> Tensor {
        self.norm.as_ref().map_or_else(|| self.table.shallow_clone(), |norm| norm.forward(&self.table))
    }
}

impl DebertaV2 {
    /// The embeddings, `[t, d]`, what every layer reads beside its hidden state, and what it is told.
    fn embedded(&self, input: &PackedInput, mode: Mode) -> (Tensor, Vec<Tensor>, Context) {
        let embedded = self.embeddings.forward(input, mode); // [t, d]
        let relative = self.relative.as_ref();
        let mut shared = vec![embedded.shallow_clone()];
        shared.extend(relative.map(Relative::table));
        let context = Context {
            relative: relative.map(|relative| (relative.span, relative.dropout)),
            layout: input.layout.clone(),
            mode,
        };
        (embedded, shared, context)
    }
}

impl Encoder for DebertaV2 {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let (embedded, shared, context) = self.embedded(input, mode);
        through(embedded, &shared, &self.layers, &context, trace, DebertaLayer::forward)
    }

    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        let (embedded, shared, context) = self.embedded(input, mode);
        let each = (DebertaLayer::forward as _, DebertaLayer::first_tokens as _);
        first_tokens_through(embedded, &shared, &self.layers, (&context, &input.layout), trace, each)
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let config = &self.config;
        let (d, e, root) = (config.hidden_size, config.embedding_size(), &places.root);
        let linear = |name: &str| root.at(name).linear(d, spec.outputs);
        let words = &self.embeddings.word.weight;
        match spec.kind {
            HeadKind::TokenClassification => Head::on_tokens(config.hidden_dropout_prob, linear("classifier")),
            HeadKind::QuestionAnswering => Head::on_tokens(0.0, linear("qa_outputs")),
            HeadKind::MaskedLanguageModel => {
                let (transform, bias, size) = match config.legacy {
                    true => (root.at("cls.predictions.transform"), "cls.predictions", e),
                    false => (root.at("lm_predictions.lm_head"), "lm_predictions.lm_head", d),
                };
                let transform = Transform {
                    dense: Some(transform.at("dense").linear(d, size)),
                    activation: self.activations.hidden,
                    norm: Some(transform.at("LayerNorm").layer_norm(size, config.layer_norm_eps)),
                };
                // The head that is not legacy reads the embeddings themselves, tied or not.
                let tied = (config.tie_word_embeddings || !config.legacy).then_some(words);
                let output = places.vocabulary(tied, "cls.predictions.decoder", bias, (spec.outputs, e));
                Head::on_vocabulary(transform, output)
            }
            _ => {
                let dense = Some(root.at("pooler.dense").linear(d, d));
                let transform = Transform { dense, activation: self.activations.pooler, norm: None };
                let dropout = config.cls_dropout.unwrap_or(config.hidden_dropout_prob);
                Head::on_first_token(transform, dropout, linear("classifier")).with_input_dropout(config.pooler_dropout)
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
