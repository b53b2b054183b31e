//! What a model is fine-tuned for, and the choices that belong to it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::choices::{ChoiceError, choices, through_text};

choices! {
    /// What a model is fine-tuned for.
    TaskKind {
        /// One label for each text, or pair of texts.
        Classification = "classification",
        /// Any number of labels for each text.
        MultiLabel = "multi-label",
        /// A number for each text.
        Regression = "regression",
        /// A tag for each word: named entities, parts of speech.
        TokenClassification = "token-classification",
        /// The span of a context that answers a question.
        QuestionAnswering = "question-answering",
        /// The words that masks stand for: to go on with pretraining, on text alone.
        MaskedLm = "masked-lm",
        /// The right one of several texts.
        MultipleChoice = "multiple-choice",
        /// A vector for each text, near where texts mean the same.
        Embeddings = "embeddings",
    }
}

choices! {
    /// What training makes small.
    LossChoice {
        /// The task's own: cross-entropy, binary cross-entropy, squared error, in-batch negatives.
        Auto = "auto",
        /// Cross-entropy.
        CrossEntropy = "cross-entropy",
        /// Cross-entropy that counts what is right already for less (Lin et al. 2017).
        Focal = "focal",
        /// The binary cross-entropy of each label.
        Binary = "binary-cross-entropy",
        /// The squared error.
        Mse = "mse",
        /// The squared error, but linear beyond `task.huber_delta`.
        Huber = "huber",
        /// Each text's partner against all others of the batch (Henderson et al. 2017).
        MultipleNegatives = "multiple-negatives",
        /// The partner nearer than the negative by `task.margin`.
        Triplet = "triplet",
        /// The squared error of the cosine.
        Cosine = "cosine",
    }
}

choices! {
    /// What a classifier's head is, and reads.
    HeadChoice {
        /// The one that transformers puts on the architecture (`AutoModelForSequenceClassification`).
        Architecture = "architecture",
        /// A linear layer on the sentence embedding, as sentence-transformers pools it.
        SentenceEmbedding = "sentence-embedding",
    }
}

choices! {
    /// How the vectors of a text's tokens become one.
    PoolingChoice {
        /// As the model directory says, else the mean.
        Auto = "auto",
        /// Their mean.
        Mean = "mean",
        /// The first token's.
        Cls = "cls",
        /// The largest of each dimension.
        Max = "max",
    }
}

impl TaskKind {
    /// The losses that it can be trained with, its own first.
    pub fn losses(self) -> &'static [LossChoice] {
        use LossChoice::*;
        match self {
            Self::Classification => &[CrossEntropy, Focal],
            Self::MultiLabel => &[Binary],
            Self::Regression => &[Mse, Huber],
            Self::TokenClassification => &[CrossEntropy, Focal],
            Self::QuestionAnswering | Self::MaskedLm | Self::MultipleChoice => &[CrossEntropy],
            // By what the data hold: pairs, triplets, or pairs with a number.
            Self::Embeddings => &[Auto, MultipleNegatives, Triplet, Cosine],
        }
    }

    /// How many columns of text an example has: at least, at most.
    pub fn text_columns(self) -> (usize, usize) {
        match self {
            Self::Classification | Self::MultiLabel | Self::Regression | Self::MultipleChoice => (1, 2),
            Self::TokenClassification | Self::MaskedLm => (1, 1),
            Self::QuestionAnswering => (2, 2),
            Self::Embeddings => (2, 3),
        }
    }

    /// Whether an example needs no label.
    pub fn label_is_optional(self) -> bool {
        matches!(self, Self::MaskedLm | Self::Embeddings)
    }
}

/// Weights of classes in a loss.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Weights {
    /// All alike.
    #[default]
    None,
    /// The rarer the heavier: n / (classes · n of the class), as scikit-learn's `balanced`; for labels of which an
    /// example may have several, negatives / positives.
    Balanced,
    /// These, by name; 1 where a class is not named.
    Given(Vec<(String, f64)>),
}

impl FromStr for Weights {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "none" => return Ok(Self::None),
            "balanced" => return Ok(Self::Balanced),
            _ => {}
        }
        pairs(text, |number| number > 0.0).map(Self::Given).ok_or_else(|| ChoiceError {
            expected: "none, balanced, or weights above 0 by name, as \"spam=2, ham=0.5\"".to_owned(),
            ..ChoiceError::new(&["none", "balanced"], text)
        })
    }
}

/// Names with finite numbers that lie in a range: `spam=2, ham=0.5`.
pub(crate) fn pairs(text: &str, lies_in_range: impl Fn(f64) -> bool) -> Option<Vec<(String, f64)>> {
    let pair = |pair: &str| {
        let (name, number) = pair.rsplit_once('=')?;
        let number: f64 = number.trim().parse().ok()?;
        let is_fine = number.is_finite() && lies_in_range(number) && !name.trim().is_empty();
        is_fine.then(|| (name.trim().to_owned(), number))
    };
    text.split(',').map(pair).collect()
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::Balanced => f.pad("balanced"),
            Self::Given(weights) => {
                let pairs: Vec<_> = weights.iter().map(|(name, weight)| format!("{name}={weight}")).collect();
                f.pad(&pairs.join(", "))
            }
        }
    }
}

through_text!(Weights);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_read_and_write() {
        for text in ["none", "balanced", "a=2, b c=0.5"] {
            assert_eq!(text.parse::<Weights>().map(|weights| weights.to_string()), Ok(text.to_owned()));
        }
        for text in ["balance", "a", "a=0", "a=x", "=1", "a=1,,", "a=inf"] {
            assert!(text.parse::<Weights>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_task_has_a_loss() {
        for name in TaskKind::NAMES {
            let kind: TaskKind = name.parse().expect("a task");
            assert!(!kind.losses().is_empty());
        }
    }
}
