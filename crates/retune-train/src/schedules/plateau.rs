//! A learning rate that falls where a metric does not get better, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

use serde::{Deserialize, Serialize};

/// The numbers that stay the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateauSettings {
    /// Whether a larger value of the metric is better.
    pub larger_is_better: bool,
    /// What the rate is multiplied by; in `0..1`.
    pub factor: f64,
    /// How many evaluations that are no better are let pass.
    pub patience: u64,
    /// By how much a value must be better to count.
    pub threshold: Threshold,
    /// Evaluations after a fall that are not counted.
    pub cooldown: u64,
    /// The lowest rate, as a factor of the highest.
    pub floor: f64,
    /// A fall by no more than this, as a factor of the highest rate, is left out. (torch's is of the rate itself.)
    pub epsilon: f64,
}

impl Default for PlateauSettings {
    /// torch's.
    fn default() -> Self {
        Self {
            larger_is_better: false,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            floor: 0.0,
            epsilon: 1e-8,
        }
    }
}

/// By how much a value must be better than the best so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// By this share of the best.
    Relative(f64),
    /// By this.
    Absolute(f64),
}

/// What was seen so far; a checkpoint keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The rate, as a factor of the highest.
    pub factor: f64,
    /// The best value.
    pub best: Option<f64>,
    /// Evaluations since then that were no better, or since the last fall.
    pub bad_evaluations: u64,
    /// Evaluations to come that are not counted.
    pub cooldown: u64,
}

impl Default for PlateauState {
    /// Nothing was seen.
    fn default() -> Self {
        Self { factor: 1.0, best: None, bad_evaluations: 0, cooldown: 0 }
    }
}

/// A learning rate that falls where a metric does not get better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    settings: PlateauSettings,
    state: PlateauState,
}

impl Plateau {
    /// With what was seen before, by default nothing.
    pub fn new(settings: PlateauSettings, state: PlateauState) -> Self {
        Self { settings, state }
    }

    /// The factor of the highest rate.
    pub fn factor(&self) -> f64 {
        self.state.factor
    }

    /// What a checkpoint keeps.
    pub fn state(&self) -> PlateauState {
        self.state
    }

    /// Takes an evaluation's metric into account; tells whether the rate fell. What is not a number is no better.
    pub fn observe(&mut self, value: f64) -> bool {
        let (settings, state) = (&self.settings, &mut self.state);
        if settings.is_better(value, state.best) {
            state.best = Some(value);
            state.bad_evaluations = 0;
        } else {
            state.bad_evaluations += 1;
        }
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad_evaluations = 0;
        }
        if state.bad_evaluations <= settings.patience {
            return false;
        }
        state.cooldown = settings.cooldown;
        state.bad_evaluations = 0;
        let lower = (state.factor * settings.factor).max(settings.floor);
        let falls = state.factor - lower > settings.epsilon;
        if falls {
            state.factor = lower;
        }
        falls
    }
}

impl PlateauSettings {
    fn is_better(&self, value: f64, best: Option<f64>) -> bool {
        let Some(best) = best else { return value.is_finite() };
        match (self.threshold, self.larger_is_better) {
            (Threshold::Relative(share), false) => value < best * (1.0 - share),
            (Threshold::Relative(share), true) => value > best * (1.0 + share),
            (Threshold::Absolute(by), false) => value < best - by,
            (Threshold::Absolute(by), true) => value > best + by,
        }
    }
}
