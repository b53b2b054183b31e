//! CSV and TSV: a header, or names given for one, then records with as many fields.

use std::borrow::Cow;
use std::path::Path;

use super::records::{Dialect, Fault, Records};
use super::{AS_NAMED, Request, line_of};
use crate::error::{DataError, Place};
use crate::table::{ColumnBuilder, Mismatch, Positions, Table, Wanted};

/// Reads the wanted columns in one dialect.
pub(super) fn read(path: &Path, text: &str, dialect: Dialect, request: &Request<'_>) -> Result<Table, DataError> {
    let mut records = Records::new(text, dialect);
    let mut fields = Vec::new();
    let fault = |fault| fault_error(path, dialect, fault);

    let header = if request.names.is_empty() {
        // Empty lines may stand before the header.
        while records.next_into(&mut fields).map_err(fault)?.is_some() && is_blank(&fields) {}
        fields.iter().map(ToString::to_string).collect()
    } else {
        request.names.to_vec()
    };
    let wanted = find_columns(path, &header, request)?;

    let mut builders = request.builders();
    let mut lines = Vec::new();
    let mut blank_lines = Vec::new();
    while let Some(line) = records.next_into(&mut fields).map_err(fault)? {
        if is_blank(&fields) {
            blank_lines.push(line);
            continue;
        }
        // Where there is one column, an empty line is an empty value, unless nothing but empty lines follows.
        let blanks = std::mem::take(&mut blank_lines);
        if header.len() == 1 {
            for blank in blanks {
                builders.iter_mut().for_each(ColumnBuilder::push_null);
                lines.push(blank);
            }
        }
        if lines.is_empty() && request.names == fields.as_slice() {
            return Err(DataError::UnexpectedHeader { place: line_of(path, line), columns: header });
        }
        if fields.len() != header.len() {
            return Err(field_count(line_of(path, line), dialect, request, header.len(), fields.len()));
        }
        for (builder, &index) in builders.iter_mut().zip(&wanted) {
            let wanted = builder.wanted;
            let text = builder.push_text(Some(&fields[index]));
            text.map_err(|Mismatch| not_a_list(line_of(path, line), wanted))?;
        }
        lines.push(line);
    }
    Table::new(path, builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(lines))
}

/// Reads a TSV of which nobody said whether it is quoted.
///
/// Quoted is right if the text parses so. Yet two stray quotes can swallow the line end between them and leave a
/// structure that parses; then the unquoted reading parses too and has more rows, while a line end that is truly quoted
/// leaves lines with too few fields. So the unquoted reading wins where it parses and has another number of rows.
pub(super) fn read_guessing_quotes(path: &Path, text: &str, request: &Request<'_>) -> Result<Table, DataError> {
    let quoted = read(path, text, Dialect::Tsv, request);
    if !text.contains('"') || matches!(quoted, Err(DataError::MissingColumn { .. } | DataError::Several(_))) {
        return quoted;
    }
    let unquoted = read(path, text, Dialect::TsvUnquoted, request);
    match (quoted, unquoted) {
        (Ok(quoted), Ok(unquoted)) if quoted.len() == unquoted.len() => Ok(quoted),
        (Ok(quoted), Err(_)) => Ok(quoted),
        (_, unquoted) => {
            tracing::info!("{}: read as TSV without quoting, because quotes in it do not pair up", path.display());
            unquoted
        }
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
