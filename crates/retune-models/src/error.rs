//! What can be wrong with a model directory.

use std::io;
use std::path::PathBuf;

use crate::adapters::AdapterError;

/// A parameter whose tensor in the checkpoint does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeProblem {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// The shape that the configuration asks for.
    pub expected: Vec<i64>,
    /// The shape that the checkpoint has.
    pub found: Vec<i64>,
}

/// What is wrong with a model directory, or what prevented writing one.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is not JSON, or a key is missing or of another type.
    #[error("{}: {message}", path.display())]
    Config {
        /// The `config.json`.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        message: String,
    },
    /// The architecture is not among those supported.
    #[error("{}: model_type '{found}' is not supported; supported: {}", path.display(), supported.join(", "))]
    UnknownArchitecture {
        /// The `config.json`.
        path: PathBuf,
        /// Its `model_type`.
        found: String,
        /// The architectures there are.
        supported: Vec<&'static str>,
    },
    /// The architecture has no such head.
    #[error("{}: {architecture} has no {class}; it has {}", path.display(), supported.join(", "))]
    NoHead {
        /// The `config.json`.
        path: PathBuf,
        /// Its `model_type`.
        architecture: &'static str,
        /// The class that was asked for.
        class: String,
        /// The classes there are.
        supported: Vec<String>,
    },
    /// A value of the configuration is not supported.
    #[error("{}: {key} = '{found}' is not supported; supported: {supported}", path.display())]
    UnsupportedValue {
        /// The `config.json`.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// The values there are.
        supported: &'static str,
    },
    /// The directory holds no weights.
    #[error("{} holds no weights: model.safetensors (or model.safetensors.index.json with its shards) is missing", directory.display())]
    NoWeights {
        /// The model directory.
        directory: PathBuf,
    },
    /// The directory holds its weights as pickle only.
    #[error(
        "{}: pickle can run code when it is loaded and is refused; convert it once in Python: \
         AutoModel.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)",
        path.display()
    )]
    Pickle {
        /// The `pytorch_model.bin`.
        path: PathBuf,
    },
    /// A weights file is cut or damaged.
    #[error("{}: not a whole safetensors file ({reason}); download or copy it again", path.display())]
    BrokenWeights {
        /// The weights file.
        path: PathBuf,
        /// What the format's reader says.
        reason: String,
    },
    /// A tensor has an element type that is not read.
    #[error("{}: tensor '{name}' has type {found}; supported: F64, F32, F16, BF16", path.display())]
    ElementType {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// Parameters that the architecture needs are missing, or of another shape.
    #[error("{}", weights_message(directory, missing, shapes))]
    Weights {
        /// The model directory.
        directory: PathBuf,
        /// Names that are not there.
        missing: Vec<String>,
        /// Names whose shape is another.
        shapes: Vec<ShapeProblem>,
    },
    /// An adapter is wrong, or does not fit the model.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// Nothing of the model would be trained.
    #[error("{selection} leaves nothing to train")]
    NothingToTrain {
        /// What was asked for.
        selection: String,
    },
    /// A pattern names no parameter.
    #[error("'{pattern}' matches no parameter's name; there are: {}", first_of(names))]
    NoParameter {
        /// The pattern.
        pattern: String,
        /// All names.
        names: Vec<String>,
    },
    /// More layers are to be drawn anew than there are.
    #[error("the top {asked} layers are to be drawn anew, but the encoder has {there}")]
    TooFewLayers {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        there: usize,
    },
    /// Layers are to be drawn anew that are not top layers alone.
    #[error(
        "no top layer can be drawn anew: the encoder passes through the same layer again and again, which would be lost whole"
    )]
    SharedLayers,
    /// The model's classes are not named one by one.
    #[error("{}: id2label must name the classes 0, 1, 2 … without a gap", path.display())]
    NoLabels {
        /// The `config.json`.
        path: PathBuf,
    },
}

fn weights_message(directory: &std::path::Path, missing: &[String], shapes: &[ShapeProblem]) -> String {
    let mut message = format!("{}: the weights do not fit config.json:", directory.display());
    for name in missing {
        message.push_str(&format!("\n  {name}: missing"));
    }
    for ShapeProblem { name, expected, found } in shapes {
        message.push_str(&format!("\n  {name}: expected {expected:?}, found {found:?}"));
    }
    message
}

/// The first of many names, and how many there are.
fn first_of(names: &[String]) -> String {
    const MOST: usize = 6;

    let more = if names.len() > MOST { format!(", … ({} in all)", names.len()) } else { String::new() };
    format!("{}{more}", names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))
}
