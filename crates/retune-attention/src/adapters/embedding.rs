//! LoRA and DoRA of a table of vectors, as `peft` computes them.

use tch::Tensor;

use super::{EmbeddingAdapter, as_kind_of, magnitude_ratio};
use crate::Embedding;
use crate::affine::affine;

/// A change of rank `r` of a table `W: [rows, d]`:
///
/// ```text
/// LoRA   y = W[id] + s · (Aᵀ)[id] Bᵀ
/// DoRA   y = c ⊙ (W[id] + s · (Aᵀ)[id] Bᵀ)             c = m / ‖W + s Aᵀ Bᵀ‖, the norm of each column
/// ```
///
/// The table's padding row gets no gradient through `A` either.
///
/// ```
/// use retune_attention::Embedding;
/// use retune_attention::adapters::LowRankEmbedding;
/// use tch::Tensor;
///
/// let matrix = |values: &[f64], rows| Tensor::from_slice(values).view([rows, -1]);
/// let adapter = LowRankEmbedding { a: matrix(&[0.0, 2.0], 1), b: matrix(&[1.0, 3.0], 2), scale: 0.5, magnitude: None };
/// let table = Embedding::new(matrix(&[1.0, 1.0, 4.0, 4.0], 2), None).with_adapter(Box::new(adapter));
/// let found = table.forward(&Tensor::from_slice(&[1i64, 0]));              // 4 + 0.5 · 2 · (1, 3), and 1
/// assert!(found.equal(&matrix(&[5.0, 7.0, 1.0, 1.0], 2)));
/// ```
#[derive(Debug)]
pub struct LowRankEmbedding {
    /// `A`: `[r, rows]`.
    pub a: Tensor,
    /// `B`: `[d, r]`.
    pub b: Tensor,
    /// `s`: `α / r`, or `α / √r`.
    pub scale: f64,
    /// `m` of DoRA: `[d]`.
    pub magnitude: Option<Tensor>,
}

impl LowRankEmbedding {
    /// `s Aᵀ Bᵀ`: `[rows, d]`.
    pub fn delta(&self) -> Tensor {
        self.a.tr().matmul(&self.b.tr()) * self.scale
    }
}

impl EmbeddingAdapter for LowRankEmbedding {
    fn forward(&self, table: &Embedding, ids: &Tensor) -> Tensor {
        let padding = table.padding_row.unwrap_or(-1);
        let narrow = Tensor::embedding(&self.a.tr(), ids, padding, false, false) * self.scale; // [t, r]
        let change = affine(&narrow, &self.b, None); // [t, d]
        let plain = table.plain(ids); // [t, d]
        let sum = &plain + change; // [t, d]
        let sum = match &self.magnitude {
            Some(magnitude) => {
                let directions = tch::no_grad(|| &table.weight + self.delta()); // [rows, d]
                magnitude_ratio(magnitude, &directions, 0) * sum
            }
            None => sum,
        };
        as_kind_of(sum, &plain)
    }

    fn merged(&self, table: &Embedding) -> Embedding {
        let _no_grad = tch::no_grad_guard();
        let weight = &table.weight + self.delta(); // [rows, d]
        let weight = match &self.magnitude {
            Some(magnitude) => magnitude_ratio(magnitude, &weight, 0) * weight,
            None => weight,
        };
        Embedding::new(weight, table.padding_row)
    }
}
