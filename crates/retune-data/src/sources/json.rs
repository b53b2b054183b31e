//! JSON and JSONL: rows that are objects, whose fields are the columns, or lists, whose items were given names.

mod document;
mod nested;
mod position;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::Column;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::blocks::Blocks;
use super::lines::Lines;
use super::load::message_without_position;
use super::stream::Parser;
use super::{Request, line_of};
use crate::error::{DataError, Place};
use crate::table::{ColumnBuilder, Mismatch, Positions, Table, float_text};
pub(super) use position::{Cursor, Start};

/// JSONL: one row a line; empty lines are skipped.
pub(super) struct JsonLines<'a> {
    rows: Rows<'a>,
    lines: Vec<u64>,
}

impl<'a> JsonLines<'a> {
    pub(super) fn new(path: &Path, request: &Arc<Request<'a>>) -> Self {
        Self { rows: Rows::new(path, request), lines: Vec::new() }
    }
}

impl Parser for JsonLines<'_> {
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError> {
        let mut lines = Lines::new(text, line, is_last);
        while self.lines.len() < rows
            && let Some((line, content)) = lines.next()
        {
            if !content.trim().is_empty() {
                let place = line_of(&self.rows.path, line);
                self.rows.push(Start { line, column: 0 }, place, content)?;
                self.lines.push(line);
            }
        }
        Ok(lines.at())
    }

    fn rows(&self) -> usize {
        self.lines.len()
    }

    fn take(&mut self) -> (Vec<Column>, Positions) {
        (self.rows.take(), Positions::Lines(std::mem::take(&mut self.lines)))
    }
}

/// Reads one JSON document.
pub(super) fn read(path: &Path, text: &str, request: &Arc<Request<'_>>) -> Result<Table, DataError> {
    let mut rows = Rows::new(path, request);
    let mut places = Vec::new();
    let mut cursor = Cursor::new(text);
    for element in document::rows(path, text, request.array.as_deref())? {
        let start = cursor.advance_to(element.get());
        rows.push(start, start.place(path), element.get())?;
        places.push(start.character());
    }
    Table::new(path, rows.take(), Positions::Characters(places))
}

/// Whether a `.json` is a file of one object a line, which many tools call so too. Reads until that is known, which in a
/// document on one line is the whole of it.
pub(super) fn looks_like_lines(blocks: &mut Blocks) -> Result<bool, DataError> {
    loop {
        let mut lines = Lines::new(blocks.text(), blocks.line(), blocks.is_last());
        if let Some((_, first)) = lines.find(|(_, line)| !line.trim().is_empty()) {
            if serde_json::from_str::<Map<String, Value>>(first).is_err() {
                return Ok(false);
            }
            if !blocks.text()[lines.at()..].trim().is_empty() {
                return Ok(true);
            }
        }
        if blocks.is_last() {
            return Ok(false);
        }
        blocks.fill()?;
    }
}

/// The rows so far.
struct Rows<'a> {
    path: PathBuf,
    request: Arc<Request<'a>>,
    builders: Vec<ColumnBuilder<'a>>,
    is_empty: bool,
}

impl<'a> Rows<'a> {
    fn new(path: &Path, request: &Arc<Request<'a>>) -> Self {
        Self { path: path.to_owned(), request: Arc::clone(request), builders: request.builders(), is_empty: true }
    }

    fn push(&mut self, start: Start, place: Place, json: &str) -> Result<(), DataError> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| json_error(&self.path, start, &error, CUT_LINE))?;
        let object = self.object(value, &place)?;
        self.check_fields(&object, &place)?;
        for builder in &mut self.builders {
            let value = nested::find(&object, builder.name()).unwrap_or(&Value::Null);
            push_value(builder, value, &place)?;
        }
        self.is_empty = false;
        Ok(())
    }

    /// The row as an object; the items of a list take the names that were given.
    fn object(&self, value: Value, place: &Place) -> Result<Map<String, Value>, DataError> {
        match value {
            Value::Object(object) => Ok(object),
            Value::Array(items) if self.request.names.is_empty() => {
                Err(DataError::UnnamedColumns { place: place.clone(), items: items.len() })
            }
            Value::Array(items) if items.len() == self.request.names.len() => {
                Ok(self.request.names.iter().cloned().zip(items).collect())
            }
            Value::Array(items) => Err(DataError::FieldCount {
                place: place.clone(),
                expected: self.request.names.len(),
                as_in: super::AS_NAMED,
                found: items.len(),
                hint: "every row must have an item for each name",
            }),
            other => {
                let (expected, found) = ("an object, as {\"text\": …}, or a list", kind(&other));
                Err(DataError::NotRecords { place: place.clone(), expected, found })
            }
        }
    }

    /// A field that the first object lacks is probably misnamed; one that a later object lacks is that object's fault.
    fn check_fields(&self, object: &Map<String, Value>, place: &Place) -> Result<(), DataError> {
        let missing = self.builders.iter().map(ColumnBuilder::name).filter(|name| nested::find(object, name).is_none());
        let problem = |name: &str| {
            let (name, there) = (name.to_owned(), nested::names(object, name));
            if self.is_empty {
                DataError::MissingColumn { path: self.path.clone(), column: name, columns: there }
            } else {
                DataError::MissingField { place: place.clone(), field: name, fields: there }
            }
        };
        DataError::gather(missing.map(problem).collect())
    }

    fn take(&mut self) -> Vec<Column> {
        let builders = std::mem::replace(&mut self.builders, self.request.builders());
        builders.into_iter().map(ColumnBuilder::finish).collect()
    }
}

/// Appends a value where it is of the wanted type.
fn push_value(builder: &mut ColumnBuilder<'_>, value: &Value, place: &Place) -> Result<(), DataError> {
    let wanted = builder.wanted;
    let wrong = |found: String| DataError::WrongType {
        place: place.clone(),
        column: wanted.name().to_owned(),
        found,
        expected: wanted.expected(),
    };
    let pushed = match value {
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for (number, item) in (1..).zip(items) {
                let text = scalar_text(item).flatten();
                texts.push(text.ok_or_else(|| wrong(format!("a list whose item {number} is {}", kind(item))))?);
            }
            builder.push_list(texts.iter().map(AsRef::as_ref))
        }
        Value::Null => {
            builder.push_null();
            return Ok(());
        }
        Value::Object(_) => return Err(wrong(kind(value).to_owned())),
        scalar => builder.push_text(scalar_text(scalar).flatten().as_deref()),
    };
    pushed.map_err(|Mismatch| wrong(kind(value).to_owned()))
}

/// The text of a value that is one: `Some(None)` for null, `None` for an array or an object.
pub(super) fn scalar_text(value: &Value) -> Option<Option<Cow<'_, str>>> {
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
        Some(float) if number.is_f64() => float_text(float, number),
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

/// What to do about a text that ends too early.
const CUT_LINE: &str = "the text ends too early: in JSONL each line is one whole object";
pub(super) const CUT_DOCUMENT: &str = "the document ends too early: write or download it again";

/// serde's error, which counts from the start of what it was given, moved to where that stands in the file.
pub(super) fn json_error(path: &Path, start: Start, error: &serde_json::Error, cut: &'static str) -> DataError {
    let (line, column) = start.moved_by(error);
    let hint = if error.is_eof() { cut } else { "correct it there" };
    DataError::Json { path: path.to_owned(), line, column, message: message_without_position(error), hint }
}
