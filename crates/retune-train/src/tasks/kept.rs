//! Examples that are here, or stay in their file, which may be larger than memory: it is read once to be checked, once
//! to be tokenised, and where its rows are shown.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use retune_data::sources::{self, DataSource, Form, Wanted};
use retune_data::{Beside, DataError, Table, TextTokenizer, Tokenized, encode_beside_stream};

use super::tables::Tables;

/// Examples, wherever they are.
#[derive(Debug, Clone)]
pub enum Kept<H, C> {
    /// Here.
    Held(H),
    /// In a file.
    File(FileRows<C>),
}

/// Examples that are here.
pub trait Held {
    /// How many.
    fn count(&self) -> usize;

    /// Those of these rows, in this order.
    fn of_rows(&self, rows: &[usize]) -> Self;
}

/// What is read of each row of a file.
pub trait Columns: Clone + Debug {
    /// The columns.
    fn wanted(&self) -> Vec<Wanted<'_>>;
}

/// Rows of a file.
#[derive(Debug, Clone)]
pub struct FileRows<C> {
    pub(super) columns: C,
    path: PathBuf,
    form: Arc<Form>,
    /// How many the file has.
    all: usize,
    /// Which of them these are, in this order; `None` for all.
    chosen: Option<Vec<usize>>,
}

impl<H: Held, C: Columns> Kept<H, C> {
    /// How many.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Held(held) => held.count(),
            Self::File(file) => file.count(),
        }
    }

    /// Those of these rows, in this order.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Held(held) => Self::Held(held.of_rows(rows)),
            Self::File(file) => Self::File(file.of_rows(rows)),
        }
    }

    /// Those that are to be measured or shown, and were held for that.
    pub(super) fn held(&self) -> &H {
        match self {
            Self::Held(held) => held,
            Self::File(_) => unreachable!("examples to learn from are neither measured nor shown"),
        }
    }
}

impl<T: Clone> Held for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn of_rows(&self, rows: &[usize]) -> Self {
        rows.iter().map(|row| self[*row].clone()).collect()
    }
}

impl<C: Columns> FileRows<C> {
    /// All rows of a file that has so many.
    pub(super) fn all(tables: &Tables<'_>, columns: C, count: usize) -> Self {
        let (path, form) = (tables.path.to_owned(), Arc::clone(&tables.form));
        Self { columns, path, form, all: count, chosen: None }
    }

    /// How many these are.
    pub(super) fn count(&self) -> usize {
        self.chosen.as_ref().map_or(self.all, Vec::len)
    }

    /// How many the file has.
    pub(super) fn count_of_file(&self) -> usize {
        self.all
    }

    /// Which of the file's these are; `None` for all.
    pub(super) fn chosen(&self) -> Option<&[usize]> {
        self.chosen.as_deref()
    }

    fn of_rows(&self, rows: &[usize]) -> Self {
        let chosen = match &self.chosen {
            None => rows.to_vec(),
            Some(chosen) => chosen.of_rows(rows),
        };
        Self { chosen: Some(chosen), ..self.clone() }
    }

    /// Calls a function with the whole file as a source.
    pub(super) fn with_source<R>(&self, function: impl FnOnce(&DataSource<'_>) -> R) -> R {
        let wanted = self.columns.wanted();
        function(&DataSource { path: &self.path, form: &self.form, wanted: &wanted })
    }

    /// The sequences that `encode` makes of the rows of a table, of which it is given those that are wanted, with the
    /// numbers beside them; `key` says what else than the table decides what it makes.
    pub(super) fn encode_beside(
        &self,
        tokenizer: &TextTokenizer,
        key: &str,
        mut encode: impl FnMut(&Table, &[usize]) -> Result<(Tokenized, Beside), DataError>,
    ) -> Result<(Tokenized, Beside), DataError> {
        let mut read = None;
        let counted = |table: &Table, here: &[usize]| {
            *read.get_or_insert(0) += table.len();
            encode(table, here)
        };
        let (cache, chosen) = (tokenizer.cache(), self.chosen());
        let encoded =
            self.with_source(|source| encode_beside_stream(source, tokenizer, cache, counted, chosen, key))?;
        match read {
            Some(read) if read != self.all => Err(self.changed()),
            _ => Ok(encoded),
        }
    }

    /// That the file is not what it was.
    pub(super) fn changed(&self) -> DataError {
        DataError::Changed { path: self.path.clone() }
    }

    /// What `of_table` makes of these rows, one of each; it makes one of every row of a table.
    pub(super) fn read<T: Clone>(
        &self,
        of_table: impl Fn(&Table) -> Result<Vec<T>, DataError>,
    ) -> Result<Vec<T>, DataError> {
        let mut places: Vec<(usize, usize)> = match &self.chosen {
            None => (0..self.all).map(|row| (row, row)).collect(),
            Some(rows) => rows.iter().enumerate().map(|(place, row)| (*row, place)).collect(),
        };
        places.sort_unstable();
        let mut found: Vec<Option<T>> = vec![None; places.len()];
        let (mut next, mut before) = (places.into_iter().peekable(), 0);
        for table in sources::stream_columns(&self.path, &self.form, &self.columns.wanted())? {
            let mut made: Vec<Option<T>> = of_table(&table?)?.into_iter().map(Some).collect();
            while let Some((row, place)) = next.next_if(|(row, _)| *row < before + made.len()) {
                found[place] = made[row - before].take();
            }
            before += made.len();
        }
        found.into_iter().collect::<Option<Vec<T>>>().ok_or_else(|| self.changed())
    }
}
