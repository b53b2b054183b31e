//! Where the sequences of a packed batch begin and end.

use std::cell::OnceCell;
use std::ops::Range;

use retune_torch::transfer::to_device;
use tch::{Device, Kind, Tensor};

/// The cumulative lengths (`cu_seqlens`) of a packed batch: sequence `s` is the tokens `offsets[s]..offsets[s + 1]`.
///
/// Invariant: offsets begin with 0 and do not fall. Sequences may be empty.
///
/// ```
/// use retune_attention::SequenceLayout;
///
/// let layout = SequenceLayout::from_lengths(&[3, 5]);
/// assert_eq!(layout.offsets(), [0, 3, 8]);
/// assert_eq!((layout.sequences(), layout.tokens(), layout.longest()), (2, 8, 5));
/// ```
#[derive(Debug)]
pub struct SequenceLayout {
    offsets: Vec<i64>,
    /// The offsets on a device, copied there once for all layers of a model.
    on_device: OnceCell<Tensor>,
}

impl Clone for SequenceLayout {
    fn clone(&self) -> Self {
        let on_device = self.on_device.get().map(Tensor::shallow_clone).map_or_else(OnceCell::new, OnceCell::from);
        Self { offsets: self.offsets.clone(), on_device }
    }
}

impl PartialEq for SequenceLayout {
    fn eq(&self, other: &Self) -> bool {
        self.offsets == other.offsets
    }
}

impl Eq for SequenceLayout {}

/// Adjacent sequences of equal shape: a rectangle `[n, l_q]` inside the packed queries and `[n, l_k]` inside the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many sequences.
    pub sequences: i64,
    /// The number of queries of each, in tokens.
    pub queries: i64,
    /// The number of keys of each, in tokens.
    pub keys: i64,
}

/// Offsets that describe no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// There is no first offset, or it is not zero.
    #[error("offsets must begin with 0, found {found:?}")]
    Start {
        /// The first offset.
        found: Option<i64>,
    },
    /// An offset is smaller than the one before it.
    #[error("offset {index} is {found}, below the one before it, {before}")]
    Falls {
        /// Which offset.
        index: usize,
        /// The offset before it.
        before: i64,
        /// The offset.
        found: i64,
    },
}

impl SequenceLayout {
    /// A layout from cumulative lengths, `b + 1` numbers.
    ///
    /// # Errors
    /// The offsets do not begin with 0, or fall.
    pub fn from_offsets(offsets: Vec<i64>) -> Result<Self, LayoutError> {
        if offsets.first() != Some(&0) {
            return Err(LayoutError::Start { found: offsets.first().copied() });
        }
        for (index, pair) in offsets.windows(2).enumerate() {
            if pair[1] < pair[0] {
                return Err(LayoutError::Falls { index: index + 1, before: pair[0], found: pair[1] });
            }
        }
        Ok(Self { offsets, on_device: OnceCell::new() })
    }

    /// A layout of sequences of these lengths, in this order.
    pub fn from_lengths(lengths: &[usize]) -> Self {
        let mut offsets = Vec::with_capacity(lengths.len() + 1);
        offsets.push(0);
        let mut end = 0;
        for length in lengths {
            end += *length as i64;
            offsets.push(end);
        }
        Self { offsets, on_device: OnceCell::new() }
    }

    /// The cumulative lengths, `b + 1` numbers.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// The number of sequences, `b`.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of tokens, `t`.
    pub fn tokens(&self) -> i64 {
        self.offsets[self.sequences()]
    }

    /// Each sequence's tokens.
    pub fn ranges(&self) -> impl Iterator<Item = Range<i64>> + '_ {
        self.offsets.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The number of tokens of the longest sequence; 0 where there is none.
    pub fn longest(&self) -> i64 {
        self.ranges().map(|range| range.end - range.start).max().unwrap_or(0)
    }

    /// The cumulative lengths on a device: `[b + 1]`, int32, as variable-length kernels take them. Copied there once.
    pub fn device_offsets(&self, device: Device) -> Tensor {
        let copied = || to_device(&Tensor::from_slice(&self.offsets).to_kind(Kind::Int), device);
        let kept = self.on_device.get_or_init(copied);
        if kept.device() == device { kept.shallow_clone() } else { copied() }
    }

    /// Each token's place in its own sequence, from 0: `[t]`, int64.
    pub fn positions(&self, device: Device) -> Tensor {
        let positions: Vec<i64> = self.ranges().flat_map(|range| 0..range.end - range.start).collect();
        to_device(&Tensor::from_slice(&positions), device)
    }

    /// The index of each sequence's first token: `[b]`, int64.
    pub fn first_tokens(&self, device: Device) -> Tensor {
        to_device(&Tensor::from_slice(&self.offsets[..self.sequences()]), device)
    }

    /// The index of each sequence's last token: `[b]`, int64.
    pub fn last_tokens(&self, device: Device) -> Tensor {
        to_device(&Tensor::from_slice(&self.offsets[1..]), device) - 1
    }

    /// The sequence to which each token belongs: `[t]`, int64.
    pub fn sequence_of_token(&self, device: Device) -> Tensor {
        let lengths = Tensor::from_slice(&self.offsets).diff(1, 0, None::<Tensor>, None::<Tensor>);
        let sequences = Tensor::arange(self.sequences() as i64, (Kind::Int64, Device::Cpu)); // [b]
        to_device(&sequences.repeat_interleave_self_tensor(&lengths, 0, self.tokens()), device)
    }
}

/// Maximal groups of adjacent sequences of equal shape, in order; together they are all sequences but those with neither
/// query nor key.
///
/// # Panics
/// The layouts differ in their number of sequences.
pub fn runs_of_pairs(queries: &SequenceLayout, keys: &SequenceLayout) -> Vec<Run> {
    assert_eq!(queries.sequences(), keys.sequences(), "sequences of queries and of keys");
    let mut runs: Vec<Run> = Vec::new();
    for (query, key) in queries.ranges().zip(keys.ranges()) {
        let one = Run { sequences: 1, queries: query.end - query.start, keys: key.end - key.start };
        match runs.last_mut() {
            _ if (one.queries, one.keys) == (0, 0) => {}
            Some(run) if (run.queries, run.keys) == (one.queries, one.keys) => run.sequences += 1,
            _ => runs.push(one),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_group_adjacent_equal_lengths() {
        let shapes = |queries: &[usize], keys: &[usize]| {
            let runs = runs_of_pairs(&SequenceLayout::from_lengths(queries), &SequenceLayout::from_lengths(keys));
            runs.iter().map(|run| (run.sequences, run.queries, run.keys)).collect::<Vec<_>>()
        };
        let own = [4, 4, 0, 4, 2, 4];
        assert_eq!(shapes(&own, &own), [(3, 4, 4), (1, 2, 2), (1, 4, 4)]);
        assert_eq!(shapes(&[4, 4, 4, 0], &[1, 1, 2, 5]), [(2, 4, 1), (1, 4, 2), (1, 0, 5)]);
        assert_eq!(SequenceLayout::from_lengths(&own).tokens(), 18);
        assert_eq!(SequenceLayout::from_lengths(&own).longest(), 4);
        assert_eq!(SequenceLayout::from_lengths(&[]).longest(), 0);
    }

    #[test]
    fn offsets_are_copied_to_a_device_once() {
        let layout = SequenceLayout::from_lengths(&[2, 3]);
        let first = layout.device_offsets(Device::Cpu);
        assert_eq!(Vec::<i32>::try_from(&first).unwrap(), [0, 2, 5]);
        assert_eq!(first.data_ptr(), layout.device_offsets(Device::Cpu).data_ptr());
        assert_eq!(layout, layout.clone());
    }

    #[test]
    fn indices_follow_the_offsets() {
        let layout = SequenceLayout::from_offsets(vec![0, 2, 2, 5]).unwrap();
        let numbers = |tensor: Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(numbers(layout.positions(Device::Cpu)), [0, 1, 0, 1, 2]);
        assert_eq!(numbers(layout.first_tokens(Device::Cpu)), [0, 2, 2]);
        assert_eq!(numbers(layout.last_tokens(Device::Cpu)), [1, 1, 4]);
        assert_eq!(numbers(layout.sequence_of_token(Device::Cpu)), [0, 0, 2, 2, 2]);
    }

    #[test]
    fn bad_offsets_are_named() {
        assert_eq!(SequenceLayout::from_offsets(vec![]), Err(LayoutError::Start { found: None }));
        assert_eq!(SequenceLayout::from_offsets(vec![1]), Err(LayoutError::Start { found: Some(1) }));
        let error = SequenceLayout::from_offsets(vec![0, 5, 3]).unwrap_err();
        assert_eq!(error.to_string(), "offset 2 is 3, below the one before it, 5");
    }
}
