//! `config.json`: read whole, kept whole, written back with what training decided.

use std::path::{Path, PathBuf};

use retune_attention::Activation;
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

    /// This configuration with what transformers fills in where a key is missing.
    pub(crate) fn filled(&self, defaults: Value) -> Self {
        let mut filled = self.clone();
        for (key, value) in defaults.as_object().into_iter().flatten() {
            filled.values.entry(key).or_insert_with(|| value.clone());
        }
        filled
    }

    /// Refuses sizes that no tensor can have.
    pub(crate) fn require_sizes(&self, sizes: &[(&'static str, i64)]) -> Result<(), ModelError> {
        match sizes.iter().find(|(_, size)| *size < 1) {
            None => Ok(()),
            Some((key, size)) => Err(self.unsupported(key, size.to_string(), "numbers from 1 on")),
        }
    }

    /// Refuses heads that do not divide the hidden size.
    pub(crate) fn require_divisor(&self, key: &'static str, divisor: i64, size: i64) -> Result<(), ModelError> {
        if size % divisor == 0 {
            return Ok(());
        }
        Err(self.unsupported(key, divisor.to_string(), "divisors of the hidden size"))
    }

    /// Refuses what is no probability of dropout.
    pub(crate) fn require_probabilities(&self, values: &[(&'static str, f64)]) -> Result<(), ModelError> {
        match values.iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            None => Ok(()),
            Some((key, value)) => Err(self.unsupported(key, value.to_string(), "probabilities from 0 to below 1")),
        }
    }

    /// Refuses a value that is not the only one supported.
    pub(crate) fn require(&self, key: &'static str, found: &str, supported: &'static str) -> Result<(), ModelError> {
        if found == supported { Ok(()) } else { Err(self.unsupported(key, found.to_owned(), supported)) }
    }

    /// The activation that a key names, in transformers' words.
    pub(crate) fn activation(&self, key: &'static str, name: &str) -> Result<Activation, ModelError> {
        match name {
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            "tanh" => Ok(Activation::Tanh),
            "sigmoid" => Ok(Activation::Sigmoid),
            "linear" => Ok(Activation::Identity),
            other => Err(self.unsupported(
                key,
                other.to_owned(),
                "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish, tanh, sigmoid, linear",
            )),
        }
    }

    /// That a key has a value that is not supported.
    pub(crate) fn unsupported(&self, key: &'static str, found: String, supported: &'static str) -> ModelError {
        ModelError::UnsupportedValue { path: self.path.clone(), key, found, supported }
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
    pub fn with_labels(&self, architecture: &str, labels: &[String], problem_type: Option<&str>) -> Self {
        let mut config = self.with_architecture(architecture);
        let names: Map<_, _> = labels.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
        let ids: Map<_, _> = labels.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
        config.values.insert("id2label".to_owned(), Value::Object(names));
        config.values.insert("label2id".to_owned(), Value::Object(ids));
        if let Some(problem_type) = problem_type {
            config.values.insert("problem_type".to_owned(), json!(problem_type));
        }
        config
    }

    /// This configuration for another class of transformers, without what an earlier head has left in it.
    pub fn with_architecture(&self, architecture: &str) -> Self {
        let mut values = self.values.clone();
        values.insert("architectures".to_owned(), json!([architecture]));
        // transformers derives the number from id2label; a stale one would contradict.
        for key in ["num_labels", "id2label", "label2id", "problem_type", SETTINGS] {
            values.remove(key);
        }
        // Weights are written in float32, whatever they were read as.
        for key in ["dtype", "torch_dtype"] {
            if values.contains_key(key) {
                values.insert(key.to_owned(), json!("float32"));
            }
        }
        Self { path: self.path.clone(), values }
    }

    /// What this project keeps with a model beside what transformers knows: thresholds, a temperature.
    pub fn settings<T: DeserializeOwned + Default>(&self) -> T {
        self.values.get(SETTINGS).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
    }

    /// This configuration with such settings. transformers keeps keys that it does not know.
    pub fn with_settings(mut self, settings: Value) -> Self {
        self.values.insert(SETTINGS.to_owned(), settings);
        self
    }
}

/// The key of [`ModelConfig::settings`].
const SETTINGS: &str = "retune";

/// What transformers fills in where a key is missing, for serde.
pub(crate) mod defaults {
    pub fn two() -> i64 {
        2
    }
    pub fn yes() -> bool {
        true
    }
    pub fn gelu() -> String {
        "gelu".to_owned()
    }
    pub fn tenth() -> f64 {
        0.1
    }
    pub fn tiny_epsilon() -> f64 {
        1e-12
    }
    pub fn deviation() -> f64 {
        0.02
    }
    pub fn absolute() -> String {
        "absolute".to_owned()
    }
}
