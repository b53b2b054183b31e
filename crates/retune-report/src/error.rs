//! What can be wrong with what a report is made of.

use std::path::PathBuf;

use retune_metrics::MetricError;
use retune_recipe::RecipeError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder is no run's.
    #[error("{path} is not a run: it holds no plan.toml; name the folder that `finetune` wrote")]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// Its plan does not read.
    #[error("{path}: {source}")]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RecipeError,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is not as {expected}: {source}; make it anew, or take it out of the run's folder")]
    Json {
        /// The file.
        path: PathBuf,
        /// Who writes it, and how.
        expected: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The table of predictions lacks what its task has.
    #[error(
        "the predictions of {run} {problem}; evaluate the run again, or take predictions.parquet out of its folder"
    )]
    Predictions {
        /// The run.
        run: String,
        /// What is wrong.
        problem: String,
    },
    /// A baseline does not answer the rows that the run does.
    #[error("the baseline '{baseline}' {problem}; it must answer the rows of predictions.parquet, in their order")]
    Baseline {
        /// Its name.
        baseline: String,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to report on.
    #[error("name a run to report on")]
    NoRuns,
    /// A measure cannot be taken.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
