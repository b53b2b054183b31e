//! Seeded draws, fixed for good: the same seed gives the same draws on every machine, in every version of every
//! dependency.
//!
//! ChaCha8 is specified bit by bit. What is made of its bits is written out here, because what a library does with a
//! generator's bits may change between its versions, and with them the rows of a split or a published interval.

mod purpose;

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub use purpose::Purpose;

/// A stream of random bits, and what is drawn from it.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// ChaCha8 under the 32-byte key `seed ‖ stream ‖ purpose`, the numbers in little endian: a stream of its own for
    /// each.
    pub fn new(purpose: Purpose, seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        key[16..].copy_from_slice(purpose.tag());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// ChaCha8 under a seed alone, for whoever draws for one purpose: the key is made of it by `seed_from_u64` of
    /// `rand_core` 0.9.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The same key's stream of that number, from its beginning: 2⁶⁴ streams under each.
    pub fn substream(mut self, number: u64) -> Self {
        self.0.set_stream(number);
        self
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Heads or tails: one bit of 32.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// A number of [0, 1), of 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of [low, high].
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A number from 0 to `end` − 1, each as likely as any other: the high half of `end` times a draw, where the few
    /// low halves that would favour some numbers are drawn again (D. Lemire, "Fast random integer generation in an
    /// interval", 2019). `end` is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        let biased = end.wrapping_neg() % end;
        loop {
            let product = u128::from(end) * u128::from(self.bits());
            if product as u64 >= biased {
                return (product >> 64) as usize;
            }
        }
    }

    /// The place of one of the weights, each as likely as its share of their sum. Weights are finite and not below 0,
    /// and one at least is more.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// A number of the standard normal distribution (G. E. P. Box and M. E. Muller, "A note on the generation of random
    /// normal deviates", 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Every order as likely as any other: from the end, each place takes one of those up to it (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// `count` of the numbers `0..n`, or all of them where there are no more, in ascending order; each set as likely as
    /// any other (R. W. Floyd's algorithm; J. Bentley, "Programming pearls: a sample of brilliance", 1987).
    pub fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        if count >= n {
            return (0..n).collect();
        }
        let mut chosen = BTreeSet::new();
        for end in n - count..n {
            let drawn = self.below(end + 1);
            if !chosen.insert(drawn) {
                chosen.insert(end);
            }
        }
        chosen.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
