//! How far apart two outputs for one batch are, which R-Drop makes small (Liang et al. 2021, arXiv 2106.14448): the
//! Kullback-Leibler divergence between their distributions, in both directions, halved:
//!
//! ```text
//! (KL(p ‖ q) + KL(q ‖ p)) / 2  =  Σ (p − q) (log p − log q) / 2
//! ```
//!
//! The form on the right is 0 where the outputs are equal, and its gradient too. Gradients go to both outputs. As
//! losses are, a divergence is a *sum* over items, in float32, without dimensions, and weighs each item as the loss
//! does.

use retune_attention::SequenceLayout;
use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

use crate::losses::{CrossEntropy, IGNORED, log_sums_of_sequences};

impl CrossEntropy {
    /// The divergence between two distributions over the classes for each item; both logits are `[n, c]`, `labels`
    /// `[n]` in int64. An item counts for its label's weight, and for nothing where the label is [`IGNORED`]: divided
    /// by [`CrossEntropy::weight`], it is a mean as the loss is. (The label has no other part in it; nor have smoothing
    /// and focus.)
    pub fn divergence(&self, first: &Tensor, second: &Tensor, labels: &Tensor) -> Tensor {
        let [p, q] = [first, second].map(|logits| logits.log_softmax(-1, Kind::Float)); // [n, c]
        let apart = apart(&p, &q).sum_dim_intlist(-1, false, Kind::Float); // [n]
        let counts = labels.not_equal(IGNORED); // [n]
        let weights = match &self.weights {
            Some(weights) => {
                let labels = labels.where_scalarother(&counts, 0); // [n]
                to_device(weights, labels.device()).index_select(0, &labels)
            }
            None => apart.ones_like(),
        };
        // Chosen, and not multiplied by 0: what does not count may be infinite.
        (apart * weights).where_scalarother(&counts, 0.0).sum(Kind::Float)
    }
}

/// The divergence between two yes-or-no distributions for each label of each example; both logits are `[n, c]`. (The
/// logarithm of the odds is the logit, so that it is `Σ (σ(x) − σ(y)) (x − y) / 2`.)
pub fn binary(first: &Tensor, second: &Tensor) -> Tensor {
    let [x, y] = [first, second].map(|logits| logits.to_kind(Kind::Float)); // [n, c]
    ((x.sigmoid() - y.sigmoid()) * (x - y)).sum(Kind::Float) / 2.0
}

/// The mean of the divergences between the distributions of the start and of the end, each over the tokens of its
/// sequence; both logits are `[t, 2]`. The mean, as [`spans`](crate::losses::spans) is that of two losses.
pub fn spans(first: &Tensor, second: &Tensor, layout: &SequenceLayout) -> Tensor {
    let sequence = layout.sequence_of_token(first.device()); // [t]
    let [p, q] = [first, second].map(|logits| {
        let logits = logits.to_kind(Kind::Float); // [t, 2]
        &logits - log_sums_of_sequences(&logits, layout).index_select(0, &sequence) // [t, 2]
    });
    apart(&p, &q).sum(Kind::Float) / 2.0
}

/// Squared differences; both are `[n]`. A number is no distribution: this is the divergence between normal
/// distributions of deviation `1/√2` around the two, and what the paper's published code takes for regression.
pub fn squared_difference(first: &Tensor, second: &Tensor) -> Tensor {
    (first.to_kind(Kind::Float) - second.to_kind(Kind::Float)).square().sum(Kind::Float)
}

/// `(p − q) (log p − log q) / 2` of two logarithms of probabilities of one shape.
fn apart(log_p: &Tensor, log_q: &Tensor) -> Tensor {
    (log_p.exp() - log_q.exp()) * (log_p - log_q) / 2.0
}
