//! A layer of DeBERTa: BERT's, whose scores have a bias of relative positions, and after the first a convolution.

use retune_attention::positions::disentangled::{Disentangled, RelativeSpan};
use retune_attention::{Activation, Dropout, Linear, Mode, Pairing, ScoreBias, SequenceLayout};
use tch::Tensor;

use super::config::{DebertaConfig, Terms};
use super::convolution::Convolution;
use crate::blocks::{PostNormLayer, PostNormNames, PostNormSizes};
use crate::parameters::Scope;

#[derive(Debug)]
pub(super) struct DebertaLayer {
    pub(super) block: PostNormLayer,
    /// Which terms of positions there are, where there are any.
    pub(super) terms: Terms,
    /// From `P` to the positions' keys; `None` where the content's projection serves.
    pub(super) position_key: Option<Linear>,
    /// From `P` to the positions' queries; `None` where the content's projection serves.
    pub(super) position_query: Option<Linear>,
    /// The first layer's alone.
    pub(super) convolution: Option<Convolution>,
}

/// What the layers are told.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// `None` leaves attention to content alone.
    pub(super) relative: Option<(RelativeSpan, Dropout)>,
    pub(super) layout: SequenceLayout,
    pub(super) mode: Mode,
}

impl DebertaLayer {
    pub(super) fn build(config: &DebertaConfig, activation: Activation, scope: &Scope<'_>) -> Self {
        let d = config.hidden_size;
        let sizes = PostNormSizes {
            hidden: d,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            activation,
            epsilon: config.layer_norm_eps,
            weights_dropout: config.attention_probs_dropout_prob,
            attention_dropout: config.hidden_dropout_prob,
            output_dropout: config.hidden_dropout_prob,
        };
        let names = PostNormNames {
            query: "attention.self.query_proj",
            key: "attention.self.key_proj",
            value: "attention.self.value_proj",
            ..PostNormNames::BERT
        };
        let mut block = PostNormLayer::build(&sizes, &names, scope);
        block.attention.attention.scale = Some(config.scale());
        let terms = config.pos_att_type;
        let own = |term, name| {
            let present = term && config.is_relative() && !config.share_att_key;
            present.then(|| scope.at("attention.self").at(name).linear(d, d))
        };
        Self {
            block,
            position_key: own(terms.content_to_position, "pos_key_proj"),
            position_query: own(terms.position_to_content, "pos_query_proj"),
            terms,
            convolution: None,
        }
    }

    /// `inputs` are the hidden state and the embeddings, `[t, d]` each, and `P`, `[2s, d]`, where positions are
    /// relative; the result is `[t, d]`.
    pub(super) fn forward(&self, inputs: &[Tensor], Context { relative, layout, mode }: &Context) -> Tensor {
        let bias = self.biases(inputs, relative, *mode);
        let pairing = Pairing::from(layout);
        let pairing = bias.as_ref().map_or(pairing, |bias| pairing.with_bias(bias));
        let x = self.block.forward(&inputs[0], pairing, *mode); // [t, d]
        match &self.convolution {
            Some(convolution) => convolution.forward(&x, &inputs[1], layout, *mode), // [t, d]
            None => x,
        }
    }

    /// What [`DebertaLayer::forward`] gives for each sequence's first token: `[b, d]`.
    pub(super) fn first_tokens(&self, inputs: &[Tensor], context: &Context) -> Tensor {
        let Context { relative, layout, mode } = context;
        if self.convolution.is_some() {
            // It mixes a token with its neighbours.
            let x = self.forward(inputs, context); // [t, d]
            return x.index_select(0, &layout.first_tokens(x.device())); // [b, d]
        }
        let bias = self.biases(inputs, relative, *mode);
        self.block.first_tokens(&inputs[0], layout, bias.as_ref().map(|bias| bias as &dyn ScoreBias), *mode) // [b, d]
    }

    fn biases(
        &self,
        inputs: &[Tensor],
        relative: &Option<(RelativeSpan, Dropout)>,
        mode: Mode,
    ) -> Option<Disentangled> {
        relative.map(|(span, dropout)| self.bias(&dropout.forward(&inputs[2], mode), span, mode))
    }

    /// The bias of the scores; `table` is `P`, `[2s, d]`.
    fn bias(&self, table: &Tensor, span: RelativeSpan, mode: Mode) -> Disentangled {
        let (attention, terms) = (&self.block.attention, self.terms);
        let heads = |own: &Option<Linear>, shared: &Linear| {
            let projected = own.as_ref().unwrap_or(shared).forward(table, mode); // [2s, d]
            projected.unflatten(1, [-1, attention.head_size]).transpose(0, 1) // [h, 2s, k]
        };
        Disentangled {
            span,
            position_keys: terms.content_to_position.then(|| heads(&self.position_key, &attention.key)),
            position_queries: terms.position_to_content.then(|| heads(&self.position_query, &attention.query)),
            scale: attention.attention.scale_for(attention.head_size),
        }
    }
}
