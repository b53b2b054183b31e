//! Seeded draws, fixed for good: the same seed gives the same draws in every version of every dependency.
//!
//! ChaCha8 is specified bit by bit; what is made of its bits is written out here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What the numbers are for. No two purposes share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Which fold a row falls into.
    Folds,
    /// Which rows are looked at.
    Sample,
}

/// A generator of its own for each seed, purpose and stream.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// ChaCha8 under the 32-byte key `seed ‖ stream ‖ tag`, the numbers in little endian.
    pub(crate) fn new(purpose: Purpose, seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        key[16..].copy_from_slice(match purpose {
            Purpose::Folds => b"retune/folds/v1\0",
            Purpose::Sample => b"retune/insam/v1\0",
        });
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number from 0 to `end` − 1, each as likely as the others to within `end` / 2⁶⁴; `end` is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.0.next_u64()) * end as u128) >> 64) as usize
    }

    /// Every order as likely as any other (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// `count` of the numbers `0..rows`, or all of them where there are no more, in ascending order; each set as likely as any other
/// (R. W. Floyd's algorithm; J. Bentley, "Programming pearls: a sample of brilliance", 1987).
pub fn sample(rows: usize, count: usize, seed: u64, stream: u64) -> Vec<usize> {
    if count >= rows {
        return (0..rows).collect();
    }
    let mut random = Random::new(Purpose::Sample, seed, stream);
    let mut chosen = std::collections::BTreeSet::new();
    for end in rows - count..rows {
        let drawn = random.below(end + 1);
        if !chosen.insert(drawn) {
            chosen.insert(end);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sets_of_their_size_that_repeat() {
        for count in [0, 1, 5, 99, 100, 200] {
            let drawn = sample(100, count, 3, 0);
            assert_eq!(drawn.len(), count.min(100));
            assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn.iter().all(|row| *row < 100));
            assert_eq!(drawn, sample(100, count, 3, 0));
        }
        assert_ne!(sample(100, 20, 3, 0), sample(100, 20, 4, 0));
        let mut counts = [0; 10];
        (0..5000).for_each(|seed| sample(10, 3, seed, 0).into_iter().for_each(|row| counts[row] += 1));
        // 1500 each; five standard errors are 162.
        assert!(counts.iter().all(|count| (1338..1662).contains(count)), "{counts:?}");
    }
}
