//! A polars frame of strings, and of lists of strings, whose rows know where they come from.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::*;

use crate::error::{DataError, Place, Position};
use crate::sources::features::Classes;

pub(crate) use builder::{ColumnBuilder, Mismatch};

mod builder;

/// The wanted columns of one file, or of several of one form, and the place of every row.
///
/// Values stand as they are in the file: nothing is inferred from them, so `007` stays `007`. An empty field is a null.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    frame: DataFrame,
    parts: Vec<Part>,
    classes: Classes,
}

/// The rows of one file.
#[derive(Clone, Debug)]
struct Part {
    path: PathBuf,
    first_row: usize,
    positions: Positions,
}

/// Where the rows of one file stand in it.
#[derive(Clone, Debug)]
pub(crate) enum Positions {
    /// The line of each row.
    Lines(Vec<u64>),
    /// The line and the column of each row, in documents whose rows may share a line.
    Characters(Vec<(u32, u32)>),
    /// Rows follow each other without lines, and so many stand before them.
    Rows(u64),
    /// The number of each row, from 0, where some were left out of such a file.
    Numbers(Vec<u64>),
}

impl Positions {
    /// Those of these rows.
    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Positions::Lines(lines) => Positions::Lines(rows.iter().map(|row| lines[*row]).collect()),
            Positions::Characters(places) => Positions::Characters(rows.iter().map(|row| places[*row]).collect()),
            Positions::Rows(before) => Positions::Numbers(rows.iter().map(|row| before + *row as u64).collect()),
            Positions::Numbers(numbers) => Positions::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
        }
    }

    /// Those of adjacent rows.
    fn slice(&self, rows: Range<usize>) -> Self {
        match self {
            Positions::Lines(lines) => Positions::Lines(lines[rows].to_vec()),
            Positions::Characters(places) => Positions::Characters(places[rows].to_vec()),
            Positions::Rows(before) => Positions::Rows(before + rows.start as u64),
            Positions::Numbers(numbers) => Positions::Numbers(numbers[rows].to_vec()),
        }
    }
}

impl Table {
    /// A table of columns of one length; [`DataError::NoRows`] where that is 0.
    pub(crate) fn new(path: &Path, columns: Vec<Column>, positions: Positions) -> Result<Self, DataError> {
        let height = columns.first().map_or(0, Column::len);
        if height == 0 {
            return Err(DataError::NoRows { path: path.to_owned() });
        }
        let frame = DataFrame::new(height, columns).map_err(|error| unreadable(path, error))?;
        let part = Part { path: path.to_owned(), first_row: 0, positions };
        Ok(Self { path: path.to_owned(), frame, parts: vec![part], classes: Classes::default() })
    }

    /// The rows of several tables of the same columns, one after the other; `path` is what the user named.
    pub(crate) fn join(path: &Path, tables: Vec<Table>) -> Result<Self, DataError> {
        let mut tables = tables.into_iter();
        let mut joined = tables.next().ok_or_else(|| DataError::NoRows { path: path.to_owned() })?;
        for table in tables {
            if let Some(column) = table
                .classes
                .keys()
                .chain(joined.classes.keys())
                .find(|name| table.classes.get(*name) != joined.classes.get(*name))
            {
                let (first, second) = (joined.parts[0].path.clone(), table.parts[0].path.clone());
                return Err(DataError::ClassesDiffer { column: column.clone(), first, second });
            }
            let first_row = joined.len();
            joined.frame.vstack_mut_owned(table.frame).map_err(|error| unreadable(path, error))?;
            joined.parts.extend(table.parts.into_iter().map(|part| Part { first_row, ..part }));
        }
        Ok(Self { path: path.to_owned(), ..joined })
    }

    /// The same, of whose columns some hold classes by number.
    pub(crate) fn with_classes(mut self, classes: &Classes) -> Self {
        self.classes = classes.clone();
        self
    }

    /// These rows, at least one and in their order, of the table of one file; with the columns of these names, of which
    /// `computed` has as many values as there are rows, and the table the others.
    pub(crate) fn with_rows_and_columns(
        mut self,
        rows: &[usize],
        computed: Vec<Column>,
        names: &[&str],
    ) -> Result<Self, DataError> {
        let unreadable = |error| unreadable(&self.path, error);
        let is_computed = |name: &str| computed.iter().any(|column| column.name() == name);
        if self.classes.keys().any(|name| is_computed(name)) {
            Arc::make_mut(&mut self.classes).retain(|name, _| !is_computed(name));
        }
        if rows.len() < self.len() {
            let indices: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
            self.frame = self.frame.take(&IdxCa::from_vec("rows".into(), indices)).map_err(unreadable)?;
            for part in &mut self.parts {
                part.positions = part.positions.select(rows);
            }
        }
        let of_frame = |name: &str| self.frame.column(name).cloned().map_err(unreadable);
        let column = |name: &&str| match computed.iter().find(|column| column.name() == name) {
            Some(column) => Ok(column.clone()),
            None => of_frame(name),
        };
        let columns = names.iter().map(column).collect::<Result<Vec<Column>, DataError>>()?;
        self.frame = DataFrame::new(rows.len(), columns).map_err(unreadable)?;
        Ok(self)
    }

    /// The names of the classes of a column that holds them by number, from 0, where its file says so, as those of
    /// Python's `datasets` do.
    pub fn class_names(&self, column: &str) -> Option<&[String]> {
        self.classes.get(column).map(Vec::as_slice)
    }

    /// What was read: a file, or a folder or a pattern of several.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The columns, each of polars' type `String`, or a `List` of it.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The number of rows, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// The table in pieces of so many rows, of which the last may have fewer. No value is copied.
    ///
    /// # Panics
    ///
    /// The pieces have no rows.
    pub fn pieces(&self, rows: usize) -> impl Iterator<Item = Self> + '_ {
        (0..self.len()).step_by(rows).map(move |start| self.slice(start..self.len().min(start + rows)))
    }

    /// Adjacent rows, at least one.
    fn slice(&self, rows: Range<usize>) -> Self {
        let ends = self.parts.iter().skip(1).map(|part| part.first_row).chain([self.len()]);
        let part = |(part, end): (&Part, usize)| {
            let (start, end) = (part.first_row.max(rows.start), end.min(rows.end));
            (start < end).then(|| Part {
                path: part.path.clone(),
                first_row: start - rows.start,
                positions: part.positions.slice(start - part.first_row..end - part.first_row),
            })
        };
        Self {
            path: self.path.clone(),
            frame: self.frame.slice(rows.start as i64, rows.len()),
            parts: self.parts.iter().zip(ends).filter_map(part).collect(),
            classes: self.classes.clone(),
        }
    }

    /// Where in its file `row` (from 0) stands.
    pub fn position(&self, row: usize) -> Position {
        self.place(row).position
    }

    /// [`Table::position`] with the path of the file that holds the row, for messages.
    pub fn place(&self, row: usize) -> Place {
        let part = &self.parts[self.parts.partition_point(|part| part.first_row <= row) - 1];
        let row = row - part.first_row;
        let position = match &part.positions {
            Positions::Lines(lines) => Position::Line(lines[row]),
            Positions::Characters(places) => Position::Character { line: places[row].0, column: places[row].1 },
            Positions::Rows(before) => Position::Row(before + row as u64 + 1),
            Positions::Numbers(numbers) => Position::Row(numbers[row] + 1),
        };
        Place { path: part.path.clone(), position }
    }

    /// The values of one column of texts.
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`] where `name` was not among the columns read, [`DataError::WrongType`] where it was
    /// read as lists.
    pub fn column(&self, name: &str) -> Result<&StringChunked, DataError> {
        let column = self.find(name)?;
        column.str().map_err(|_| self.wrong_type(name, "lists", Wanted::Text(name)))
    }

    /// The values of one column of lists; `None` for a null.
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`] where `name` was not among the columns read, [`DataError::WrongType`] where it was
    /// read as texts.
    pub fn lists(&self, name: &str) -> Result<Vec<Option<Vec<&str>>>, DataError> {
        let column = self.find(name)?;
        column.list().ok().and_then(lists_of).ok_or_else(|| self.wrong_type(name, "texts", Wanted::List(name)))
    }

    fn find(&self, name: &str) -> Result<&Column, DataError> {
        self.frame.column(name).map_err(|_| DataError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            columns: self.frame.get_column_names().iter().map(ToString::to_string).collect(),
        })
    }

    fn wrong_type(&self, name: &str, found: &str, wanted: Wanted<'_>) -> DataError {
        let (column, found) = (name.to_owned(), found.to_owned());
        DataError::WrongType { place: self.place(0), column, found, expected: wanted.expected() }
    }
}

/// A column to read, and what its values shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Texts. Numbers and truth values become text.
    Text(&'a str),
    /// Lists of texts, of numbers or of truth values.
    List(&'a str),
    /// Lists, or texts in which this character stands between the items; white space around an item falls away.
    Separated(&'a str, char),
}

impl<'a> Wanted<'a> {
    /// The column's name.
    pub fn name(self) -> &'a str {
        match self {
            Wanted::Text(name) | Wanted::List(name) | Wanted::Separated(name, _) => name,
        }
    }

    /// What the values should be, for messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Wanted::Text(_) => "texts and labels must be text, numbers or true/false",
            Wanted::List(_) => "a list of texts is wanted, as [\"a\", \"b\"]",
            Wanted::Separated(..) => "a list, or a text that is split into one, is wanted",
        }
    }
}

/// The items of each row, borrowed from the frame; `None` where they are no strings.
fn lists_of(column: &ListChunked) -> Option<Vec<Option<Vec<&str>>>> {
    let mut rows = Vec::with_capacity(column.len());
    for chunk in column.downcast_iter() {
        let items: &<StringType as PolarsDataType>::Array = chunk.values().as_any().downcast_ref()?;
        for row in 0..chunk.offsets().len_proxy() {
            let (start, end) = chunk.offsets().start_end(row);
            let is_valid = chunk.validity().is_none_or(|validity| validity.get_bit(row));
            rows.push(is_valid.then(|| (start..end).map(|item| items.value(item)).collect()));
        }
    }
    Some(rows)
}

/// A number as text: a whole one as an integer, because labels that went through a float are still `0` and `1`; any
/// other as it is displayed by its own type.
pub(crate) fn float_text(number: f64, displayed: &dyn Display) -> String {
    // Above 2^53 a float no longer stands for one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT { format!("{}", number as i64) } else { displayed.to_string() }
}

fn unreadable(path: &Path, error: PolarsError) -> DataError {
    DataError::Read { path: path.to_owned(), source: std::io::Error::other(error) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `train.csv` with one column, `label`, whose first row is on line 2.
    pub(crate) fn table_of_labels(labels: &[&str]) -> Table {
        let mut builder = ColumnBuilder::new(Wanted::Text("label"));
        labels.iter().for_each(|label| builder.push_text(Some(label)).expect("a text"));
        let lines = (2..).take(labels.len()).collect();
        Table::new(Path::new("train.csv"), vec![builder.finish()], Positions::Lines(lines)).expect("a table")
    }

    #[test]
    fn rows_know_their_places() {
        let table = table_of_labels(&["a", "b"]);
        assert_eq!(table.place(1).to_string(), "train.csv:3");
        let of =
            |positions| Table::new(Path::new("a.json"), table.frame.columns().to_vec(), positions).expect("a table");
        assert_eq!(of(Positions::Rows(0)).place(1).to_string(), "a.json, row 2");
        assert_eq!(of(Positions::Characters(vec![(1, 2), (1, 9)])).place(1).to_string(), "a.json:1:9");
        assert_eq!(of(Positions::Rows(7)).place(1).to_string(), "a.json, row 9");
        let joined = Table::join(Path::new("*.csv"), vec![of(Positions::Rows(0)), table]).expect("a table");
        let places: Vec<_> = (0..4).map(|row| joined.place(row).to_string()).collect();
        assert_eq!(places, ["a.json, row 1", "a.json, row 2", "train.csv:2", "train.csv:3"]);
        assert_eq!(joined.column("label").expect("a column").iter().flatten().collect::<String>(), "abab");
    }

    #[test]
    fn pieces_are_the_rows_in_their_places() {
        let of = |positions| {
            Table::new(Path::new("a.json"), table_of_labels(&["c", "d", "e"]).frame.columns().to_vec(), positions)
        };
        let tables = [
            Ok(table_of_labels(&["a", "b"])),
            of(Positions::Rows(7)),
            of(Positions::Characters(vec![(1, 2), (1, 9), (2, 1)])),
            of(Positions::Numbers(vec![4, 8, 9])),
        ];
        let tables = tables.into_iter().collect::<Result<Vec<_>, _>>().expect("tables");
        let table = Table::join(Path::new("*"), tables).expect("a table");
        let rows = |table: &Table| -> Vec<(String, String)> {
            let labels = table.column("label").expect("a column").iter().flatten().map(str::to_owned);
            labels.enumerate().map(|(row, label)| (label, table.place(row).to_string())).collect()
        };
        for size in 1..=12 {
            let pieces: Vec<_> = table.pieces(size).map(|piece| rows(&piece)).collect();
            assert!(pieces[..pieces.len() - 1].iter().all(|piece| piece.len() == size), "{pieces:?}");
            assert_eq!(pieces.concat(), rows(&table), "pieces of {size}");
        }
    }

    #[test]
    fn lists_keep_nulls_empty_lists_and_empty_items() {
        let table = |rows: &[Option<&[&str]>]| {
            let mut builder = ColumnBuilder::new(Wanted::List("tags"));
            rows.iter().for_each(|row| match row {
                Some(items) => builder.push_list(items.iter().copied()).expect("a list"),
                None => builder.push_null(),
            });
            Table::new(Path::new("a.jsonl"), vec![builder.finish()], Positions::Rows(0)).expect("a table")
        };
        let rows: [Option<&[&str]>; 4] =
            [Some(&["a", "", "a text that is longer than what a view holds"]), None, Some(&[]), Some(&["é"])];
        let expected: Vec<_> = rows.iter().map(|row| row.map(<[&str]>::to_vec)).collect();
        assert_eq!(table(&rows).lists("tags").expect("lists"), expected);
        let joined = Table::join(Path::new("*"), vec![table(&rows), table(&rows[2..])]).expect("a table");
        assert_eq!(joined.lists("tags").expect("lists"), [&expected[..], &expected[2..]].concat());
        let pieces: Vec<Table> = joined.pieces(3).collect();
        assert_eq!(pieces[0].lists("tags").expect("lists"), expected[..3]);
        assert_eq!(pieces[1].lists("tags").expect("lists"), [&expected[3..], &expected[2..]].concat());
    }

    #[test]
    fn the_wrong_accessor_says_what_there_is() {
        let table = table_of_labels(&["a"]);
        let error = table.lists("label").expect_err("an error").to_string();
        assert_eq!(error, "train.csv:2: column `label` holds texts; a list of texts is wanted, as [\"a\", \"b\"]");
    }
}
