//! The one table of the keys that a recipe may have. A new key is a line here, a field of the plan, and the line that
//! carries the one to the other in `resolve.rs` and `plan.rs`.

use crate::choices::{DataFormat, Precision};
use crate::keys::Fallback::{self, Derived, Float, Integer, Required, Switch, Text, Unset};
use crate::keys::{Key, Kind, Range};
use crate::metric::SelectionMetric;
use crate::task::{LossChoice, PoolingChoice, TaskKind};

const AT_LEAST_ONE: Kind = Kind::Integer { min: 1 };

#[rustfmt::skip]
pub(crate) static KEYS: &[Key] = &[
    key("model.path", Kind::Text, Required,
        "The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name.").flag("--model"),
    key("model.revision", Kind::Text, Text("main"),
        "The branch, tag or commit on the Hub. A folder has none.").flag("--revision"),
    key("model.offline", Kind::Switch, Switch(false),
        "Take files from folders and caches only, never from the network.").flag("--offline"),

    key("task.kind", Kind::Choice(TaskKind::NAMES), Text("classification"),
        "What the model is fine-tuned for.").flag("--task"),
    key("task.loss", Kind::Choice(LossChoice::NAMES), Text("auto"),
        "What training makes small; auto is the task's own."),
    key("task.label_smoothing", Kind::Float(Range::BelowOne), Float(0.0),
        "The share of each label that is spread over all classes (cross-entropy)."),
    key("task.class_weights", Kind::Weights, Text("none"),
        "Weights of the classes in cross-entropy: none, balanced, or by name, as \"urgent=5, spam=0.5\"."),
    key("task.positive_weights", Kind::Weights, Text("none"),
        "Weights of each label's positive examples in binary cross-entropy, likewise."),
    key("task.focal_gamma", Kind::Float(Range::NotNegative), Float(2.0),
        "How much less the focal loss counts what is right already; 0 is cross-entropy."),
    key("task.huber_delta", Kind::Float(Range::Positive), Float(1.0),
        "The error from which on Huber's loss is linear."),
    key("task.label_separator", Kind::Text, Unset("unset: labels are lists in the file"),
        "What stands between the labels of one example, where they are one text (multi-label)."),
    key("task.mask_probability", Kind::Float(Range::Between), Float(0.15),
        "The share of tokens that masked language modelling asks for."),
    key("task.whole_word_masking", Kind::Switch, Switch(false),
        "Mask all sub-words of a word, or none."),
    key("task.line_by_line", Kind::Switch, Switch(false),
        "Take each line of text for itself, instead of cutting all text into blocks of data.max_length (masked-lm)."),
    key("task.stride", Kind::Integer { min: 0 }, Integer(128),
        "Tokens that two windows of a long context share (question answering)."),
    key("task.max_answer_length", AT_LEAST_ONE, Integer(30),
        "The longest answer, in tokens."),
    key("task.n_best", AT_LEAST_ONE, Integer(20),
        "Starts and ends that answers are sought among."),
    key("task.pooling", Kind::Choice(PoolingChoice::NAMES), Text("auto"),
        "How the vectors of a text's tokens become one (embeddings); auto goes by the model directory."),
    key("task.scale", Kind::Float(Range::Positive), Float(20.0),
        "What cosines are multiplied by in the loss of in-batch negatives."),
    key("task.margin", Kind::Float(Range::Positive), Float(5.0),
        "By how much nearer a triplet's partner shall be than its negative, in Euclidean distance."),

    key("data.train", Kind::Path, Required,
        "The examples to train on: a file, a folder or a pattern of files, or an array of a document \
         (data.json#train).").flag("--train"),
    key("data.validation", Kind::Path, Unset("unset: split off the training file"),
        "The file that decides which epoch's model is kept.").flag("--eval"),
    key("data.test", Kind::Path, Unset("unset: no test"),
        "The file that the kept model is tested on, once, at the end.").flag("--test"),
    key("data.format", Kind::Choice(DataFormat::NAMES), Text("auto"),
        "How the files are written; auto goes by the extension. In tsv-unquoted, a quotation mark is a character like \
         any other.").flag("--format"),
    key("data.columns", Kind::Names, Unset("unset: the files name their columns"),
        "The names of all columns, in their order, of files that do not name them: CSV and TSV without a header, JSON \
         rows that are lists, CoNLL.").flag("--columns"),
    key("data.text", Kind::Columns, Required,
        "The column that holds the text, or the columns of a pair (or, for embeddings, a triplet) of texts; a.b names a \
         nested field.").flag("--text"),
    key("data.label", Kind::Text, Unset("unset: the task needs none"),
        "The column that holds the label: a class, classes, a number, tags, answers, or the right choice.")
        .flag("--label"),
    key("data.label_names", Kind::Path, Unset("unset: labels stand in the data by name"),
        "A file with the name of one class on each line, for data in which labels are numbers, from 0."),
    key("data.choices", Kind::Names, Unset("unset: the task has none"),
        "The columns of the choices, or the one that holds a list of them (multiple-choice).").flag("--choices"),
    key("data.max_length", Kind::Integer { min: 3 }, Derived("128; 384 where the task is question-answering"),
        "Tokens of an example, special tokens counted; longer texts are cut."),
    key("data.validation_fraction", Kind::Float(Range::Between), Float(0.1),
        "The share of the training file that is split off, by class and seed, where data.validation is not given."),

    key("train.epochs", Kind::Float(Range::Positive), Float(3.0),
        "Passes over the training data; may be fractional.").flag("--epochs"),
    key("train.max_steps", AT_LEAST_ONE, Unset("unset: train.epochs decides"),
        "Stop after so many optimiser steps, where train.epochs would go on for longer.").flag("--max-steps"),
    key("train.batch_size", AT_LEAST_ONE, Integer(32),
        "Examples in an optimiser step.").flag("--batch-size"),
    key("train.micro_batch_size", AT_LEAST_ONE, Unset("unset: the whole batch at once"),
        "Examples that are computed at a time; their gradients add up to those of the batch. Saves memory."),
    key("train.learning_rate", Kind::Float(Range::PositiveToOne), Float(5e-5),
        "The highest learning rate, reached when warm-up ends.").flag("--learning-rate"),
    key("train.warmup_fraction", Kind::Float(Range::ZeroToOne), Float(0.1),
        "The share of the steps over which the learning rate rises from 0. Over the rest it falls to 0 in a line."),
    key("train.weight_decay", Kind::Float(Range::NotNegative), Float(0.01),
        "AdamW's decoupled weight decay. Biases and LayerNorm weights have none."),
    key("train.max_grad_norm", Kind::Float(Range::NotNegative), Float(1.0),
        "The global norm that gradients are clipped to; 0 turns clipping off."),
    key("train.adam_beta1", Kind::Float(Range::BelowOne), Float(0.9),
        "Decay of AdamW's running mean of gradients."),
    key("train.adam_beta2", Kind::Float(Range::BelowOne), Float(0.999),
        "Decay of AdamW's running mean of squared gradients."),
    key("train.adam_epsilon", Kind::Float(Range::Positive), Float(1e-8),
        "Added to AdamW's denominator."),
    key("train.log_every", AT_LEAST_ONE, Integer(50),
        "Steps between two lines of the training log."),

    key("evaluation.batch_size", AT_LEAST_ONE, Integer(64),
        "Examples in an evaluation batch. It changes the speed and the memory, not the result."),
    key("evaluation.metric", Kind::Choice(SelectionMetric::NAMES), Text("auto"),
        "The measure on the validation data that decides which epoch's model is kept; auto is the task's own."),
    key("evaluation.tune_thresholds", Kind::Switch, Switch(false),
        "Choose, on the validation data, the probability from which on a label is given (multi-label, and \
         classification into two), and keep it with the model."),
    key("evaluation.calibrate", Kind::Switch, Switch(false),
        "Fit, on the validation data, the temperature that makes probabilities honest, and keep it with the model \
         (classification)."),
    key("evaluation.bootstrap_samples", Kind::Integer { min: 0 }, Integer(1000),
        "Resamples behind the confidence intervals; 0 leaves the intervals out."),

    key("run.output", Kind::Path, Derived("runs/ and the name of the recipe, or else of the training file"),
        "The folder that the run writes; it must not hold another run.").flag("--output"),
    key("run.seed", Kind::Integer { min: 0 }, Integer(42),
        "The seed of every random draw.").flag("--seed"),
    key("run.device", Kind::Device, Text("auto"),
        "Where to compute; auto takes a GPU where there is one.").flag("--device"),
    key("run.precision", Kind::Choice(Precision::NAMES), Text("fp32"),
        "The number format of the matrix products.").flag("--precision"),
    key("run.threads", AT_LEAST_ONE, Unset("unset: as libtorch decides"),
        "Processor threads to compute with.").flag("--threads"),
];

const fn key(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, flag: None, doc }
}

impl Key {
    const fn flag(mut self, flag: &'static str) -> Key {
        self.flag = Some(flag);
        self
    }
}
