//! Biases that depend on how far a key stands from the query: T5's learned buckets, and ALiBi.

use retune_torch::transfer::to_device;
use tch::{Device, Kind, Tensor};

use crate::ScoreBias;

/// A bias by the places of query and key in their own sequences, the same for every sequence: `[h, L_q, L_k]`, of which
/// a sequence of `l_q` queries and `l_k` keys uses the first rows and columns.
///
/// ```
/// use retune_attention::{Attention, Mode, Pairing, SequenceLayout, attend, positions::relative::alibi};
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Float, Device::Cpu);
/// let layout = SequenceLayout::from_lengths(&[3, 5]);
/// let [q, k, v] = [(); 3].map(|()| Tensor::randn([8, 4, 16], options));
/// let bias = alibi(4, layout.longest(), options);                          // [4, 5, 5]
/// let mixed = attend(&q, &k, &v, Pairing::from(&layout).with_bias(&bias), &Attention::default(), Mode::Evaluate);
/// assert_eq!(mixed.size(), [8, 4, 16]);
/// ```
#[derive(Debug)]
pub struct PlaceBias(pub Tensor);

impl ScoreBias for PlaceBias {
    fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
        self.0.narrow(1, 0, q.size()[2]).narrow(2, 0, k.size()[2]) // [h, l_q, l_k]
    }
}

/// The buckets of relative positions (Raffel et al. 2020, arXiv 1910.10683, section 2.1, and the reference code): near
/// distances have one each, far ones share logarithmically wider ones, the last holds all from `max_distance` on.
///
/// ```
/// use retune_attention::positions::relative::Buckets;
///
/// let t5 = Buckets { count: 32, max_distance: 128, bidirectional: true };
/// assert_eq!([0, -1, -7, -8, -127, -1000].map(|offset| t5.bucket(offset)), [0, 1, 7, 8, 15, 15]);
/// assert_eq!([1, 7, 1000].map(|offset| t5.bucket(offset)), [17, 23, 31]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    /// How many.
    pub count: i64,
    /// The distance from which all share the last bucket.
    pub max_distance: i64,
    /// Whether keys after the query have half the buckets; else they share bucket 0.
    pub bidirectional: bool,
}

impl Buckets {
    /// The bucket of a key that stands `offset` places after the query (before it, where negative).
    pub fn bucket(self, offset: i64) -> i64 {
        let (count, first) = match self.bidirectional {
            true => (self.count / 2, if offset > 0 { self.count / 2 } else { 0 }),
            false => (self.count, 0),
        };
        let distance = if self.bidirectional { offset.abs() } else { (-offset).max(0) };
        let exact = count / 2;
        if distance < exact {
            return first + distance;
        }
        // In float32, as the reference, so that distances on an edge fall on the same side of it.
        let octaves = (distance as f32 / exact as f32).ln();
        let all = (self.max_distance as f64 / exact as f64).ln() as f32;
        let shared = (octaves / all * (count - exact) as f32) as i64;
        first + (exact + shared).min(count - 1)
    }

    /// The bias of every pair of places in sequences of up to `longest` tokens: `weight` is `[count, h]`, the result's
    /// tensor `[h, longest, longest]`.
    pub fn bias(self, weight: &Tensor, longest: i64) -> PlaceBias {
        let buckets: Vec<i64> = (1 - longest..longest).map(|offset| self.bucket(offset)).collect();
        let by_offset = weight.index_select(0, &to_device(&Tensor::from_slice(&buckets), weight.device())); // [2L−1, h]
        PlaceBias(by_distance(&by_offset.transpose(0, 1), longest))
    }
}

/// Attention with linear biases (Press et al. 2022, arXiv 2108.12409): `−m·|i − j|`, with a slope `m` for each head that
/// falls geometrically. For keys before the query this is the paper's; after it, the symmetric form of its encoders.
pub fn alibi(heads: i64, longest: i64, options: (Kind, Device)) -> PlaceBias {
    let slopes = to_device(&Tensor::from_slice(&alibi_slopes(heads)).to_kind(options.0), options.1); // [h]
    let distances: Vec<f64> = (1 - longest..longest).map(|offset| -offset.abs() as f64).collect();
    let distances = to_device(&Tensor::from_slice(&distances).to_kind(options.0), options.1); // [2L−1]
    PlaceBias(by_distance(&(slopes.unsqueeze(1) * distances), longest))
}

/// ALiBi's slopes: `2^(−8/h), 2^(−16/h), …` for a power of two; else those of the power below, and every second one of
/// the power above for the rest, as in the authors' code.
pub fn alibi_slopes(heads: i64) -> Vec<f64> {
    let geometric = |count: i64| (1..=count).map(move |head| (-8.0 * head as f64 / count as f64).exp2());
    let power = 1 << heads.max(1).ilog2();
    let rest = geometric(2 * power).step_by(2).take((heads - power) as usize);
    geometric(power).take(heads as usize).chain(rest).collect()
}

/// `[h, 2L−1]` by the offset `j − i`, from `1 − L` on, laid out by places: `[h, L, L]`.
fn by_distance(values: &Tensor, longest: i64) -> Tensor {
    let options = (Kind::Int64, values.device());
    let places = Tensor::arange(longest, options);
    let offset = places.unsqueeze(0) - places.unsqueeze(1) + (longest - 1); // [L, L]
    values.index_select(1, &offset.flatten(0, 1)).unflatten(1, [longest, longest]) // [h, L, L]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_papers() {
        assert_eq!(alibi_slopes(8), (1..=8).map(|head| 0.5f64.powi(head)).collect::<Vec<_>>());
        // The authors' code for 12 heads: those of 8, then 2^(−1/2), 2^(−3/2), 2^(−5/2), 2^(−7/2).
        let twelve = alibi_slopes(12);
        assert_eq!(twelve.len(), 12);
        for (found, expected) in twelve[8..].iter().zip([-0.5f64, -1.5, -2.5, -3.5]) {
            assert!((found - expected.exp2()).abs() < 1e-15, "{twelve:?}");
        }
    }
}
