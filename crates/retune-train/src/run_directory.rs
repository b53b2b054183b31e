//! The folder that a run writes: what another person needs to believe it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use retune_recipe::{Plan, Recipe};
use serde_json::Value;

use crate::TrainError;
use crate::board::{Board, Shown};
use crate::checkpoint::write_synced;
use crate::data_record::{DATA, DataRecord};
use crate::gradient_norms::GradientNorms;

/// A run's folder: `plan.toml`, `environment.json`, `data.json`, `metrics.jsonl`, `tensorboard/`, `checkpoints/`,
/// `model/`, `predictions.parquet`, `evaluation.json`, `explanations.json`; the program adds `report.html`.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    metrics: File,
    /// The run as TensorBoard shows it, where the plan asks for that.
    board: Option<Board>,
}

const CHECKPOINTS: &str = "checkpoints";
const MODEL: &str = "model";
const PLAN: &str = "plan.toml";
const METRICS: &str = "metrics.jsonl";
/// The event files that TensorBoard reads.
const BOARD: &str = "tensorboard";
const EVALUATION: &str = "evaluation.json";
const ENVIRONMENT: &str = "environment.json";
/// Where the first files of a run are written before they are put into their places; gone when all are there. A folder
/// that has it and no plan is of a run that was cut off before it began, and may be begun again.
const BEGINNING: &str = ".beginning";
/// The run of a contrastive stage, within the run that it comes before.
const CONTRASTIVE: &str = "contrastive";
/// Checkpoints of a finished run, while they are removed.
const SERVED: &str = ".checkpoints.served";

/// Checks, before anything slow, that a run can be written to this folder. Leaves nothing behind.
///
/// # Errors
/// It holds another run or other files, or cannot be written.
pub fn check_output(path: &Path) -> Result<(), TrainError> {
    if path.join(PLAN).exists() {
        return Err(TrainError::RunExists { path: path.to_owned() });
    }
    let write_error = |source| TrainError::Write { path: path.to_owned(), source };
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() && !path.join(BEGINNING).is_dir() {
                return Err(TrainError::NotEmpty { path: path.to_owned() });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(write_error(error)),
    }
    let standing = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("."));
    let probe = standing.join(format!(".retune-{}.probe", std::process::id()));
    File::create_new(&probe).and_then(|_| fs::remove_file(&probe)).map_err(write_error)
}

impl RunDirectory {
    /// Makes the folder with its plan. A run that is cut off in here can be begun again in the same folder.
    ///
    /// # Errors
    /// It holds another run or other files, or cannot be written.
    pub fn create(path: &Path, plan: &Plan, environment: &Value, data: &DataRecord) -> Result<Self, TrainError> {
        check_output(path)?;
        let made = Self::fill(path, plan, environment, data)
            .map_err(|source| TrainError::Write { path: path.to_owned(), source })
            .and_then(|()| Self::append_to(path, plan));
        if made.is_err() {
            let _ = fs::remove_dir_all(path);
        }
        made
    }

    /// The folder itself is not written beside its place and renamed, for it may be there already, as a mount point,
    /// say.
    fn fill(path: &Path, plan: &Plan, environment: &Value, data: &DataRecord) -> io::Result<()> {
        let beginning = path.join(BEGINNING);
        // Made first and removed last. Of an earlier beginning, it goes on to stand for the files that that one left.
        fs::create_dir_all(&beginning)?;
        // The plan last, for it is what makes the folder a run's.
        for (name, text) in [
            (ENVIRONMENT, format!("{environment:#}\n")),
            (DATA, data.to_json()?),
            (METRICS, String::new()),
            (PLAN, plan.to_toml()),
        ] {
            write_synced(&beginning.join(name), text.as_bytes())?;
            fs::rename(beginning.join(name), path.join(name))?;
        }
        File::open(path)?.sync_all()?;
        fs::remove_dir_all(beginning)
    }

    /// Opens a run to go on with it, with its plan.
    ///
    /// # Errors
    /// The folder is not a run's, or cannot be written.
    pub fn open(path: &Path) -> Result<(Self, Plan), TrainError> {
        let plan = read_plan(path)?;
        let _ = fs::remove_dir_all(path.join(BEGINNING));
        Ok((Self::append_to(path, &plan)?, plan))
    }

    /// Whether a run has come to its end: its model is there, and its checkpoints have served.
    pub fn is_finished(path: &Path) -> bool {
        let finished = path.join(MODEL).is_dir() && !path.join(CHECKPOINTS).exists();
        if finished {
            // A run that was cut off while it removed them.
            let _ = fs::remove_dir_all(path.join(SERVED));
        }
        finished
    }

    fn append_to(path: &Path, plan: &Plan) -> Result<Self, TrainError> {
        let metrics = open_to_append(&path.join(METRICS))?;
        let board = plan.run.tensorboard.then(|| Board::create(&path.join(BOARD))).transpose()?;
        Ok(Self { path: path.to_owned(), metrics, board })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Where the finished model is.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Where the run of the contrastive stage of a run is, if it has one.
    pub fn contrastive_of(path: &Path) -> PathBuf {
        path.join(CONTRASTIVE)
    }

    /// Adds a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn log(&mut self, record: &Value) -> Result<(), TrainError> {
        let line = format!("{record}\n");
        self.metrics
            .write_all(line.as_bytes())
            .map_err(|source| TrainError::Write { path: self.path.join(METRICS), source })?;
        match &mut self.board {
            Some(board) => board.record(record),
            None => Ok(()),
        }
    }

    /// Shows the norms of the gradients of a step, where the run is shown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn log_gradients(&mut self, step: u64, norms: &GradientNorms) -> Result<(), TrainError> {
        match &mut self.board {
            Some(board) => board.gradients(step, norms),
            None => Ok(()),
        }
    }

    /// Shows some examples with what the model says of them, where the run is shown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn log_predictions(&mut self, step: u64, split: &str, examples: &[Shown]) -> Result<(), TrainError> {
        match &mut self.board {
            Some(board) => board.predictions(step, split, examples),
            None => Ok(()),
        }
    }

    /// Writes `evaluation.json`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_evaluation(&self, evaluation: &Value) -> Result<(), TrainError> {
        let (path, partial) = (self.path.join(EVALUATION), self.path.join(".evaluation.partial"));
        write_synced(&partial, format!("{evaluation:#}\n").as_bytes())
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(|source| TrainError::Write { path, source })
    }

    /// A handle of `metrics.jsonl`, for whoever waits until it is on disk.
    pub(crate) fn log_file(&self) -> Result<File, TrainError> {
        self.metrics.try_clone().map_err(|source| TrainError::Write { path: self.path.join(METRICS), source })
    }

    /// The run begins, or goes on after so many steps: drops the lines of steps after `step`, and of the end of the
    /// run, which a resumed run is about to write again.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn rewind(&mut self, step: u64) -> Result<(), TrainError> {
        let path = self.path.join(METRICS);
        let text = fs::read_to_string(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
        let stays = |line: &&str| {
            let record: Option<Value> = serde_json::from_str(line).ok();
            record.is_some_and(|record| {
                record["event"] != "final" && record["step"].as_u64().is_some_and(|at| at <= step)
            })
        };
        let kept: String = text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
        let partial = self.path.join(".metrics.partial");
        write_synced(&partial, kept.as_bytes())
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(|source| TrainError::Write { path: path.clone(), source })?;
        self.metrics = open_to_append(&path)?;
        match &mut self.board {
            Some(board) => {
                let plan = self.path.join(PLAN);
                let text = fs::read_to_string(&plan).map_err(|source| TrainError::Read { path: plan, source })?;
                board.start(step, &text)
            }
            None => Ok(()),
        }
    }

    /// Removes the checkpoints, at once as far as anybody sees: half of them would look like damaged ones.
    pub(crate) fn clear_checkpoints(&self) -> Result<(), TrainError> {
        let (folder, served) = (self.checkpoints(), self.path.join(SERVED));
        let _ = fs::remove_dir_all(&served);
        let removed = fs::rename(&folder, &served).and_then(|()| fs::remove_dir_all(&served));
        removed.map_err(|source| TrainError::Write { path: folder, source })
    }

    /// Removes the folder, where a failure left nothing in it worth keeping: no contrastive stage either.
    pub fn discard(self) {
        if !Self::contrastive_of(&self.path).exists() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn open_to_append(file: &Path) -> Result<File, TrainError> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.map_err(|source| TrainError::Write { path: file.to_owned(), source })
}

/// The plan of a run.
///
/// # Errors
/// The folder is not a run's, or its plan does not read.
pub fn read_plan(path: &Path) -> Result<Plan, TrainError> {
    let plan = path.join(PLAN);
    if !plan.exists() {
        return Err(TrainError::NotARun { path: path.to_owned(), missing: "is not a run: it holds no plan.toml" });
    }
    Ok(Recipe::from_file(&plan)?.resolve()?)
}
