//! What the program runs on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::choices::{DataFormat, DeviceChoice, Precision, SelectionMetric};
use crate::render::{self, Unsaid};
use crate::value::Value;

/// A recipe checked and resolved: every value that a run depends on. [`Recipe::resolve`](crate::Recipe::resolve) makes
/// it. What each key means is said in [`keys()`](crate::keys()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The pretrained model.
    pub model: ModelPlan,
    /// The examples.
    pub data: DataPlan,
    /// How it is trained.
    pub train: TrainPlan,
    /// How it is evaluated.
    pub evaluation: EvaluationPlan,
    /// Where and how the program runs.
    pub run: RunPlan,
}

/// The pretrained model: the keys under `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPlan {
    /// A folder, or a name on the Hugging Face Hub such as `org/name`.
    pub path: String,
    /// The branch, tag or commit on the Hub.
    pub revision: String,
    /// Whether files come from folders and caches only.
    pub offline: bool,
}

/// The examples: the keys under `data`. Paths are relative to the current directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPlan {
    /// The file to train on; or a folder, a pattern, or an array of a document (`data.json#train`), as the next two.
    pub train: PathBuf,
    /// The file that decides which epoch's model is kept; `None` splits it off the training file.
    pub validation: Option<PathBuf>,
    /// The file that the kept model is tested on.
    pub test: Option<PathBuf>,
    /// How the files are written.
    pub format: DataFormat,
    /// The names of all columns of files that do not name them, all different; `None` where they do.
    pub columns: Option<Vec<String>>,
    /// The one or two columns of text: never none, never more, never the same twice.
    pub text: Vec<String>,
    /// The column of the label; none of the text columns.
    pub label: String,
    /// Tokens of an example, special tokens counted, at least 3.
    pub max_length: usize,
    /// The share of the training file that is split off where `validation` is `None`, above 0 and below 1.
    pub validation_fraction: f64,
}

/// How the model is trained: the keys under `train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainPlan {
    /// Passes over the training data, above 0; may be fractional.
    pub epochs: f64,
    /// Optimiser steps after which training stops, if `epochs` has not ended it before.
    pub max_steps: Option<usize>,
    /// Examples in an optimiser step, at least 1.
    pub batch_size: usize,
    /// The highest learning rate, above 0 and at most 1.
    pub learning_rate: f64,
    /// The share of the steps over which the learning rate rises, from 0 to 1.
    pub warmup_fraction: f64,
    /// AdamW's decoupled weight decay, 0 or more.
    pub weight_decay: f64,
    /// The global norm that gradients are clipped to; 0 for no clipping.
    pub max_grad_norm: f64,
    /// Decay of the running mean of gradients, at least 0 and below 1.
    pub adam_beta1: f64,
    /// Decay of the running mean of squared gradients, at least 0 and below 1.
    pub adam_beta2: f64,
    /// Added to the denominator, above 0.
    pub adam_epsilon: f64,
    /// Steps between two lines of the training log, at least 1.
    pub log_every: usize,
}

/// How the model is evaluated: the keys under `evaluation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationPlan {
    /// Examples in an evaluation batch, at least 1.
    pub batch_size: usize,
    /// The measure that decides which epoch's model is kept.
    pub metric: SelectionMetric,
    /// Resamples behind the confidence intervals; 0 for no intervals.
    pub bootstrap_samples: usize,
}

/// Where and how the program runs: the keys under `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// The folder that the run writes, relative to the current directory.
    pub output: PathBuf,
    /// The seed of every random draw, at most `i64::MAX`.
    pub seed: u64,
    /// Where the model computes.
    pub device: DeviceChoice,
    /// The number format of the matrix products.
    pub precision: Precision,
    /// Processor threads, at least 1; `None` leaves it to libtorch.
    pub threads: Option<usize>,
}

impl Plan {
    /// The plan as TOML. It is a recipe that says every key, and resolves to an equal plan.
    pub fn to_toml(&self) -> String {
        let entries = self.entries();
        let value_of = |path| entries.iter().find(|(key, _)| *key == path).and_then(|(_, value)| value.clone());
        render::toml(Unsaid::Comment, value_of)
    }

    /// Every key and its value, in the order of the table of keys.
    fn entries(&self) -> Vec<(&'static str, Option<Value>)> {
        let Plan { model, data, train, evaluation, run } = self;
        vec![
            ("model.path", text(&model.path)),
            ("model.revision", text(&model.revision)),
            ("model.offline", Some(Value::Switch(model.offline))),
            ("data.train", path(&data.train)),
            ("data.validation", data.validation.as_deref().and_then(path)),
            ("data.test", data.test.as_deref().and_then(path)),
            ("data.format", text(data.format)),
            ("data.columns", data.columns.clone().map(Value::Texts)),
            ("data.text", Some(Value::Texts(data.text.clone()))),
            ("data.label", text(&data.label)),
            ("data.max_length", integer(data.max_length)),
            ("data.validation_fraction", float(data.validation_fraction)),
            ("train.epochs", float(train.epochs)),
            ("train.max_steps", train.max_steps.and_then(integer)),
            ("train.batch_size", integer(train.batch_size)),
            ("train.learning_rate", float(train.learning_rate)),
            ("train.warmup_fraction", float(train.warmup_fraction)),
            ("train.weight_decay", float(train.weight_decay)),
            ("train.max_grad_norm", float(train.max_grad_norm)),
            ("train.adam_beta1", float(train.adam_beta1)),
            ("train.adam_beta2", float(train.adam_beta2)),
            ("train.adam_epsilon", float(train.adam_epsilon)),
            ("train.log_every", integer(train.log_every)),
            ("evaluation.batch_size", integer(evaluation.batch_size)),
            ("evaluation.metric", text(evaluation.metric)),
            ("evaluation.bootstrap_samples", integer(evaluation.bootstrap_samples)),
            ("run.output", path(&run.output)),
            ("run.seed", Some(Value::Integer(run.seed))),
            ("run.device", text(run.device)),
            ("run.precision", text(run.precision)),
            ("run.threads", run.threads.and_then(integer)),
        ]
    }
}

fn text(value: impl ToString) -> Option<Value> {
    Some(Value::Text(value.to_string()))
}

/// TOML is UTF-8, so a path that came from a recipe is too, and nothing is lost.
fn path(value: &Path) -> Option<Value> {
    text(value.to_string_lossy())
}

fn integer(value: usize) -> Option<Value> {
    Some(Value::Integer(value as u64))
}

fn float(value: f64) -> Option<Value> {
    Some(Value::Float(value))
}

#[cfg(test)]
mod tests {
    use crate::{Recipe, keys};

    #[test]
    fn a_plan_writes_every_key_of_the_table_in_its_order() {
        let mut recipe = Recipe::new();
        for (key, value) in [("model.path", "m"), ("data.train", "a.csv"), ("data.text", "t"), ("data.label", "l")] {
            recipe.set(key, value, "--set");
        }
        let written: Vec<_> = recipe.resolve().unwrap().entries().into_iter().map(|(path, _)| path).collect();
        let listed: Vec<_> = keys().iter().map(|key| key.path).collect();
        assert_eq!(written, listed);
    }
}
