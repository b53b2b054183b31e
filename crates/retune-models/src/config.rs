//! `config.json`: read whole, kept whole, written back with what training decided.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::ModelError;

/// The names of a model's classes, by id.
pub type Labels = Vec<String>;

/// A model directory's `config.json`. Keys that no architecture here reads are kept and written back.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    path: PathBuf,
    values: Map<String, Value>,
}

impl ModelConfig {
    /// Reads the `config.json` of a model directory.
    ///
    /// # Errors
    /// It is missing, or not a JSON object.
    pub fn read(directory: &Path) -> Result<Self, ModelError> {
        let path = directory.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        match serde_json::from_str(&text) {
            Ok(values) => Ok(Self { path, values }),
            Err(error) => Err(ModelError::Config { path, message: error.to_string() }),
        }
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All keys and values.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The architecture's name, `model_type`.
    ///
    /// # Errors
    /// The key is missing.
    pub fn model_type(&self) -> Result<&str, ModelError> {
        self.values.get("model_type").and_then(Value::as_str).ok_or_else(|| ModelError::Config {
            path: self.path.clone(),
            message: "the key 'model_type' is missing; it names the architecture (\"bert\")".to_owned(),
        })
    }

    /// The keys that an architecture reads, as its own type.
    ///
    /// # Errors
    /// A key is missing or of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        serde_json::from_value(Value::Object(self.values.clone()))
            .map_err(|error| ModelError::Config { path: self.path.clone(), message: error.to_string() })
    }

    /// The classes' names from `id2label`, by id. Where the key is absent they are `LABEL_0` and `LABEL_1`, as in
    /// transformers, whose `save_pretrained` leaves out what it would fill in.
    ///
    /// # Errors
    /// The ids are not `0..c`.
    pub fn labels(&self) -> Result<Labels, ModelError> {
        let missing = || ModelError::NoLabels { path: self.path.clone() };
        let Some(map) = self.values.get("id2label") else {
            return Ok(vec!["LABEL_0".to_owned(), "LABEL_1".to_owned()]);
        };
        let map = map.as_object().ok_or_else(missing)?;
        (0..map.len())
            .map(|id| map.get(&id.to_string()).and_then(Value::as_str).map(str::to_owned).ok_or_else(missing))
            .collect()
    }

    /// This configuration for a classifier of these classes: `architectures`, `id2label`, `label2id`, `problem_type`.
    pub fn with_labels(&self, architecture: &str, labels: &[String]) -> Self {
        let mut values = self.values.clone();
        let names: Map<_, _> = labels.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
        let ids: Map<_, _> = labels.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
        values.insert("architectures".to_owned(), json!([architecture]));
        values.insert("id2label".to_owned(), Value::Object(names));
        values.insert("label2id".to_owned(), Value::Object(ids));
        values.insert("problem_type".to_owned(), json!("single_label_classification"));
        // transformers derives it from id2label; a stale number would contradict.
        values.remove("num_labels");
        // Weights are written in float32, whatever they were read as.
        for key in ["dtype", "torch_dtype"] {
            if values.contains_key(key) {
                values.insert(key.to_owned(), json!("float32"));
            }
        }
        Self { path: self.path.clone(), values }
    }
}
