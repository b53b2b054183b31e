//! Loss scaling for float16, whose least number is 6e-8: a loss multiplied by a large factor has gradients that are as
//! much larger, and these are divided by it in float32 (P. Micikevicius et al., "Mixed precision training", 2018,
//! section 3.2). The factor seeks its size, by the numbers of `torch.amp.GradScaler`: half after a step in which a
//! gradient was not finite, which then moves nothing; twice after 2,000 steps without one.

use serde::{Deserialize, Serialize};

/// The factor, and since when it is what it is. Powers of two, so that multiplying and dividing round nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f64,
    steps: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { factor: 65_536.0, steps: 0 }
    }
}

impl LossScale {
    /// Steps after which the factor grows.
    const PATIENCE: u32 = 2_000;
    /// The factor from which on it does not shrink: gradients that are not finite even so come from elsewhere.
    const LEAST: f64 = 1.0;

    /// What the loss is multiplied by.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Whether a smaller factor may help.
    pub fn can_shrink(&self) -> bool {
        self.factor > Self::LEAST
    }

    /// After a step whose gradients were all finite, or were not.
    pub fn update(&mut self, were_finite: bool) {
        self.update_with(were_finite, Self::PATIENCE);
    }

    fn update_with(&mut self, were_finite: bool, patience: u32) {
        if !were_finite {
            *self = Self { factor: (self.factor / 2.0).max(Self::LEAST), steps: 0 };
            return;
        }
        self.steps += 1;
        if self.steps >= patience {
            let larger = self.factor * 2.0;
            // The loss is a float32.
            let factor = if (larger as f32).is_finite() { larger } else { self.factor };
            *self = Self { factor, steps: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of `torch.amp.GradScaler("cpu", growth_interval=3)`, torch 2.11.0, after each of these steps.
    #[test]
    fn it_moves_as_grad_scaler_does() {
        let finite = "..x..x.......xx...";
        let halves = [0, 0, 1, 1, 1, 2, 2, 2, 1, 1, 1, 0, 0, 1, 2, 2, 2, 1];
        let factors = halves.map(|halves| 65_536.0 / 2f64.powi(halves));
        let mut scale = LossScale::default();
        for (step, (finite, factor)) in finite.chars().zip(factors).enumerate() {
            scale.update_with(finite == '.', 3);
            assert_eq!(scale.factor(), factor, "after step {step}");
        }
    }

    #[test]
    fn it_stays_within_what_helps() {
        let mut scale = LossScale::default();
        (0..40).for_each(|_| scale.update(false));
        assert_eq!((scale.factor(), scale.can_shrink()), (1.0, false));
        (0..200 * LossScale::PATIENCE).for_each(|_| scale.update(true));
        assert_eq!(scale.factor(), 2f64.powi(127));
    }
}
