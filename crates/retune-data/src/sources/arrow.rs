//! Arrow IPC, as a file (which is Feather, version 2) or as a stream, read by polars, one batch of records at a time.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::io::ArrowReader;
use polars::prelude::*;
use polars_arrow::datatypes::Metadata;
use polars_arrow::io::ipc::read;

use super::columnar::{self, Found, Rows, polars_error, unreadable, without_panics};
use super::features::{Classes, Features};
use super::stream::{Chunks, Limits};
use super::{Request, load};
use crate::error::DataError;
use crate::table::Table;

const FORM: &str = "Arrow";

/// How a file begins; a stream begins with the mark of its first message.
const FILE: &[u8] = b"ARROW1";
const FEATHER_1: &[u8] = b"FEA1";
const MESSAGE: &[u8] = &[0xFF; 4];
/// How a stream ends: a message of no length.
const END_OF_STREAM: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// The wanted columns, and of the others nothing. What polars answers with a panic is an error here too.
pub(super) struct ArrowBatches<'a> {
    path: PathBuf,
    found: Arc<[Found<'a>]>,
    classes: Classes,
    batches: Box<dyn ArrowReader + Send>,
    /// What is left of the batch at hand.
    rest: Option<DataFrame>,
    /// How many rows were read before.
    first: u64,
    limits: Limits,
}

impl<'a> ArrowBatches<'a> {
    pub(super) fn open(path: &Path, request: &Request<'a>, limits: Limits) -> Result<Self, DataError> {
        let mut file = load::seekable(path)?;
        let (start, end) = ends(&mut file).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        if start.is_empty() {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        without_panics(path, FORM, || {
            let polars_error = polars_error(path, FORM);
            let mut file = BufReader::new(file);
            let (batches, found, classes): (Box<dyn ArrowReader + Send>, _, _) = if start.starts_with(FILE) {
                let metadata = read::read_file_metadata(&mut file).map_err(&polars_error)?;
                let found = columnar::find(path, &metadata.schema, request)?;
                let columns = Some(indices(&metadata.schema, &found));
                let classes = columnar::classes(&found, &features(metadata.custom_schema_metadata.as_deref()));
                (Box::new(read::FileReader::new(file, metadata, columns, None)), found, classes)
            } else if start.starts_with(MESSAGE) {
                // polars takes a stream that breaks off for one that has ended.
                if !end.ends_with(END_OF_STREAM) {
                    return Err(unreadable(path, FORM, "the stream has no end"));
                }
                let metadata = read::read_stream_metadata(&mut file).map_err(&polars_error)?;
                let found = columnar::find(path, &metadata.schema, request)?;
                let columns = Some(indices(&metadata.schema, &found));
                let classes = columnar::classes(&found, &features(metadata.custom_schema_metadata.as_ref()));
                (Box::new(read::StreamReader::new(file, metadata, columns)), found, classes)
            } else {
                return Err(unreadable(
                    path,
                    FORM,
                    match start.starts_with(FEATHER_1) {
                        true => "Feather version 1, which nobody writes any more; write it as version 2",
                        false => "it begins neither like a file nor like a stream",
                    },
                ));
            };
            if found.is_empty() {
                return Err(DataError::NoRows { path: path.to_owned() });
            }
            Ok(Self { path: path.to_owned(), found, classes, batches, rest: None, first: 0, limits })
        })
    }

    fn gather(&mut self) -> Result<Rows<'a>, DataError> {
        let polars_error = polars_error(&self.path, FORM);
        let mut rows = Rows::new(&self.path, &self.found, self.first);
        let mut bytes = 0_usize;
        while rows.len() < self.limits.rows && bytes < self.limits.bytes {
            let frame = match self.rest.take() {
                Some(frame) => frame,
                None => match self.batches.next_record_batch().map_err(&polars_error)? {
                    Some(batch) => DataFrame::from(batch),
                    None => break,
                },
            };
            let of_row = (frame.estimated_size() / frame.height().max(1)).max(1);
            let fitting = ((self.limits.bytes - bytes) / of_row).clamp(1, self.limits.rows - rows.len());
            if fitting < frame.height() {
                self.rest = Some(frame.slice(fitting as i64, frame.height() - fitting));
            }
            let frame = frame.head(Some(fitting));
            bytes = bytes.saturating_add(frame.height().saturating_mul(of_row));
            rows.push(&frame, &polars_error)?;
        }
        Ok(rows)
    }
}

impl Chunks for ArrowBatches<'_> {
    fn next_chunk(&mut self) -> Result<Option<Table>, DataError> {
        let path = self.path.clone();
        without_panics(&path, FORM, || {
            let rows = self.gather()?;
            if rows.len() == 0 && self.first > 0 {
                return Ok(None);
            }
            self.first += rows.len() as u64;
            Ok(Some(rows.finish()?.with_classes(&self.classes)))
        })
    }
}

fn features(metadata: Option<&Metadata>) -> Features {
    Features::of(metadata.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// The columns of the file that are needed.
fn indices(schema: &ArrowSchema, found: &[Found<'_>]) -> Vec<usize> {
    let mut indices: Vec<usize> = columnar::names(found).iter().filter_map(|name| schema.index_of(name)).collect();
    indices.sort_unstable();
    indices
}

/// The first and the last eight bytes.
fn ends(file: &mut File) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    const LENGTH: u64 = 8;
    let (mut start, mut end) = (Vec::new(), Vec::new());
    file.by_ref().take(LENGTH).read_to_end(&mut start)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LENGTH)))?;
    file.by_ref().take(LENGTH).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    Ok((start, end))
}
