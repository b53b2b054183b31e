//! Arrow IPC, as a file (which is Feather, version 2) or as a stream, read by polars.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::*;

use super::{Request, columnar, load};
use crate::error::DataError;
use crate::table::Table;

/// How a file begins; a stream begins with the mark of its first message.
const FILE: &[u8] = b"ARROW1";
const FEATHER_1: &[u8] = b"FEA1";
const MESSAGE: &[u8] = &[0xFF; 4];
/// How a stream ends: a message of no length.
const END_OF_STREAM: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// Reads the wanted columns, and of the others nothing. What polars answers with a panic is an error here too.
pub(super) fn read(path: &Path, request: &Request<'_>) -> Result<Table, DataError> {
    let bytes = load::bytes(path)?;
    if bytes.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    catch_unwind(AssertUnwindSafe(|| read_trusting(path, &bytes, request)))
        .unwrap_or_else(|_| Err(unreadable(path, "its bytes contradict each other".to_owned())))
}

fn read_trusting(path: &Path, bytes: &[u8], request: &Request<'_>) -> Result<Table, DataError> {
    let polars_error =
        |error: PolarsError| unreadable(path, error.to_string().lines().next().unwrap_or_default().to_owned());
    let (frame, found) = if bytes.starts_with(FILE) {
        let mut reader = IpcReader::new(Cursor::new(bytes));
        let found = columnar::find(path, reader.schema().map_err(polars_error)?.as_ref(), request)?;
        (reader.with_columns(Some(columnar::names(&found))).finish(), found)
    } else if bytes.starts_with(MESSAGE) {
        // polars takes a stream that breaks off for one that has ended.
        if !bytes.ends_with(END_OF_STREAM) {
            return Err(unreadable(path, "the stream has no end".to_owned()));
        }
        let mut reader = IpcStreamReader::new(Cursor::new(bytes));
        let found = columnar::find(path, &reader.arrow_schema().map_err(polars_error)?, request)?;
        (reader.with_columns(Some(columnar::names(&found))).finish(), found)
    } else {
        let message = match bytes.starts_with(FEATHER_1) {
            true => "Feather version 1, which nobody writes any more; write it as version 2",
            false => "it begins neither like a file nor like a stream",
        };
        return Err(unreadable(path, message.to_owned()));
    };
    columnar::table(path, &frame.map_err(polars_error)?, &found, polars_error)
}

fn unreadable(path: &Path, message: String) -> DataError {
    DataError::Columnar { path: path.to_owned(), form: "Arrow", message }
}
