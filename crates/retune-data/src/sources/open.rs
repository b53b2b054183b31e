//! A file of whatever form → its tables.

use std::path::Path;
use std::sync::Arc;

use super::arrow::ArrowBatches;
use super::blocks::Blocks;
use super::conll::Conll;
use super::json::JsonLines;
use super::parquet::Parquet;
use super::plain_text::PlainText;
use super::records::Dialect;
use super::stream::{Chunks, Limits, TextChunks, Whole};
use super::{DataFormat, Request, delimited, files, json, load, squad};
use crate::error::DataError;
use crate::table::Table;

/// The tables of one file.
pub(super) type FileChunks<'a> = Box<dyn Chunks + Send + 'a>;

pub(super) fn open_file<'a>(
    path: &Path,
    format: DataFormat,
    request: &Arc<Request<'a>>,
    limits: Limits,
) -> Result<FileChunks<'a>, DataError> {
    let stated = match format {
        DataFormat::Auto => files::format_of(path).ok_or_else(|| {
            // A wrong path is the likelier mistake, and the one to name first.
            load::check_is_file(path).err().unwrap_or_else(|| DataError::UnknownFormat { path: path.to_owned() })
        })?,
        stated => stated,
    };
    if let Some(name) = request.array.as_ref().filter(|_| stated != DataFormat::Json) {
        return Err(DataError::NoArrays { path: path.to_owned(), name: name.clone(), form: stated.name() });
    }
    let blocks = || Blocks::open(path, limits.block);
    Ok(match stated {
        DataFormat::Tsv if format == DataFormat::Auto => {
            Box::new(delimited::open_guessing_quotes(path, request, limits)?)
        }
        DataFormat::Json if format == DataFormat::Auto => return open_guessing_json(path, request, limits),
        DataFormat::Auto | DataFormat::Csv => Box::new(delimited::open(path, Dialect::Csv, request, limits)?),
        DataFormat::Tsv => Box::new(delimited::open(path, Dialect::Tsv, request, limits)?),
        DataFormat::TsvUnquoted => Box::new(delimited::open(path, Dialect::TsvUnquoted, request, limits)?),
        DataFormat::Json => whole(json::read(path, &blocks()?.into_text()?, request)?),
        DataFormat::Jsonl => Box::new(TextChunks::new(path, blocks()?, JsonLines::new(path, request), limits)),
        DataFormat::Parquet => Box::new(Parquet::open(path, request, limits)?),
        DataFormat::Arrow => Box::new(ArrowBatches::open(path, request, limits)?),
        DataFormat::Text => {
            let blocks = blocks()?;
            let parser = PlainText::new(path, &blocks, request)?;
            Box::new(TextChunks::new(path, blocks, parser, limits))
        }
        DataFormat::Conll => Box::new(TextChunks::new(path, blocks()?, Conll::new(path, request), limits)),
        DataFormat::Squad => whole(squad::read(path, &blocks()?.into_text()?, request)?),
    })
}

/// Opens a `.json`, which may be a document, one object a line, or questions in the form of SQuAD.
fn open_guessing_json<'a>(
    path: &Path,
    request: &Arc<Request<'a>>,
    limits: Limits,
) -> Result<FileChunks<'a>, DataError> {
    let mut blocks = Blocks::open(path, limits.block)?;
    if request.array.is_none() && json::looks_like_lines(&mut blocks)? {
        tracing::info!("{}: read as JSONL, because its first line is a whole object", path.display());
        return Ok(Box::new(TextChunks::new(path, blocks, JsonLines::new(path, request), limits)));
    }
    let text = blocks.into_text()?;
    if request.array.is_none() && squad::looks_like_it(&text) {
        tracing::info!("{}: read in the form of SQuAD, because it holds questions on paragraphs", path.display());
        return squad::read(path, &text, request).map(whole);
    }
    json::read(path, &text, request).map(whole)
}

fn whole<'a>(table: Table) -> FileChunks<'a> {
    Box::new(Whole(Some(table)))
}
