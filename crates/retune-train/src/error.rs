//! What stops a run.

use std::io;
use std::path::PathBuf;

use retune_attention::LayoutError;
use retune_data::{Change, DataError};
use retune_metrics::MetricError;
use retune_models::ModelError;
use retune_recipe::RecipeError;
use retune_torch::TorchError;

use crate::averaging::AverageError;
use crate::data_record::changes_in_words;
use crate::lr_finder::FinderError;
use crate::optimizers::GroupError;

/// What stops a run, a prediction or an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Something about the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Something about the model directory.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Something that libtorch refused, or CUDA that is not there.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// An operation of libtorch failed.
    #[error("libtorch: {0}")]
    Tch(#[from] tch::TchError),
    /// Something about a metric.
    #[error(transparent)]
    Metrics(#[from] MetricError),
    /// A file for TensorBoard that cannot be written.
    #[error(transparent)]
    Board(#[from] retune_tensorboard::WriteError),
    /// A packed batch that describes no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A run's plan that cannot be read back.
    #[error(transparent)]
    Plan(#[from] RecipeError),
    /// Settings of parameter groups that cannot be.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// An average of weights that cannot be.
    #[error(transparent)]
    Average(#[from] AverageError),
    /// Settings of a learning-rate finder that cannot be.
    #[error(transparent)]
    Finder(#[from] FinderError),
    /// A GPU was asked for that is not there.
    #[error("device cuda:{asked} is not there: this machine has {gpus} GPU(s), cuda:0 to cuda:{}", gpus - 1)]
    NoSuchGpu {
        /// The index asked for.
        asked: usize,
        /// How many there are.
        gpus: usize,
    },
    /// TF32 was asked for where there is none.
    #[error(
        "precision tf32 is an arithmetic of NVIDIA's GPUs, and this run computes on {device}; set run.precision to fp32 or bf16, \
         or run.device to cuda"
    )]
    NoTf32 {
        /// Where the run computes.
        device: String,
    },
    /// `data.max_length` is longer than the model's positions.
    #[error(
        "data.max_length is {asked}, but the model has positions for {longest} tokens; set data.max_length to {longest} or less"
    )]
    TooLong {
        /// The length asked for.
        asked: usize,
        /// The longest that the model can take.
        longest: usize,
    },
    /// The tokenizer gives ids that the model's embeddings lack.
    #[error(
        "{}: the tokenizer has {tokenizer} tokens, the model's embeddings {model}; they do not belong together",
        path.display()
    )]
    Vocabulary {
        /// The model directory.
        path: PathBuf,
        /// The tokenizer's vocabulary.
        tokenizer: usize,
        /// The model's.
        model: usize,
    },
    /// The output directory holds another run.
    #[error("{} already holds a run; choose another folder with --output, or go on with it: --resume {}", path.display(), path.display())]
    RunExists {
        /// The directory.
        path: PathBuf,
    },
    /// The output directory holds files that are not a run's.
    #[error("{} is not empty; choose another folder with --output", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A file or folder of the run cannot be written.
    #[error("cannot write {}: {source}{}", path.display(), write_hint(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the run cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is not a run's, or the run has not got so far.
    #[error("{} {missing}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What is not there, and what that means.
        missing: &'static str,
    },
    /// The data files hold something else than when the run began.
    #[error(
        "the data of {} is not what the run began with: {}. A run goes on with the same data alone, and nothing of it is lost: \
         put the files back as they were and resume again, or begin a new run in another folder",
        run.display(),
        changes_in_words(changes)
    )]
    DataChanged {
        /// The run.
        run: PathBuf,
        /// The keys that name the files, and what became of these.
        changes: Vec<(&'static str, Change)>,
    },
    /// A file of a checkpoint does not fit the run.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A weight is given to a class that there is not.
    #[error("{key} gives a weight to '{class}', which is no class; there are {}", known.join(", "))]
    UnknownClass {
        /// The key of the recipe.
        key: &'static str,
        /// The name that it gives.
        class: String,
        /// The classes.
        known: Vec<String>,
    },
    /// What was given does not suit the task.
    #[error("{reason}")]
    Input {
        /// What does not suit, and how to mend it.
        reason: String,
    },
    /// The loss or the gradient is not a number any more.
    #[error(
        "step {step}: the {what} is {value}{place}; the run stops before the model is spoilt ({} of the training data). \
         Try a lower train.learning_rate, or run.precision = \"fp32\"; train.non_finite = \"skip\" leaves such batches out",
        rows_in_words(rows)
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The rows of the batch, from 0.
        rows: Vec<usize>,
        /// Where it first appeared, begun by a comma; empty where that is not known.
        place: String,
    },
    /// Batch after batch was left out.
    #[error(
        "step {step}: the last {batches} batches in a row were left out, since their loss or gradient was not finite. Try a \
         lower train.learning_rate, or run.precision = \"fp32\""
    )]
    NothingButSkipped {
        /// The step, from 1.
        step: u64,
        /// How many.
        batches: u64,
    },
    /// One example alone needs more memory than there is.
    #[error(
        "there is not enough memory for one example; set data.max_length lower, train.recompute = true, or take a smaller model"
    )]
    OutOfMemory,
}

/// The first rows of a batch, and how many more there are.
fn rows_in_words(rows: &[usize]) -> String {
    const MOST: usize = 8;

    let first: Vec<String> = rows.iter().take(MOST).map(usize::to_string).collect();
    let more = if rows.len() > MOST { format!(" and {} more", rows.len() - MOST) } else { String::new() };
    format!("rows {}{more}, counted from 0,", first.join(", "))
}

fn write_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space or choose another folder with --output",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; choose another folder with --output",
        _ => "",
    }
}
