//! The measures that can decide which epoch's model is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::TaskKind;
use crate::choices::{ChoiceError, choices, through_text};

choices! {
    /// The measure on the validation data that decides which epoch's model is kept. The names are those of
    /// `metrics.jsonl`.
    SelectionMetric {
        /// The task's own, the first that [`SelectionMetric::of`] gives.
        Auto = "auto",
        /// The share of examples, or of tags, that are right.
        Accuracy = "accuracy",
        /// The unweighted mean over classes of F1.
        F1Macro = "f1_macro",
        /// F1 over all labels of all examples.
        F1Micro = "f1_micro",
        /// The share of examples whose labels are all right.
        SubsetAccuracy = "subset_accuracy",
        /// Matthews' correlation coefficient.
        Mcc = "mcc",
        /// Pearson's correlation.
        Pearson = "pearson",
        /// Spearman's rank correlation.
        Spearman = "spearman",
        /// The root of the mean squared error.
        Rmse = "rmse",
        /// F1 over entities, each right as a whole or not at all.
        EntityF1 = "entity_f1",
        /// The share of answers that are right to the letter, in per cent.
        ExactMatch = "exact_match",
        /// F1 over the words of answers, in per cent.
        F1 = "f1",
        /// The exponential of the loss of a masked token.
        Perplexity = "perplexity",
        /// The mean reciprocal rank of each text's partner among all.
        Mrr = "mrr",
        /// The share of triplets whose partner is nearer than the negative.
        TripletAccuracy = "triplet_accuracy",
        /// The mean loss.
        Loss = "loss",
    }
}

impl SelectionMetric {
    /// Those that a task gives, its own first.
    pub fn of(task: TaskKind) -> &'static [Self] {
        use SelectionMetric::*;
        match task {
            TaskKind::Classification => &[Accuracy, F1Macro, Mcc, Loss],
            TaskKind::MultiLabel => &[F1Micro, F1Macro, SubsetAccuracy, Loss],
            TaskKind::Regression => &[Pearson, Spearman, Rmse, Loss],
            TaskKind::TokenClassification => &[Auto, EntityF1, Accuracy, F1Macro, Loss],
            TaskKind::QuestionAnswering => &[F1, ExactMatch, Loss],
            TaskKind::MaskedLm => &[Loss, Perplexity, Accuracy],
            TaskKind::MultipleChoice => &[Accuracy, Loss],
            TaskKind::Embeddings => &[Auto, Spearman, Pearson, Mrr, TripletAccuracy],
        }
    }

    /// Whether less is better.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Loss | Self::Perplexity | Self::Rmse)
    }
}
