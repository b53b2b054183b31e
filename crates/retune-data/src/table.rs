//! A polars frame of strings whose rows know where they come from.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use crate::error::{DataError, Place, Position};

/// The wanted columns of one file, each as text, and the place of every row.
///
/// Values stand as they are in the file: nothing is inferred from them, so `007` stays `007`. An empty field is a null.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    frame: DataFrame,
    positions: Positions,
}

/// Where the rows of a table stand in its file.
#[derive(Clone, Debug)]
pub(crate) enum Positions {
    /// The line of each row.
    Lines(Vec<u64>),
    /// Rows follow each other without lines.
    Rows,
}

impl Table {
    /// A table of `columns` (name, values), which are of one length; [`DataError::NoRows`] where that is 0.
    pub(crate) fn new(
        path: &Path,
        columns: Vec<(&str, StringChunked)>,
        positions: Positions,
    ) -> Result<Self, DataError> {
        let height = columns.first().map_or(0, |(_, values)| values.len());
        if height == 0 {
            return Err(DataError::NoRows { path: path.to_owned() });
        }
        let columns = columns.into_iter().map(|(name, values)| values.with_name(name.into()).into_column()).collect();
        let frame = DataFrame::new(height, columns)
            .map_err(|error| DataError::Read { path: path.to_owned(), source: std::io::Error::other(error) })?;
        Ok(Self { path: path.to_owned(), frame, positions })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The columns, each of polars' type `String`.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The number of rows, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Where in the file `row` (from 0) stands.
    pub fn position(&self, row: usize) -> Position {
        match &self.positions {
            Positions::Lines(lines) => Position::Line(lines[row]),
            Positions::Rows => Position::Row(row as u64 + 1),
        }
    }

    /// [`Table::position`] with the path, for messages.
    pub fn place(&self, row: usize) -> Place {
        Place { path: self.path.clone(), position: self.position(row) }
    }

    /// The values of one column.
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`] where `name` was not among the columns read.
    pub fn column(&self, name: &str) -> Result<&StringChunked, DataError> {
        self.frame.column(name).and_then(Column::str).map_err(|_| DataError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            columns: self.frame.get_column_names().iter().map(ToString::to_string).collect(),
        })
    }
}

/// The values of one column, gathered row by row.
pub(crate) struct ColumnBuilder<'a> {
    pub(crate) name: &'a str,
    values: StringChunkedBuilder,
}

impl<'a> ColumnBuilder<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, values: StringChunkedBuilder::new(name.into(), 0) }
    }

    /// Appends a value; the empty string is a null.
    pub(crate) fn push(&mut self, value: Option<&str>) {
        self.values.append_option(value.filter(|value| !value.is_empty()));
    }

    pub(crate) fn finish(self) -> (&'a str, StringChunked) {
        (self.name, self.values.finish())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `train.csv` with one column, `label`, whose first row is on line 2.
    pub(crate) fn table_of_labels(labels: &[&str]) -> Table {
        let mut builder = ColumnBuilder::new("label");
        labels.iter().for_each(|label| builder.push(Some(label)));
        let lines = (2..).take(labels.len()).collect();
        Table::new(Path::new("train.csv"), vec![builder.finish()], Positions::Lines(lines)).expect("a table")
    }

    #[test]
    fn rows_know_their_places() {
        let table = table_of_labels(&["a", "b"]);
        assert_eq!(table.place(1).to_string(), "train.csv:3");
        let rows = Table { positions: Positions::Rows, ..table };
        assert_eq!(rows.place(1).to_string(), "train.csv, row 2");
    }
}
