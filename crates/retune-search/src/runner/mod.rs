//! Trials as processes: what runs, what is on the disk, and what came of it.

mod curve;
mod measured;
mod program;
mod recipes;
mod result;
mod sweep;
mod trial;

pub use curve::{CurveResult, CurveSettings, curve};
pub use measured::{Measured, is_better, measured};
pub use program::Program;
pub use result::{SweepResult, TrialResult};
pub use sweep::{resume_sweep, sweep};
pub use trial::{Trial, TrialState};
