//! Disentangled attention (He et al. 2021, arXiv 2006.03654, section 3.1): content and relative position have vectors of
//! their own, and a score is the sum of content to content, content to position, and position to content:
//!
//! ```text
//! A(i, j) = Qᵢ Kⱼᵀ + Qᵢ Pᵏ[δ(i, j)]ᵀ + Kⱼ Pᵠ[δ(i, j)]ᵀ        scaled by 1/√(k · terms)
//! δ(i, j) = clamp(bucket(i − j) + s, 0, 2s − 1)
//! ```
//!
//! The paper writes `δ(j, i)` in the last term; the authors' code, with which all checkpoints were trained, reads the
//! row `δ(i, j)`, and so does this. The first term is attention's own; the other two are a [`ScoreBias`].

use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

use crate::ScoreBias;

/// The places that relative positions have in a table of `2s` rows (`make_log_bucket_position` in the authors' code).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativeSpan {
    /// `s`: half the rows of the table.
    pub span: i64,
    /// The number of buckets, of which the near half holds one distance each; `None` gives every distance its own.
    pub buckets: Option<i64>,
    /// The distance at which logarithmic buckets end.
    pub max_distance: i64,
}

impl RelativeSpan {
    /// The row of a key that stands `distance` places before the query (after it, where negative), from 0 to `2s − 1`.
    pub fn row(self, distance: i64) -> i64 {
        (self.bucket(distance) + self.span).clamp(0, 2 * self.span - 1)
    }

    fn bucket(self, distance: i64) -> i64 {
        let Some(buckets) = self.buckets else { return distance };
        let mid = buckets / 2;
        if distance.abs() <= mid {
            return distance;
        }
        // In float32, as the reference, so that distances on an edge fall on the same side of it.
        let octaves = (distance.abs() as f32 / mid as f32).ln();
        let all = ((self.max_distance - 1) as f32 / mid as f32).ln();
        ((octaves / all * (mid - 1) as f32).ceil() as i64 + mid) * distance.signum()
    }

    /// The rows for each of the first `queries` places and all `keys` ones, by `i − j`: `[l_q, l_k]`, int64.
    fn rows(self, queries: i64, keys: i64, like: &Tensor) -> Tensor {
        let by_distance: Vec<i64> = (1 - keys..queries).map(|distance| self.row(distance)).collect();
        let by_distance = to_device(&Tensor::from_slice(&by_distance), like.device()); // [l_q + l_k − 1]
        let places = |count: i64| Tensor::arange(count, (Kind::Int64, like.device()));
        let distance = places(queries).unsqueeze(1) - places(keys).unsqueeze(0) + (keys - 1); // i − j, from 0: [l_q, l_k]
        by_distance.index_select(0, &distance.flatten(0, 1)).view([queries, keys]) // [l_q, l_k]
    }
}

/// The two terms that content and position share.
///
/// ```
/// use retune_attention::positions::disentangled::{Disentangled, RelativeSpan};
/// use retune_attention::{Attention, Mode, Pairing, SequenceLayout, attend};
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Float, Device::Cpu);
/// let table = || Some(Tensor::randn([4, 512, 16], options));               // of 4 heads of size 16
/// let scale = Disentangled::scale_for(16, true, true);
/// let bias = Disentangled {
///     span: RelativeSpan { span: 256, buckets: Some(256), max_distance: 512 },   // DeBERTa v3's
///     position_keys: table(),
///     position_queries: table(),
///     scale,
/// };
/// let layout = SequenceLayout::from_lengths(&[3, 5]);
/// let [q, k, v] = [(); 3].map(|()| Tensor::randn([8, 4, 16], options));
/// let attention = Attention { scale: Some(scale), ..Attention::default() };
/// let mixed = attend(&q, &k, &v, Pairing::from(&layout).with_bias(&bias), &attention, Mode::Evaluate);
/// assert_eq!(mixed.size(), [8, 4, 16]);
/// ```
#[derive(Debug)]
pub struct Disentangled {
    /// Which row of the tables a pair of places reads.
    pub span: RelativeSpan,
    /// `Pᵏ`, the positions' keys: `[h, 2s, k]`; `None` leaves content to position out.
    pub position_keys: Option<Tensor>,
    /// `Pᵠ`, the positions' queries: `[h, 2s, k]`; `None` leaves position to content out.
    pub position_queries: Option<Tensor>,
    /// The factor of the scores, `1/√(k · terms)`, which attention's own term has too.
    pub scale: f64,
}

impl Disentangled {
    /// `1/√(k · terms)` for a head size and the terms that there are.
    pub fn scale_for(head_size: i64, content_to_position: bool, position_to_content: bool) -> f64 {
        let terms = 1 + i64::from(content_to_position) + i64::from(position_to_content);
        1.0 / ((head_size * terms) as f64).sqrt()
    }
}

impl ScoreBias for Disentangled {
    fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
        let shape = [q.size()[0], q.size()[1], q.size()[2], k.size()[2]]; // [n, h, l_q, l_k]
        assert!(
            shape[2] <= shape[3],
            "disentangled attention is that of a sequence, or of its first tokens, to itself"
        );
        let rows = self.span.rows(shape[2], shape[3], q); // [l_q, l_k]
        let content_to_position = self.position_keys.as_ref().map(|keys| {
            let by_row = q.matmul(&keys.transpose(1, 2)); // [n, h, l_q, 2s]
            by_row.gather(3, &rows.expand(shape, false), false) // [n, h, l_q, l_k]
        });
        let position_to_content = self.position_queries.as_ref().map(|queries| {
            let by_row = k.matmul(&queries.transpose(1, 2)); // [n, h, l_k, 2s]
            let by_key = rows.transpose(0, 1).expand([shape[0], shape[1], shape[3], shape[2]], false); // [n, h, l_k, l_q]
            by_row.gather(3, &by_key, false).transpose(2, 3) // [n, h, l_q, l_k]
        });
        let scores = match (content_to_position, position_to_content) {
            (Some(one), Some(other)) => one + other,
            (one, other) => one.or(other).unwrap_or_else(|| Tensor::zeros([1], (q.kind(), q.device()))),
        }; // [n, h, l_q, l_k], or [1]
        scores * self.scale
    }
}
