//! The training loop, optimisers, schedules, checkpoints, evaluation and the run directory.
//!
//! [`trainer`] is the loop, in the order in which one batch goes through it; what it calls are parts: the task
//! ([`tasks`]: columns, loss and metrics), the optimiser, the schedule, [`evaluate`], [`checkpoint`]s. A run's folder is
//! [`RunDirectory`]; a finished model is used through [`Predictor`].

mod batch;
pub mod checkpoint;
mod device;
mod error;
mod evaluate;
mod event;
mod finish;
mod model_card;
mod model_directory;
mod optimizer;
mod predict;
mod record;
mod run_directory;
mod schedule;
mod step;
pub mod tasks;
pub mod trainer;

pub use batch::to_input;
pub use device::{device_name, resolve_device};
pub use error::TrainError;
pub use evaluate::{Computation, Predictions, evaluate};
pub use event::{Event, Logged, StepReport};
pub use finish::{Outcome, Summary, prediction_columns, text_column};
pub use model_directory::Source;
pub use optimizer::{AdamW, AdamWSettings};
pub use predict::Predictor;
pub use run_directory::{RunDirectory, check_output};
pub use schedule::LinearSchedule;
pub use step::{StepNumbers, StepSettings, train_step};
pub use trainer::Trainer;
