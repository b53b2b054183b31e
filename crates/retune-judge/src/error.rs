//! What can be wrong with a study, and with what is asked of one.

use std::net::SocketAddr;
use std::path::PathBuf;

use retune_metrics::MetricError;

use crate::settings::Mode;

/// Why a study cannot be made, opened, answered or served.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// There is no row to judge.
    #[error("there is no row to judge; give a file with at least one")]
    NoItems,
    /// More rows are asked for than there are, or none.
    #[error("{rows} rows cannot be drawn of {population}; ask for 1 to {population}")]
    RowCount {
        /// How many were asked for.
        rows: usize,
        /// How many there are.
        population: usize,
    },
    /// There are too few rows for two of each class.
    #[error("{rows} rows are too few for {strata} classes; ask for {needed} or more, or draw by chance")]
    TooFewForStrata {
        /// How many were asked for.
        rows: usize,
        /// How many classes there are.
        strata: usize,
        /// How many rows two of each are, one where there is but one.
        needed: usize,
    },
    /// Labels are asked for where there are no classes.
    #[error("this model has no classes to label with; let people agree or disagree with it, or compare two runs")]
    NoClasses,
    /// Rows are to be drawn by uncertainty, and the model has no confidence.
    #[error("row {row}: the model gives no confidence to draw by; draw by chance")]
    NoConfidence {
        /// The row.
        row: u64,
    },
    /// Rows are to be drawn by label, and one has none.
    #[error("row {row} has no label to draw by; draw by predicted class, or by chance")]
    NoLabel {
        /// The row.
        row: u64,
    },
    /// Two runs are to be compared, and there is one.
    #[error("row {row}: there is no second run's prediction to compare with; name a second run")]
    NothingToCompare {
        /// The row.
        row: u64,
    },
    /// Two runs are to be compared, and they never differ.
    #[error("both runs say the same of all {rows} rows, so there is nothing to compare")]
    NothingDiffers {
        /// How many rows there are.
        rows: usize,
    },
    /// SQLite refuses.
    #[error("{}: the study cannot be read or written", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is something else.
    #[error("{}: is no study; name another file", path.display())]
    NotAStudy {
        /// The file.
        path: PathBuf,
    },
    /// There is no file.
    #[error("{}: there is no such study; start one first", path.display())]
    NoStudy {
        /// The file.
        path: PathBuf,
    },
    /// The study was made by another version.
    #[error("{}: the study has format {found}, and this version reads {expected}; use the version that made it", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format that is read.
        expected: i64,
        /// The format that it has.
        found: i64,
    },
    /// What is stored does not read as what it should be.
    #[error("{}: {what} of the study is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not read.
        what: &'static str,
        /// Where it does not.
        #[source]
        source: serde_json::Error,
    },
    /// The study was begun with other settings.
    #[error("{}: the study was begun otherwise ({}); go on as it began, or name a new file", path.display(), differences.join("; "))]
    OtherSettings {
        /// The file.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// The study was begun with other rows, or other predictions.
    #[error(
        "{}: the study was begun with other rows or other predictions; go on with the file and the run that it began with, or name a new file",
        path.display()
    )]
    OtherItems {
        /// The file.
        path: PathBuf,
    },
    /// A judge's name is no name.
    #[error("a name has 1 to 60 characters on one line; {name:?} has not")]
    Name {
        /// What was given.
        name: String,
    },
    /// Nobody of this name has entered.
    #[error("there is no judge {name:?}; enter the name first")]
    UnknownJudge {
        /// What was given.
        name: String,
    },
    /// The study has no such place.
    #[error("there is no row at place {position} of {rows}")]
    UnknownPosition {
        /// What was given.
        position: u64,
        /// How many there are.
        rows: u64,
    },
    /// The judge has answered, and otherwise.
    #[error("{judge} has already answered at place {position}; undo it first")]
    AlreadyAnswered {
        /// The judge.
        judge: String,
        /// The place.
        position: u64,
    },
    /// The answer is to another question.
    #[error("{answer} is no answer where the study asks to {mode}")]
    WrongAnswer {
        /// What was given.
        answer: String,
        /// What is asked.
        mode: Mode,
    },
    /// The answer names a class that there is not.
    #[error("class {class} is not one of the {classes} classes, counted from 0")]
    UnknownClass {
        /// What was given.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// The judge has no answer to take back.
    #[error("{judge} has no answer to take back")]
    NothingToUndo {
        /// The judge.
        judge: String,
    },
    /// Nobody has judged anything, or what was judged has no labels.
    #[error("labels cannot be corrected: {reason}")]
    NoLabels {
        /// Why.
        reason: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; name another port, or 0 for any")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the server stopped")]
    Serve {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// What it says.
        reason: String,
    },
    /// A number cannot be taken.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
