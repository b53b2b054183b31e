//! Parts that several architectures share: embeddings with absolute positions, and the post-norm layer of BERT's family.

use retune_attention::{
    Activation, Attention, Dropout, Embedding, FeedForward, LayerNorm, Linear, Mode, MultiHeadAttention, Pairing,
    ScoreBias, SequenceLayout, add_norm,
};
use tch::Tensor;

use crate::layer::{self, Layer};
use crate::parameters::Scope;
use crate::{PackedInput, Trace};

/// Word, position and segment embeddings, summed and normalised:
/// `LN(W_word[ids] + W_type[segment] + W_position[first + place])`.
#[derive(Debug)]
pub(crate) struct AbsoluteEmbeddings {
    pub word: Embedding,
    pub position: Embedding,
    /// Not every architecture knows segments.
    pub segment: Option<Embedding>,
    pub norm: LayerNorm,
    pub dropout: Dropout,
    /// The row of a sequence's first token; RoBERTa's positions begin after the padding token's id.
    pub first_position: i64,
}

/// The sizes of [`AbsoluteEmbeddings`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct EmbeddingSizes {
    pub vocabulary: i64,
    pub positions: i64,
    /// `None` where the architecture has no segments.
    pub segments: Option<i64>,
    pub size: i64,
    pub padding_row: Option<i64>,
    pub epsilon: f64,
    pub dropout: f64,
    pub first_position: i64,
}

impl AbsoluteEmbeddings {
    pub fn build(sizes: &EmbeddingSizes, scope: &Scope<'_>) -> Self {
        let EmbeddingSizes { vocabulary, positions, segments, size, padding_row, .. } = *sizes;
        Self {
            word: scope.at("word_embeddings").embedding(vocabulary, size, padding_row),
            position: scope.at("position_embeddings").embedding(positions, size, None),
            segment: segments.map(|rows| scope.at("token_type_embeddings").embedding(rows, size, None)),
            norm: scope.at("LayerNorm").layer_norm(size, sizes.epsilon),
            dropout: Dropout { probability: sizes.dropout },
            first_position: sizes.first_position,
        }
    }

    pub fn forward(&self, input: &PackedInput, mode: Mode) -> Tensor {
        let positions = input.layout.positions(input.input_ids.device()) + self.first_position; // [t]
        let words = input.words(&self.word, mode); // [t, d]
        let words = match &self.segment {
            Some(segment) => words + segment.forward(&input.token_type_ids), // [t, d]
            None => words,
        };
        let sum = words + self.position.forward(&positions); // [t, d]
        self.dropout.forward(&self.norm.forward(&sum), mode)
    }
}

/// A Transformer layer that normalises after each sum (Vaswani et al. 2017; BERT):
///
/// ```text
/// a  = LN(x + dropout(W_O attention(x) + b_O))
/// x' = LN(a + dropout(W₂ φ(W₁ a + b₁) + b₂))
/// ```
#[derive(Debug)]
pub(crate) struct PostNormLayer {
    pub attention: MultiHeadAttention,
    pub attention_output: Linear,
    pub attention_dropout: Dropout,
    pub attention_norm: LayerNorm,
    pub feed_forward: FeedForward,
    pub output_dropout: Dropout,
    pub output_norm: LayerNorm,
}

/// What the parts of a [`PostNormLayer`] are called in a checkpoint, below the layer's own name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PostNormNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub output_norm: &'static str,
}

impl PostNormNames {
    /// BERT's, which RoBERTa and ELECTRA have too.
    pub const BERT: Self = Self {
        query: "attention.self.query",
        key: "attention.self.key",
        value: "attention.self.value",
        attention_output: "attention.output.dense",
        attention_norm: "attention.output.LayerNorm",
        up: "intermediate.dense",
        down: "output.dense",
        output_norm: "output.LayerNorm",
    };
}

/// The sizes and probabilities of a [`PostNormLayer`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct PostNormSizes {
    pub hidden: i64,
    pub heads: i64,
    pub intermediate: i64,
    pub activation: Activation,
    pub epsilon: f64,
    /// Of the attention weights.
    pub weights_dropout: f64,
    /// Of what attention adds.
    pub attention_dropout: f64,
    /// Of what the feed-forward network adds.
    pub output_dropout: f64,
}

impl PostNormLayer {
    pub fn build(sizes: &PostNormSizes, names: &PostNormNames, scope: &Scope<'_>) -> Self {
        let (d, i) = (sizes.hidden, sizes.intermediate);
        Self {
            attention: MultiHeadAttention {
                query: scope.at(names.query).linear(d, d),
                key: scope.at(names.key).linear(d, d),
                value: scope.at(names.value).linear(d, d),
                head_size: d / sizes.heads,
                attention: Attention { dropout: sizes.weights_dropout, ..Attention::default() },
            },
            attention_output: scope.at(names.attention_output).linear(d, d),
            attention_dropout: Dropout { probability: sizes.attention_dropout },
            attention_norm: scope.at(names.attention_norm).layer_norm(d, sizes.epsilon),
            feed_forward: FeedForward {
                up: scope.at(names.up).linear(d, i),
                activation: sizes.activation,
                down: scope.at(names.down).linear(i, d),
            },
            output_dropout: Dropout { probability: sizes.output_dropout },
            output_norm: scope.at(names.output_norm).layer_norm(d, sizes.epsilon),
        }
    }

    /// As [`PostNormLayer::forward`] of one input, in a sequence of layers of which all pair the same sequences.
    pub fn in_sequence(&self, inputs: &[Tensor], (layout, mode): &(SequenceLayout, Mode)) -> Tensor {
        self.forward(&inputs[0], layout, *mode) // [t, d]
    }

    /// What [`PostNormLayer::in_sequence`] gives for each sequence's first token: `[b, d]`.
    pub fn first_tokens_in_sequence(&self, inputs: &[Tensor], (layout, mode): &(SequenceLayout, Mode)) -> Tensor {
        self.first_tokens(&inputs[0], layout, None, *mode)
    }

    /// What the layer gives for each sequence's first token, `[b, d]`: these alone ask, and are transformed; `x` is
    /// `[t, d]`.
    pub fn first_tokens(
        &self,
        x: &Tensor,
        layout: &SequenceLayout,
        bias: Option<&dyn ScoreBias>,
        mode: Mode,
    ) -> Tensor {
        let first = x.index_select(0, &layout.first_tokens(x.device())); // [b, d]
        let alone = SequenceLayout::from_lengths(&vec![1; layout.sequences()]);
        self.across(&first, x, Pairing { bias, ..Pairing::across(&alone, layout) }, mode) // [b, d]
    }

    /// `x` is `[t, d]`; the result is `[t, d]`.
    pub fn forward<'a>(&self, x: &Tensor, pairing: impl Into<Pairing<'a>>, mode: Mode) -> Tensor {
        self.across(x, x, pairing, mode)
    }

    /// The layer at some of the tokens, `x`, `[n, d]`, which attend to all of them, `[t, d]`; the result is `[n, d]`.
    fn across<'a>(&self, x: &Tensor, all: &Tensor, pairing: impl Into<Pairing<'a>>, mode: Mode) -> Tensor {
        let mixed = self.attention_output.forward(&self.attention.across(x, all, pairing, mode), mode); // [n, d]
        let x = add_norm(&mixed, x, &self.attention_dropout, &self.attention_norm, mode); // [n, d]
        let transformed = self.feed_forward.forward(&x, mode); // [n, d]
        add_norm(&transformed, &x, &self.output_dropout, &self.output_norm, mode) // [n, d]
    }
}

/// Carries a hidden state, `[t, d]`, through layers of which all pair the same sequences; of the last one only what each
/// sequence's first token needs: `[b, d]`.
pub(crate) fn first_tokens_through<'l>(
    x: Tensor,
    layers: impl IntoIterator<Item = &'l Layer<PostNormLayer>>,
    layout: &SequenceLayout,
    mode: Mode,
    trace: Trace,
) -> Tensor {
    let context = (layout.clone(), mode);
    let each = (PostNormLayer::in_sequence as _, PostNormLayer::first_tokens_in_sequence as _);
    layer::first_tokens_through(x, &[], layers, (&context, layout), trace, each)
}
