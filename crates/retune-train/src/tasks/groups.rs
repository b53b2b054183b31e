//! What tasks have in common whose examples are several sequences each: a context with its choices, a text with its
//! partner.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retune_data::sources::{DataSource, Form, Wanted};
use retune_data::{DataError, Table, Text, TextTokenizer, encode_stream};
use retune_recipe::DataPlan;

use super::file_texts::{Rows, read_rows};
use super::tables::Tables;
use super::texts::cut_note;
use crate::TrainError;
use crate::task::{Encoded, Examples};

/// Examples of several sequences each, as many in all of them.
#[derive(Debug, Clone)]
pub struct GroupExamples<Y> {
    /// The file that they come from.
    pub path: PathBuf,
    /// The sequences of each example.
    pub groups: Groups,
    /// The right answers, as many; none where they are not known.
    pub labels: Vec<Y>,
}

/// The sequences of each example: `[n, k]`.
#[derive(Debug, Clone)]
pub enum Groups {
    /// Here.
    Held(Vec<Vec<Text>>),
    /// In a file, which may be larger than memory.
    File(FileGroups),
}

/// Groups of a file.
#[derive(Debug, Clone)]
pub struct FileGroups {
    path: PathBuf,
    form: Arc<Form>,
    columns: GroupColumns,
    rows: Rows,
    /// How many sequences an example has.
    size: usize,
}

/// Which columns an example's sequences are made of.
#[derive(Debug, Clone)]
pub(super) enum GroupColumns {
    /// A sequence each.
    Texts(Vec<String>),
    /// A context, at times what all choices begin with, and the choices: each a column, or one column with a list of them.
    Choices { text: Vec<String>, choices: Vec<String> },
}

impl<Y: std::fmt::Debug> Examples for GroupExamples<Y> {
    fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Groups {
    /// How many examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Held(groups) => groups.len(),
            Self::File(file) => file.rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequences themselves.
    ///
    /// # Errors
    /// The file cannot be read any more, or is not what it was.
    pub fn read(&self) -> Result<Cow<'_, [Vec<Text>]>, TrainError> {
        match self {
            Self::Held(groups) => Ok(Cow::Borrowed(groups)),
            Self::File(file) => {
                let groups = |table: &Table| file.columns.groups(table, Some(file.size));
                let wanted = file.columns.wanted();
                Ok(Cow::Owned(read_rows(&file.path, &file.form, &wanted, &file.rows, groups)?))
            }
        }
    }

    fn select(&self, chosen: &[usize]) -> Self {
        match self {
            Self::Held(groups) => Self::Held(chosen.iter().map(|row| groups[*row].clone()).collect()),
            Self::File(file) => Self::File(FileGroups { rows: file.rows.select(chosen), ..file.clone() }),
        }
    }
}

impl<Y: Clone> GroupExamples<Y> {
    /// Those of these rows, in this order. Where there are no labels, there are none of the rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            groups: self.groups.select(rows),
            labels: rows.iter().filter_map(|row| self.labels.get(*row).cloned()).collect(),
        }
    }

    /// Checks a file's examples and gathers, table by table, what `labels` finds beside them. The texts stay in the file, unless
    /// it can be read but once.
    pub(super) fn read(
        path: &Path,
        plan: &DataPlan,
        columns: GroupColumns,
        label: Option<&str>,
        mut labels: impl FnMut(&Table) -> Result<Vec<Y>, DataError>,
    ) -> Result<Self, TrainError> {
        let mut wanted = columns.wanted();
        wanted.extend(label.map(Wanted::Text));
        let tables = Tables::of(path, plan, wanted)?;
        let (mut size, mut count, mut kept, mut all_labels) = (None, 0, Vec::new(), Vec::new());
        tables.each(|table| {
            let groups = columns.groups(table, size)?;
            size = size.or(groups.first().map(Vec::len));
            count += groups.len();
            if tables.is_held() {
                kept.extend(groups);
            }
            all_labels.extend(labels(table)?);
            Ok(())
        })?;
        let (path, form, rows, size) = (path.to_owned(), tables.form.clone(), Rows::All(count), size.unwrap_or(1));
        let groups = match tables.is_held() {
            true => Groups::Held(kept),
            false => Groups::File(FileGroups { path: path.clone(), form, columns, rows, size }),
        };
        Ok(Self { path, groups, labels: all_labels })
    }

    /// Tokenises the sequences; `targets` stand beside the examples.
    pub(super) fn encode<T>(&self, tokenizer: &TextTokenizer, targets: T) -> Result<Encoded<T>, TrainError> {
        let (tokenized, per_row, sequences) = match &self.groups {
            Groups::Held(groups) => {
                let all: Vec<Text> = groups.iter().flatten().cloned().collect();
                (tokenizer.encode(&all)?, groups.first().map_or(1, Vec::len).max(1), all.len())
            }
            Groups::File(FileGroups { path, form, columns, rows, size }) => {
                let wanted = columns.wanted();
                let source = DataSource { path, form, wanted: &wanted };
                let to_texts = |table: &Table| Ok(columns.groups(table, Some(*size))?.into_iter().flatten().collect());
                let key = format!("{columns:?}");
                let tokenized = encode_stream(&source, tokenizer, tokenizer.cache(), to_texts, &key)?;
                let (Rows::All(count) | Rows::Chosen(_, count)) = rows;
                if tokenized.len() != count * size {
                    return Err(DataError::Changed { path: path.clone() }.into());
                }
                let tokenized = match rows {
                    Rows::All(_) => tokenized,
                    Rows::Chosen(rows, _) => {
                        let places = rows.iter().flat_map(|row| row * size..(row + 1) * size);
                        tokenized.select(&places.collect::<Vec<usize>>())?
                    }
                };
                (tokenized, *size, count * size)
            }
        };
        let notes = cut_note(tokenized.truncated, sequences);
        Ok(Encoded { tokenized, per_row, targets, notes })
    }
}

impl GroupColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        let (texts, rest): (_, &[String]) = match self {
            Self::Texts(names) => (names, &[]),
            Self::Choices { text, choices } => (text, choices),
        };
        let texts = texts.iter().map(|name| Wanted::Text(name));
        match rest {
            [list] => texts.chain([Wanted::List(list)]).collect(),
            many => texts.chain(many.iter().map(|name| Wanted::Text(name))).collect(),
        }
    }

    /// The sequences of each row; `size` is how many they must be, where that is known.
    fn groups(&self, table: &Table, size: Option<usize>) -> Result<Vec<Vec<Text>>, DataError> {
        match self {
            Self::Texts(names) => {
                let columns = names.iter().map(|name| column(table, name)).collect::<Result<Vec<_>, _>>()?;
                let group = |row: usize| columns.iter().map(|column| Text::single(column[row].as_str())).collect();
                Ok((0..table.len()).map(group).collect())
            }
            Self::Choices { text, choices } => {
                let contexts = column(table, &text[0])?;
                let openings = text.get(1).map(|name| column(table, name)).transpose()?;
                let choices = self::choices(table, choices, size)?;
                let group = |(row, context): (usize, &String)| {
                    let opened = |choice: &String| match &openings {
                        Some(openings) => format!("{} {choice}", openings[row]),
                        None => choice.clone(),
                    };
                    let sequence = |choice: &String| Text { first: context.clone(), second: Some(opened(choice)) };
                    choices[row].iter().map(sequence).collect()
                };
                Ok(contexts.iter().enumerate().map(group).collect())
            }
        }
    }
}

/// The choices of each row, as many in all: `size`, or as the first row has.
pub(super) fn choices(table: &Table, columns: &[String], size: Option<usize>) -> Result<Vec<Vec<String>>, DataError> {
    if let [list] = columns {
        let lists = table.lists(list)?;
        let rows: Vec<Vec<String>> =
            lists.iter().map(|row| row.iter().flatten().map(|choice| (*choice).to_owned()).collect()).collect();
        let expected = size.unwrap_or_else(|| rows.first().map_or(0, Vec::len)).max(2);
        return match rows.iter().position(|row| row.len() != expected) {
            None => Ok(rows),
            Some(row) => Err(DataError::WrongType {
                place: table.place(row),
                column: list.clone(),
                found: format!("{} choice(s)", rows[row].len()),
                expected: "as many choices as in the first row are wanted, at least 2",
            }),
        };
    }
    let columns = columns.iter().map(|name| column(table, name)).collect::<Result<Vec<_>, _>>()?;
    Ok((0..table.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect())
}

/// The texts of a column, each of which must say something.
pub(super) fn column(table: &Table, name: &str) -> Result<Vec<String>, DataError> {
    let columns = retune_data::TextColumns::Single(name.to_owned());
    Ok(retune_data::texts(table, &columns)?.into_iter().map(|text| text.first).collect())
}
