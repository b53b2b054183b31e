//! What a study asks, and of which rows.

use serde::{Deserialize, Serialize};

use crate::error::JudgeError;
use crate::item::Item;

/// What a judge is asked of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Which label it has; what the model says is not shown.
    Label,
    /// Whether what the model says is right, and if not, perhaps what is.
    Agree,
    /// Which of two runs says it better; which is which is not shown.
    Compare,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Label => "label",
            Mode::Agree => "agree",
            Mode::Compare => "compare",
        })
    }
}

/// Which rows are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Each as likely as any other.
    Chance,
    /// The likelier, the less sure the model is: in proportion to √(c (1 − c)) of its confidence c.
    Uncertainty,
    /// Some of each class that the model predicts, in proportion to its rows and at least two.
    Predicted,
    /// Some of each class that the file gives, in proportion to its rows and at least two.
    Label,
}

/// All that decides a study, beside the rows themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudySettings {
    /// What is asked.
    pub mode: Mode,
    /// Which rows are drawn.
    pub sampling: Sampling,
    /// How many.
    pub rows: usize,
    /// What the draw, and the sides of comparisons, come from.
    pub seed: u64,
    /// The classes that a label may be; none where the task has none.
    pub classes: Vec<String>,
    /// The names of the texts of a row.
    pub columns: Vec<String>,
    /// The name of the column of labels, where corrected ones are written.
    pub label_column: String,
    /// The run whose model is judged, by name.
    pub run: String,
    /// The run that it is compared with, by name.
    pub against: Option<String>,
    /// The file of the rows, by name.
    pub data: String,
}

impl StudySettings {
    /// The places of the rows that may be drawn: all, and of comparisons those of which the two runs say different
    /// things.
    ///
    /// # Errors
    ///
    /// The mode or the sampling asks for what the items do not have, or there are not that many rows.
    pub fn population(&self, items: &[Item]) -> Result<Vec<usize>, JudgeError> {
        if self.mode == Mode::Label && self.classes.is_empty() {
            return Err(JudgeError::NoClasses);
        }
        let unsure = |item: &Item| item.confidence(&self.classes).is_none();
        if self.sampling == Sampling::Uncertainty
            && let Some(item) = items.iter().find(|item| unsure(item))
        {
            return Err(JudgeError::NoConfidence { row: item.row });
        }
        if self.sampling == Sampling::Label
            && let Some(item) = items.iter().find(|item| item.label.is_none())
        {
            return Err(JudgeError::NoLabel { row: item.row });
        }
        let places: Vec<usize> = match self.mode {
            Mode::Label | Mode::Agree => (0..items.len()).collect(),
            Mode::Compare => {
                if let Some(item) = items.iter().find(|item| item.against.is_none()) {
                    return Err(JudgeError::NothingToCompare { row: item.row });
                }
                (0..items.len())
                    .filter(|place| items[*place].against.as_ref() != Some(&items[*place].prediction))
                    .collect()
            }
        };
        if places.is_empty() {
            return Err(match items.len() {
                0 => JudgeError::NoItems,
                rows => JudgeError::NothingDiffers { rows },
            });
        }
        Ok(places)
    }

    /// What differs from others, a line each.
    pub(crate) fn differences(&self, other: &StudySettings) -> Vec<String> {
        let fields = |settings: &StudySettings| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let others = fields(other);
        let shown = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let all = fields(self).into_iter();
        all.filter_map(|(name, mine)| {
            let theirs = others.get(&name).cloned().unwrap_or_default();
            (mine != theirs).then(|| format!("{name} is {} in the study and {} now", shown(&mine), shown(&theirs)))
        })
        .collect()
    }
}
