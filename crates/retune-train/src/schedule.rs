//! Learning-rate schedules: a factor of the highest rate, for each step.

/// A linear rise from 0 over the warm-up, then a linear fall to 0 at the last step
/// (`transformers.get_linear_schedule_with_warmup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearSchedule {
    /// Steps of the rise.
    pub warmup_steps: u64,
    /// All steps.
    pub total_steps: u64,
}

impl LinearSchedule {
    /// With a warm-up of this share of the steps, rounded up.
    pub fn new(total_steps: u64, warmup_fraction: f64) -> Self {
        Self { warmup_steps: (warmup_fraction * total_steps as f64).ceil() as u64, total_steps }
    }

    /// The factor for a step, counted from 0; in `0..=1`.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            step as f64 / self.warmup_steps.max(1) as f64
        } else {
            let falling = self.total_steps.saturating_sub(self.warmup_steps).max(1);
            self.total_steps.saturating_sub(step) as f64 / falling as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls_as_in_transformers() {
        let schedule = LinearSchedule::new(10, 0.25);
        assert_eq!(schedule.warmup_steps, 3);
        let factors: Vec<_> = (0..=10).map(|step| schedule.factor(step)).collect();
        let expected =
            [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 6.0 / 7.0, 5.0 / 7.0, 4.0 / 7.0, 3.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0, 0.0];
        for (found, expected) in factors.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{factors:?}");
        }
    }

    #[test]
    fn no_warmup_starts_at_the_top() {
        assert_eq!(LinearSchedule::new(4, 0.0).factor(0), 1.0);
        assert_eq!(LinearSchedule::new(1, 1.0).factor(0), 0.0);
    }
}
