//! Where the sequences of a packed batch begin and end.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

/// The cumulative lengths (`cu_seqlens`) of a packed batch: sequence `s` is the tokens `offsets[s]..offsets[s + 1]`.
///
/// Invariant: offsets begin with 0 and do not fall. Sequences may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceLayout {
    offsets: Vec<i64>,
}

/// Adjacent sequences of one length: a rectangle `[n, l]` inside the packed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many sequences.
    pub sequences: i64,
    /// The length of each, in tokens.
    pub length: i64,
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
        Ok(Self { offsets })
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
        Self { offsets }
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

    /// Maximal groups of adjacent sequences of equal length, in order; together they are all sequences but empty ones.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for range in self.ranges() {
            let length = range.end - range.start;
            match runs.last_mut() {
                _ if length == 0 => {}
                Some(run) if run.length == length => run.sequences += 1,
                _ => runs.push(Run { sequences: 1, length }),
            }
        }
        runs
    }

    /// Each token's place in its own sequence, from 0: `[t]`, int64.
    pub fn positions(&self, device: Device) -> Tensor {
        let positions: Vec<i64> = self.ranges().flat_map(|range| 0..range.end - range.start).collect();
        Tensor::from_slice(&positions).to_device(device)
    }

    /// The index of each sequence's first token: `[b]`, int64.
    pub fn first_tokens(&self, device: Device) -> Tensor {
        Tensor::from_slice(&self.offsets[..self.sequences()]).to_device(device)
    }

    /// The sequence to which each token belongs: `[t]`, int64.
    pub fn sequence_of_token(&self, device: Device) -> Tensor {
        let lengths = Tensor::from_slice(&self.offsets).diff(1, 0, None::<Tensor>, None::<Tensor>);
        Tensor::arange(self.sequences() as i64, (Kind::Int64, Device::Cpu))
            .repeat_interleave_self_tensor(&lengths, 0, self.tokens())
            .to_device(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_group_adjacent_equal_lengths() {
        let layout = SequenceLayout::from_lengths(&[4, 4, 0, 4, 2, 4]);
        let runs: Vec<_> = layout.runs().iter().map(|run| (run.sequences, run.length)).collect();
        assert_eq!(runs, [(3, 4), (1, 2), (1, 4)]);
        assert_eq!(layout.tokens(), 18);
    }

    #[test]
    fn indices_follow_the_offsets() {
        let layout = SequenceLayout::from_offsets(vec![0, 2, 2, 5]).unwrap();
        let numbers = |tensor: Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(numbers(layout.positions(Device::Cpu)), [0, 1, 0, 1, 2]);
        assert_eq!(numbers(layout.first_tokens(Device::Cpu)), [0, 2, 2]);
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
