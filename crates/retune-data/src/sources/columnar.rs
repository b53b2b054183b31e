//! What Parquet and Arrow have in common: columns with types. Numbers and truth values become text.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::*;

use super::Request;
use super::features::{Classes, Features};
use crate::error::{DataError, Place, Position};
use crate::table::{ColumnBuilder, Positions, Table, Wanted, float_text};

/// What polars answers with an error, as ours. The cause stands on the first line; lists of types follow it.
pub(super) fn polars_error(path: &Path, form: &'static str) -> impl Fn(PolarsError) -> DataError {
    move |error| unreadable(path, form, error.to_string().lines().next().unwrap_or_default())
}

pub(super) fn unreadable(path: &Path, form: &'static str, message: &str) -> DataError {
    DataError::Columnar { path: path.to_owned(), form, message: message.to_owned() }
}

/// polars answers most damage with an error, but some single wrong bytes with a panic; that is an error here too.
pub(super) fn without_panics<T>(
    path: &Path,
    form: &'static str,
    read: impl FnOnce() -> Result<T, DataError>,
) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(unreadable(path, form, "its bytes contradict each other")))
}

/// Where a wanted column is in a file: in one of its columns, or in a field of a field of it.
pub(super) struct Found<'a> {
    wanted: Wanted<'a>,
    /// The name of the file's column, then those of the fields within.
    path: Vec<String>,
}

/// The columns of the file that are needed, each once.
pub(super) fn names(all: &[Found<'_>]) -> Vec<String> {
    let mut names: Vec<String> = all.iter().map(|found| found.path[0].clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The names of the classes of each wanted column that holds classes.
pub(super) fn classes(all: &[Found<'_>], features: &Features) -> Classes {
    let named =
        all.iter().filter_map(|found| Some((found.wanted.name().to_owned(), features.class_names(&found.path)?)));
    Arc::new(named.collect())
}

/// Finds the wanted columns, and checks that their types are those wanted or can be; all problems at once.
pub(super) fn find<'a>(
    path: &Path,
    schema: &ArrowSchema,
    request: &Request<'a>,
) -> Result<Arc<[Found<'a>]>, DataError> {
    let fields: Vec<&ArrowField> = schema.iter_values().collect();
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for &wanted in &request.wanted {
        match descend(&fields, wanted.name()) {
            None => problems.push(DataError::MissingColumn {
                path: path.to_owned(),
                column: wanted.name().to_owned(),
                columns: there(&fields, wanted.name()),
            }),
            Some((steps, dtype)) => match refused(dtype, wanted) {
                None => all.push(Found { wanted, path: steps }),
                Some(found) => problems.push(wrong_type(path, 0, wanted, found)),
            },
        }
    }
    DataError::gather(problems)?;
    Ok(all.into())
}

/// The rows of frames that follow each other, as texts and lists of texts.
pub(super) struct Rows<'a> {
    path: PathBuf,
    found: Arc<[Found<'a>]>,
    builders: Vec<ColumnBuilder<'a>>,
    /// The row of the file that is the first of these.
    first: u64,
    rows: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(path: &Path, found: &Arc<[Found<'a>]>, first: u64) -> Self {
        let builders = found.iter().map(|found| ColumnBuilder::new(found.wanted)).collect();
        Self { path: path.to_owned(), found: Arc::clone(found), builders, first, rows: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Appends the rows of a frame. Of faults in several columns, that of the first row is reported.
    pub(super) fn push(
        &mut self,
        frame: &DataFrame,
        unreadable: impl Fn(PolarsError) -> DataError,
    ) -> Result<(), DataError> {
        let mut first_null: Option<Null> = None;
        for (column, (found, builder)) in self.found.iter().zip(&mut self.builders).enumerate() {
            let values = values_of(frame, &found.path).map_err(&unreadable)?;
            if let DataType::List(_) = values.dtype() {
                let null = push_lists(builder, &values).map_err(&unreadable)?;
                let null = null.map(|(row, item)| Null { row, column, item });
                first_null = first_null.into_iter().chain(null).min();
            } else {
                for text in texts(&values).map_err(&unreadable)?.iter() {
                    // That the types fit was checked.
                    let _ = builder.push_text(text);
                }
            }
        }
        if let Some(null) = first_null {
            let found = format!("a list whose item {} is null", null.item);
            let row = self.first + self.rows as u64 + null.row;
            return Err(wrong_type(&self.path, row, self.builders[null.column].wanted, found));
        }
        self.rows += frame.height();
        Ok(())
    }

    /// The rows as a table.
    pub(super) fn finish(self) -> Result<Table, DataError> {
        let columns = self.builders.into_iter().map(ColumnBuilder::finish).collect();
        Table::new(&self.path, columns, Positions::Rows(self.first))
    }
}

/// An item of a list that is null, and where.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Null {
    row: u64,
    column: usize,
    item: usize,
}

/// The field at a path and the steps to it. A column that bears the whole name, dots and all, goes first.
fn descend<'s>(fields: &[&'s ArrowField], path: &str) -> Option<(Vec<String>, &'s ArrowDataType)> {
    let field = |name: &str| fields.iter().find(|field| field.name == name);
    if let Some(field) = field(path) {
        return Some((vec![path.to_owned()], &field.dtype));
    }
    path.match_indices('.').find_map(|(dot, _)| match &field(&path[..dot])?.dtype {
        ArrowDataType::Struct(inner) => {
            let (mut steps, dtype) = descend(&inner.iter().collect::<Vec<_>>(), &path[dot + 1..])?;
            steps.insert(0, path[..dot].to_owned());
            Some((steps, dtype))
        }
        _ => None,
    })
}

/// The columns there are, for a message; with the fields of a struct where the path, or a field that bears its name,
/// leads into one.
fn there(fields: &[&ArrowField], wanted: &str) -> Vec<String> {
    let mut names = Vec::new();
    for field in fields {
        match &field.dtype {
            ArrowDataType::Struct(inner) if wanted.contains('.') || inner.iter().any(|field| field.name == wanted) => {
                names.extend(inner.iter().map(|inner| format!("{}.{}", field.name, inner.name)));
            }
            _ => names.push(field.name.to_string()),
        }
    }
    names
}

/// What a column holds, where that is not what is wanted and cannot become it.
fn refused(dtype: &ArrowDataType, wanted: Wanted<'_>) -> Option<String> {
    use ArrowDataType as A;
    match (dtype, wanted) {
        (A::List(_) | A::LargeList(_), Wanted::Text(_)) => Some("lists".to_owned()),
        (A::List(item) | A::LargeList(item), _) => no_scalar(&item.dtype).map(|found| format!("lists of {found}")),
        (scalar, Wanted::List(_)) => Some(no_scalar(scalar).unwrap_or_else(|| "no lists".to_owned())),
        (scalar, _) => no_scalar(scalar),
    }
}

/// The name of a type that is neither text, number nor truth value.
fn no_scalar(dtype: &ArrowDataType) -> Option<String> {
    use ArrowDataType as A;
    match dtype {
        A::Utf8 | A::LargeUtf8 | A::Utf8View | A::Boolean | A::Null | A::Float32 | A::Float64 => None,
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => None,
        A::Dictionary(_, values, _) if matches!(**values, A::Utf8 | A::LargeUtf8 | A::Utf8View) => None,
        A::List(_) | A::LargeList(_) | A::FixedSizeList(..) | A::Map(..) => Some("lists".to_owned()),
        A::Struct(_) => Some("structs".to_owned()),
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => Some("bytes".to_owned()),
        other => Some(format!("values of the type {other:?}")),
    }
}

fn values_of(frame: &DataFrame, path: &[String]) -> PolarsResult<Series> {
    let mut values = frame.column(&path[0])?.as_materialized_series().rechunk();
    for step in &path[1..] {
        values = values.struct_()?.field_by_name(step)?;
    }
    Ok(values)
}

/// Appends lists up to the first that holds a null, and returns its row and the number of the item, if there is one.
fn push_lists(builder: &mut ColumnBuilder<'_>, values: &Series) -> PolarsResult<Option<(u64, usize)>> {
    let lists = values.list()?.rechunk();
    // All items of all rows become text at once; each row is a range of them.
    let items = texts(&lists.get_inner())?;
    let mut row = 0;
    for chunk in lists.downcast_iter() {
        for in_chunk in 0..chunk.offsets().len_proxy() {
            let (start, end) = chunk.offsets().start_end(in_chunk);
            if chunk.validity().is_some_and(|validity| !validity.get_bit(in_chunk)) {
                builder.push_null();
            } else if let Some(null) = (start..end).find(|&item| items.get(item).is_none()) {
                return Ok(Some((row, null - start + 1)));
            } else {
                // That a list is wanted was checked.
                let _ = builder.push_list((start..end).filter_map(|item| items.get(item)));
            }
            row += 1;
        }
    }
    Ok(None)
}

fn texts(values: &Series) -> PolarsResult<StringChunked> {
    let mut builder = StringChunkedBuilder::new("".into(), values.len());
    match values.dtype() {
        DataType::Float32 => values.f32()?.iter().for_each(|value| {
            // Through f64 a fraction would gain digits that the file does not hold.
            builder.append_option(value.map(|value| float_text(value.into(), &value as &dyn Display)));
        }),
        DataType::Float64 => values.f64()?.iter().for_each(|value| {
            builder.append_option(value.map(|value| float_text(value, &value as &dyn Display)));
        }),
        _ => return Ok(values.cast(&DataType::String)?.str()?.rechunk().into_owned()),
    }
    Ok(builder.finish())
}

fn wrong_type(path: &Path, row: u64, wanted: Wanted<'_>, found: String) -> DataError {
    let place = Place { path: path.to_owned(), position: Position::Row(row + 1) };
    DataError::WrongType { place, column: wanted.name().to_owned(), found, expected: wanted.expected() }
}
