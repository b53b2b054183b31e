//! Tables of vectors, looked up by number.

use tch::Tensor;

use crate::adapters::EmbeddingAdapter;

/// A table of `d`-dimensional vectors: tokens, learned positions, segments.
#[derive(Debug)]
pub struct Embedding {
    /// `[rows, d]`.
    pub weight: Tensor,
    /// A row that gets no gradient (the padding token's, as in `torch.nn.Embedding`).
    pub padding_row: Option<i64>,
    /// What stands beside the table, if anything.
    pub adapter: Option<Box<dyn EmbeddingAdapter>>,
}

impl Embedding {
    /// A table without an adapter: `weight` is `[rows, d]`.
    pub fn new(weight: Tensor, padding_row: Option<i64>) -> Self {
        Self { weight, padding_row, adapter: None }
    }

    /// The same table with an adapter.
    pub fn with_adapter(self, adapter: Box<dyn EmbeddingAdapter>) -> Self {
        Self { adapter: Some(adapter), ..self }
    }

    /// `ids` is `[t]`, int64, each below `rows`; the result is `[t, d]`.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        match &self.adapter {
            None => self.plain(ids),
            Some(adapter) => adapter.forward(self, ids),
        }
    }

    /// As [`forward`](Self::forward); the gradient of a table without an adapter is sparse
    /// (`torch.nn.Embedding(sparse=True)`): only the rows that occur are in it.
    pub fn forward_sparse(&self, ids: &Tensor) -> Tensor {
        match &self.adapter {
            None => Tensor::embedding(&self.weight, ids, self.padding_row.unwrap_or(-1), false, true),
            Some(adapter) => adapter.forward(self, ids),
        }
    }

    /// The table's own rows, whatever adapter stands beside it: `ids` is `[t]`, the result `[t, d]`.
    pub fn plain(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, ids, self.padding_row.unwrap_or(-1), false, false)
    }

    /// The table without an adapter that gives what this one does, within rounding.
    pub fn merged(&self) -> Self {
        match &self.adapter {
            None => Self::new(self.weight.shallow_clone(), self.padding_row),
            Some(adapter) => adapter.merged(self),
        }
    }
}
