//! What losses have been like, so that one unlike them is seen.

use serde::{Deserialize, Serialize};

/// A running mean of losses and of their distances from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LossWatch {
    mean: f64,
    /// The mean distance from the mean.
    distance: f64,
    seen: u64,
}

/// How much of each mean is kept at a step.
const KEPT: f64 = 0.95;
/// Losses that are seen before one can be unlike them.
const FIRST: u64 = 20;
/// Distances from the mean from which on a loss is a spike. Of normal losses, one in ten million lies so far out.
const FAR: f64 = 6.5;

impl LossWatch {
    /// Takes a finite loss into account; gives the mean before it where it lies far above.
    pub fn see(&mut self, loss: f64) -> Option<f64> {
        let (mean, seen) = (self.mean, self.seen);
        let distance = (loss - mean).abs();
        let spikes = seen >= FIRST && loss > mean && distance > FAR * self.distance.max(1e-3 * mean.abs());
        // A plain mean at first, so that the start at 0 has no weight.
        let kept = KEPT.min(seen as f64 / (seen + 1) as f64);
        self.mean = kept * mean + (1.0 - kept) * loss;
        // A spike counts as far as it must: were it to count whole, the next one would pass.
        let counted = if spikes { FAR * self.distance } else { distance };
        self.distance = if seen == 0 { 0.0 } else { kept * self.distance + (1.0 - kept) * counted };
        self.seen = seen + 1;
        spikes.then_some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Falling losses with a regular noise.
    fn loss(step: u64) -> f64 {
        2.0 / (1.0 + step as f64 / 50.0) + 0.1 * (step as f64 * 1.7).sin()
    }

    #[test]
    fn falling_losses_have_no_spikes_and_a_jump_is_one() {
        let mut watch = LossWatch::default();
        for step in 0..300 {
            assert_eq!(watch.see(loss(step)), None, "step {step}");
        }
        let mean = watch.see(3.0).expect("a spike");
        assert!((mean - loss(300)).abs() < 0.2, "{mean}");
        assert_eq!(watch.see(loss(301)), None);
        assert!(watch.see(3.0).is_some());
    }

    #[test]
    fn equal_losses_are_no_spikes() {
        let mut watch = LossWatch::default();
        assert!((0..50).all(|_| watch.see(0.5).is_none()));
        assert!(watch.see(0.5001).is_none());
        assert!(watch.see(0.6).is_some());
    }

    #[test]
    fn the_first_losses_are_never_spikes() {
        let mut watch = LossWatch::default();
        assert!((0..FIRST).all(|step| watch.see(10.0_f64.powi(step as i32)).is_none()));
    }
}
