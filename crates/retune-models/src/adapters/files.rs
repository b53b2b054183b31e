//! `adapter_model.safetensors`: names in `peft`'s files, and the tensors of a stored adapter.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::config_file::FILE;
use super::{AdapterConfig, AdapterError};
use crate::{Checkpoint, ModelError, save_safetensors};

const WEIGHTS: &str = "adapter_model.safetensors";
const PICKLE: &str = "adapter_model.bin";
/// What `peft` puts before every name: its own model, and the tuner in it.
const PREFIX: &str = "base_model.model.";
/// Between an adapted module and the bias of its own.
const OWN: &str = ".base_layer.";
/// Between a module that is trained whole and what lies in it.
const WHOLE: &str = ".modules_to_save.";

/// The tensors of a stored adapter, by the names that they have in a model.
#[derive(Debug)]
pub(crate) struct StoredAdapter {
    checkpoint: Checkpoint,
    /// The name in a model, and in the file.
    names: BTreeMap<String, String>,
}

impl StoredAdapter {
    /// Opens an adapter's folder.
    pub fn open(directory: &Path) -> Result<(AdapterConfig, Self), ModelError> {
        let config = AdapterConfig::read(directory)?;
        let (weights, pickle) = (directory.join(WEIGHTS), directory.join(PICKLE));
        if !weights.exists() {
            return Err(match pickle.exists() {
                true => AdapterError::Pickle { path: pickle },
                false => AdapterError::NoWeights { directory: directory.to_owned() },
            }
            .into());
        }
        let checkpoint = Checkpoint::open_files(directory, &[weights])?;
        let mut names = BTreeMap::new();
        for stored in checkpoint.names() {
            let name = stored.strip_prefix(PREFIX).unwrap_or(stored);
            if is_said_twice(name, &checkpoint) {
                continue;
            }
            let plain = name.replace(OWN, ".").replace(WHOLE, ".");
            if plain == name || !names.contains_key(&plain) {
                names.insert(plain, stored.to_owned());
            }
        }
        Ok((config, Self { checkpoint, names }))
    }

    pub fn directory(&self) -> PathBuf {
        self.checkpoint.directory().to_owned()
    }

    /// All names that a model may have a use for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// A parameter's name in the file, and its shape, if it is there.
    pub fn find(&self, name: &str) -> Option<(&str, &[i64])> {
        let stored = self.names.get(name)?;
        Some((stored.as_str(), self.checkpoint.shape(stored)?))
    }

    /// The tensor of a name in the file.
    pub fn tensor(&self, stored: &str) -> Result<Option<Tensor>, ModelError> {
        self.checkpoint.weight(stored)
    }

    /// How a parameter that is missing would be called.
    pub fn stored_name(name: &str) -> String {
        format!("{PREFIX}{name}")
    }
}

/// With `bias = "all"` peft 0.19 writes the biases of saved modules a second and a third time, under names of its own
/// making: `classifier.original_module.bias`, and `classifier.modules_to_save.default.dense.bias` with an adapter's
/// name in it.
fn is_said_twice(name: &str, checkpoint: &Checkpoint) -> bool {
    let is_there = |name: String| checkpoint.shape(&format!("{PREFIX}{name}")).is_some();
    let after_adapter = |(module, rest): (&str, &str)| Some(format!("{module}.{}", rest.split_once('.')?.1));
    name.contains(".original_module.") || name.split_once(WHOLE).and_then(after_adapter).is_some_and(is_there)
}

/// The name in `peft`'s file of a parameter; `is_own` is a bias of an adapted module.
pub(super) fn stored_name(name: &str, is_own: bool) -> String {
    match name.rsplit_once('.') {
        Some((module, leaf)) if is_own => format!("{PREFIX}{module}{OWN}{leaf}"),
        _ => format!("{PREFIX}{name}"),
    }
}

/// Writes `adapter_config.json` and `adapter_model.safetensors` (metadata `format: pt`) into an existing folder.
pub(super) fn write(directory: &Path, config: &AdapterConfig, tensors: &[(String, &Tensor)]) -> Result<(), ModelError> {
    let path = directory.join(FILE);
    let text = format!("{:#}\n", config.to_json());
    std::fs::write(&path, text).map_err(|source| ModelError::Write { path, source })?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let named = tensors.iter().map(|(name, tensor)| (name.as_str(), *tensor));
    save_safetensors(&directory.join(WEIGHTS), named, metadata)
}
