//! The finished model as `save_pretrained` writes it, with its tokenizer and its card.

use std::fs;
use std::path::{Path, PathBuf};

use retune_data::{TextTokenizer, TokenCache};
use retune_models::ModelConfig;

use crate::TrainError;
use crate::checkpoint::whole_folder;
use crate::network::Network;

/// The whole tokenizer in one file, which every model directory gets.
const TOKENIZER: &str = "tokenizer.json";
/// All files that tokenizers have, which are copied where they are.
const TOKENIZER_FILES: [&str; 10] = [
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
];

/// The pretrained model that a run starts from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, as the plan has it.
    pub name: String,
    /// The folder that holds its files.
    pub directory: PathBuf,
    /// Where tokenised data sets are kept; `None` to keep them in memory.
    pub tokens: Option<TokenCache>,
}

/// Writes a model directory, whole or not at all.
///
/// # Errors
/// A file cannot be read or written, or the source holds no tokenizer.
pub(crate) fn write(
    target: &Path,
    source: &Source,
    config: &ModelConfig,
    network: &Network,
    card: &str,
) -> Result<(), TrainError> {
    whole_folder(target, |folder| {
        network.write(folder, config)?;
        for name in TOKENIZER_FILES {
            let from = source.directory.join(name);
            if from.exists() {
                let bytes = fs::read(&from).map_err(|error| TrainError::Read { path: from, source: error })?;
                let to = folder.join(name);
                fs::write(&to, bytes).map_err(|source| TrainError::Write { path: to, source })?;
            }
        }
        if !folder.join(TOKENIZER).exists() {
            // The length is not written: any will do.
            TextTokenizer::from_directory(&source.directory, usize::MAX)?.save(folder)?;
        }
        let path = folder.join("README.md");
        fs::write(&path, card).map_err(|source| TrainError::Write { path, source })
    })
}

/// The tokenizer of a model directory, checked against the model.
///
/// # Errors
/// The file is missing or no tokenizer, or the model has fewer positions or tokens.
pub(crate) fn load_tokenizer(
    directory: &Path,
    network: &Network,
    max_length: usize,
) -> Result<TextTokenizer, TrainError> {
    let sizes = network.sizes();
    if max_length > sizes.max_length {
        return Err(TrainError::TooLong { asked: max_length, longest: sizes.max_length });
    }
    let tokenizer = TextTokenizer::from_directory(directory, max_length)?;
    if tokenizer.vocab_size() > sizes.vocabulary {
        let path = directory.to_owned();
        return Err(TrainError::Vocabulary { path, tokenizer: tokenizer.vocab_size(), model: sizes.vocabulary });
    }
    Ok(tokenizer)
}
