//! What is judged: rows of a file with what a model says of each.

use serde::{Deserialize, Serialize};

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its number in the file, from 0.
    pub row: u64,
    /// Its texts, as many as [`StudySettings::columns`](crate::StudySettings::columns).
    pub texts: Vec<String>,
    /// The label that the file gives it, where it has one.
    pub label: Option<String>,
    /// What the model says of it: a class, or a line of whatever else.
    pub prediction: String,
    /// How sure the model is of each class, in the order of [`StudySettings::classes`](crate::StudySettings::classes),
    /// from 0 to 1; none where the task has no classes.
    pub confidences: Vec<f64>,
    /// What the other run's model says of it, where two are compared.
    pub against: Option<String>,
}

impl Item {
    /// How sure the model is of what it predicts, from 0 to 1.
    pub(crate) fn confidence(&self, classes: &[String]) -> Option<f64> {
        let class = classes.iter().position(|class| *class == self.prediction)?;
        self.confidences.get(class).copied()
    }
}
