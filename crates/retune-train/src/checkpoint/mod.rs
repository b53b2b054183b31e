//! Checkpoints: everything needed to go on, as safetensors and JSON.
//!
//! `checkpoints/step-00000120/` holds `parameters.safetensors`, `optimizer.safetensors`, `random.safetensors`, whatever
//! else the strategies of the run keep, `state.json`, and `manifest.json` with the size and the SHA-256 of each of them
//! and of the best model so far, `checkpoints/best-00000100.safetensors`. It is written by a thread of its own
//! ([`Writer`]) under another name, synced, and renamed when it is whole, and only then are older ones removed; so
//! there is a whole one at every moment after the first. To go on, the newest is taken that agrees with its manifest.

mod manifest;
mod state;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use retune_models::{Checkpoint, Snapshot};
use tch::{Device, Tensor};

use crate::TrainError;

pub use state::{Best, TrainingState};
pub use writer::{Job, Writer};

/// The tensors of one file of a checkpoint, by name: handles, into which [`load`] copies.
pub type NamedTensors = Vec<(String, Tensor)>;

/// What a run keeps as tensors, a file for each group, whose name the group has: `parameters`, `optimizer`, ….
#[derive(Debug, Default)]
pub struct Kept(pub Vec<(&'static str, NamedTensors)>);

/// The checkpoint to go on from.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest whole one, if there is any.
    pub newest: Option<PathBuf>,
    /// What is wrong with each newer one, in a line.
    pub damaged: Vec<String>,
}

const STATE: &str = "state.json";
/// The file of the generators' states, which are read from libtorch and set there.
const RANDOM: &str = "random";

impl Kept {
    /// Copies of everything, with the generators' states.
    ///
    /// # Errors
    /// libtorch has no generator for the device.
    pub fn snapshots(&self, device: Device) -> Result<Vec<(String, Snapshot)>, TrainError> {
        let random = random_state(device)?;
        let groups = self.0.iter().map(|(group, tensors)| (*group, tensors)).chain([(RANDOM, &random)]);
        let snapshot =
            |tensors: &NamedTensors| Snapshot::of(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)));
        Ok(groups.map(|(group, tensors)| (file_of(group), snapshot(tensors))).collect())
    }
}

/// The newest whole checkpoint in a folder.
///
/// # Errors
/// The folder cannot be read, or there are checkpoints and all of them are damaged.
pub fn newest(folder: &Path) -> Result<Found, TrainError> {
    let mut found = Found::default();
    for (_, path) in all(folder)?.into_iter().rev() {
        match manifest::verify(&path) {
            Ok(()) => {
                found.newest = Some(path);
                return Ok(found);
            }
            Err(reason) => found.damaged.push(format!("{} is damaged: {reason}", path.display())),
        }
    }
    match found.damaged.first() {
        None => Ok(found),
        Some(first) => Err(TrainError::Input {
            reason: format!("{first}; no other checkpoint is whole. To begin again, remove {}", folder.display()),
        }),
    }
}

/// Whether a folder holds no checkpoint, whole or damaged.
///
/// # Errors
/// The folder cannot be read.
pub fn is_none(folder: &Path) -> Result<bool, TrainError> {
    Ok(all(folder)?.is_empty())
}

/// Restores tensors and random state in place.
///
/// # Errors
/// A file cannot be read, is cut, or does not fit the model.
pub fn load(checkpoint: &Path, kept: &Kept, device: Device) -> Result<TrainingState, TrainError> {
    let path = checkpoint.join(STATE);
    let text = fs::read_to_string(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
    let state =
        serde_json::from_str(&text).map_err(|error| TrainError::Checkpoint { path, reason: error.to_string() })?;
    for (group, tensors) in &kept.0 {
        restore(&checkpoint.join(file_of(group)), tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    }
    let random = random_state(device)?;
    restore(&checkpoint.join(file_of(RANDOM)), random.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    set_random_state(&random, device)?;
    Ok(state)
}

/// Copies the tensors of a safetensors file into those of the same names.
///
/// # Errors
/// The file cannot be read, is cut, or lacks a tensor or has it in another shape.
pub fn restore<'a>(path: &Path, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let stored = Checkpoint::open_files(folder, &[path.to_owned()])?;
    let _no_grad = tch::no_grad_guard();
    for (name, tensor) in tensors {
        let mismatch = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let found = stored.tensor(name)?.ok_or_else(|| mismatch(format!("tensor '{name}' is missing")))?;
        if found.size() != tensor.size() {
            return Err(mismatch(format!(
                "tensor '{name}' has shape {:?} instead of {:?}",
                found.size(),
                tensor.size()
            )));
        }
        tensor.shallow_clone().f_copy_(&found)?;
    }
    Ok(())
}

/// Where the best model of a step is kept.
pub(crate) fn best_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("best-{step:08}.safetensors"))
}

fn step_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step:08}"))
}

fn file_of(group: &str) -> String {
    format!("{group}.safetensors")
}

/// Fills a folder under a passing name and renames it when it is whole and on disk. On an error nothing stays.
///
/// # Errors
/// What `fill` gives, or the folder cannot be made.
pub(crate) fn whole_folder(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let parent = target.parent().unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = parent.join(format!(".{name}.partial"));
    let write_error = |path: &Path, source| TrainError::Write { path: path.to_owned(), source };
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(|source| write_error(&partial, source))?;
    let filled = fill(&partial).and_then(|()| {
        if target.exists() {
            fs::remove_dir_all(target).map_err(|source| write_error(target, source))?;
        }
        File::open(&partial)
            .and_then(|folder| folder.sync_all())
            .and_then(|()| fs::rename(&partial, target))
            .and_then(|()| File::open(parent)?.sync_all())
            .map_err(|source| write_error(target, source))
    });
    if filled.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    filled
}

/// Writes a file and waits until it is on disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// All checkpoints of a folder, the oldest first.
fn all(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    steps_of(folder, |name| name.strip_prefix("step-"))
}

/// All best models of a folder, the oldest first.
fn bests(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    steps_of(folder, |name| name.strip_prefix("best-")?.strip_suffix(".safetensors"))
}

fn steps_of(folder: &Path, number: impl Fn(&str) -> Option<&str>) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    let read_error = |source| TrainError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    if folder.exists() {
        for entry in fs::read_dir(folder).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            if let Some(step) = entry.file_name().to_str().and_then(|name| number(name)?.parse().ok()) {
                found.push((step, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The generators from which a run on this device draws.
fn random_state(device: Device) -> Result<NamedTensors, TrainError> {
    let bytes = |device| retune_torch::random::state(device).map(|state| Tensor::from_slice(&state));
    let mut states = vec![("cpu".to_owned(), bytes(Device::Cpu)?)];
    if device.is_cuda() {
        states.push(("cuda".to_owned(), bytes(device)?));
    }
    Ok(states)
}

fn set_random_state(states: &NamedTensors, device: Device) -> Result<(), TrainError> {
    for (name, state) in states {
        let bytes = Vec::<u8>::try_from(state)?;
        retune_torch::random::set_state(if name == "cuda" { device } else { Device::Cpu }, &bytes)?;
    }
    Ok(())
}
