//! Sentences of words, as files have them, or of running text: those to learn from stay in their file, which may be
//! larger than memory.

use std::ops::Range;
use std::path::Path;

use retune_data::{
    Beside, DataError, FurtherPieces, LabelMap, Table, TextTokenizer, Tokenized, Wanted, sources, words_of_text,
};
use retune_recipe::DataPlan;

use super::super::groups::column;
use super::super::kept::{Columns, FileRows, Held, Kept};
use super::super::tables::{self, Tables};
use super::super::texts::label_column;
use crate::TrainError;
use crate::losses::IGNORED;
use crate::task::Examples;

/// Sentences to learn from, or to be looked at.
pub type SentenceExamples = Kept<Sentences, TaggedColumns>;

/// Sentences of words.
#[derive(Debug, Clone, Default)]
pub struct Sentences {
    /// The words of each.
    pub words: Vec<Vec<String>>,
    /// The tag of each word; none where they are not known.
    pub tags: Vec<Vec<u32>>,
    /// Each sentence as one text, and where its words stand in it, in Unicode code points.
    pub texts: Vec<(String, Vec<Range<usize>>)>,
}

/// Where the words are, and their tags.
#[derive(Debug, Clone)]
pub(super) struct WordColumns {
    words: String,
    tags: String,
}

/// Columns of which it is known what tags there are.
#[derive(Debug, Clone)]
pub struct TaggedColumns {
    columns: WordColumns,
    labels: LabelMap,
}

/// The words of each sentence, and a tag for each word.
type WordsAndTags = (Vec<Vec<String>>, Vec<Vec<u32>>);

impl Examples for SentenceExamples {
    fn len(&self) -> usize {
        self.count()
    }
}

impl Columns for TaggedColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        self.columns.wanted()
    }
}

impl Held for Sentences {
    fn count(&self) -> usize {
        self.words.len()
    }

    fn of_rows(&self, rows: &[usize]) -> Self {
        Self { words: self.words.of_rows(rows), tags: self.tags.of_rows(rows), texts: self.texts.of_rows(rows) }
    }
}

impl SentenceExamples {
    /// Those of a file to learn from; `each` is told the tags of each sentence.
    pub(super) fn to_learn_from(
        tables: &Tables<'_>,
        columns: WordColumns,
        labels: &LabelMap,
        mut each: impl FnMut(&[u32]),
    ) -> Result<Self, TrainError> {
        let (mut count, mut kept) = (0, (Vec::new(), Vec::new()));
        tables.each(|table| {
            let (words, tags) = columns.tagged(table, labels)?;
            count += words.len();
            tags.iter().for_each(|tags| each(tags));
            if tables.is_held() {
                kept.0.extend(words);
                kept.1.extend(tags);
            }
            Ok(())
        })?;
        Ok(match tables.is_held() {
            true => Self::Held(Sentences::of_words(kept.0, kept.1)),
            false => Self::File(FileRows::all(tables, TaggedColumns { columns, labels: labels.clone() }, count)),
        })
    }

    /// The same with their words and tags here, so that they can be looked at.
    pub(super) fn hold(self) -> Result<Self, TrainError> {
        let file = match self {
            Self::Held(_) => return Ok(self),
            Self::File(file) => file,
        };
        let TaggedColumns { columns, labels } = &file.columns;
        let sentences = file.read(|table| {
            let (words, tags) = columns.tagged(table, labels)?;
            Ok(words.into_iter().zip(tags).collect())
        })?;
        let (words, tags) = sentences.into_iter().unzip();
        Ok(Self::Held(Sentences::of_words(words, tags)))
    }
}

impl Sentences {
    pub(super) fn of_words(words: Vec<Vec<String>>, tags: Vec<Vec<u32>>) -> Self {
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
        Self { texts: words.iter().map(text).collect(), words, tags }
    }

    pub(super) fn of_texts(texts: Vec<String>) -> Self {
        let split: Vec<Vec<(Range<usize>, String)>> = texts.iter().map(|text| words_of_text(text)).collect();
        let places = split.iter().map(|words| words.iter().map(|(place, _)| place.clone()).collect());
        Self {
            texts: texts.into_iter().zip(places).collect(),
            words: split.into_iter().map(|words| words.into_iter().map(|(_, word)| word).collect()).collect(),
            tags: Vec::new(),
        }
    }

    /// Those of a file, with their tags.
    pub(super) fn tagged(path: &Path, plan: &DataPlan, labels: &LabelMap) -> Result<Self, TrainError> {
        let columns = WordColumns::of(plan);
        let table = tables::read_table(path, plan, &columns.wanted())?;
        let (words, tags) = columns.tagged(&table, labels)?;
        Ok(Self::of_words(words, tags))
    }

    /// Those of a table whose tags are not known: of words, or of running text, which is split here.
    pub(super) fn untagged(table: &Table, name: &str) -> Result<Self, TrainError> {
        match words(table, name) {
            Ok(words) => Ok(Self::of_words(words, Vec::new())),
            Err(_) => Ok(Self::of_texts(column(table, name)?)),
        }
    }
}

/// The column of a file's sentences, as lists of words, or else as running text.
pub(super) fn words_or_text<'p>(path: &Path, plan: &'p DataPlan) -> Result<Wanted<'p>, TrainError> {
    let name = &plan.text[0];
    // What is gone once it is looked at has to be what it should be.
    if tables::can_be_read_but_once(path) {
        return Ok(Wanted::List(name));
    }
    let (words, form) = ([Wanted::List(name)], tables::form_of(plan)?);
    for table in sources::stream_columns(path, &form, &words)? {
        match table {
            Err(DataError::WrongType { .. }) => return Ok(Wanted::Text(name)),
            table => table?,
        };
    }
    Ok(Wanted::List(name))
}

/// The sequences of a file with the numbers of their tokens' labels ([`number_of`]); `truncated` counts the words that
/// are cut.
pub(super) fn encode(
    file: &FileRows<TaggedColumns>,
    tokenizer: &TextTokenizer,
) -> Result<(Tokenized, Beside), TrainError> {
    let TaggedColumns { columns, labels } = &file.columns;
    let key = format!("{columns:?} {}", labels.key());
    Ok(file.encode_beside(tokenizer, &key, |table, here| {
        let (words, tags) = columns.tagged(table, labels)?;
        let mut encoded = tokenizer.encode_words(&words.of_rows(here))?;
        let labels = encoded.align(&tags.of_rows(here), FurtherPieces::Ignored)?;
        encoded.tokenized.truncated = encoded.cut_words;
        let beside = label_numbers(&encoded.tokenized, &labels);
        Ok((encoded.tokenized, beside))
    })?)
}

impl WordColumns {
    pub(super) fn of(plan: &DataPlan) -> Self {
        Self { words: plan.text[0].clone(), tags: label_column(plan).to_owned() }
    }

    pub(super) fn wanted(&self) -> Vec<Wanted<'_>> {
        vec![Wanted::List(&self.words), Wanted::List(&self.tags)]
    }

    /// The sentences of a table with their tags, of which each word has one.
    fn tagged(&self, table: &Table, labels: &LabelMap) -> Result<WordsAndTags, DataError> {
        let (words, tags) = (words(table, &self.words)?, labels.encode_lists(table, &self.tags)?);
        let wrong = words.iter().zip(&tags).position(|(words, tags)| words.len() != tags.len());
        if let Some(row) = wrong {
            return Err(DataError::WrongType {
                place: table.place(row),
                column: self.tags.clone(),
                found: format!("{} tags for {} words", tags[row].len(), words[row].len()),
                expected: "a tag for each word is wanted",
            });
        }
        Ok((words, tags))
    }
}

fn words(table: &Table, column: &str) -> Result<Vec<Vec<String>>, DataError> {
    let row = |row: &Option<Vec<&str>>| row.iter().flatten().map(|word| (*word).to_owned()).collect();
    Ok(table.lists(column)?.iter().map(row).collect())
}

/// The labels of all tokens, beside their sequences.
pub(super) fn label_numbers(tokenized: &Tokenized, labels: &[i64]) -> Beside {
    let row = |row: usize| labels[tokenized.range(row)].iter().map(|label| number_of(*label));
    Beside::from_rows((0..tokenized.len()).map(row))
}

/// What stands for a label: its class, counted from 1; 0 for [`IGNORED`].
fn number_of(label: i64) -> u32 {
    if label == IGNORED { 0 } else { u32::try_from(label + 1).unwrap_or(0) }
}

/// The label that a number stands for.
pub(super) fn label_of(number: u32) -> i64 {
    if number == 0 { IGNORED } else { i64::from(number) - 1 }
}
