//! JSON and JSONL: objects whose fields are the columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::load::message_without_position;
use crate::error::{DataError, Place, Position};
use crate::table::{ColumnBuilder, Positions, Table};

const ARRAY_WANTED: &str = "an array of objects, or an object that holds exactly one array of objects";

/// Reads JSONL: one object a line; empty lines are skipped.
pub(super) fn read_lines(path: &Path, text: &str, columns: &[&str]) -> Result<Table, DataError> {
    let mut rows = Rows::new(path, columns);
    for (line, content) in (1..).zip(text.lines()) {
        if !content.trim().is_empty() {
            rows.push(Start { line, column: 0 }, content)?;
        }
    }
    rows.finish()
}

/// Reads one JSON document.
pub(super) fn read(path: &Path, text: &str, columns: &[&str]) -> Result<Table, DataError> {
    let syntax = |error| json_error(path, Start { line: 1, column: 0 }, &error);
    let elements = match text.trim_start().as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text).map_err(syntax)?,
        Some(b'{') => only_array(path, &serde_json::from_str(text).map_err(syntax)?)?,
        _ => {
            let value: &RawValue = serde_json::from_str(text).map_err(syntax)?;
            let place = Place { path: path.to_owned(), position: Position::Line(1) };
            return Err(DataError::NotRecords { place, expected: ARRAY_WANTED, found: kind_of(value) });
        }
    };
    let mut rows = Rows::new(path, columns);
    let mut cursor = Cursor { text, at: 0, start: Start { line: 1, column: 0 } };
    for element in elements {
        rows.push(cursor.advance_to(element), element.get())?;
    }
    rows.finish()
}

/// Reads a `.json`, which many tools also call a file of one object a line.
pub(super) fn read_guessing_lines(path: &Path, text: &str, columns: &[&str]) -> Result<Table, DataError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first_is_object = lines.next().is_some_and(|line| serde_json::from_str::<Map<String, Value>>(line).is_ok());
    if first_is_object && lines.next().is_some() {
        tracing::info!("{}: read as JSONL, because its first line is a whole object", path.display());
        return read_lines(path, text, columns);
    }
    read(path, text, columns)
}

/// The one field of a document that is an array of objects.
fn only_array<'a>(path: &Path, document: &BTreeMap<String, &'a RawValue>) -> Result<Vec<&'a RawValue>, DataError> {
    let mut arrays = document
        .values()
        .filter(|value| value.get().starts_with('['))
        .filter_map(|value| serde_json::from_str::<Vec<&RawValue>>(value.get()).ok())
        .filter(|elements| elements.iter().all(|element| element.get().starts_with('{')));
    let found = match (arrays.next(), arrays.next()) {
        (Some(elements), None) => return Ok(elements),
        (Some(_), Some(_)) => "an object that holds several",
        (None, _) => "an object that holds none",
    };
    let place = Place { path: path.to_owned(), position: Position::Line(1) };
    Err(DataError::NotRecords { place, expected: ARRAY_WANTED, found })
}

/// Where a piece of JSON begins: the line, from 1, and the bytes before it on that line.
#[derive(Clone, Copy)]
struct Start {
    line: u64,
    column: usize,
}

/// Counts lines from one array element to the next, so that counting stays linear in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    start: Start,
}

impl Cursor<'_> {
    /// `element` borrows from the text, so its address says where it stands.
    fn advance_to(&mut self, element: &RawValue) -> Start {
        let offset = element.get().as_ptr().addr() - self.text.as_ptr().addr();
        let between = &self.text[self.at..offset];
        match between.rfind('\n') {
            Some(last) => {
                self.start.line += between.matches('\n').count() as u64;
                self.start.column = between.len() - last - 1;
            }
            None => self.start.column += between.len(),
        }
        self.at = offset;
        self.start
    }
}

/// The rows so far.
struct Rows<'a> {
    path: &'a Path,
    builders: Vec<ColumnBuilder<'a>>,
    lines: Vec<u64>,
}

impl<'a> Rows<'a> {
    fn new(path: &'a Path, columns: &[&'a str]) -> Self {
        Self { path, builders: columns.iter().map(|name| ColumnBuilder::new(name)).collect(), lines: Vec::new() }
    }

    fn push(&mut self, start: Start, json: &str) -> Result<(), DataError> {
        let place = || Place { path: self.path.to_owned(), position: Position::Line(start.line) };
        let value: Value = serde_json::from_str(json).map_err(|error| json_error(self.path, start, &error))?;
        let Value::Object(object) = value else {
            let found = kind(&value);
            return Err(DataError::NotRecords { place: place(), expected: "an object, as {\"text\": …}", found });
        };
        self.check_fields(&object, place)?;
        for builder in &mut self.builders {
            let value = &object[builder.name];
            let Some(text) = scalar_text(value) else {
                let (column, found) = (builder.name.to_owned(), kind(value).to_owned());
                return Err(DataError::WrongType { place: place(), column, found });
            };
            builder.push(text.as_deref());
        }
        self.lines.push(start.line);
        Ok(())
    }

    /// A field that the first object lacks is probably misnamed; one that a later object lacks is that object's fault.
    fn check_fields(&self, object: &Map<String, Value>, place: impl Fn() -> Place) -> Result<(), DataError> {
        let missing = self.builders.iter().map(|builder| builder.name).filter(|name| !object.contains_key(*name));
        let problem = |name: &str| {
            let (name, there) = (name.to_owned(), object.keys().cloned().collect());
            if self.lines.is_empty() {
                DataError::MissingColumn { path: self.path.to_owned(), column: name, columns: there }
            } else {
                DataError::MissingField { place: place(), field: name, fields: there }
            }
        };
        DataError::gather(missing.map(problem).collect())
    }

    fn finish(self) -> Result<Table, DataError> {
        let columns = self.builders.into_iter().map(ColumnBuilder::finish).collect();
        Table::new(self.path, columns, Positions::Lines(self.lines))
    }
}

/// The text of a value that is one: `Some(None)` for null, `None` for an array or an object.
fn scalar_text(value: &Value) -> Option<Option<Cow<'_, str>>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(value.to_string().into())),
        Value::Number(number) => Some(Some(number_text(number).into())),
        Value::String(text) => Some(Some(text.into())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => super::float_text(float, number),
        _ => number.to_string(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn kind_of(raw: &RawValue) -> &'static str {
    serde_json::from_str(raw.get()).map_or("something else", |value| kind(&value))
}

/// serde's error, which counts from the start of what it was given, moved to where that stands in the file.
fn json_error(path: &Path, start: Start, error: &serde_json::Error) -> DataError {
    let line = start.line + (error.line() as u64).saturating_sub(1);
    let column = error.column() + if error.line() <= 1 { start.column } else { 0 };
    let hint = match error.classify() {
        serde_json::error::Category::Eof => "the text ends too early: in JSONL each line is one whole object",
        _ => "correct it there",
    };
    DataError::Json { path: path.to_owned(), line, column, message: message_without_position(error), hint }
}
