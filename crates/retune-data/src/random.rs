//! Seeded draws, fixed for good: the same seed gives the same order in every version of every dependency.
//!
//! ChaCha8 is specified bit by bit, and the draw of an index and the shuffle are written out here, because what a crate
//! does with a generator's bits may change between its versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What the numbers are for. Each purpose has streams of its own, so that no two draws of one run are correlated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The order of the rows in an epoch; the stream is the epoch.
    Epoch,
    /// The rows of a share of the training data.
    Share,
    /// The rows of each class that are trained on; the stream is the class.
    PerClass,
    /// The partners of rows in contrastive pairs; the stream is the row.
    Pairs,
    /// The rows held out for evaluation; the stream is the class.
    Split,
    /// The tokens that are masked; the stream is the epoch, and the row is the generator's own stream in it.
    Masking,
}

impl Purpose {
    fn tag(self) -> &'static [u8; 16] {
        match self {
            Purpose::Epoch => b"retune/epoch/v1\0",
            Purpose::Share => b"retune/share/v1\0",
            Purpose::PerClass => b"retune/class/v1\0",
            Purpose::Pairs => b"retune/pairs/v1\0",
            Purpose::Split => b"retune/split/v1\0",
            Purpose::Masking => b"retune/mask/v1\0\0",
        }
    }
}

/// ChaCha8 under the 32-byte key `seed ‖ stream ‖ tag`, the numbers in little endian.
pub(crate) fn generator(purpose: Purpose, seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&stream.to_le_bytes());
    key[16..].copy_from_slice(purpose.tag());
    ChaCha8Rng::from_seed(key)
}

/// Fisher and Yates, from the end: position `i` takes the element at a uniform index of `0..=i`.
pub(crate) fn shuffle<T>(items: &mut [T], generator: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i as u64 + 1, generator) as usize);
    }
}

/// A uniform number below `bound`, without bias: the high half of `bound` times a draw, where the few low halves that
/// would favour some numbers are drawn again (Lemire, "Fast random integer generation in an interval", 2019).
pub(crate) fn below(bound: u64, generator: &mut ChaCha8Rng) -> u64 {
    let biased = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(bound) * u128::from(generator.next_u64());
        if product as u64 >= biased {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn all_orders_are_equally_likely() {
        const DRAWS: u64 = 24_000;
        let mut counts = HashMap::new();
        for stream in 0..DRAWS {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items, &mut generator(Purpose::Epoch, 7, stream));
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Pearson's statistic over 24 orders, 23 degrees of freedom: 49.7 is exceeded once in a thousand seeds.
        let expected = DRAWS as f64 / 24.0;
        let statistic: f64 = counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!(statistic < 49.7, "{statistic}");
    }

    #[test]
    fn purposes_seeds_and_streams_differ() {
        let first = |purpose, seed, stream| generator(purpose, seed, stream).next_u64();
        let draws = [
            first(Purpose::Epoch, 1, 0),
            first(Purpose::Epoch, 0, 1),
            first(Purpose::Epoch, 0, 0),
            first(Purpose::Split, 0, 0),
            first(Purpose::Share, 0, 0),
            first(Purpose::Masking, 0, 0),
            first(Purpose::PerClass, 0, 0),
            first(Purpose::Pairs, 0, 0),
        ];
        for (i, draw) in draws.iter().enumerate() {
            assert!(!draws[..i].contains(draw), "{draws:?}");
        }
    }
}
