//! The convolution of DeBERTa-v2's larger models: it mixes neighbouring tokens' embeddings into the first layer's
//! output.
//!
//! ```text
//! x₁ ← LN(x₁ + φ(dropout(conv(x₀))))          zeros before a sequence's first token and after its last
//! ```

use retune_attention::{Activation, Dropout, LayerNorm, Mode, SequenceLayout, runs_of_pairs};
use tch::Tensor;

use super::config::DebertaConfig;
use crate::parameters::Scope;

/// The convolution with what stands around it.
#[derive(Debug)]
pub(super) struct Convolution {
    /// `[d, d / groups, width]`; the width is odd.
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    dropout: Dropout,
    activation: Activation,
    norm: LayerNorm,
}

impl Convolution {
    pub fn build(config: &DebertaConfig, activation: Activation, scope: &Scope<'_>) -> Self {
        let (d, groups) = (config.hidden_size, config.conv_groups);
        Self {
            weight: scope.at("conv").tensor("weight", &[d, d / groups, config.conv_kernel_size]),
            bias: scope.at("conv").bias(d),
            groups,
            dropout: Dropout { probability: config.hidden_dropout_prob },
            activation,
            norm: scope.at("LayerNorm").layer_norm(d, config.layer_norm_eps),
        }
    }

    /// `x` is the first layer's output and `embedded` its input, `[t, d]`; the result is `[t, d]`.
    pub fn forward(&self, x: &Tensor, embedded: &Tensor, layout: &SequenceLayout, mode: Mode) -> Tensor {
        let runs = runs_of_pairs(layout, layout);
        let tokens: Vec<i64> = runs.iter().map(|run| run.sequences * run.queries).collect();
        let margin = self.weight.size()[2] / 2;
        let mixed: Vec<Tensor> = (embedded.split_with_sizes(&tokens, 0).iter().zip(&runs))
            .map(|(run, shape)| {
                run.unflatten(0, [shape.sequences, shape.queries]) // [n, l, d]
                    .transpose(1, 2) // [n, d, l]
                    .conv1d(&self.weight, Some(&self.bias), 1, margin, 1, self.groups) // [n, d, l]
                    .transpose(1, 2) // [n, l, d]
                    .flatten(0, 1) // [n·l, d]
            })
            .collect();
        let mixed = self.activation.forward(&self.dropout.forward(&Tensor::cat(&mixed, 0), mode)); // [t, d]
        self.norm.forward(&(x + mixed)) // [t, d]
    }
}
