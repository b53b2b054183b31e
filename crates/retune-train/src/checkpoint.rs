//! Checkpoints: everything needed to go on, as safetensors and JSON.
//!
//! `checkpoints/step-00000120/` holds `parameters.safetensors`, `optimizer.safetensors`, `random.safetensors` and
//! `state.json`. It is written under another name and renamed when it is whole and on disk, and only then are older ones
//! removed; so there is a whole one at every moment after the first.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use retune_data::OrderState;
use retune_models::{Checkpoint, ParameterSet, save_safetensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::TrainError;
use crate::optimizers::Optimizer;

/// The numbers of a checkpoint: where training stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Optimiser steps done.
    pub step: u64,
    /// The place in the data.
    pub order: OrderState,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Losses since the last line of the log: their sum and number.
    pub unlogged: (f64, u64),
}

/// The epoch whose model is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
    /// The value of the metric that decides.
    pub value: f64,
}

/// Writes a checkpoint into `folder` and removes the older ones there.
///
/// # Errors
/// A file cannot be written; what was there before is untouched.
pub fn save(
    folder: &Path,
    state: &TrainingState,
    parameters: &ParameterSet,
    optimizer: &Optimizer,
    device: Device,
) -> Result<PathBuf, TrainError> {
    let target = folder.join(format!("step-{:08}", state.step));
    if target.exists() {
        return Ok(target);
    }
    whole_folder(&target, |partial| {
        save_safetensors(&partial.join("parameters.safetensors"), parameters.iter(), HashMap::new())?;
        let moments = optimizer.state();
        let named = moments.iter().map(|(name, tensor)| (name.as_str(), tensor));
        save_safetensors(&partial.join("optimizer.safetensors"), named, HashMap::new())?;
        let random = random_state(device)?;
        let named = random.iter().map(|(name, tensor)| (*name, tensor));
        save_safetensors(&partial.join("random.safetensors"), named, HashMap::new())?;
        let path = partial.join("state.json");
        let text = serde_json::to_string_pretty(state).map_err(io::Error::from);
        text.and_then(|text| write_synced(&path, text.as_bytes())).map_err(|source| TrainError::Write { path, source })
    })?;
    for (_, older) in found(folder)?.into_iter().filter(|(step, _)| *step != state.step) {
        fs::remove_dir_all(&older).map_err(|source| TrainError::Write { path: older, source })?;
    }
    Ok(target)
}

/// The newest checkpoint in a folder, if there is one.
///
/// # Errors
/// The folder cannot be read.
pub fn newest(folder: &Path) -> Result<Option<PathBuf>, TrainError> {
    Ok(found(folder)?.into_iter().max().map(|(_, path)| path))
}

/// Restores parameters, optimiser and random state in place.
///
/// # Errors
/// A file cannot be read, is cut, or does not fit the model.
pub fn load(
    checkpoint: &Path,
    parameters: &ParameterSet,
    optimizer: &Optimizer,
    device: Device,
) -> Result<TrainingState, TrainError> {
    let path = checkpoint.join("state.json");
    let text = fs::read_to_string(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
    let state =
        serde_json::from_str(&text).map_err(|error| TrainError::Checkpoint { path, reason: error.to_string() })?;
    restore(&checkpoint.join("parameters.safetensors"), parameters.iter())?;
    let moments = optimizer.state();
    restore(&checkpoint.join("optimizer.safetensors"), moments.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    let random = random_state(device)?;
    restore(&checkpoint.join("random.safetensors"), random.iter().map(|(name, tensor)| (*name, tensor)))?;
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
        tensor.shallow_clone().copy_(&found);
    }
    Ok(())
}

/// Where the parameters of the best epoch so far are.
pub(crate) fn best_path(folder: &Path) -> PathBuf {
    folder.join("best.safetensors")
}

/// Keeps these parameters as the best so far, in place of those before.
///
/// # Errors
/// The file cannot be written; what was there before is untouched.
pub(crate) fn save_best(folder: &Path, parameters: &ParameterSet) -> Result<(), TrainError> {
    let (path, partial) = (best_path(folder), folder.join(".best.partial"));
    let saved = save_safetensors(&partial, parameters.iter(), HashMap::new()).map_err(TrainError::from);
    let saved = saved.and_then(|()| fs::rename(&partial, &path).map_err(|source| TrainError::Write { path, source }));
    if saved.is_err() {
        let _ = fs::remove_file(&partial);
    }
    saved
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
        fs::rename(&partial, target)
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

fn found(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    let read_error = |source| TrainError::Read { path: folder.to_owned(), source };
    let mut checkpoints = Vec::new();
    if folder.exists() {
        for entry in fs::read_dir(folder).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            let name = entry.file_name();
            if let Some(step) = name.to_str().and_then(|name| name.strip_prefix("step-")?.parse().ok()) {
                checkpoints.push((step, entry.path()));
            }
        }
    }
    Ok(checkpoints)
}

/// The generators from which a run on this device draws.
fn random_state(device: Device) -> Result<Vec<(&'static str, Tensor)>, TrainError> {
    let bytes = |device| retune_torch::random::state(device).map(|state| Tensor::from_slice(&state));
    let mut states = vec![("cpu", bytes(Device::Cpu)?)];
    if device.is_cuda() {
        states.push(("cuda", bytes(device)?));
    }
    Ok(states)
}

fn set_random_state(states: &[(&'static str, Tensor)], device: Device) -> Result<(), TrainError> {
    for (name, state) in states {
        let bytes = Vec::<u8>::try_from(state)?;
        retune_torch::random::set_state(if *name == "cuda" { device } else { Device::Cpu }, &bytes)?;
    }
    Ok(())
}
