//! Parquet, read by polars.

use std::fs::File;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use polars::io::mmap::MmapBytesReader;
use polars::prelude::*;

use super::{Request, columnar, load};
use crate::error::DataError;
use crate::table::Table;

/// Reads the wanted columns, and of the others nothing.
///
/// polars answers most damage with an error, but some single wrong bytes with a panic; that is an error here too.
pub(super) fn read(path: &Path, request: &Request<'_>) -> Result<Table, DataError> {
    load::check_is_file(path)?;
    let read = || {
        if load::is_called_gzip(path) {
            return read_trusting(path, Cursor::new(load::bytes(path)?), request);
        }
        let file = File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        read_trusting(path, file, request)
    };
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(unreadable(path, "its bytes contradict each other".to_owned())))
}

fn read_trusting(path: &Path, file: impl MmapBytesReader, request: &Request<'_>) -> Result<Table, DataError> {
    let polars_error = |error: PolarsError| {
        // The cause stands on the first line; lists of types follow it.
        unreadable(path, error.to_string().lines().next().unwrap_or_default().to_owned())
    };
    let mut reader = ParquetReader::new(file);
    // A writer's own note on its types would turn plain text into dictionaries (pandas' categories), and could name
    // types that this build of polars was not given; the file's own types say all that is needed here.
    let mut metadata = reader.get_metadata().map_err(polars_error)?.as_ref().clone();
    metadata.key_value_metadata = None;
    reader.set_metadata(Arc::new(metadata));
    let found = columnar::find(path, reader.schema().map_err(polars_error)?.as_ref(), request)?;
    let frame = reader.with_columns(Some(columnar::names(&found))).finish().map_err(polars_error)?;
    columnar::table(path, &frame, &found, polars_error)
}

fn unreadable(path: &Path, message: String) -> DataError {
    DataError::Columnar { path: path.to_owned(), form: "Parquet", message }
}
