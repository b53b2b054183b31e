//! Hyperparameter search and learning curves: what to try next, and what the trials say.
mod halving;
mod importance;
mod learning_curve;
mod parzen;
mod power_law;
mod random;
mod sampler;
mod space;
mod tpe;

pub use halving::{Halving, Standing};
pub use importance::{FEW_TRIALS, Importance, importances};
pub use learning_curve::{CurvePoint, Expected, LearningCurve, Resampled, Verdict};
pub use power_law::PowerLaw;
pub use sampler::Sampler;
pub use space::{Domain, Parameter, Point, Scale, size};
pub use tpe::{Observation, Outcome};
