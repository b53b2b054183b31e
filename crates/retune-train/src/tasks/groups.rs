//! What tasks have in common whose examples are several sequences each: a context with its choices, a text with its
//! partner.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use retune_data::sources::Wanted;
use retune_data::{DataError, Table, Text, TextTokenizer, encode_stream};
use retune_recipe::DataPlan;

use super::kept::{Columns, FileRows, Kept};
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
pub type Groups = Kept<Vec<Vec<Text>>, SizedColumns>;

/// Columns of which it is known how many sequences an example has.
#[derive(Debug, Clone)]
pub struct SizedColumns {
    columns: GroupColumns,
    size: usize,
}

/// Which columns an example's sequences are made of.
#[derive(Debug, Clone)]
pub(super) enum GroupColumns {
    /// A sequence each.
    Texts(Vec<String>),
    /// A context, at times what all choices begin with, and the choices: each a column, or one column with a list of
    /// them.
    Choices { text: Vec<String>, choices: Vec<String> },
}

impl<Y: std::fmt::Debug> Examples for GroupExamples<Y> {
    fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Columns for SizedColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        self.columns.wanted()
    }
}

impl Groups {
    /// How many examples.
    pub fn len(&self) -> usize {
        self.count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many sequences an example has; `None` where there is none.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Held(groups) => groups.first().map(Vec::len),
            Self::File(file) => Some(file.columns.size),
        }
    }

    /// The sequences themselves.
    ///
    /// # Errors
    /// The file cannot be read any more, or is not what it was.
    pub fn read(&self) -> Result<Cow<'_, [Vec<Text>]>, TrainError> {
        match self {
            Self::Held(groups) => Ok(Cow::Borrowed(groups)),
            Self::File(file) => {
                let SizedColumns { columns, size } = &file.columns;
                Ok(Cow::Owned(file.read(|table| columns.groups(table, Some(*size)))?))
            }
        }
    }
}

impl<Y: Clone> GroupExamples<Y> {
    /// Those of these rows, in this order. Where there are no labels, there are none of the rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            groups: self.groups.of_rows(rows),
            labels: rows.iter().filter_map(|row| self.labels.get(*row).cloned()).collect(),
        }
    }

    /// The examples of a table without labels, of as many sequences as those before them.
    pub(super) fn unlabelled(table: &Table, columns: &GroupColumns, before: Option<&Self>) -> Result<Self, TrainError> {
        let size = before.and_then(|before| before.groups.size());
        let groups = Kept::Held(columns.groups(table, size)?);
        Ok(Self { path: table.path().to_owned(), groups, labels: Vec::new() })
    }

    /// Checks a file's examples and gathers, table by table, what `labels` finds beside them. The texts stay in the
    /// file, unless it can be read but once.
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
        let columns = SizedColumns { columns: columns.clone(), size: size.unwrap_or(1) };
        let groups = match tables.is_held() {
            true => Kept::Held(kept),
            false => Kept::File(FileRows::all(&tables, columns, count)),
        };
        Ok(Self { path: path.to_owned(), groups, labels: all_labels })
    }

    /// Tokenises the sequences; `targets` stand beside the examples.
    pub(super) fn encode<T>(&self, tokenizer: &TextTokenizer, targets: T) -> Result<Encoded<T>, TrainError> {
        let (tokenized, per_row, sequences) = match &self.groups {
            Groups::Held(groups) => {
                let all: Vec<Text> = groups.iter().flatten().cloned().collect();
                (tokenizer.encode(&all)?, groups.first().map_or(1, Vec::len).max(1), all.len())
            }
            Groups::File(file) => {
                let (SizedColumns { columns, size }, count) = (&file.columns, file.count_of_file());
                let to_texts = |table: &Table| Ok(columns.groups(table, Some(*size))?.into_iter().flatten().collect());
                let key = format!("{columns:?}");
                let tokenized =
                    file.with_source(|source| encode_stream(source, tokenizer, tokenizer.cache(), to_texts, &key))?;
                if tokenized.len() != count * size {
                    return Err(file.changed().into());
                }
                let tokenized = match file.chosen() {
                    None => tokenized,
                    Some(rows) => {
                        let places = rows.iter().flat_map(|row| row * size..(row + 1) * size);
                        tokenized.select(&places.collect::<Vec<usize>>())?
                    }
                };
                (tokenized, *size, count * size)
            }
        };
        let notes = vec![cut_note(tokenized.truncated, sequences)];
        Ok(Encoded { tokenized, per_row, targets, notes })
    }
}

impl GroupColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        match self {
            Self::Texts(names) => wanted(names, &[]),
            Self::Choices { text, choices } => wanted(text, choices),
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

/// The columns of texts, and of choices.
pub(super) fn wanted<'a>(texts: &'a [String], choices: &'a [String]) -> Vec<Wanted<'a>> {
    let texts = texts.iter().map(|name| Wanted::Text(name));
    match choices {
        [list] => texts.chain([Wanted::List(list)]).collect(),
        many => texts.chain(many.iter().map(|name| Wanted::Text(name))).collect(),
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
