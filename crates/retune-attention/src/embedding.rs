//! Tables of vectors, looked up by number.

use tch::Tensor;

/// A table of `d`-dimensional vectors: tokens, learned positions, segments.
#[derive(Debug)]
pub struct Embedding {
    /// `[rows, d]`.
    pub weight: Tensor,
    /// A row that gets no gradient (the padding token's, as in `torch.nn.Embedding`).
    pub padding_row: Option<i64>,
}

impl Embedding {
    /// `ids` is `[t]`, int64, each below `rows`; the result is `[t, d]`.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, ids, self.padding_row.unwrap_or(-1), false, false)
    }
}
