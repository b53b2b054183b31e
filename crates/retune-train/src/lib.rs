//! The training loop, optimisers, schedules, checkpoints, evaluation and the run directory.
//!
//! [`trainer`] is the loop, in the order in which one batch goes through it; what it calls are parts: the task
//! ([`Task`] and [`tasks`]: columns, head, loss, measures, predictions), the optimiser, the schedule, [`evaluate`], [`checkpoint`]s. A run's folder is
//! [`RunDirectory`]; a finished model is used through [`Predictor`].

mod advice;
pub mod averaging;
mod batch;
pub mod checkpoint;
mod data_record;
mod device;
mod diagnose;
pub mod divergences;
mod error;
mod evaluate;
mod evaluation;
mod event;
mod features;
pub mod few_shot;
mod finish;
pub mod losses;
pub mod lr_finder;
pub mod memory;
mod model_card;
mod model_directory;
mod moving;
mod network;
pub mod optimizers;
mod passes;
mod predict;
mod prediction;
mod pseudo_perplexity;
mod record;
mod rhythm;
mod run_directory;
mod saving;
pub mod schedules;
mod setup;
mod step;
mod strategy;
mod task;
pub mod tasks;
mod text_vectors;
pub mod trainer;
mod validate;
mod watch;

pub use averaging::{Average, Period, WeightAverage};
pub use batch::to_input;
pub use data_record::DataRecord;
pub use device::{device_name, resolve_device};
pub use error::TrainError;
pub use evaluate::{Computation, Outputs, evaluate};
pub use evaluation::{Confusions, Evaluation, Score, is_better};
pub use event::{Event, Logged, StepReport};
pub use features::Features;
pub use finish::{Outcome, Summary};
pub use lr_finder::{FinderSettings, RateFinder};
pub use model_directory::Source;
pub use network::Network;
pub use optimizers::{AdamW, GroupSettings, Optimizer, groups};
pub use predict::{Predicted, Predictor};
pub use prediction::{Field, Prediction, table};
pub use pseudo_perplexity::{MaskedReader, PseudoPerplexity};
pub use retune_recipe::TaskKind;
pub use rhythm::Rhythm;
pub use run_directory::{RunDirectory, check_output};
pub use schedules::{Schedule, Shape, Span};
pub use step::{StepNumbers, StepRows, StepSettings, train_step};
pub use task::{Batch, Encoded, Examples, OutputLayer, Splits, Task};
pub use text_vectors::{TextVectors, text_vectors};
pub use trainer::Trainer;
pub use watch::LossWatch;
