//! The golden fixtures: `golden/README.md` says what they hold and how they are made.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use retune_models::{HeadPolicy, HeadSpec, LoadReport, Model, ModelConfig, ModelError, save_safetensors};
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Tensor};

use crate::{Reference, Result, Training, formula};

/// A tiny classifier, and what Transformers computed with it.
#[derive(Debug)]
pub struct Golden {
    /// Its `config.json`, as Transformers writes it.
    pub config: Value,
    /// All parameters in the model's order.
    pub parameters: Vec<Parameter>,
    /// The numbers of the training.
    pub training: Training,
    /// For each training step the rows of its batch.
    pub batches: Vec<Vec<usize>>,
    /// What Transformers computed.
    pub reference: Reference,
}

/// A parameter of a golden model.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameter {
    /// Its full name in the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its first values, as Python computed them.
    pub first: Vec<f32>,
}

/// Weights under their names in a checkpoint.
pub type Weights = Vec<(String, Tensor)>;

#[derive(Deserialize)]
struct Description {
    training: TrainingWithBatches,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct TrainingWithBatches {
    #[serde(flatten)]
    numbers: Training,
    batches: Vec<Vec<usize>>,
}

impl Golden {
    /// Single sequences, five classes, exact GELU, four heads, a small epsilon.
    pub const GELU: &'static str = "bert_tiny_gelu";
    /// Pairs, two classes, GELU by tanh, two heads, a larger epsilon.
    pub const GELU_NEW: &'static str = "bert_tiny_gelu_new";

    /// Reads a fixture by its name.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn read(name: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let text = |file: String| {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let description: Description = serde_json::from_str(&text(format!("{name}.json"))?)?;
        Ok(Self {
            config: serde_json::from_str(&text(format!("{name}.config.json"))?)?,
            parameters: description.parameters,
            training: description.training.numbers,
            batches: description.training.batches,
            reference: Reference::open(&folder.join(format!("{name}.safetensors")))?,
        })
    }

    /// All weights by the formula.
    ///
    /// # Errors
    /// A parameter has a shape that the formula is not for.
    pub fn weights(&self) -> Result<Weights> {
        let weight = |parameter: &Parameter| {
            Ok((parameter.name.clone(), formula::parameter_value(&parameter.name, &parameter.shape)?))
        };
        self.parameters.iter().map(weight).collect()
    }

    /// Its model directory, with the weights of the formula.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn directory(&self) -> Result<ModelDirectory> {
        ModelDirectory::new(&self.config, &self.weights()?)
    }
}

/// A model directory in a folder that is removed when this is dropped.
#[derive(Debug)]
pub struct ModelDirectory {
    folder: tempfile::TempDir,
}

impl ModelDirectory {
    /// A folder with `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(config: &Value, weights: &[(String, Tensor)]) -> Result<Self> {
        let directory = Self::without_weights(config)?;
        save(&directory.join("model.safetensors"), weights)?;
        Ok(directory)
    }

    /// A folder with `config.json` alone.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn without_weights(config: &Value) -> Result<Self> {
        let directory = Self { folder: tempfile::tempdir()? };
        fs::write(directory.join("config.json"), serde_json::to_string_pretty(config)?)?;
        Ok(directory)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    pub fn join(&self, file: &str) -> PathBuf {
        self.path().join(file)
    }

    /// Loads the model with as many classes as its configuration names.
    ///
    /// # Errors
    /// Those of loading, which tests look into.
    pub fn load(&self, policy: HeadPolicy) -> Result<(Model, LoadReport), ModelError> {
        let config = ModelConfig::read(self.path())?;
        let classes = config.labels()?.len();
        Model::load(self.path(), &config, HeadSpec::sequence_classification(classes), policy, Device::Cpu)
    }

    /// An error's message without the passing name of the folder.
    pub fn message(&self, error: &ModelError) -> String {
        format!("{error}\n").replace(&self.path().display().to_string(), "DIR")
    }
}

/// Writes weights as one safetensors file.
///
/// # Errors
/// It cannot be written.
pub fn save(path: &Path, weights: &[(String, Tensor)]) -> Result<()> {
    let named = weights.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Ok(save_safetensors(path, named, HashMap::from([("format".to_owned(), "pt".to_owned())]))?)
}
