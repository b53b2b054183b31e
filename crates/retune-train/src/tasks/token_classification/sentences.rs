//! Sentences of words, as files have them, or of running text.

use std::ops::Range;
use std::path::{Path, PathBuf};

use retune_data::{DataError, LabelMap, Table, Wanted, words_of_text};
use retune_recipe::DataPlan;

use super::super::groups::column;
use super::super::texts::{self, label_column};
use crate::TrainError;
use crate::task::Examples;

/// Sentences of words.
#[derive(Debug, Clone)]
pub struct Sentences {
    /// The file that they come from.
    pub path: PathBuf,
    /// The words of each.
    pub words: Vec<Vec<String>>,
    /// The tag of each word; none where they are not known.
    pub tags: Vec<Vec<u32>>,
    /// Each sentence as one text, and where its words stand in it, in Unicode code points.
    pub texts: Vec<(String, Vec<Range<usize>>)>,
}

impl Examples for Sentences {
    fn len(&self) -> usize {
        self.words.len()
    }
}

impl Sentences {
    pub(super) fn of_words(path: &Path, words: Vec<Vec<String>>, tags: Vec<Vec<u32>>) -> Self {
        let text = |words: &Vec<String>| {
            let mut start = 0;
            let place = |word: &String| {
                let range = start..start + word.chars().count();
                start = range.end + 1;
                range
            };
            let places = words.iter().map(place).collect();
            (words.join(" "), places)
        };
        Self { path: path.to_owned(), texts: words.iter().map(text).collect(), words, tags }
    }

    pub(super) fn of_texts(path: &Path, texts: Vec<String>) -> Self {
        let split: Vec<Vec<(Range<usize>, String)>> = texts.iter().map(|text| words_of_text(text)).collect();
        let places = split.iter().map(|words| words.iter().map(|(place, _)| place.clone()).collect());
        Self {
            path: path.to_owned(),
            texts: texts.into_iter().zip(places).collect(),
            words: split.into_iter().map(|words| words.into_iter().map(|(_, word)| word).collect()).collect(),
            tags: Vec::new(),
        }
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            words: rows.iter().map(|row| self.words[*row].clone()).collect(),
            tags: rows.iter().map(|row| self.tags[*row].clone()).collect(),
            texts: rows.iter().map(|row| self.texts[*row].clone()).collect(),
        }
    }
}

fn words(table: &Table, column: &str) -> Result<Vec<Vec<String>>, DataError> {
    let row = |row: &Option<Vec<&str>>| row.iter().flatten().map(|word| (*word).to_owned()).collect();
    Ok(table.lists(column)?.iter().map(row).collect())
}

/// The sentences of a table with their tags, of which each word has one.
pub(super) fn tagged(path: &Path, table: &Table, plan: &DataPlan, labels: &LabelMap) -> Result<Sentences, TrainError> {
    let column = label_column(plan);
    let (words, tags) = (words(table, &plan.text[0])?, labels.encode_lists(table, column)?);
    let wrong = words.iter().zip(&tags).position(|(words, tags)| words.len() != tags.len());
    if let Some(row) = wrong {
        return Err(TrainError::Data(DataError::WrongType {
            place: table.place(row),
            column: column.to_owned(),
            found: format!("{} tags for {} words", tags[row].len(), words[row].len()),
            expected: "a tag for each word is wanted",
        }));
    }
    Ok(Sentences::of_words(path, words, tags))
}

/// The sentences of a file whose tags are not known: words, or running text, which is split here.
pub(super) fn untagged(path: &Path, plan: &DataPlan) -> Result<Sentences, TrainError> {
    let name = &plan.text[0];
    match texts::read_table(path, plan, &[Wanted::List(name)]) {
        Ok(table) => Ok(Sentences::of_words(path, words(&table, name)?, Vec::new())),
        // Not words but running text, which is split here.
        Err(TrainError::Data(DataError::WrongType { .. })) => {
            let table = texts::read_table(path, plan, &[Wanted::Text(name)])?;
            Ok(Sentences::of_texts(path, column(&table, name)?))
        }
        Err(error) => Err(error),
    }
}
