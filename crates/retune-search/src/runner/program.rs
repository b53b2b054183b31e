//! The program that trains, a process for each trial, and a few of them at a time.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::SearchError;

/// The exit code of a run that was asked to stop and has saved everything.
const STOPPED: i32 = 130;

/// The program that trains, and a flag that becomes true when the search is asked to stop.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program; it is called as `PROGRAM finetune …`.
    pub path: PathBuf,
    /// Whether to stop. Trials are then asked to stop too, and save themselves.
    pub stop: Arc<AtomicBool>,
}

/// A trial's process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    since: Instant,
    is_told: bool,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    /// It was asked to, and can go on.
    Stopped,
    /// What it said.
    Failed(String),
}

impl Program {
    /// Starts it; what it says is added to `log`.
    pub(crate) fn start(&self, arguments: &[OsString], log: &Path) -> Result<Running, SearchError> {
        let open = || OpenOptions::new().append(true).create(true).open(log);
        let write_error = |source| SearchError::Write { path: log.to_owned(), source };
        let (out, err) = (open().map_err(write_error)?, open().map_err(write_error)?);
        let mut command = Command::new(&self.path);
        command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
        // In a group of its own, so that Ctrl-C reaches it once, through us, and not twice: the second would kill it.
        let child = command.process_group(0).spawn();
        let child = child.map_err(|source| SearchError::Start { path: self.path.clone(), source })?;
        Ok(Running { child, log: log.to_owned(), since: Instant::now(), is_told: false })
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it, once, to save itself and stop.
    fn tell(&mut self) {
        if !self.is_told {
            self.is_told = true;
            let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            // It may have ended by itself.
            let _ = process.map(|process| kill_process(process, Signal::INT));
        }
    }

    fn poll(&mut self) -> Option<Ended> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.ended(status)),
            Err(error) => Some(Ended::Failed(error.to_string())),
        }
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        match status.code() {
            Some(0) => Ended::Done,
            Some(STOPPED) => Ended::Stopped,
            // Told before it could listen.
            None if self.is_told => Ended::Stopped,
            _ => {
                let log = fs::read(&self.log).unwrap_or_default();
                let said = last_error(&String::from_utf8_lossy(&log));
                Ended::Failed(said.unwrap_or_else(|| format!("it ended with {status} and said nothing")))
            }
        }
    }
}

/// The last error in a log with what follows it, or else its last line.
fn last_error(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&str| line.starts_with("error: ") || line.starts_with("internal error");
    let from = lines.iter().rposition(is_error).or(lines.len().checked_sub(1))?;
    Some(lines[from..].join("\n"))
}

/// Work that is done by processes.
pub(crate) trait Work {
    /// What a process is for.
    type Job;

    /// Starts the next process; `None` where there is nothing to start until one has ended.
    fn next(&mut self) -> Result<Option<(Self::Job, Running)>, SearchError>;

    /// Takes in what came of a process and the seconds it took. Where `ours` is false the search ends anyway.
    fn ended(&mut self, job: Self::Job, ended: Ended, seconds: f64) -> Result<(), SearchError>;
}

/// Does all work, `parallel` processes at a time. Gives whether it is done, and not stopped.
///
/// After an error nothing new is started; what runs is asked to stop and is waited for.
pub(crate) fn drive<W: Work>(work: &mut W, parallel: usize, stop: &AtomicBool) -> Result<bool, SearchError> {
    const PAUSE: Duration = Duration::from_millis(20);

    let mut running: Vec<(W::Job, Running)> = Vec::new();
    let mut failure = None;
    loop {
        let stops = stop.load(Ordering::Relaxed) || failure.is_some();
        while !stops && running.len() < parallel.max(1) {
            match work.next() {
                Ok(Some(started)) => running.push(started),
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if running.is_empty() {
            return match failure {
                Some(error) => Err(error),
                None => Ok(!stop.load(Ordering::Relaxed)),
            };
        }
        if stops || failure.is_some() {
            running.iter_mut().for_each(|(_, process)| process.tell());
        }
        thread::sleep(PAUSE);
        let mut still = Vec::new();
        for (job, mut process) in running {
            match process.poll() {
                None => still.push((job, process)),
                Some(ended) => {
                    let seconds = process.since.elapsed().as_secs_f64();
                    if let Err(error) = work.ended(job, ended, seconds) {
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        running = still;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_a_log_is_found() {
        let log = "error: old\nstep 1\nerror: train.csv:3: no label\n  give one\n\n";
        assert_eq!(last_error(log).unwrap(), "error: train.csv:3: no label\n  give one");
        assert_eq!(last_error("step 1\nKilled\n").unwrap(), "Killed");
        assert_eq!(last_error(""), None);
    }
}
