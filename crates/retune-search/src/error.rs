//! What can go wrong with a search, beside its trials.

use std::io;
use std::path::PathBuf;

/// Why a search cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A record of a trial does not read.
    #[error("{} is damaged: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The folder holds a search already.
    #[error("{} holds a search already: go on with --resume {}, or name another folder with --output", path.display(), path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{} is not empty: name another folder with --output", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no search.
    #[error("{} is not a search: it holds no {missing}", path.display())]
    NotASearch {
        /// The folder.
        path: PathBuf,
        /// The file that it lacks.
        missing: &'static str,
    },
    /// Another process works in the folder.
    #[error("another process works in {}: wait for it, or stop it", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A trial's process outlived the search that started it.
    #[error("trial {trial} is still being trained by process {process}: wait for it, or stop it (kill -INT {process})")]
    StillRunning {
        /// The trial.
        trial: usize,
        /// Its process.
        process: u32,
    },
    /// The program that trains cannot be started.
    #[error("cannot start {}: {source}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The first trials failed, one after the other.
    #[error("the first {trials} trials failed; the last said: {message}\n(its log is {})", log.display())]
    AllFail {
        /// How many.
        trials: usize,
        /// What the last said.
        message: String,
        /// Its log.
        log: PathBuf,
    },
    /// A recipe of the search is wrong.
    #[error(transparent)]
    Recipe(#[from] retune_recipe::RecipeError),
}
