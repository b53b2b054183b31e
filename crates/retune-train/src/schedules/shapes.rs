//! What follows the warm-up, as `transformers.optimization` computes it.

use std::f64::consts::PI;

use super::Span;

/// How the learning rate goes from its highest, which it has after the warm-up, to the end.
///
/// In the formulas, p is the share of the steps after the warm-up that are done, from 0 to 1 at the last step's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// It stays (`get_constant_schedule`, `get_constant_schedule_with_warmup`).
    Constant,
    /// `1 - p` (`get_linear_schedule_with_warmup`).
    Linear,
    /// `floor + (1 - floor) (1 + cos(2 pi cycles p)) / 2` (`get_cosine_schedule_with_warmup`,
    /// `get_cosine_with_min_lr_schedule_with_warmup`; Loshchilov and Hutter 2017, arXiv 1608.03983).
    Cosine {
        /// Waves; a half goes from the highest to the lowest once.
        cycles: f64,
        /// The lowest rate.
        floor: f64,
    },
    /// `(1 + cos(pi (cycles p mod 1))) / 2`: from the highest to 0 several times
    /// (`get_cosine_with_hard_restarts_schedule_with_warmup`).
    CosineWithRestarts {
        /// How many times.
        cycles: f64,
    },
    /// `end + (1 - end) (1 - p)^power` (`get_polynomial_decay_schedule_with_warmup`).
    Polynomial {
        /// The power.
        power: f64,
        /// The rate at the end.
        end: f64,
    },
    /// `sqrt(timescale / (timescale + steps after the warm-up))` (`get_inverse_sqrt_schedule`; Zhai et al. 2022,
    /// arXiv 2106.04560, give it with a timescale of its own).
    InverseSquareRoot {
        /// In steps; where it is `None`, the warm-up's, or 10,000 without one.
        timescale: Option<u64>,
    },
    /// The highest rate until the last steps, then a fall to the floor (`get_wsd_schedule`; Hu et al. 2024, arXiv
    /// 2404.06395). Its warm-up begins at the floor.
    WarmupStableDecay {
        /// The steps of the fall.
        decay: Span,
        /// How it falls.
        form: DecayForm,
        /// The lowest rate.
        floor: f64,
    },
}

/// How a rate falls from 1 to 0 while q goes from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecayForm {
    /// `1 - q`.
    Linear,
    /// `(1 + cos(pi q)) / 2`.
    Cosine,
    /// `1 - sqrt(q)` (Hägele et al. 2024, arXiv 2405.18392).
    OneMinusSquareRoot,
}

/// The timescale of an inverse square root without a warm-up.
const DEFAULT_TIMESCALE: u64 = 10_000;

impl Shape {
    /// The factor at a step that is not of the warm-up, counted from 0 with those of the warm-up.
    pub(super) fn factor(&self, step: u64, warmup_steps: u64, total_steps: u64) -> f64 {
        let after = step.saturating_sub(warmup_steps) as f64;
        let whole = total_steps.saturating_sub(warmup_steps).max(1) as f64;
        let p = after / whole;
        match *self {
            Self::Constant => 1.0,
            Self::Linear => total_steps.saturating_sub(step) as f64 / whole,
            Self::Cosine { cycles, floor } => floor + (1.0 - floor) * wave(2.0 * cycles * p),
            Self::CosineWithRestarts { .. } if p >= 1.0 => 0.0,
            Self::CosineWithRestarts { cycles } => wave((cycles * p) % 1.0),
            Self::Polynomial { power, end } => end + (1.0 - end) * (1.0 - p).max(0.0).powf(power),
            Self::InverseSquareRoot { timescale } => {
                let own = if warmup_steps == 0 { DEFAULT_TIMESCALE } else { warmup_steps };
                let timescale = timescale.unwrap_or(own) as f64;
                (timescale / (timescale + after)).sqrt()
            }
            Self::WarmupStableDecay { decay, form, floor } => {
                let decay = decay.steps(total_steps) as f64;
                let q = (step as f64 - (total_steps as f64 - decay)) / decay.max(1.0);
                floor + (1.0 - floor) * form.factor(q.clamp(0.0, 1.0))
            }
        }
    }

    /// Where the warm-up begins.
    pub(super) fn start(&self) -> f64 {
        match *self {
            Self::WarmupStableDecay { floor, .. } => floor,
            _ => 0.0,
        }
    }
}

impl DecayForm {
    fn factor(self, q: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - q,
            Self::Cosine => wave(q),
            Self::OneMinusSquareRoot => 1.0 - q.sqrt(),
        }
    }
}

/// From 1 at 0 to 0 at 1, and on as a cosine.
fn wave(x: f64) -> f64 {
    0.5 * (1.0 + (PI * x).cos())
}
