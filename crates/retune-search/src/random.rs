//! Seeded draws, fixed for good: the same seed and trial give the same point in every version of every dependency.
//!
//! ChaCha8 is specified bit by bit; what is made of its bits is written out here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What the numbers are for. No two purposes share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The point of a trial; the stream is the trial.
    Trial,
    /// Resamples behind an interval.
    Bootstrap,
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
            Purpose::Trial => b"retune/trial/v1\0",
            Purpose::Bootstrap => b"retune/boots/v1\0",
        });
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number of [0, 1), of 53 random bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of [low, high].
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A number from 0 to `end` − 1, each as likely as the others to within `end` / 2⁶⁴; `end` is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.0.next_u64()) * end as u128) >> 64) as usize
    }

    /// The place of one of the weights, each as likely as its share of their sum.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
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
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let first = |purpose, seed, stream| Random::new(purpose, seed, stream).unit();
        assert_eq!(first(Purpose::Trial, 1, 2), first(Purpose::Trial, 1, 2));
        let draws = [
            first(Purpose::Trial, 0, 0),
            first(Purpose::Trial, 0, 1),
            first(Purpose::Trial, 1, 0),
            first(Purpose::Bootstrap, 0, 0),
        ];
        for (place, draw) in draws.iter().enumerate() {
            assert!(!draws[..place].contains(draw), "{draws:?}");
        }
    }

    #[test]
    fn draws_have_their_distributions() {
        const DRAWS: usize = 20_000;
        let mut random = Random::new(Purpose::Trial, 7, 0);
        let normal: Vec<f64> = (0..DRAWS).map(|_| random.normal()).collect();
        let mean = normal.iter().sum::<f64>() / DRAWS as f64;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64;
        // Five standard errors.
        assert!(mean.abs() < 0.036 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut counts = [0_usize; 3];
        (0..DRAWS).for_each(|_| counts[random.weighted(&[1.0, 0.0, 3.0])] += 1);
        assert_eq!(counts[1], 0);
        assert!((counts[2] as f64 / DRAWS as f64 - 0.75).abs() < 0.0155, "{counts:?}");
    }
}
