//! The finished model as `save_pretrained` writes it, with its tokenizer and its card.

use std::fs;
use std::path::{Path, PathBuf};

use retune_models::{ModelConfig, SequenceClassifier, write_model};

use crate::TrainError;
use crate::checkpoint::whole_folder;

/// The tokenizer's files, of which the first must be there.
const TOKENIZER_FILES: [&str; 4] = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"];

/// The pretrained model that a run starts from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, as the plan has it.
    pub name: String,
    /// The folder that holds its files.
    pub directory: PathBuf,
}

/// Writes a model directory, whole or not at all.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn write(
    target: &Path,
    source: &Source,
    config: &ModelConfig,
    model: &SequenceClassifier,
    card: &str,
) -> Result<(), TrainError> {
    whole_folder(target, |folder| {
        write_model(folder, config, model.parameters().iter())?;
        for name in TOKENIZER_FILES {
            let from = source.directory.join(name);
            if from.exists() {
                let bytes = fs::read(&from).map_err(|error| TrainError::Read { path: from, source: error })?;
                let to = folder.join(name);
                fs::write(&to, bytes).map_err(|source| TrainError::Write { path: to, source })?;
            }
        }
        let path = folder.join("README.md");
        fs::write(&path, card).map_err(|source| TrainError::Write { path, source })
    })
}
