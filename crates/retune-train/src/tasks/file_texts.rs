//! Texts that stay in their file: read once to be checked, once to be tokenised, and where they are shown.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retune_data::sources::{self, DataSource, Form, Wanted};
use retune_data::{DataError, Table, Text, TextColumns, TextTokenizer, Tokenized, encode_stream};

use crate::TrainError;

/// What a model reads of each example.
#[derive(Debug, Clone)]
pub enum Texts {
    /// Here.
    Memory(Vec<Text>),
    /// In a file, which may be larger than memory.
    File(FileTexts),
}

/// Texts of a file.
#[derive(Debug, Clone)]
pub struct FileTexts {
    pub(super) path: PathBuf,
    pub(super) form: Arc<Form>,
    pub(super) columns: TextColumns,
    pub(super) rows: Rows,
}

/// Which rows of a file.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// All, so many.
    All(usize),
    /// These, of so many, in this order.
    Chosen(Vec<usize>, usize),
}

impl Rows {
    /// How many.
    pub(super) fn len(&self) -> usize {
        match self {
            Rows::All(count) => *count,
            Rows::Chosen(rows, _) => rows.len(),
        }
    }

    /// Those of these rows, in this order.
    pub(super) fn select(&self, chosen: &[usize]) -> Self {
        match self {
            Rows::All(count) => Rows::Chosen(chosen.to_vec(), *count),
            Rows::Chosen(rows, all) => Rows::Chosen(chosen.iter().map(|row| rows[*row]).collect(), *all),
        }
    }
}

impl Texts {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(texts) => texts.len(),
            Self::File(file) => file.rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many the file has, of which these may be some.
    pub(super) fn len_of_file(&self) -> usize {
        match self {
            Self::File(FileTexts { rows: Rows::Chosen(_, all), .. }) => *all,
            texts => texts.len(),
        }
    }

    /// Those of these rows, in this order.
    pub(super) fn select(&self, chosen: &[usize]) -> Self {
        match self {
            Self::Memory(texts) => Self::Memory(chosen.iter().map(|row| texts[*row].clone()).collect()),
            Self::File(file) => Self::File(FileTexts { rows: file.rows.select(chosen), ..file.clone() }),
        }
    }

    /// The texts themselves.
    ///
    /// # Errors
    /// The file cannot be read any more, or is not what it was.
    pub fn read(&self) -> Result<Cow<'_, [Text]>, TrainError> {
        match self {
            Self::Memory(texts) => Ok(Cow::Borrowed(texts)),
            Self::File(file) => Ok(Cow::Owned(file.read()?)),
        }
    }

    /// Tokenises them, those of a file in flat memory where the tokenizer has a cache.
    pub(super) fn encode(&self, tokenizer: &TextTokenizer) -> Result<Tokenized, TrainError> {
        match self {
            Self::Memory(texts) => Ok(tokenizer.encode(texts)?),
            Self::File(file) => Ok(file.encode(tokenizer)?),
        }
    }
}

impl FileTexts {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        self.columns.names().into_iter().map(Wanted::Text).collect()
    }

    fn changed(&self) -> DataError {
        DataError::Changed { path: self.path.clone() }
    }

    fn encode(&self, tokenizer: &TextTokenizer) -> Result<Tokenized, DataError> {
        let wanted = self.wanted();
        let source = DataSource { path: &self.path, form: &self.form, wanted: &wanted };
        let to_texts = |table: &Table| retune_data::texts(table, &self.columns);
        let tokenized = encode_stream(&source, tokenizer, tokenizer.cache(), to_texts, "texts")?;
        let (Rows::All(count) | Rows::Chosen(_, count)) = &self.rows;
        if tokenized.len() != *count {
            return Err(self.changed());
        }
        match &self.rows {
            Rows::All(_) => Ok(tokenized),
            Rows::Chosen(rows, _) => tokenized.select(rows),
        }
    }

    fn read(&self) -> Result<Vec<Text>, DataError> {
        let texts = |table: &Table| retune_data::texts(table, &self.columns);
        read_rows(&self.path, &self.form, &self.wanted(), &self.rows, texts)
    }
}

/// What `of_table` makes of some rows of a file, one of each.
pub(super) fn read_rows<T: Clone>(
    path: &Path,
    form: &Form,
    wanted: &[Wanted<'_>],
    rows: &Rows,
    of_table: impl Fn(&Table) -> Result<Vec<T>, DataError>,
) -> Result<Vec<T>, DataError> {
    let mut places: Vec<(usize, usize)> = match rows {
        Rows::All(count) => (0..*count).map(|row| (row, row)).collect(),
        Rows::Chosen(rows, _) => rows.iter().enumerate().map(|(place, row)| (*row, place)).collect(),
    };
    places.sort_unstable();
    let mut found: Vec<Option<T>> = vec![None; places.len()];
    let (mut next, mut before) = (places.into_iter().peekable(), 0);
    for table in sources::stream_columns(path, form, wanted)? {
        let mut made: Vec<Option<T>> = of_table(&table?)?.into_iter().map(Some).collect();
        while let Some((row, place)) = next.next_if(|(row, _)| *row < before + made.len()) {
            found[place] = made[row - before].take();
        }
        before += made.len();
    }
    found.into_iter().collect::<Option<Vec<T>>>().ok_or_else(|| DataError::Changed { path: path.to_owned() })
}
