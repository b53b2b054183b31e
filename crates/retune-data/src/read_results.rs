//! What [`write_table`](crate::write_table) wrote, read back.

use std::fs::File;
use std::path::Path;

use polars::prelude::*;

use crate::error::DataError;
use crate::write::{OutputColumn, OutputValues};

/// The columns of texts and of numbers of a Parquet file, in order: a missing text is empty, a missing number not a
/// number. Columns of lists are left out.
///
/// # Errors
///
/// [`DataError::NotFound`], [`DataError::Read`]; [`DataError::Columnar`] where the file is no Parquet, or damaged.
pub fn read_results(path: &Path) -> Result<Vec<OutputColumn>, DataError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::NotFound { path: path.to_owned() },
        _ => DataError::Read { path: path.to_owned(), source },
    })?;
    let unreadable =
        |error: PolarsError| DataError::Columnar { path: path.to_owned(), form: "Parquet", message: error.to_string() };
    let frame = ParquetReader::new(file).finish().map_err(unreadable)?;
    let mut columns = Vec::new();
    for column in frame.columns() {
        let values = match column.dtype() {
            DataType::String => {
                let texts = column.str().map_err(unreadable)?;
                OutputValues::Text(texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
            }
            kind if kind.is_primitive_numeric() => {
                let numbers = column.cast(&DataType::Float64).map_err(unreadable)?;
                let numbers = numbers.f64().map_err(unreadable)?;
                OutputValues::Float(numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect())
            }
            _ => continue,
        };
        columns.push(OutputColumn { name: column.name().to_string(), values });
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_table;

    #[test]
    fn what_was_written_is_read() {
        let at = tempfile::tempdir().expect("a folder");
        let path = at.path().join("p.parquet");
        let column = |name: &str, values| OutputColumn { name: name.to_owned(), values };
        let written = vec![
            column("text", OutputValues::Text(vec!["a".into(), "ä\n".into()])),
            column("number", OutputValues::Float(vec![0.1, -3.0])),
            column("vector", OutputValues::Vector(vec![vec![1.0], vec![2.0]])),
            column("start", OutputValues::MaybeInteger(vec![Some(7), None])),
        ];
        write_table(&path, written.clone()).expect("a file");
        let read = read_results(&path).expect("columns");
        assert_eq!(read[..2], written[..2]);
        let [.., OutputColumn { name, values: OutputValues::Float(starts) }] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert!(name == "start" && read.len() == 3 && starts[0] == 7.0 && starts[1].is_nan());

        let error = read_results(&at.path().join("none.parquet")).expect_err("no file");
        assert!(matches!(error, DataError::NotFound { .. }));
        std::fs::write(&path, "no parquet").expect("a file");
        assert!(matches!(read_results(&path), Err(DataError::Columnar { .. })));
    }
}
