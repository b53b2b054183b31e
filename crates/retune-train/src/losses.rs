//! What training makes small. Every loss is a *sum* over its items, in float32, without dimensions; whoever takes a step
//! divides by the items' weight in the whole batch, so that micro-batches of any sizes add up to one batch exactly.

use retune_attention::SequenceLayout;
use retune_torch::transfer::to_device;
use tch::{Kind, Reduction, Tensor};

/// Labels of this id count for nothing, as in PyTorch.
pub const IGNORED: i64 = -100;

/// Cross-entropy of classes: `torch.nn.functional.cross_entropy` with `reduction="sum"`.
#[derive(Debug)]
pub struct CrossEntropy {
    /// A weight for each class, `[c]`; `None` for all alike.
    pub weights: Option<Tensor>,
    /// The share of each label that is spread over all classes, from 0 to below 1 (Szegedy et al. 2016).
    pub smoothing: f64,
    /// The exponent by which what is right already counts for less (focal loss, Lin et al. 2017, equation 5 with α of
    /// the label's class); `None` for the plain loss. With it, `smoothing` has no effect.
    pub focal_gamma: Option<f64>,
}

impl CrossEntropy {
    /// Without weights, smoothing or focus.
    pub fn plain() -> Self {
        Self { weights: None, smoothing: 0.0, focal_gamma: None }
    }

    /// `logits` is `[n, c]`, `labels` `[n]` in int64, of which [`IGNORED`] counts for nothing.
    pub fn sum(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        let logits = logits.to_kind(Kind::Float);
        let weights = self.weights.as_ref().map(|weights| to_device(weights, logits.device()));
        let Some(gamma) = self.focal_gamma else {
            return logits.cross_entropy_loss(labels, weights.as_ref(), Reduction::Sum, IGNORED, self.smoothing);
        };
        let counts = labels.not_equal(IGNORED); // [n]
        let labels = labels.where_scalarother(&counts, 0); // [n]
        let log_p = logits.log_softmax(-1, Kind::Float).gather(1, &labels.unsqueeze(1), false).squeeze_dim(1); // [n]
        let missing: Tensor = 1.0 - log_p.exp(); // [n]
        // Where p is 1 to the last bit, a power below 1 has an infinite slope.
        let focus = missing.clamp_min(f64::from(f32::MIN_POSITIVE)).pow_tensor_scalar(gamma); // [n]
        let weighted = match &weights {
            Some(weights) => focus * weights.index_select(0, &labels),
            None => focus,
        };
        -(weighted * log_p * counts.to_kind(Kind::Float)).sum(Kind::Float)
    }

    /// What the sum over these labels is divided by: their weights, or their number.
    pub fn weight(&self, labels: impl Iterator<Item = i64>) -> f64 {
        let counted = labels.filter(|label| *label != IGNORED);
        match &self.weights {
            None => counted.count() as f64,
            Some(weights) => {
                let weights: Vec<f64> = (0..weights.size()[0]).map(|class| weights.double_value(&[class])).collect();
                counted.map(|label| weights[label as usize]).sum()
            }
        }
    }
}

/// The binary cross-entropy of each label of each example: `logits` and `targets` are `[n, c]`, `positive_weights` `[c]`
/// (`binary_cross_entropy_with_logits` with `pos_weight`).
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor, positive_weights: Option<&Tensor>) -> Tensor {
    let logits = logits.to_kind(Kind::Float);
    let weights = positive_weights.map(|weights| to_device(weights, logits.device()));
    logits.binary_cross_entropy_with_logits::<Tensor>(targets, None, weights, Reduction::Sum)
}

/// Squared errors: `predictions` and `targets` are `[n]`.
pub fn squared_error(predictions: &Tensor, targets: &Tensor) -> Tensor {
    predictions.to_kind(Kind::Float).mse_loss(targets, Reduction::Sum)
}

/// Huber's loss (`torch.nn.functional.huber_loss`): half the squared error up to `delta`, linear beyond it.
pub fn huber(predictions: &Tensor, targets: &Tensor, delta: f64) -> Tensor {
    predictions.to_kind(Kind::Float).huber_loss(targets, Reduction::Sum, delta)
}

/// The mean cross-entropy of the start and of the end of each sequence's answer, over the tokens of that sequence:
/// `logits` is `[t, 2]`, `starts` and `ends` are `[b]` and count packed tokens, from 0 to below t. As in transformers'
/// `*ForQuestionAnswering`, except that there padding takes part in the softmax.
pub fn spans(logits: &Tensor, layout: &SequenceLayout, starts: &Tensor, ends: &Tensor) -> Tensor {
    let logits = logits.to_kind(Kind::Float); // [t, 2]
    let log_sums = log_sums_of_sequences(&logits, layout); // [b, 2]
    let at = |positions: &Tensor, side: i64| logits.select(1, side).index_select(0, positions).sum(Kind::Float);
    (log_sums.sum(Kind::Float) - at(starts, 0) - at(ends, 1)) / 2.0
}

/// The logarithm of the sum of the exponentials of each sequence's numbers: `numbers` is `[t, n]` in float32, the
/// result `[b, n]`.
pub(crate) fn log_sums_of_sequences(numbers: &Tensor, layout: &SequenceLayout) -> Tensor {
    let sequence = layout.sequence_of_token(numbers.device()); // [t]
    let shape = [layout.sequences() as i64, numbers.size()[1]];
    // The largest of each sequence keeps the exponentials finite; as a constant it leaves the gradient as it is.
    let largest = Tensor::full(shape, f64::NEG_INFINITY, (Kind::Float, numbers.device()));
    let places = sequence.unsqueeze(1).expand_as(numbers); // [t, n]
    let largest = largest.internal_scatter_reduce(0, &places, &numbers.detach(), "amax", true); // [b, n]
    let scaled = (numbers - largest.index_select(0, &sequence)).exp(); // [t, n]
    let sums = Tensor::zeros(shape, (Kind::Float, numbers.device())).index_add(0, &sequence, &scaled); // [b, n]
    sums.log() + largest // [b, n]
}

/// Each anchor's partner against all other candidates, by cosine times `scale`: `anchors` is `[n, e]`, `candidates`
/// `[m, e]` with the partner of anchor i at i (sentence-transformers' `MultipleNegativesRankingLoss`; Henderson et al.
/// 2017).
pub fn multiple_negatives(anchors: &Tensor, candidates: &Tensor, scale: f64) -> Tensor {
    let unit = |vectors: &Tensor| {
        let vectors = vectors.to_kind(Kind::Float);
        &vectors / vectors.norm_scalaropt_dim(2.0, [-1], true).clamp_min(1e-12)
    };
    let scores = unit(anchors).matmul(&unit(candidates).transpose(0, 1)) * scale; // [n, m]
    let labels = Tensor::arange(anchors.size()[0], (Kind::Int64, anchors.device())); // [n]
    scores.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Sum, IGNORED, 0.0)
}

/// By how much each positive is not nearer than the negative by `margin`, in Euclidean distance; all `[n, e]`
/// (sentence-transformers' `TripletLoss`).
pub fn triplet(anchors: &Tensor, positives: &Tensor, negatives: &Tensor, margin: f64) -> Tensor {
    let float = |vectors: &Tensor| vectors.to_kind(Kind::Float);
    let anchors = float(anchors);
    let near = Tensor::pairwise_distance(&anchors, &float(positives), 2.0, 1e-6, false); // [n]
    let far = Tensor::pairwise_distance(&anchors, &float(negatives), 2.0, 1e-6, false); // [n]
    (near - far + margin).relu().sum(Kind::Float)
}

/// The squared error of the cosine: `first` and `second` are `[n, e]`, `targets` `[n]` (sentence-transformers'
/// `CosineSimilarityLoss`).
pub fn cosine(first: &Tensor, second: &Tensor, targets: &Tensor) -> Tensor {
    let cosines = Tensor::cosine_similarity(&first.to_kind(Kind::Float), &second.to_kind(Kind::Float), 1, 1e-8); // [n]
    squared_error(&cosines, targets)
}
