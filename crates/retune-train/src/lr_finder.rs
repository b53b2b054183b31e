//! A search for a learning rate: a short training at rates that rise exponentially, and what its losses say (Smith
//! 2017, arXiv 1506.01186; the numbers are those of fastai's `lr_find`). Whoever trains asks for the next rate, makes a
//! step, and tells the batch's loss; the weights are worth nothing afterwards. `docs/optimizers.md` has the formulas.

use serde::Serialize;

/// The shortest search. Suggestions leave out the last five steps.
const FEWEST_STEPS: u64 = 10;
/// The steps before the end that suggestions leave out: by then the loss rises.
const LAST_STEPS: usize = 5;

/// The numbers of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinderSettings {
    /// The rate of the first step.
    pub lowest: f64,
    /// The rate after the last step, which therefore none has.
    pub highest: f64,
    /// How many steps.
    pub steps: u64,
    /// How much of the running mean of losses a step keeps; in `[0, 1)`.
    pub smoothing: f64,
    /// The search ends where the smoothed loss is more than so many times the lowest.
    pub divergence: f64,
}

impl Default for FinderSettings {
    /// fastai's: 1e-7 to 10 in 100 steps, a smoothing of 0.98, an end at four times the lowest loss.
    fn default() -> Self {
        Self { lowest: 1e-7, highest: 10.0, steps: 100, smoothing: 0.98, divergence: 4.0 }
    }
}

impl FinderSettings {
    /// The learning rate of a step, counted from 0: `lowest (highest / lowest)^(step / steps)`.
    pub fn rate(&self, step: u64) -> f64 {
        self.lowest * (self.highest / self.lowest).powf(step as f64 / self.steps as f64)
    }
}

/// A number of a search's settings that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the learning-rate finder's {what} is {value}, but must be {range}")]
pub struct FinderError {
    /// Which number.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// Where it may lie.
    pub range: &'static str,
}

/// A step of a search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Its learning rate.
    pub learning_rate: f64,
    /// The loss of its batch, before the step.
    pub loss: f64,
    /// The exponential moving average of the losses so far, without the bias of its start.
    pub smoothed: f64,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All steps were done.
    Steps,
    /// The loss grew.
    Diverged,
    /// The loss was not a finite number. It is no [`Point`].
    NotFinite,
}

/// Learning rates to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suggestions {
    /// Where the smoothed loss falls most, by the logarithm of the rate.
    pub steepest: f64,
    /// A tenth of the rate with the lowest smoothed loss.
    pub minimum_tenth: f64,
}

/// A search that is under way, or done.
#[derive(Debug, Clone)]
pub struct RateFinder {
    settings: FinderSettings,
    points: Vec<Point>,
    /// The running mean of losses, with the bias of its start at 0.
    mean: f64,
    lowest_loss: f64,
    ending: Option<Ending>,
}

impl RateFinder {
    /// Before the first step.
    ///
    /// # Errors
    /// A number is outside its range.
    pub fn new(settings: FinderSettings) -> Result<Self, FinderError> {
        let FinderSettings { lowest, highest, steps, smoothing, divergence } = settings;
        for (what, value, fits, range) in [
            ("lowest rate", lowest, lowest > 0.0 && lowest.is_finite(), "above 0"),
            ("highest rate", highest, highest > lowest && highest.is_finite(), "above the lowest"),
            ("number of steps", steps as f64, steps >= FEWEST_STEPS, "10 or more"),
            ("smoothing", smoothing, (0.0..1.0).contains(&smoothing), "0 or more and below 1"),
            ("divergence", divergence, divergence > 1.0, "above 1"),
        ] {
            if !fits {
                return Err(FinderError { what, value, range });
            }
        }
        Ok(Self { settings, points: Vec::new(), mean: 0.0, lowest_loss: f64::INFINITY, ending: None })
    }

    /// The learning rate of the next step; none when the search has ended.
    pub fn next_rate(&self) -> Option<f64> {
        self.ending.is_none().then(|| self.settings.rate(self.points.len() as u64))
    }

    /// Takes the loss of the step that had [`next_rate`](Self::next_rate); tells whether the search has ended. What
    /// comes after the end is not taken.
    pub fn observe(&mut self, loss: f64) -> Option<Ending> {
        let Some(learning_rate) = self.next_rate() else { return self.ending };
        if !loss.is_finite() {
            self.ending = Some(Ending::NotFinite);
            return self.ending;
        }
        let FinderSettings { steps, smoothing, divergence, .. } = self.settings;
        self.mean = smoothing * self.mean + (1.0 - smoothing) * loss;
        let done = self.points.len() as f64 + 1.0;
        let smoothed = self.mean / (1.0 - smoothing.powf(done));
        self.points.push(Point { learning_rate, loss, smoothed });
        self.lowest_loss = self.lowest_loss.min(smoothed);
        // By distance, as a loss may be negative: `divergence` times the lowest where it is not.
        let limit = self.lowest_loss + (divergence - 1.0) * self.lowest_loss.abs();
        if smoothed > limit {
            self.ending = Some(Ending::Diverged);
        } else if self.points.len() as u64 == steps {
            self.ending = Some(Ending::Steps);
        }
        self.ending
    }

    /// The steps so far.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Why the search ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// What the steps so far suggest, without the first tenth, whose smoothed losses are hardly smooth, and the last
    /// five unless a loss that is not finite was the end; nothing where fewer than two steps are left.
    pub fn suggestions(&self) -> Option<Suggestions> {
        let last = if self.ending == Some(Ending::NotFinite) { 0 } else { LAST_STEPS };
        let kept = self.points.get(self.settings.steps as usize / 10..self.points.len().saturating_sub(last))?;
        let slope = |pair: &[Point]| {
            (pair[1].smoothed - pair[0].smoothed) / (pair[1].learning_rate.ln() - pair[0].learning_rate.ln())
        };
        let steepest = kept.windows(2).min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        let minimum = kept.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?;
        Some(Suggestions { steepest: steepest[0].learning_rate, minimum_tenth: minimum.learning_rate / 10.0 })
    }
}
