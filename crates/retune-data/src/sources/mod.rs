//! One file a form: whatever the form, the wanted columns come out as one [`Table`] of strings.
//!
//! Text forms are read by parsers that are strict about structure and keep line numbers, and the frame is made from
//! what they find: a reader that guesses types or repairs rows would hide the very mistakes that must be named.
//! Parquet, which has types and no lines, is read by polars.

mod delimited;
mod json;
pub(crate) mod load;
mod parquet;
mod records;

use std::fmt::Display;
use std::path::Path;

use crate::error::DataError;
use crate::table::Table;
use records::Dialect;

/// The form of a data file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataFormat {
    /// By the extension; a `.tsv` is read as quoted, or as unquoted where that cannot be right; a `.json` of many
    /// objects, one a line, is read as JSONL.
    #[default]
    Auto,
    /// Commas; fields may be in double quotes, and then hold commas, line ends and doubled quotes (RFC 4180).
    Csv,
    /// Tabs, quoted as in CSV.
    Tsv,
    /// Tabs, and no quoting: a quote is a character like any other.
    TsvUnquoted,
    /// One array of objects, or an object that holds exactly one array of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// Reads the named columns of a file, which has a header or field names. Repeated names are read once.
///
/// # Errors
///
/// Everything that can be wrong with a file, as the variants of [`DataError`] say; missing columns all at once.
pub fn read(path: &Path, format: DataFormat, columns: &[&str]) -> Result<Table, DataError> {
    let columns = &without_repeats(columns);
    let text = || load::text(path);
    match format {
        DataFormat::Auto => match extension(path).as_str() {
            "csv" => read(path, DataFormat::Csv, columns),
            "tsv" => delimited::read_guessing_quotes(path, &text()?, columns),
            "json" => json::read_guessing_lines(path, &text()?, columns),
            "jsonl" | "ndjson" => read(path, DataFormat::Jsonl, columns),
            "parquet" => read(path, DataFormat::Parquet, columns),
            _ => {
                // A wrong path is the likelier mistake, and the one to name first.
                load::check_is_file(path)?;
                Err(DataError::UnknownFormat { path: path.to_owned() })
            }
        },
        DataFormat::Csv => delimited::read(path, &text()?, Dialect::Csv, columns),
        DataFormat::Tsv => delimited::read(path, &text()?, Dialect::Tsv, columns),
        DataFormat::TsvUnquoted => delimited::read(path, &text()?, Dialect::TsvUnquoted, columns),
        DataFormat::Json => json::read(path, &text()?, columns),
        DataFormat::Jsonl => json::read_lines(path, &text()?, columns),
        DataFormat::Parquet => parquet::read(path, columns),
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn without_repeats<'a>(columns: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::with_capacity(columns.len());
    for column in columns {
        if !seen.contains(column) {
            seen.push(*column);
        }
    }
    seen
}

/// A number as text: a whole one as an integer, because labels that went through a float are still `0` and `1`; any
/// other as it is displayed by its own type.
fn float_text(number: f64, displayed: &dyn Display) -> String {
    // Above 2^53 a float no longer stands for one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT { format!("{}", number as i64) } else { displayed.to_string() }
}

#[cfg(test)]
mod tests;
