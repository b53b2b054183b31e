//! What tasks have in common whose examples are several sequences each: a context with its choices, a text with its
//! partner.

use std::path::PathBuf;

use retune_data::{DataError, Table, Text, TextTokenizer};

use super::texts::cut_note;
use crate::TrainError;
use crate::task::{Encoded, Examples};

/// Examples of several sequences each, as many in all of them.
#[derive(Debug, Clone)]
pub struct GroupExamples<Y> {
    /// The file that they come from.
    pub path: PathBuf,
    /// The sequences of each example: `[n, k]`.
    pub groups: Vec<Vec<Text>>,
    /// The right answers, as many; none where they are not known.
    pub labels: Vec<Y>,
}

impl<Y: std::fmt::Debug> Examples for GroupExamples<Y> {
    fn len(&self) -> usize {
        self.groups.len()
    }
}

impl<Y: Clone> GroupExamples<Y> {
    /// Those of these rows, in this order. Where there are no labels, there are none of the rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            groups: rows.iter().map(|row| self.groups[*row].clone()).collect(),
            labels: rows.iter().filter_map(|row| self.labels.get(*row).cloned()).collect(),
        }
    }

    /// Tokenises the sequences; `targets` stand beside the examples.
    pub(super) fn encode<T>(&self, tokenizer: &TextTokenizer, targets: T) -> Result<Encoded<T>, TrainError> {
        let all: Vec<Text> = self.groups.iter().flatten().cloned().collect();
        let tokenized = tokenizer.encode(&all)?;
        let notes = cut_note(tokenized.truncated, all.len());
        let per_row = self.groups.first().map_or(1, Vec::len).max(1);
        Ok(Encoded { tokenized, per_row, targets, notes })
    }
}

/// The texts of a column, each of which must say something.
pub(super) fn column(table: &Table, name: &str) -> Result<Vec<String>, DataError> {
    let columns = retune_data::TextColumns::Single(name.to_owned());
    Ok(retune_data::texts(table, &columns)?.into_iter().map(|text| text.first).collect())
}
