//! What the program runs on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::choices::{DataFormat, DeviceChoice, Precision};
use crate::metric::SelectionMetric;
use crate::render::{self, Unsaid};
use crate::task::{LossChoice, PoolingChoice, TaskKind, Weights};
use crate::value::Value;

/// A recipe checked and resolved: every value that a run depends on. [`Recipe::resolve`](crate::Recipe::resolve) makes
/// it. What each key means is said in [`keys()`](crate::keys()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The pretrained model.
    pub model: ModelPlan,
    /// What it is fine-tuned for.
    pub task: TaskPlan,
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

/// What the model is fine-tuned for: the keys under `task`. What belongs to other tasks has no effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPlan {
    /// The task.
    pub kind: TaskKind,
    /// One of the task's losses; `Auto` only where the data decide.
    pub loss: LossChoice,
    /// The share of each label that is spread over all classes, at least 0 and below 1.
    pub label_smoothing: f64,
    /// Weights of the classes in cross-entropy.
    pub class_weights: Weights,
    /// Weights of each label's positive examples in binary cross-entropy.
    pub positive_weights: Weights,
    /// The focal loss's exponent, 0 or more.
    pub focal_gamma: f64,
    /// The error from which on Huber's loss is linear, above 0.
    pub huber_delta: f64,
    /// What stands between labels in one text; `None` for lists.
    pub label_separator: Option<String>,
    /// The share of tokens to predict, above 0 and below 1.
    pub mask_probability: f64,
    /// Whether words are masked whole.
    pub whole_word_masking: bool,
    /// Whether each line is a sequence of its own.
    pub line_by_line: bool,
    /// Tokens that two windows of a context share.
    pub stride: usize,
    /// Tokens of the longest answer, at least 1.
    pub max_answer_length: usize,
    /// Starts and ends that answers are sought among, at least 1.
    pub n_best: usize,
    /// How tokens become one vector.
    pub pooling: PoolingChoice,
    /// What cosines are multiplied by, above 0.
    pub scale: f64,
    /// The triplet loss's margin, above 0.
    pub margin: f64,
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
    /// The one to three columns of text, as many as the task allows, never the same twice.
    pub text: Vec<String>,
    /// The column of the label, none of the text columns; `None` only where the task needs no label.
    pub label: Option<String>,
    /// The file of the classes' names.
    pub label_names: Option<PathBuf>,
    /// The columns of the choices, or the one that lists them; `None` unless the task is multiple choice.
    pub choices: Option<Vec<String>>,
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
    /// Examples that are computed at a time, at least 1; `None` for the whole batch.
    pub micro_batch_size: Option<usize>,
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
    /// Whether thresholds are chosen on the validation data.
    pub tune_thresholds: bool,
    /// Whether a temperature is fitted on the validation data.
    pub calibrate: bool,
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
        let Plan { model, task, data, train, evaluation, run } = self;
        vec![
            ("model.path", text(&model.path)),
            ("model.revision", text(&model.revision)),
            ("model.offline", Some(Value::Switch(model.offline))),
            ("task.kind", text(task.kind)),
            ("task.loss", text(task.loss)),
            ("task.label_smoothing", float(task.label_smoothing)),
            ("task.class_weights", text(&task.class_weights)),
            ("task.positive_weights", text(&task.positive_weights)),
            ("task.focal_gamma", float(task.focal_gamma)),
            ("task.huber_delta", float(task.huber_delta)),
            ("task.label_separator", task.label_separator.as_ref().and_then(text)),
            ("task.mask_probability", float(task.mask_probability)),
            ("task.whole_word_masking", Some(Value::Switch(task.whole_word_masking))),
            ("task.line_by_line", Some(Value::Switch(task.line_by_line))),
            ("task.stride", integer(task.stride)),
            ("task.max_answer_length", integer(task.max_answer_length)),
            ("task.n_best", integer(task.n_best)),
            ("task.pooling", text(task.pooling)),
            ("task.scale", float(task.scale)),
            ("task.margin", float(task.margin)),
            ("data.train", path(&data.train)),
            ("data.validation", data.validation.as_deref().and_then(path)),
            ("data.test", data.test.as_deref().and_then(path)),
            ("data.format", text(data.format)),
            ("data.columns", data.columns.clone().map(Value::Texts)),
            ("data.text", Some(Value::Texts(data.text.clone()))),
            ("data.label", data.label.as_ref().and_then(text)),
            ("data.label_names", data.label_names.as_deref().and_then(path)),
            ("data.choices", data.choices.clone().map(Value::Texts)),
            ("data.max_length", integer(data.max_length)),
            ("data.validation_fraction", float(data.validation_fraction)),
            ("train.epochs", float(train.epochs)),
            ("train.max_steps", train.max_steps.and_then(integer)),
            ("train.batch_size", integer(train.batch_size)),
            ("train.micro_batch_size", train.micro_batch_size.and_then(integer)),
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
            ("evaluation.tune_thresholds", Some(Value::Switch(evaluation.tune_thresholds))),
            ("evaluation.calibrate", Some(Value::Switch(evaluation.calibrate))),
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
