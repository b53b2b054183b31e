//! How the model is evaluated.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Integer, Switch, Text, Unset};
use crate::keys::Kind;
use crate::metric::SelectionMetric;

section! {
    /// How the model is evaluated: the keys under `evaluation`.
    EvaluationPlan in "evaluation" {
        batch_size: usize = AT_LEAST_ONE, Integer(64),
            "Examples in an evaluation batch. It changes the speed and the memory, not the result.";
        metric: SelectionMetric = Kind::Choice(SelectionMetric::NAMES), Text("auto"),
            "The measure on the validation data that decides which epoch's model is kept; auto is the task's own.";
        every: Option<usize> = AT_LEAST_ONE, Unset("unset: at the end of each epoch"),
            "Steps between two evaluations on the validation data.";
        patience: Option<usize> = AT_LEAST_ONE, Unset("unset: training goes on to its end"),
            "Stop when so many evaluations in a row were no better than the best (early stopping).";
        tune_thresholds: bool = Kind::Switch, Switch(false),
            "Choose, on the validation data, the probability from which on a label is given (multi-label, and \
                classification into two), and keep it with the model.";
        calibrate: bool = Kind::Switch, Switch(false),
            "Fit, on the validation data, the temperature that makes probabilities honest, and keep it with the model \
                (classification).";
        bootstrap_samples: usize = Kind::Integer { min: 0 }, Integer(1000),
            "Resamples behind the confidence intervals; 0 leaves the intervals out.";
        explain: usize = Kind::Integer { min: 0 }, Integer(8),
            "Examples of the final test whose predictions are explained, token by token (integrated gradients); 0 for none. \
                It takes no longer than a fiftieth of the training, or than 2048 tokens of it for each.";
    }
}
