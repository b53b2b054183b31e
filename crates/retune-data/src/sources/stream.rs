//! Files → tables of bounded size, one after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::Column;

use super::blocks::Blocks;
use super::open::{FileChunks, open_file};
use super::{Form, Request, Wanted, files, without_repeats};
use crate::error::DataError;
use crate::table::{Positions, Table};

/// The wanted columns of a file, or of many, in tables that follow each other: see
/// [`stream_columns`](super::stream_columns). After an error comes nothing more.
pub struct TableStream<'a> {
    /// What the user named.
    path: PathBuf,
    files: std::vec::IntoIter<PathBuf>,
    form: &'a Form,
    /// What is read of each file.
    request: Arc<Request<'a>>,
    /// What is made of it.
    wanted: Vec<Wanted<'a>>,
    limits: Limits,
    open: Option<FileChunks<'a>>,
    is_empty: bool,
}

/// How much is held at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many bytes are read at once.
    pub(super) block: usize,
    /// After how many bytes of the file a table ends, with the record at hand.
    pub(super) bytes: usize,
    /// How many rows a table has at most.
    pub(super) rows: usize,
}

impl Limits {
    /// Enough to occupy every core, and little beside a model.
    pub(super) const CHUNKS: Self = Self { block: 1 << 20, bytes: 1 << 24, rows: 1 << 16 };
    /// Each file a table.
    pub(super) const WHOLE: Self = Self { block: 1 << 20, bytes: usize::MAX, rows: usize::MAX };
}

/// The tables of one file.
pub(super) trait Chunks {
    /// The next table, or `None` at the end; [`DataError::NoRows`] where there was none.
    fn next_chunk(&mut self) -> Result<Option<Table>, DataError>;
}

impl<'a> TableStream<'a> {
    pub(super) fn new(path: &Path, form: &'a Form, wanted: &[Wanted<'a>], limits: Limits) -> Result<Self, DataError> {
        let found = files::find(path, form.format)?;
        let wanted = without_repeats(wanted);
        let of_file = form.expressions.columns_of_file(&wanted);
        if of_file.is_empty()
            && let Some(problem) = form.expressions.without_columns()
        {
            return Err(problem);
        }
        let request = Request { names: form.columns.clone(), wanted: of_file, array: found.array };
        Ok(Self {
            path: path.to_owned(),
            files: found.paths.into_iter(),
            form,
            request: Arc::new(request),
            wanted,
            limits,
            open: None,
            is_empty: true,
        })
    }

    fn next_table(&mut self) -> Result<Option<Table>, DataError> {
        loop {
            if let Some(file) = &mut self.open {
                let Some(table) = file.next_chunk()? else {
                    self.open = None;
                    continue;
                };
                let table = Table::join(&self.path, vec![table])?;
                let made = match self.form.expressions.are_none() {
                    true => Some(table),
                    false => self.form.expressions.apply(table, &self.wanted)?,
                };
                if made.is_none() {
                    continue;
                }
                self.is_empty = false;
                return Ok(made);
            }
            let Some(path) = self.files.next() else {
                return match self.form.expressions.filter() {
                    Some(filter) if self.is_empty => {
                        Err(DataError::NothingKept { path: self.path.clone(), filter: filter.to_owned() })
                    }
                    _ => Ok(None),
                };
            };
            self.open = Some(open_file(&path, self.form.format, &self.request, self.limits)?);
        }
    }
}

impl Iterator for TableStream<'_> {
    type Item = Result<Table, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let table = self.next_table().transpose();
        if let Some(Err(_)) = table {
            self.open = None;
            self.files = Vec::new().into_iter();
            self.is_empty = false;
        }
        table
    }
}

/// A file that was read whole, because it is one value.
pub(super) struct Whole(pub(super) Option<Table>);

impl Chunks for Whole {
    fn next_chunk(&mut self) -> Result<Option<Table>, DataError> {
        Ok(self.0.take())
    }
}

/// Finds rows in text. What it finds must not depend on where the texts that it is given end.
pub(super) trait Parser {
    /// Gathers whole records from the front of `text`, which begins on `line`, until there are `rows`, and returns how
    /// many bytes they are. `is_last` says that nothing follows the text.
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError>;

    /// What is wrong with the file as a whole; asked at its end.
    fn check_end(&mut self) -> Result<(), DataError> {
        Ok(())
    }

    /// How many rows were gathered since they were last taken.
    fn rows(&self) -> usize;

    /// Takes the rows.
    fn take(&mut self) -> (Vec<Column>, Positions);
}

/// A text file and what finds the rows in it.
pub(super) struct TextChunks<P> {
    path: PathBuf,
    blocks: Blocks,
    parser: P,
    limits: Limits,
    is_empty: bool,
}

impl<P: Parser> TextChunks<P> {
    pub(super) fn new(path: &Path, blocks: Blocks, parser: P, limits: Limits) -> Self {
        Self { path: path.to_owned(), blocks, parser, limits, is_empty: true }
    }

    /// Gathers the rows of one table, and returns whether there is one.
    fn gather(&mut self) -> Result<bool, DataError> {
        let mut bytes = 0;
        loop {
            let (line, is_last) = (self.blocks.line(), self.blocks.is_last());
            let taken = self.parser.gather(self.blocks.text(), line, is_last, self.limits.rows)?;
            self.blocks.take(taken);
            bytes += taken;
            let is_full = self.parser.rows() >= self.limits.rows || bytes >= self.limits.bytes;
            if is_full && self.parser.rows() > 0 {
                return Ok(true);
            }
            if is_last {
                self.parser.check_end()?;
                return Ok(self.parser.rows() > 0);
            }
            self.blocks.fill()?;
        }
    }

    /// Counts the rows, and keeps none.
    pub(super) fn count(mut self) -> Result<usize, DataError> {
        let mut rows = 0;
        while self.gather()? {
            rows += self.parser.rows();
            self.parser.take();
        }
        Ok(rows)
    }
}

impl<P: Parser> Chunks for TextChunks<P> {
    fn next_chunk(&mut self) -> Result<Option<Table>, DataError> {
        if !self.gather()? && !self.is_empty {
            return Ok(None);
        }
        self.is_empty = false;
        let (columns, positions) = self.parser.take();
        Table::new(&self.path, columns, positions).map(Some)
    }
}
