//! From the tokens' vectors to one vector for each sequence, in the modes of sentence-transformers
//! (`sentence_transformers.models.Pooling`).

use retune_attention::SequenceLayout;
use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

/// How a sequence's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// The first token's vector.
    Cls,
    /// The largest of each dimension.
    Max,
    /// The mean.
    Mean,
    /// The sum divided by the root of the number of tokens.
    MeanSqrtLength,
    /// The mean with each token's place, from 1, as its weight.
    WeightedMean,
    /// The last token's vector.
    LastToken,
}

impl PoolingMode {
    /// All modes, in the order in which their vectors are concatenated.
    pub const ALL: [Self; 6] =
        [Self::Cls, Self::Max, Self::Mean, Self::MeanSqrtLength, Self::WeightedMean, Self::LastToken];

    /// Its name in configurations of today: `pooling_mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::MeanSqrtLength => "mean_sqrt_len_tokens",
            Self::WeightedMean => "weightedmean",
            Self::LastToken => "lasttoken",
        }
    }

    /// The switch that turns it on in configurations that every version reads.
    pub fn switch(self) -> &'static str {
        match self {
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::Mean => "pooling_mode_mean_tokens",
            Self::MeanSqrtLength => "pooling_mode_mean_sqrt_len_tokens",
            Self::WeightedMean => "pooling_mode_weightedmean_tokens",
            Self::LastToken => "pooling_mode_lasttoken",
        }
    }

    /// `tokens` is `[t, d]` with at least one token in each sequence; the result is `[b, d]`. Sums are taken in float32
    /// at least.
    pub fn forward(self, tokens: &Tensor, layout: &SequenceLayout) -> Tensor {
        match self {
            Self::Cls => tokens.index_select(0, &layout.first_tokens(tokens.device())), // [b, d]
            Self::LastToken => {
                let last: Vec<i64> = layout.ranges().map(|range| range.end - 1).collect();
                tokens.index_select(0, &to_device(&Tensor::from_slice(&last), tokens.device())) // [b, d]
            }
            Self::Max => {
                let rows: Vec<Tensor> = layout
                    .ranges()
                    .map(|range| tokens.narrow(0, range.start, range.end - range.start).max_dim(0, false).0) // [d]
                    .collect();
                Tensor::stack(&rows, 0) // [b, d]
            }
            Self::Mean => weighted(tokens, layout, |_| 1.0, |length| length),
            Self::MeanSqrtLength => weighted(tokens, layout, |_| 1.0, f64::sqrt),
            Self::WeightedMean => {
                weighted(tokens, layout, |place| place as f64 + 1.0, |length| length * (length + 1.0) / 2.0)
            }
        }
    }
}

/// `Σ weight(place) · x / divisor(length)` over each sequence.
fn weighted(
    tokens: &Tensor,
    layout: &SequenceLayout,
    weight: impl Fn(i64) -> f64,
    divisor: impl Fn(f64) -> f64,
) -> Tensor {
    let kind = if tokens.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let device = tokens.device();
    let factors: Vec<f64> = layout
        .ranges()
        .flat_map(|range| {
            let length = range.end - range.start;
            let divisor = divisor(length as f64);
            (0..length).map(|place| weight(place) / divisor).collect::<Vec<_>>()
        })
        .collect();
    let factors = to_device(&Tensor::from_slice(&factors).to_kind(kind), device).unsqueeze(1); // [t, 1]
    let sums = Tensor::zeros([layout.sequences() as i64, tokens.size()[1]], (kind, device)); // [b, d]
    let rows = layout.sequence_of_token(device); // [t]
    sums.index_add(0, &rows, &(tokens.to_kind(kind) * factors)).to_kind(tokens.kind()) // [b, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_its_definition() {
        let layout = SequenceLayout::from_lengths(&[3, 1]);
        let tokens = Tensor::from_slice(&[1.0f64, 6.0, 2.0, 5.0, 6.0, 1.0, -7.0, 8.0]).view([4, 2]);
        let root = 3f64.sqrt();
        for (mode, expected) in [
            (PoolingMode::Cls, [1.0, 6.0, -7.0, 8.0]),
            (PoolingMode::Max, [6.0, 6.0, -7.0, 8.0]),
            (PoolingMode::Mean, [3.0, 4.0, -7.0, 8.0]),
            (PoolingMode::MeanSqrtLength, [9.0 / root, 12.0 / root, -7.0, 8.0]),
            (PoolingMode::WeightedMean, [23.0 / 6.0, 19.0 / 6.0, -7.0, 8.0]),
            (PoolingMode::LastToken, [6.0, 1.0, -7.0, 8.0]),
        ] {
            let pooled = mode.forward(&tokens, &layout);
            let apart = (&pooled - Tensor::from_slice(&expected).view([2, 2])).abs().max().double_value(&[]);
            assert!(apart < 1e-12, "{mode:?}: {pooled:?}");
        }
    }
}
