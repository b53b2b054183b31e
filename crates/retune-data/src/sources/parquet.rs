//! Parquet, read by polars; numbers and truth values become text.

use std::fmt::Display;
use std::fs::File;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::*;

use super::float_text;
use super::load::check_is_file;
use crate::error::{DataError, Place, Position};
use crate::table::{ColumnBuilder, Positions, Table};

/// Reads the wanted columns, and of the others nothing.
///
/// polars answers most damage with an error, but some single wrong bytes with a panic; that is an error here too.
pub(super) fn read(path: &Path, columns: &[&str]) -> Result<Table, DataError> {
    check_is_file(path)?;
    catch_unwind(|| read_trusting(path, columns)).unwrap_or_else(|_| {
        Err(DataError::Parquet { path: path.to_owned(), message: "its bytes contradict each other".to_owned() })
    })
}

fn read_trusting(path: &Path, columns: &[&str]) -> Result<Table, DataError> {
    let file = File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    let unreadable = |error: PolarsError| {
        // The cause stands on the first line; lists of types follow it.
        let message = error.to_string().lines().next().unwrap_or_default().to_owned();
        DataError::Parquet { path: path.to_owned(), message }
    };

    let mut reader = ParquetReader::new(file);
    // A writer's own note on its types would turn plain text into dictionaries (pandas' categories), and could name
    // types that this build of polars was not given; the file's own types say all that is needed here.
    let mut metadata = reader.get_metadata().map_err(unreadable)?.as_ref().clone();
    metadata.key_value_metadata = None;
    reader.set_metadata(Arc::new(metadata));
    check_schema(path, reader.schema().map_err(unreadable)?.as_ref(), columns)?;
    let names = columns.iter().map(ToString::to_string).collect();
    let frame = reader.with_columns(Some(names)).finish().map_err(unreadable)?;

    let mut values = Vec::new();
    for name in columns {
        let column = frame.column(name).map_err(unreadable)?;
        values.push(as_text(name, column.as_materialized_series()).map_err(unreadable)?);
    }
    Table::new(path, values, Positions::Rows)
}

/// That the columns are there and of types that are text or can be; all problems at once.
fn check_schema(path: &Path, schema: &ArrowSchema, columns: &[&str]) -> Result<(), DataError> {
    let problem = |name: &str| match schema.get(name) {
        None => Some(DataError::MissingColumn {
            path: path.to_owned(),
            column: name.to_owned(),
            columns: schema.iter_names().map(ToString::to_string).collect(),
        }),
        Some(field) => refused_type(&field.dtype).map(|found| DataError::WrongType {
            place: Place { path: path.to_owned(), position: Position::Row(1) },
            column: name.to_owned(),
            found,
        }),
    };
    DataError::gather(columns.iter().filter_map(|name| problem(name)).collect())
}

/// The name of a type that is neither text, number nor truth value.
fn refused_type(dtype: &ArrowDataType) -> Option<String> {
    use ArrowDataType as A;
    match dtype {
        A::Utf8 | A::LargeUtf8 | A::Utf8View | A::Boolean | A::Null | A::Float32 | A::Float64 => None,
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => None,
        A::List(_) | A::LargeList(_) | A::FixedSizeList(..) | A::Map(..) => Some("lists".to_owned()),
        A::Struct(_) => Some("structs".to_owned()),
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => Some("bytes".to_owned()),
        other => Some(format!("values of the type {other:?}")),
    }
}

fn as_text<'a>(name: &'a str, values: &Series) -> PolarsResult<(&'a str, StringChunked)> {
    let mut builder = ColumnBuilder::new(name);
    match values.dtype() {
        DataType::Float32 => values.f32()?.iter().for_each(|value| {
            // Through f64 a fraction would gain digits that the file does not hold.
            let text = value.map(|value| float_text(value.into(), &value as &dyn Display));
            builder.push(text.as_deref());
        }),
        DataType::Float64 => values.f64()?.iter().for_each(|value| {
            let text = value.map(|value| float_text(value, &value as &dyn Display));
            builder.push(text.as_deref());
        }),
        _ => values.cast(&DataType::String)?.str()?.iter().for_each(|value| builder.push(value)),
    }
    Ok(builder.finish())
}
