//! One file a form: whatever the form, the wanted columns come out as one [`Table`] of strings and of lists of strings.
//!
//! Text forms are read by parsers that are strict about structure and keep line numbers, and the frame is made from
//! what they find: a reader that guesses types or repairs rows would hide the very mistakes that must be named.
//! Parquet and Arrow, which have types and no lines, are read by polars.
//!
//! Every form but a JSON document is read in flat memory, a table at a time; a file that is read whole is a stream of
//! one table.
//!
//! A path names one file; or a folder, whose data files are read in the order of their names; or a pattern, as
//! `train-*.parquet`; or one array of a JSON document, as `data.json#train`. Any file may be compressed by gzip.

mod arrow;
mod blocks;
mod columnar;
mod conll;
mod delimited;
pub(crate) mod features;
mod files;
mod fingerprint;
mod json;
mod lines;
pub(crate) mod load;
mod open;
mod parquet;
mod plain_text;
mod records;
mod squad;
mod stream;

use std::path::{Path, PathBuf};

pub use crate::table::Wanted;
pub(crate) use fingerprint::Fingerprint;
pub use stream::TableStream;

use crate::error::{DataError, Place, Position};
use crate::expressions::Expressions;
use crate::table::{ColumnBuilder, Table};
use stream::Limits;

/// The form of a data file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataFormat {
    /// By the extension; a `.tsv` is read as quoted, or as unquoted where that cannot be right; a `.json` of many
    /// objects, one a line, is read as JSONL, and one in the form of SQuAD as that.
    #[default]
    Auto,
    /// Commas; fields may be in double quotes, and then hold commas, line ends and doubled quotes (RFC 4180).
    Csv,
    /// Tabs, quoted as in CSV.
    Tsv,
    /// Tabs, and no quoting: a quote is a character like any other.
    TsvUnquoted,
    /// One array of objects, or of lists; or an object that holds one, or several of which the path chooses one.
    Json,
    /// One object, or one list, a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow, as a file (Feather) or as a stream.
    Arrow,
    /// One example a line: the column `text`.
    Text,
    /// One token a line, with its tags, and an empty line after each sentence: columns of lists.
    Conll,
    /// Questions on paragraphs, as in SQuAD 1.1 and 2.0.
    Squad,
}

/// How a file is written, as far as it does not say so itself, and what is made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The form.
    pub format: DataFormat,
    /// The names of the columns, in their order, for forms that may lack them: CSV and TSV without a header, JSON rows
    /// that are lists, CoNLL, and plain text. Empty for a file that names its columns. Other forms take no notice.
    pub columns: Vec<String>,
    /// Which rows are kept, and which columns are computed.
    pub expressions: Expressions,
}

/// What to read of which file, or files.
#[derive(Clone, Copy, Debug)]
pub struct DataSource<'a> {
    /// A file, a folder, a pattern, or one array of a document, as for [`read_columns`].
    pub path: &'a Path,
    /// How it is written.
    pub form: &'a Form,
    /// The columns.
    pub wanted: &'a [Wanted<'a>],
}

/// Reads the named columns of a file, which has a header or field names, as texts. Repeated names are read once.
///
/// # Errors
///
/// As [`read_columns`].
pub fn read(path: &Path, format: DataFormat, columns: &[&str]) -> Result<Table, DataError> {
    let wanted: Vec<_> = columns.iter().map(|name| Wanted::Text(name)).collect();
    read_columns(path, &Form { format, ..Form::default() }, &wanted)
}

/// Reads the wanted columns of a file, of a folder, of the files that match a pattern, or of one array of a document.
/// A name that is wanted twice is read as it is wanted first.
///
/// In JSON, Parquet and Arrow a name may be a path to a nested field, as `answers.text`.
///
/// # Errors
///
/// Everything that can be wrong with a file, as the variants of [`DataError`] say: the first fault, and missing columns
/// all at once.
pub fn read_columns(path: &Path, form: &Form, wanted: &[Wanted<'_>]) -> Result<Table, DataError> {
    let tables = TableStream::new(path, form, wanted, Limits::WHOLE)?.collect::<Result<Vec<_>, _>>()?;
    Table::join(path, tables)
}

/// As [`read_columns`], in tables that follow each other, each of about 16 MiB of the file and of no more than 65,536
/// rows: the rows, their places and the errors are the same, and what is in memory does not grow with the file.
///
/// A record must fit into memory; after a quote that is never closed, that is the rest of the file. A JSON document,
/// also in the form of SQuAD, is one value, and so is read whole: data of many gigabytes belongs into another form,
/// such as JSONL. An Arrow file is held by its batches. Parquet and Arrow within gzip are first unpacked to a file in
/// the system's temporary folder, because they cannot be read from front to end. A `.tsv` of which nobody said whether
/// it is quoted is read once more beforehand, to find that out, and twice more where there are quotes in it.
///
/// ```
/// # use retune_data::{DataFormat, Form, Wanted, sources::stream_columns};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("train.jsonl");
/// # std::fs::write(&path, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n")?;
/// let mut rows = 0;
/// for table in stream_columns(&path, &Form::default(), &[Wanted::Text("text")])? {
///     rows += table?.len();
/// }
/// assert_eq!(rows, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Where the path names no files. Everything else that [`read_columns`] says, the stream does, in place of the table in
/// which it would be.
pub fn stream_columns<'a>(path: &Path, form: &'a Form, wanted: &[Wanted<'a>]) -> Result<TableStream<'a>, DataError> {
    TableStream::new(path, form, wanted, Limits::CHUNKS)
}

/// How many rows of a file, or of many, the form's filter keeps, and of how many; `None` where it has none, or one on
/// lists, which tasks alone know how to read.
///
/// # Errors
///
/// Those of [`stream_columns`], and of the filter.
pub fn rows_kept(path: &Path, form: &Form) -> Result<Option<(usize, usize)>, DataError> {
    let expressions = &form.expressions;
    let columns = expressions.filter_columns();
    if columns.is_empty() {
        return Ok(None);
    }
    let wanted: Vec<Wanted<'_>> = columns.iter().map(|column| Wanted::Text(column)).collect();
    let all = Form { expressions: Expressions::default(), ..form.clone() };
    let (mut kept, mut rows) = (0, 0);
    for table in stream_columns(path, &all, &wanted)? {
        let table = match table {
            Err(DataError::WrongType { .. }) => return Ok(None),
            table => table?,
        };
        kept += expressions.count(&table)?;
        rows += table.len();
    }
    Ok(Some((kept, rows)))
}

/// The files that a path names, in the order in which they are read: at least one, which need not exist where the path
/// is that of one file.
pub(crate) fn data_files(path: &Path, format: DataFormat) -> Result<Vec<PathBuf>, DataError> {
    Ok(files::find(path, format)?.paths)
}

/// What is asked of each file.
struct Request<'a> {
    /// Names of columns, where the file does not give them.
    names: Vec<String>,
    wanted: Vec<Wanted<'a>>,
    /// The array of a JSON document that holds the rows.
    array: Option<String>,
}

impl<'a> Request<'a> {
    fn builders(&self) -> Vec<ColumnBuilder<'a>> {
        self.wanted.iter().map(|wanted| ColumnBuilder::new(*wanted)).collect()
    }
}

impl DataFormat {
    /// The form in a message.
    fn name(self) -> &'static str {
        match self {
            DataFormat::Auto => "what the extension says",
            DataFormat::Csv => "CSV",
            DataFormat::Tsv | DataFormat::TsvUnquoted => "TSV",
            DataFormat::Json => "JSON",
            DataFormat::Jsonl => "JSONL",
            DataFormat::Parquet => "Parquet",
            DataFormat::Arrow => "Arrow",
            DataFormat::Text => "plain text",
            DataFormat::Conll => "CoNLL",
            DataFormat::Squad => "SQuAD",
        }
    }
}

fn without_repeats<'a>(wanted: &[Wanted<'a>]) -> Vec<Wanted<'a>> {
    let mut seen: Vec<Wanted<'a>> = Vec::with_capacity(wanted.len());
    for &column in wanted {
        if !seen.iter().any(|other| other.name() == column.name()) {
            seen.push(column);
        }
    }
    seen
}

/// That each wanted column is among those of the file, which are all texts or all lists; every problem at once.
fn check_columns(request: &Request<'_>, first: &Place, there: &[(&str, Holds)]) -> Result<(), DataError> {
    let problem = |wanted: &Wanted<'_>| {
        let column = wanted.name().to_owned();
        let found = match there.iter().find(|(name, _)| *name == column) {
            None => {
                let columns = there.iter().map(|(name, _)| (*name).to_owned()).collect();
                return Some(DataError::MissingColumn { path: first.path.clone(), column, columns });
            }
            Some((_, found)) => *found,
        };
        let found = match (wanted, found) {
            (Wanted::Text(_), Holds::Lists) => "lists",
            (Wanted::List(_), Holds::Texts) => "texts",
            _ => return None,
        };
        let (place, found) = (first.clone(), found.to_owned());
        Some(DataError::WrongType { place, column, found, expected: wanted.expected() })
    };
    DataError::gather(request.wanted.iter().filter_map(problem).collect())
}

/// What a column of a form holds, where the form says so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Texts,
    Lists,
}

/// How many fields a record should have, where names were given for them.
const AS_NAMED: &str = "as data.columns names them";

fn line_of(path: &Path, line: u64) -> Place {
    Place { path: path.to_owned(), position: Position::Line(line) }
}

#[cfg(test)]
mod tests;
