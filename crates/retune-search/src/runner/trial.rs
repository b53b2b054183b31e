//! A search's folder: `trials/0001.json` says what a trial is and how far it came, `0001.toml` is its recipe,
//! `0001.log` what its processes said, and `0001/` its run directory.
//!
//! Records are written beside their place and renamed, so that each is whole at every moment. What a process did after
//! its record was last written is read from the run directory.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use retune_recipe::Recipe;
use serde::{Deserialize, Serialize};

use super::measured::step_of;
use super::program::{Ended, Program, Running};
use crate::SearchError;

/// One trial: a recipe that is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// From 1.
    pub number: usize,
    /// Its point of the space, or its share of the data.
    pub point: Vec<f64>,
    /// Keys and their values, as TOML.
    pub values: Vec<(String, String)>,
    /// Seconds that its processes took (of one that was killed with the search, nothing).
    pub seconds: f64,
    /// How far it came.
    pub state: TrialState,
}

/// How far a trial came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum TrialState {
    /// It waits for a process, from its start or from its last checkpoint.
    Waiting,
    /// A process trains it.
    Training {
        /// The process.
        process: u32,
        /// The epoch at which it pauses, if it does.
        until: Option<u64>,
    },
    /// It has stopped at a rung.
    Paused {
        /// After so many epochs.
        epoch: u64,
    },
    /// It has trained to its end.
    Finished,
    /// Its process failed.
    Failed {
        /// What it said.
        message: String,
    },
}

/// The folder of a search, locked for this process while it lives.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

/// The recipe of the whole search.
const RECIPE: &str = "search.toml";

impl Folder {
    /// Makes the folder of a new search.
    pub(crate) fn create(path: &Path, recipe: &Recipe) -> Result<Self, SearchError> {
        if path.join(RECIPE).exists() {
            return Err(SearchError::Exists { path: path.to_owned() });
        }
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(SearchError::NotEmpty { path: path.to_owned() });
        }
        let trials = path.join("trials");
        fs::create_dir_all(&trials).map_err(|source| SearchError::Write { path: trials, source })?;
        let folder = Self::lock(path)?;
        folder.write(RECIPE, &recipe.to_toml()?)?;
        Ok(folder)
    }

    /// Opens the folder of a search, with its recipe.
    pub(crate) fn open(path: &Path) -> Result<(Self, Recipe), SearchError> {
        if !path.join(RECIPE).exists() {
            return Err(SearchError::NotASearch { path: path.to_owned(), missing: RECIPE });
        }
        Ok((Self::lock(path)?, Recipe::from_file(path.join(RECIPE))?))
    }

    fn lock(path: &Path) -> Result<Self, SearchError> {
        let file = path.join("search.lock");
        let lock = File::create(&file).map_err(|source| SearchError::Write { path: file.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SearchError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(SearchError::Write { path: file, source }),
        }
    }

    /// Writes a file whole.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, SearchError> {
        let path = self.path.join(name);
        let beside = path.with_extension("partial");
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, &path));
        written.map_err(|source| SearchError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// The run directory of a trial.
    pub(crate) fn run(&self, number: usize) -> PathBuf {
        self.path.join(format!("trials/{number:04}"))
    }

    pub(crate) fn log(&self, number: usize) -> PathBuf {
        self.path.join(format!("trials/{number:04}.log"))
    }

    fn recipe(number: usize) -> String {
        format!("trials/{number:04}.toml")
    }

    /// Writes a new trial: its recipe first, so that a record always has one.
    pub(crate) fn add(&self, trial: &Trial, recipe: &Recipe) -> Result<(), SearchError> {
        self.write(&Self::recipe(trial.number), &recipe.to_toml()?)?;
        self.save(trial)
    }

    pub(crate) fn save(&self, trial: &Trial) -> Result<(), SearchError> {
        let name = format!("trials/{:04}.json", trial.number);
        let text = serde_json::to_string_pretty(trial);
        let text = text.map_err(|source| SearchError::Damaged { path: self.path.join(&name), source })?;
        self.write(&name, &(text + "\n")).map(|_| ())
    }

    /// All trials, each where its run directory says that it stands.
    pub(crate) fn trials(&self) -> Result<Vec<Trial>, SearchError> {
        let mut trials = Vec::new();
        loop {
            let path = self.path.join(format!("trials/{:04}.json", trials.len() + 1));
            if !path.exists() {
                return Ok(trials);
            }
            let text = fs::read_to_string(&path).map_err(|source| SearchError::Read { path: path.clone(), source })?;
            let mut trial: Trial =
                serde_json::from_str(&text).map_err(|source| SearchError::Damaged { path, source })?;
            if let TrialState::Training { process, until } = trial.state {
                trial.state = self.found(trial.number, process, until)?;
                self.save(&trial)?;
            }
            trials.push(trial);
        }
    }

    /// Where a trial stands whose search was killed.
    fn found(&self, number: usize, process: u32, until: Option<u64>) -> Result<TrialState, SearchError> {
        let run = self.run(number);
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let name = format!("trials/{number:04}");
        if String::from_utf8_lossy(&command).contains(&name) {
            return Err(SearchError::StillRunning { trial: number, process });
        }
        if run.join("model").is_dir() {
            return Ok(TrialState::Finished);
        }
        // It has paused where the checkpoint of that epoch's evaluation is written.
        let saved = |epoch: u64| {
            let step = step_of(&run, epoch)?;
            run.join(format!("checkpoints/step-{step:08}")).is_dir().then_some(TrialState::Paused { epoch })
        };
        Ok(until.and_then(saved).unwrap_or(TrialState::Waiting))
    }

    /// Starts or resumes a trial, to pause after `until` epochs, and records it.
    pub(crate) fn start(
        &self,
        trial: &mut Trial,
        until: Option<u64>,
        program: &Program,
    ) -> Result<Running, SearchError> {
        let run = self.run(trial.number);
        let mut arguments: Vec<OsString> = vec!["finetune".into()];
        if run.join("plan.toml").exists() {
            arguments.extend(["--resume".into(), run.into()]);
        } else {
            // What a run leaves that was killed before it was one.
            let _ = fs::remove_dir_all(&run);
            arguments.extend(["--recipe".into(), self.path.join(Self::recipe(trial.number)).into()]);
        }
        if let Some(until) = until {
            arguments.extend(["--pause-after-epoch".into(), until.to_string().into()]);
        }
        let running = program.start(&arguments, &self.log(trial.number))?;
        trial.state = TrialState::Training { process: running.id(), until };
        self.save(trial)?;
        Ok(running)
    }

    /// Records what came of a process.
    pub(crate) fn ended(&self, trial: &mut Trial, ended: Ended, seconds: f64) -> Result<(), SearchError> {
        let until = if let TrialState::Training { until, .. } = trial.state { until } else { None };
        trial.seconds += seconds;
        trial.state = match (ended, until) {
            (Ended::Done, _) if self.run(trial.number).join("model").is_dir() => TrialState::Finished,
            (Ended::Done, Some(epoch)) => TrialState::Paused { epoch },
            (Ended::Done, None) => TrialState::Failed { message: "it ended without a model".to_owned() },
            (Ended::Stopped, _) => TrialState::Waiting,
            (Ended::Failed(message), _) => TrialState::Failed { message },
        };
        self.save(trial)
    }

    /// Removes a folder of a trial that is no longer needed.
    pub(crate) fn remove(&self, number: usize, name: &str) {
        let _ = fs::remove_dir_all(self.run(number).join(name));
    }
}
