//! A table of results → a file that is whole or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;

use crate::error::DataError;

/// The form of an output file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// Commas, quoted where needed.
    Csv,
    /// Tabs, quoted where needed.
    Tsv,
    /// One object a line.
    Jsonl,
}

/// A column to write.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Its name, of which there is one.
    pub name: String,
    /// Its values, as many as those of the other columns.
    pub values: OutputValues,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputValues {
    /// Strings.
    Text(Vec<String>),
    /// Whole numbers.
    Integer(Vec<i64>),
    /// Whole numbers, of which some are missing.
    MaybeInteger(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<f64>),
    /// A vector a row: a list in Parquet and JSONL, `[1.0, 2.0]` as text in CSV and TSV.
    Vector(Vec<Vec<f32>>),
}

impl OutputFormat {
    /// By the extension: `.parquet`, `.csv`, `.tsv`, `.jsonl` or `.ndjson`.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownOutputFormat`]; to be asked before anything slow.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => Err(DataError::UnknownOutputFormat { path: path.to_owned() }),
        }
    }
}

/// Writes the columns in the form that the extension names, replacing what is there. The file is written beside its
/// place and renamed when it is whole, so that no one ever sees half of it.
///
/// # Errors
///
/// [`DataError::UnknownOutputFormat`], [`DataError::Write`], and [`DataError::WriteTable`], which also says where
/// columns are of different lengths or share a name.
pub fn write_table(path: &Path, columns: Vec<OutputColumn>) -> Result<(), DataError> {
    let mut writer = TableWriter::create(path)?;
    writer.write(columns)?;
    writer.finish()
}

/// A table that is written piece by piece, and is there when it is whole.
pub struct TableWriter {
    path: PathBuf,
    format: OutputFormat,
    partial: Partial,
    file: File,
    /// The columns and their types, once there is a piece.
    schema: Option<SchemaRef>,
    parquet: Option<BatchedWriter<Encoded>>,
    /// What is encoded and not yet in the file.
    encoded: Encoded,
}

impl TableWriter {
    /// A table in the form that the extension names, which is to replace what is there.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownOutputFormat`] and [`DataError::Write`].
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let format = OutputFormat::of(path)?;
        let partial = Partial::beside(path);
        let file = File::create(&partial.path).map_err(|source| DataError::Write { path: path.to_owned(), source })?;
        let encoded = Encoded::default();
        Ok(Self { path: path.to_owned(), format, partial, file, schema: None, parquet: None, encoded })
    }

    /// Where the rows stand until the table is whole.
    pub fn partial(&self) -> &Path {
        &self.partial.path
    }

    /// Adds rows, whose columns must be those of all pieces.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`], and [`DataError::WriteTable`], which also says where columns are of different lengths, share a
    /// name, or are not those of the pieces before.
    pub fn write(&mut self, columns: Vec<OutputColumn>) -> Result<(), DataError> {
        let height = columns.first().map_or(0, |column| column.values.len());
        let columns = columns.into_iter().map(|column| column.into_polars(self.format)).collect();
        self.encode(height, columns).map_err(|source| DataError::WriteTable { path: self.path.clone(), source })?;
        self.flush()
    }

    /// Waits until all rows are on the disk, and puts the table into its place.
    ///
    /// # Errors
    ///
    /// As [`TableWriter::write`].
    pub fn finish(mut self) -> Result<(), DataError> {
        if let Some(parquet) = self.parquet.take() {
            parquet.finish().map_err(|source| DataError::WriteTable { path: self.path.clone(), source })?;
        }
        self.flush()?;
        let placed = self.file.sync_all().and_then(|()| fs::rename(&self.partial.path, &self.path));
        placed.map_err(|source| DataError::Write { path: self.path.clone(), source })
    }

    fn encode(&mut self, height: usize, columns: Vec<Column>) -> PolarsResult<()> {
        let mut frame = DataFrame::new(height, columns)?;
        let is_first = self.schema.is_none();
        let schema = self.schema.get_or_insert_with(|| frame.schema().clone());
        polars_ensure!(
            frame.schema() == schema,
            SchemaMismatch: "a piece has the columns {:?}, the first has {:?}", frame.schema(), schema
        );
        let encoded = self.encoded.clone();
        let delimited = |separator| CsvWriter::new(encoded.clone()).with_separator(separator).include_header(is_first);
        match self.format {
            OutputFormat::Parquet => {
                if self.parquet.is_none() {
                    self.parquet = Some(ParquetWriter::new(encoded.clone()).batched(schema)?);
                }
                self.parquet.as_mut().map_or(Ok(()), |parquet| parquet.write_batch(&frame))
            }
            OutputFormat::Csv => delimited(b',').finish(&mut frame),
            OutputFormat::Tsv => delimited(b'\t').finish(&mut frame),
            OutputFormat::Jsonl => {
                JsonWriter::new(encoded.clone()).with_json_format(JsonFormat::JsonLines).finish(&mut frame)
            }
        }
    }

    fn flush(&mut self) -> Result<(), DataError> {
        let written = self.file.write_all(&self.encoded.take());
        written.map_err(|source| DataError::Write { path: self.path.clone(), source })
    }
}

/// Bytes that polars has encoded. They go to the file by our own hand, because polars reports a full disk as a fault in the
/// format.
#[derive(Clone, Default)]
struct Encoded(Arc<Mutex<Vec<u8>>>);

impl Encoded {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputValues {
    fn len(&self) -> usize {
        match self {
            OutputValues::Text(values) => values.len(),
            OutputValues::Integer(values) => values.len(),
            OutputValues::MaybeInteger(values) => values.len(),
            OutputValues::Float(values) => values.len(),
            OutputValues::Vector(values) => values.len(),
        }
    }
}

impl OutputColumn {
    fn into_polars(self, format: OutputFormat) -> Column {
        let name = self.name.into();
        match self.values {
            OutputValues::Text(values) => Column::new(name, values),
            OutputValues::Integer(values) => Column::new(name, values),
            OutputValues::MaybeInteger(values) => Column::new(name, values),
            OutputValues::Float(values) => Column::new(name, values),
            OutputValues::Vector(values) if matches!(format, OutputFormat::Csv | OutputFormat::Tsv) => {
                Column::new(name, values.iter().map(|vector| format!("{vector:?}")).collect::<Vec<_>>())
            }
            OutputValues::Vector(values) => {
                let rows: Vec<Series> = values.iter().map(|vector| Series::new("".into(), vector)).collect();
                Column::new(name, rows)
            }
        }
    }
}

/// A file that disappears unless it is renamed.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self { path: path.with_file_name(format!(".{name}.{}.partial", process::id())) }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Where the renaming succeeded there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
