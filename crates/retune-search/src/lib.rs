//! Hyperparameter search and learning curves: what to try next, trials as processes, and what they say.
//!
//! The statistics need nothing but numbers: [`Sampler`] proposes points of a space of [`Parameter`]s after what
//! [`Observation`]s have shown, [`Halving`] says which trials go on, [`importances`] how much each parameter mattered,
//! and [`LearningCurve`] whether more data would help. [`sweep`] and [`curve`] put them to work: a process of the
//! program that trains for each trial, all state on the disk, so that a search that was stopped or killed goes on.
//!
//! ```
//! use retune_search::{CurvePoint, LearningCurve, Verdict};
//!
//! let errors = [(0.1, 0.31), (0.2, 0.244), (0.4, 0.195), (0.7, 0.171), (1.0, 0.159)];
//! let points: Vec<_> = errors.iter().map(|&(fraction, error)| CurvePoint { fraction, seed: 42, error }).collect();
//! let curve = LearningCurve::fit(&points, 42);
//! assert_eq!(curve.verdict, Verdict::Helps);
//! assert!(curve.expected[1].error < 0.159);
//! ```

mod error;
mod halving;
mod importance;
mod learning_curve;
mod parzen;
mod plot;
mod power_law;
mod runner;
mod sampler;
mod space;
mod tpe;

pub use error::SearchError;
pub use halving::{Halving, Standing};
pub use importance::{FEW_TRIALS, Importance, importances};
pub use learning_curve::{CurvePoint, Expected, LearningCurve, Resampled, Verdict};
pub use power_law::PowerLaw;
pub use runner::{
    CurveResult, CurveSettings, Measured, Program, SweepResult, Trial, TrialResult, TrialState, curve, is_better,
    measured, resume_sweep, sweep,
};
pub use sampler::Sampler;
pub use space::{Domain, Parameter, Point, Scale, size};
pub use tpe::{Observation, Outcome};
