//! What can be wrong with an adapter.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::ShapeProblem;

/// What is wrong with an adapter's configuration or its files, or why it does not fit a model.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is not JSON, or a key is missing or of another type.
    #[error("{}: {message}", path.display())]
    Config {
        /// The `adapter_config.json`.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        message: String,
    },
    /// A key asks for what is not supported.
    #[error("{}: {key} = {found} is not supported; supported: {supported}", path.display())]
    Unsupported {
        /// The `adapter_config.json`.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value, as JSON.
        found: String,
        /// The values there are.
        supported: &'static str,
    },
    /// A number is out of its range.
    #[error("adapter: {key} = {found} must be {expected}")]
    OutOfRange {
        /// The key of `adapter_config.json`.
        key: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// A regular expression is none, or uses what is not supported (look-around, references back).
    #[error("adapter: {key}: '{pattern}' is not a regular expression that is supported: {message}")]
    Pattern {
        /// The key of `adapter_config.json`.
        key: &'static str,
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// The architecture has no default.
    #[error("adapter: there are no default target_modules for '{model_type}'; name them")]
    NoDefault {
        /// `model_type` of the base model.
        model_type: String,
    },
    /// A target names no module of the model.
    #[error(
        "adapter: target_modules: {} found no module; there are: {}",
        targets.join(", "),
        summary(modules)
    )]
    NoTarget {
        /// The targets that found nothing.
        targets: Vec<String>,
        /// The modules that an adapter of this kind can stand beside.
        modules: Vec<String>,
    },
    /// The folder holds no adapter's weights.
    #[error("{} holds no adapter's weights: adapter_model.safetensors is missing", directory.display())]
    NoWeights {
        /// The folder.
        directory: PathBuf,
    },
    /// The folder holds its weights as pickle only.
    #[error(
        "{}: pickle can run code when it is loaded and is refused; convert it once in Python: \
         PeftModel.from_pretrained(BASE, DIR).save_pretrained(DIR)",
        path.display()
    )]
    Pickle {
        /// The `adapter_model.bin`.
        path: PathBuf,
    },
    /// The tensors are not those that the configuration asks for beside this base model.
    #[error("{}", weights_message(directory, missing, shapes, unexpected))]
    Weights {
        /// The adapter's folder.
        directory: PathBuf,
        /// Names that are not there.
        missing: Vec<String>,
        /// Names whose shape is another.
        shapes: Vec<ShapeProblem>,
        /// Names that nothing has a use for.
        unexpected: Vec<String>,
    },
    /// An embedding cannot be merged, since an output layer shares its weights.
    #[error(
        "adapter: {module} cannot be merged: the output layer shares its weights and must stay without the adapter; save the \
         adapter instead"
    )]
    TiedEmbedding {
        /// The embedding.
        module: String,
    },
    /// What was asked for needs an adapter.
    #[error("the model has no adapter")]
    NoAdapter,
}

/// Names of modules with layers' numbers left out, each once.
fn summary(modules: &[String]) -> String {
    let form = |name: &String| {
        let star =
            |part: &str| if part.bytes().all(|byte| byte.is_ascii_digit()) { "*".to_owned() } else { part.to_owned() };
        name.split('.').map(star).collect::<Vec<_>>().join(".")
    };
    modules.iter().map(form).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn weights_message(
    directory: &std::path::Path,
    missing: &[String],
    shapes: &[ShapeProblem],
    unexpected: &[String],
) -> String {
    let mut message = format!("{}: the adapter does not fit the model:", directory.display());
    for name in missing {
        message.push_str(&format!("\n  {name}: missing"));
    }
    for ShapeProblem { name, expected, found } in shapes {
        message.push_str(&format!("\n  {name}: expected {expected:?}, found {found:?}; is this its base model?"));
    }
    for name in unexpected {
        message.push_str(&format!("\n  {name}: the model has no use for it"));
    }
    message
}
