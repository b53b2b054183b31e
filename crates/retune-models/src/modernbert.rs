//! ModernBERT (Warner et al. 2024, arXiv 2412.13663), as `transformers.ModernBertModel` computes it.
//!
//! ```text
//! x₀ = LN(W_word[ids])
//! a  = x + W_O attention(LN(x))               for each layer: pre-norm; the first layer's attention reads x itself
//! x' = a + W₂ (gelu(W₁ LN(a)) ⊙ V LN(a))
//! last = LN(x)
//! ```
//!
//! Queries and keys are rotated by their positions. Most layers look at a window around each token, every third at the
//! whole sequence; the two types of layers have frequencies of their own.

mod config;

use retune_attention::positions::rotary::{Angles, Rotary};
use retune_attention::{
    Activation, Attention, Dropout, Embedding, GatedFeedForward, GatedProjection, LayerNorm, Linear, Mode,
    SequenceLayout, Visibility,
};
use tch::{Kind, Tensor};

use self::config::{LayerType, ModernBertConfig, Pooling};
use crate::heads::{Head, HeadKind, HeadSpec, Reads, Transform};
use crate::layer::{Layer, through};
use crate::parameters::Scope;
use crate::registry::{Encoder, HeadPlaces, Sizes};
use crate::rope::{RopeSizes, of_layer_type};
use crate::rotary_layers::{PreNormRotaryLayer, RotaryAttention};
use crate::{EncoderOutput, ModelConfig, ModelError, PackedInput, Trace};

impl ModernBertConfig {
    fn norm(&self, scope: &Scope<'_>) -> LayerNorm {
        let norm = scope.layer_norm_without_bias(self.hidden_size, self.norm_eps);
        LayerNorm { bias: self.norm_bias.then(|| scope.bias(self.hidden_size)), ..norm }
    }

    fn layer(&self, layer: usize, activation: Activation, scope: &Scope<'_>) -> PreNormRotaryLayer {
        let (d, i) = (self.hidden_size, self.intermediate_size);
        let reach = self.local_attention / 2;
        let visibility = match self.layer_type(layer) {
            LayerType::Full => Visibility::Bidirectional,
            LayerType::Sliding => Visibility::Window { before: reach, after: reach },
        };
        PreNormRotaryLayer {
            attention_norm: (layer > 0).then(|| self.norm(&scope.at("attn_norm"))),
            attention: RotaryAttention {
                projections: scope.at("attn.Wqkv").linear_with(d, 3 * d, self.attention_bias),
                output: scope.at("attn.Wo").linear_with(d, d, self.attention_bias),
                head_size: d / self.num_attention_heads,
                attention: Attention { visibility, scale: None, dropout: self.attention_dropout },
            },
            attention_dropout: Dropout { probability: self.attention_dropout },
            feed_forward_norm: self.norm(&scope.at("mlp_norm")),
            feed_forward: GatedFeedForward {
                up: GatedProjection::Fused(scope.at("mlp.Wi").linear_with(d, 2 * i, self.mlp_bias)),
                activation,
                dropout: Dropout { probability: self.mlp_dropout },
                down: scope.at("mlp.Wo").linear_with(i, d, self.mlp_bias),
            },
        }
    }
}

/// What the layers are told: the angles of those that see all and of those that see a window, the sequences, the mode.
type Context = ([Angles; 2], SequenceLayout, Mode);

/// The encoder.
#[derive(Debug)]
pub(crate) struct ModernBert {
    config: ModernBertConfig,
    classifier_activation: Activation,
    words: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    /// Each with how far its tokens see.
    layers: Vec<Layer<(LayerType, PreNormRotaryLayer)>>,
    final_norm: LayerNorm,
    full: Rotary,
    sliding: Rotary,
}

impl ModernBert {
    pub(crate) fn build(model: &ModelConfig, scope: &Scope<'_>) -> Result<Self, ModelError> {
        let config = ModernBertConfig::read(model)?;
        let head_size = config.hidden_size / config.num_attention_heads;
        let rope = |base| RopeSizes { head_size, base, longest: config.max_position_embeddings };
        let activation = model.activation("hidden_activation", &config.hidden_activation)?;
        let words = scope.at("embeddings.tok_embeddings");
        Ok(Self {
            classifier_activation: model.activation("classifier_activation", &config.classifier_activation)?,
            words: words.embedding(config.vocab_size, config.hidden_size, config.pad_token_id),
            norm: config.norm(&scope.at("embeddings.norm")),
            dropout: Dropout { probability: config.embedding_dropout },
            layers: (0..config.num_hidden_layers)
                .map(|layer| {
                    let of = |scope: &Scope<'_>| (config.layer_type(layer), config.layer(layer, activation, scope));
                    scope.at("layers").at(layer).layer(of)
                })
                .collect(),
            final_norm: config.norm(&scope.at("final_norm")),
            full: of_layer_type(model, "full_attention", "global_rope_theta", rope(160_000.0))?,
            sliding: of_layer_type(model, "sliding_attention", "local_rope_theta", rope(10_000.0))?,
            config,
        })
    }
}

impl Encoder for ModernBert {
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput {
        let positions = input.layout.positions(input.input_ids.device()); // [t]
        let angles = [&self.full, &self.sliding].map(|rotary| rotary.angles(&positions, Kind::Float));
        let x = self.dropout.forward(&self.norm.forward(&input.words(&self.words, mode)), mode); // [t, d]
        let context = (angles, input.layout.clone(), mode);
        let compute = |(kind, layer): &(LayerType, PreNormRotaryLayer), inputs: &[Tensor], context: &Context| {
            let ([full, sliding], layout, mode) = context;
            let angles = if *kind == LayerType::Full { full } else { sliding };
            layer.forward(&inputs[0], angles, layout, *mode) // [t, d]
        };
        let mut states = through(x, &[], &self.layers, &context, trace, compute);
        states.last = self.final_norm.forward(&states.last); // [t, d]
        // As transformers reports them: the last one is normalised.
        if let Some(last) = states.hidden_states.last_mut() {
            *last = states.last.shallow_clone();
        }
        states
    }

    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head {
        let (d, root) = (self.config.hidden_size, &places.root);
        let transform = Transform {
            dense: Some(root.at("head.dense").linear_with(d, d, self.config.classifier_bias)),
            activation: self.classifier_activation,
            norm: Some(self.config.norm(&root.at("head.norm"))),
        };
        if spec.kind == HeadKind::MaskedLanguageModel {
            let decoder = root.at("decoder");
            let weight = match self.config.tie_word_embeddings {
                true => self.words.weight.shallow_clone(),
                false => decoder.weight(spec.outputs, d),
            };
            let bias = self.config.decoder_bias.then(|| decoder.bias(spec.outputs));
            return Head::on_vocabulary(transform, Linear::new(weight, bias));
        }
        let classifier = root.at("classifier").linear(d, spec.outputs);
        let of_tokens = Head::on_vocabulary(transform, classifier).with_dropout(self.config.classifier_dropout);
        let reads = match self.config.classifier_pooling {
            _ if spec.kind.is_per_token() => Reads::Tokens,
            Pooling::Cls => Reads::FirstToken,
            Pooling::Mean => Reads::Mean,
        };
        Head { reads, ..of_tokens }
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
