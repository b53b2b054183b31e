//! Learning-rate schedules: a factor of the highest rate, for each step.
//!
//! A [`Schedule`] is a warm-up and a [`Shape`], and a function of the step alone, so that nothing of it is kept. A
//! [`Plateau`] looks at the evaluations' metric instead, and keeps what it saw. `docs/optimizers.md` gives every
//! formula.

mod plateau;
mod shapes;

pub use plateau::{Plateau, PlateauSettings, PlateauState, Threshold};
pub use shapes::{DecayForm, Shape};

/// A number of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// So many.
    Steps(u64),
    /// This share of all steps, rounded up; in `0..=1`.
    Fraction(f64),
}

impl Span {
    /// The number of steps, of so many in all.
    pub fn steps(self, total_steps: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Fraction(fraction) => (fraction * total_steps as f64).ceil() as u64,
        }
    }
}

/// A linear rise over the warm-up, from 0, then a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// What follows the warm-up.
    pub shape: Shape,
    /// Steps of the rise.
    pub warmup_steps: u64,
    /// All steps.
    pub total_steps: u64,
}

impl Schedule {
    /// A shape over all steps, after a warm-up.
    pub fn new(shape: Shape, warmup: Span, total_steps: u64) -> Self {
        Self { shape, warmup_steps: warmup.steps(total_steps), total_steps }
    }

    /// The factor for a step, counted from 0; in `0..=1`.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            let start = self.shape.start();
            start + (1.0 - start) * (step as f64 / self.warmup_steps as f64)
        } else {
            self.shape.factor(step, self.warmup_steps, self.total_steps)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls_as_in_transformers() {
        let schedule = Schedule::new(Shape::Linear, Span::Fraction(0.25), 10);
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
        assert_eq!(Schedule::new(Shape::Linear, Span::Fraction(0.0), 4).factor(0), 1.0);
        assert_eq!(Schedule::new(Shape::Linear, Span::Fraction(1.0), 1).factor(0), 0.0);
        assert_eq!(Schedule::new(Shape::Constant, Span::Steps(2), 9).factor(1), 0.5);
    }
}
