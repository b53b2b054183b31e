//! What a judge answers, and what is kept of it.

use serde::{Deserialize, Serialize};

use crate::error::JudgeError;
use crate::settings::Mode;

/// An answer as it is given: of comparisons, by the side on which it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Answer {
    /// The label is this class.
    Label {
        /// Its place among the classes.
        class: usize,
    },
    /// What the model says is right.
    Agree,
    /// What the model says is wrong.
    Disagree {
        /// The right class, where the judge names it.
        class: Option<usize>,
    },
    /// One of two is better.
    Prefer {
        /// Which.
        side: Side,
    },
    /// Neither of two is better.
    Tie,
    /// The judge cannot tell.
    Unsure,
}

/// Where one of two stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// On the left, or above.
    Left,
    /// On the right, or below.
    Right,
}

/// An answer as it is kept: of comparisons, by the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Judgement {
    /// The label is this class.
    Label {
        /// Its place among the classes.
        class: usize,
    },
    /// What the model says is right.
    Agree,
    /// What the model says is wrong.
    Disagree {
        /// The right class, where the judge names it.
        class: Option<usize>,
    },
    /// The run that is judged is better.
    First,
    /// The run that it is compared with is better.
    Second,
    /// Neither is better.
    Tie,
    /// The judge cannot tell.
    Unsure,
}

impl Answer {
    /// What is kept of it, where the second run stood on the left if `swapped`.
    pub(crate) fn judgement(self, swapped: bool) -> Judgement {
        match self {
            Answer::Label { class } => Judgement::Label { class },
            Answer::Agree => Judgement::Agree,
            Answer::Disagree { class } => Judgement::Disagree { class },
            Answer::Prefer { side } if (side == Side::Left) != swapped => Judgement::First,
            Answer::Prefer { .. } => Judgement::Second,
            Answer::Tie => Judgement::Tie,
            Answer::Unsure => Judgement::Unsure,
        }
    }

    /// Nothing, where it answers what is asked.
    pub(crate) fn check(self, mode: Mode, classes: usize) -> Result<(), JudgeError> {
        let fits = match self {
            Answer::Label { .. } => mode == Mode::Label,
            Answer::Agree | Answer::Disagree { .. } => mode == Mode::Agree,
            Answer::Prefer { .. } | Answer::Tie => mode == Mode::Compare,
            Answer::Unsure => true,
        };
        if !fits {
            let answer = serde_json::to_string(&self).unwrap_or_default();
            return Err(JudgeError::WrongAnswer { answer, mode });
        }
        match self {
            Answer::Label { class } | Answer::Disagree { class: Some(class) } if class >= classes => {
                Err(JudgeError::UnknownClass { class, classes })
            }
            _ => Ok(()),
        }
    }
}

impl Judgement {
    /// The class that it gives a row of which the model predicts `predicted`.
    pub(crate) fn class(self, predicted: Option<usize>) -> Option<usize> {
        match self {
            Judgement::Label { class } => Some(class),
            Judgement::Agree => predicted,
            Judgement::Disagree { class } => class,
            _ => None,
        }
    }

    /// Whether it finds what the model predicts right.
    pub(crate) fn right(self, predicted: Option<usize>) -> Option<bool> {
        match self {
            Judgement::Label { class } => Some(Some(class) == predicted),
            Judgement::Agree => Some(true),
            Judgement::Disagree { class } => Some(class.is_some() && class == predicted),
            _ => None,
        }
    }

    /// Its place among the kinds of answer that judges are compared by.
    pub(crate) fn category(self, predicted: Option<usize>) -> Option<usize> {
        match self {
            Judgement::Label { class } => Some(class),
            Judgement::Agree | Judgement::Disagree { .. } => self.right(predicted).map(usize::from),
            Judgement::Second => Some(0),
            Judgement::Tie => Some(1),
            Judgement::First => Some(2),
            Judgement::Unsure => None,
        }
    }
}
