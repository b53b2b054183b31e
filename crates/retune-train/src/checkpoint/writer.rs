//! The thread that writes: a training step waits for the copy of its tensors, not for the disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use retune_models::Snapshot;

use super::{STATE, TrainingState, all, best_path, bests, manifest, step_path, whole_folder, write_synced};
use crate::TrainError;

/// What there is to write.
#[derive(Debug)]
pub enum Job {
    /// The model of the best evaluation so far.
    Best {
        /// Optimiser steps done by then.
        step: u64,
        /// Its parameters.
        parameters: Snapshot,
    },
    /// A checkpoint.
    Checkpoint {
        /// Where training stands.
        state: Box<TrainingState>,
        /// The name and the tensors of each file.
        files: Vec<(String, Snapshot)>,
        /// The run's log, which must be on disk before a checkpoint that counts on it.
        log: File,
    },
}

/// Writes jobs in their order, into one folder. Two may wait (the best model, and the checkpoint that names it); who
/// brings a third waits for the disk.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<(), TrainError>>,
    waiting: usize,
    thread: Option<JoinHandle<()>>,
}

const MOST_WAITING: usize = 2;

impl Writer {
    /// A writer that keeps the newest `keep` checkpoints.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn new(folder: PathBuf, keep: usize) -> Result<Self, TrainError> {
        let (jobs, inbox) = channel();
        let (outbox, done) = channel();
        let work = move || {
            for job in inbox {
                if outbox.send(write(&folder, keep, job)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(work)
            .map_err(|source| TrainError::Write { path: PathBuf::from("checkpoints"), source })?;
        Ok(Self { jobs: Some(jobs), done, waiting: 0, thread: Some(thread) })
    }

    /// Leaves a job to the thread.
    ///
    /// # Errors
    /// One of the jobs before could not be written.
    pub fn submit(&mut self, job: Job) -> Result<(), TrainError> {
        self.wait_for(MOST_WAITING - 1)?;
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            self.waiting += 1;
        }
        Ok(())
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// A job could not be written.
    pub fn finish(&mut self) -> Result<(), TrainError> {
        self.wait_for(0)
    }

    fn wait_for(&mut self, most: usize) -> Result<(), TrainError> {
        while self.waiting > most {
            self.waiting -= 1;
            match self.done.recv() {
                Ok(written) => written?,
                Err(_) => {
                    let source = io::Error::other("the thread that writes checkpoints has ended");
                    return Err(TrainError::Write { path: PathBuf::from("checkpoints"), source });
                }
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(folder: &Path, keep: usize, job: Job) -> Result<(), TrainError> {
    let write_error = |path: PathBuf| move |source| TrainError::Write { path, source };
    match job {
        Job::Best { step, parameters } => {
            let (path, partial) = (best_path(folder, step), folder.join(".best.partial"));
            let written = parameters.write(&partial, HashMap::new()).map_err(TrainError::from);
            let written = written.and_then(|()| fs::rename(&partial, &path).map_err(write_error(path)));
            if written.is_err() {
                let _ = fs::remove_file(&partial);
            }
            written
        }
        Job::Checkpoint { state, files, log } => {
            let best = state.best.as_ref().map(|best| best_path(folder, best.step));
            log.sync_data().map_err(write_error(folder.to_owned()))?;
            whole_folder(&step_path(folder, state.step), |partial| {
                for (name, snapshot) in files {
                    snapshot.write(&partial.join(name), HashMap::new())?;
                }
                let text = serde_json::to_string_pretty(&state).map_err(io::Error::from);
                text.and_then(|text| write_synced(&partial.join(STATE), text.as_bytes()))
                    .and_then(|()| manifest::write(partial, best.as_deref()))
                    .map_err(write_error(partial.to_owned()))
            })?;
            prune(folder, keep, state.step)
        }
    }
}

/// Removes all but the newest checkpoints up to this step, and the best models that none of those names. Checkpoints of
/// later steps are damaged ones, which the run has gone back behind: were they counted, they would push whole ones out.
fn prune(folder: &Path, keep: usize, step: u64) -> Result<(), TrainError> {
    let (checkpoints, left): (Vec<_>, Vec<_>) = all(folder)?.into_iter().partition(|(at, _)| *at <= step);
    let (old, kept) = checkpoints.split_at(checkpoints.len().saturating_sub(keep));
    let remove_error = |path: &PathBuf| {
        let path = path.clone();
        move |source| TrainError::Write { path, source }
    };
    for (_, path) in old.iter().chain(&left) {
        fs::remove_dir_all(path).map_err(remove_error(path))?;
    }
    let named = |step: u64| kept.iter().any(|(_, path)| manifest::names(path, &best_path(folder, step)));
    let newest = bests(folder)?.into_iter().next_back();
    for (step, path) in bests(folder)? {
        if !named(step) && newest.as_ref().is_none_or(|(newest, _)| *newest != step) {
            fs::remove_file(&path).map_err(remove_error(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use retune_models::Snapshot;
    use tch::Tensor;

    use super::super::{Best, newest};
    use super::*;

    fn snapshot(value: f64) -> Snapshot {
        Snapshot::of([("weight", &Tensor::from_slice(&[value]))].into_iter())
    }

    /// A checkpoint after so many steps, whose best model is of this step.
    fn job(folder: &Path, step: u64, best: u64) -> io::Result<Job> {
        let best = Some(Best { epoch: 1, step: best, value: 0.5 });
        Ok(Job::Checkpoint {
            state: Box::new(TrainingState { step, best, ..TrainingState::default() }),
            files: vec![("parameters.safetensors".to_owned(), snapshot(step as f64))],
            log: File::create(folder.join("log"))?,
        })
    }

    fn steps(folder: &Path) -> Result<(Vec<u64>, Vec<u64>), TrainError> {
        let steps = |found: Vec<(u64, PathBuf)>| found.into_iter().map(|(step, _)| step).collect();
        Ok((steps(all(folder)?), steps(bests(folder)?)))
    }

    #[test]
    fn the_newest_stay_with_the_best_models_that_they_name() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut writer = Writer::new(folder.path().to_owned(), 2)?;
        for (step, best) in [(1, 1), (2, 1), (3, 3), (4, 4), (5, 4)] {
            if step == best {
                writer.submit(Job::Best { step, parameters: snapshot(step as f64) })?;
            }
            writer.submit(job(folder.path(), step, best)?)?;
        }
        writer.finish()?;
        assert_eq!(steps(folder.path())?, (vec![4, 5], vec![4]));
        assert_eq!(newest(folder.path())?.newest, Some(step_path(folder.path(), 5)));
        Ok(())
    }

    #[test]
    fn a_damaged_checkpoint_of_a_later_step_pushes_no_whole_one_out() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut writer = Writer::new(folder.path().to_owned(), 1)?;
        writer.submit(Job::Best { step: 2, parameters: snapshot(2.0) })?;
        writer.submit(job(folder.path(), 5, 2)?)?;
        writer.finish()?;
        fs::create_dir(step_path(folder.path(), 9))?;
        let found = newest(folder.path())?;
        assert_eq!((found.newest, found.damaged.len()), (Some(step_path(folder.path(), 5)), 1));
        writer.submit(job(folder.path(), 6, 2)?)?;
        writer.finish()?;
        assert_eq!(steps(folder.path())?, (vec![6], vec![2]));
        assert_eq!(newest(folder.path())?.damaged, [""; 0]);
        Ok(())
    }

    #[test]
    fn what_cannot_be_written_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let missing = folder.path().join("missing");
        let mut writer = Writer::new(missing, 1)?;
        writer.submit(Job::Best { step: 2, parameters: snapshot(2.0) })?;
        assert!(writer.finish().is_err());
        Ok(())
    }
}
