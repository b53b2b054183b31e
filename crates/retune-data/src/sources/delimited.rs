//! CSV and TSV: a header, or names given for one, then records with as many fields.

mod guess;

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::Column;

use super::blocks::Blocks;
use super::records::{Dialect, Fault, Records};
use super::stream::{Limits, Parser, TextChunks};
use super::{AS_NAMED, Request, line_of};
use crate::error::{DataError, Place};
use crate::table::{ColumnBuilder, Positions, Wanted};
pub(super) use guess::open_guessing_quotes;

/// Opens a file of one dialect.
pub(super) fn open<'a>(
    path: &Path,
    dialect: Dialect,
    request: &Arc<Request<'a>>,
    limits: Limits,
) -> Result<TextChunks<Delimited<'a>>, DataError> {
    let blocks = Blocks::open(path, limits.block)?;
    Ok(TextChunks::new(path, blocks, Delimited::new(path, dialect, request)?, limits))
}

/// The records of a file so far.
pub(super) struct Delimited<'a> {
    path: PathBuf,
    dialect: Dialect,
    request: Arc<Request<'a>>,
    columns: Option<Columns>,
    builders: Vec<ColumnBuilder<'a>>,
    lines: Vec<u64>,
    /// How many rows were gathered since they were last taken.
    rows: usize,
    keeps_rows: bool,
    is_empty: bool,
    /// Empty lines of which it is not known yet whether they are rows.
    blank_lines: Range<u64>,
}

/// The columns of a file.
struct Columns {
    names: Vec<String>,
    /// The index of each wanted column.
    wanted: Vec<usize>,
}

impl<'a> Delimited<'a> {
    fn new(path: &Path, dialect: Dialect, request: &Arc<Request<'a>>) -> Result<Self, DataError> {
        let mut delimited = Self {
            path: path.to_owned(),
            dialect,
            request: Arc::clone(request),
            columns: None,
            builders: request.builders(),
            lines: Vec::new(),
            rows: 0,
            keeps_rows: true,
            is_empty: true,
            blank_lines: 0..0,
        };
        if !request.names.is_empty() {
            delimited.begin(request.names.clone())?;
        }
        Ok(delimited)
    }

    fn begin(&mut self, names: Vec<String>) -> Result<(), DataError> {
        let wanted = find_columns(&self.path, &names, &self.request)?;
        self.columns = Some(Columns { names, wanted });
        Ok(())
    }

    fn record(&mut self, line: u64, fields: &[Cow<'_, str>]) -> Result<(), DataError> {
        let Some(columns) = &self.columns else {
            // Empty lines may stand before the header.
            return if is_blank(fields) {
                Ok(())
            } else {
                self.begin(fields.iter().map(ToString::to_string).collect())
            };
        };
        if is_blank(fields) {
            let start = if self.blank_lines.is_empty() { line } else { self.blank_lines.start };
            self.blank_lines = start..line + 1;
            return Ok(());
        }
        // Where there is one column, an empty line is an empty value, unless nothing but empty lines follows.
        let blank_lines = std::mem::take(&mut self.blank_lines);
        if columns.names.len() == 1 {
            for blank in blank_lines {
                if self.keeps_rows {
                    self.builders.iter_mut().for_each(ColumnBuilder::push_null);
                    self.lines.push(blank);
                }
                self.rows += 1;
                self.is_empty = false;
            }
        }
        if self.is_empty && self.request.names[..] == *fields {
            let (place, columns) = (line_of(&self.path, line), self.request.names.clone());
            return Err(DataError::UnexpectedHeader { place, columns });
        }
        let expected = columns.names.len();
        if fields.len() != expected {
            return Err(field_count(line_of(&self.path, line), self.dialect, &self.request, expected, fields.len()));
        }
        if let Some(wanted) = self.request.wanted.iter().find(|wanted| matches!(wanted, Wanted::List(_))) {
            return Err(not_a_list(line_of(&self.path, line), *wanted));
        }
        if self.keeps_rows {
            for (builder, &index) in self.builders.iter_mut().zip(&columns.wanted) {
                // That a text is wanted was checked.
                let _ = builder.push_text(Some(&fields[index]));
            }
            self.lines.push(line);
        }
        self.rows += 1;
        self.is_empty = false;
        Ok(())
    }
}

impl Parser for Delimited<'_> {
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError> {
        let mut records = Records::new(text, self.dialect, line, is_last);
        let mut fields = Vec::new();
        while self.rows < rows {
            let line = records.next_into(&mut fields).map_err(|fault| fault_error(&self.path, self.dialect, fault))?;
            let Some(line) = line else { break };
            self.record(line, &fields)?;
        }
        Ok(records.at())
    }

    fn check_end(&mut self) -> Result<(), DataError> {
        // Nothing but pairs of quotes on their lines.
        if self.columns.is_none() { self.begin(Vec::new()) } else { Ok(()) }
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn take(&mut self) -> (Vec<Column>, Positions) {
        self.rows = 0;
        let builders = std::mem::replace(&mut self.builders, self.request.builders());
        let lines = std::mem::take(&mut self.lines);
        (builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(lines))
    }
}

/// A line with nothing on it. (Two quotes on it are an empty value.)
fn is_blank(fields: &[Cow<'_, str>]) -> bool {
    matches!(fields, [only] if only.is_empty())
}

/// The index of each wanted column; all that are missing, or there twice, at once.
fn find_columns(path: &Path, header: &[String], request: &Request<'_>) -> Result<Vec<usize>, DataError> {
    let mut problems = Vec::new();
    let mut indices = Vec::new();
    for column in request.wanted.iter().map(|wanted| wanted.name()) {
        let mut matches = header.iter().enumerate().filter(|(_, name)| *name == column).map(|(index, _)| index);
        let path = path.to_owned();
        match (matches.next(), matches.next()) {
            (Some(index), None) => indices.push(index),
            (Some(_), Some(_)) => problems.push(DataError::DuplicateColumn { path, column: column.to_owned() }),
            (None, _) => {
                let columns = header.to_vec();
                problems.push(DataError::MissingColumn { path, column: column.to_owned(), columns });
            }
        }
    }
    DataError::gather(problems)?;
    Ok(indices)
}

fn fault_error(path: &Path, dialect: Dialect, fault: Fault) -> DataError {
    let hint = match dialect {
        Dialect::Csv => "a field that holds quotes must stand in quotes, with each of them doubled",
        _ => "if quotes are plain characters in this file, read it as TSV without quoting",
    };
    let at = |line| line_of(path, line);
    match fault {
        Fault::UnclosedQuote { line } => DataError::UnclosedQuote { place: at(line), hint },
        Fault::TextAfterQuote { line } => DataError::TextAfterQuote { place: at(line), hint },
    }
}

/// A cell of a delimited file is one text.
fn not_a_list(place: Place, wanted: Wanted<'_>) -> DataError {
    let (column, found) = (wanted.name().to_owned(), "a text".to_owned());
    DataError::WrongType { place, column, found, expected: wanted.expected() }
}

fn field_count(place: Place, dialect: Dialect, request: &Request<'_>, expected: usize, found: usize) -> DataError {
    let as_in = if request.names.is_empty() { "as in the header" } else { AS_NAMED };
    DataError::FieldCount { place, expected, as_in, found, hint: count_hint(dialect, expected < found) }
}

fn count_hint(dialect: Dialect, too_many: bool) -> &'static str {
    match (dialect, too_many) {
        (Dialect::Csv, true) => "a field that holds a comma must stand in double quotes",
        (Dialect::Csv, false) => "add the missing fields (empty ones still need their commas)",
        (_, true) => "a text must not hold a tab",
        (_, false) => "add the missing fields (empty ones still need their tabs); a text must not hold a line end",
    }
}
