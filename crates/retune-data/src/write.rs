//! A table of results → a file that is whole or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

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
    let format = OutputFormat::of(path)?;
    let height = columns.first().map_or(0, |column| column.values.len());
    let table_error = |source| DataError::WriteTable { path: path.to_owned(), source };
    let columns = columns.into_iter().map(|column| column.into_polars(format)).collect();
    let mut frame = DataFrame::new(height, columns).map_err(table_error)?;

    // Encoded in memory first, because polars reports a full disk as a fault in the format.
    let mut bytes = Vec::new();
    match format {
        OutputFormat::Parquet => ParquetWriter::new(&mut bytes).finish(&mut frame).map(drop),
        OutputFormat::Csv => CsvWriter::new(&mut bytes).finish(&mut frame),
        OutputFormat::Tsv => CsvWriter::new(&mut bytes).with_separator(b'\t').finish(&mut frame),
        OutputFormat::Jsonl => JsonWriter::new(&mut bytes).with_json_format(JsonFormat::JsonLines).finish(&mut frame),
    }
    .map_err(table_error)?;
    replace(path, &bytes).map_err(|source| DataError::Write { path: path.to_owned(), source })
}

/// Writes beside `path`, waits until the bytes are on the disk, and renames.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = Partial::beside(path);
    let mut file = File::create(&partial.path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&partial.path, path)
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
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::sources::{DataFormat, read};

    fn predictions() -> Vec<OutputColumn> {
        let column = |name: &str, values| OutputColumn { name: name.into(), values };
        vec![
            column("text", OutputValues::Text(vec!["fine, \"really\"".into(), "two\nlines".into()])),
            column("row", OutputValues::Integer(vec![0, -1])),
            column("p", OutputValues::Float(vec![0.1, 1e-7])),
            column("v", OutputValues::Vector(vec![vec![0.5, -1.0], vec![]])),
        ]
    }

    fn check(name: &str, expected: Expect) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, "what was there before").expect("a file");
        write_table(&path, predictions()).expect("a table");
        expected.assert_eq(&fs::read_to_string(&path).expect("text"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn text_forms() {
        check(
            "out.csv",
            expect![[r#"
                text,row,p,v
                "fine, ""really""",0,0.1,"[0.5, -1.0]"
                "two
                lines",-1,1e-7,[]
            "#]],
        );
        check(
            "out.TSV",
            expect![[r#"
                text	row	p	v
                "fine, ""really"""	0	0.1	[0.5, -1.0]
                "two
                lines"	-1	1e-7	[]
            "#]],
        );
        check(
            "out.jsonl",
            expect![[r#"
                {"text":"fine, \"really\"","row":0,"p":0.1,"v":[0.5,-1.0]}
                {"text":"two\nlines","row":-1,"p":1e-7,"v":[]}
            "#]],
        );
    }

    #[test]
    fn errors_leave_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let text = |path: PathBuf, columns| {
            let error = write_table(&path, columns).expect_err("an error");
            format!("{error}\n").replace(&format!("{}/", folder.path().display()), "")
        };
        expect![[r#"
            out.xlsx: the extension names no output format; use .parquet, .csv, .tsv or .jsonl
        "#]]
        .assert_eq(&text(at("out.xlsx"), predictions()));
        expect![[r#"
            nowhere/out.csv: cannot be written: No such file or directory (os error 2)
        "#]]
        .assert_eq(&text(at("nowhere/out.csv"), predictions()));
        let mut uneven = predictions();
        uneven[1].values = OutputValues::Integer(vec![1]);
        assert!(matches!(write_table(&at("out.csv"), uneven), Err(DataError::WriteTable { .. })));
        fs::create_dir(at("taken.csv")).expect("a folder");
        assert!(matches!(write_table(&at("taken.csv"), predictions()), Err(DataError::Write { .. })));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec(("[aé\",\t\r\n\\\\{]{0,6}[^\\s]", any::<i64>(), -1e9..1e9_f64), 1..12),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            for name in ["t.parquet", "t.csv", "t.tsv", "t.jsonl"] {
                let path = folder.path().join(name);
                let column = |name: &str, values| OutputColumn { name: name.into(), values };
                let columns = vec![
                    column("text", OutputValues::Text(rows.iter().map(|row| row.0.clone()).collect())),
                    column("integer", OutputValues::Integer(rows.iter().map(|row| row.1).collect())),
                    column("float", OutputValues::Float(rows.iter().map(|row| row.2).collect())),
                ];
                write_table(&path, columns).expect("a table");
                let format = if name == "t.tsv" { DataFormat::Tsv } else { DataFormat::Auto };
                let table = read(&path, format, &["text", "integer", "float"]).expect("a table");
                prop_assert_eq!(table.len(), rows.len());
                let value = |name, row| table.column(name).expect("a column").get(row).expect("a value");
                for (i, (text, integer, float)) in rows.iter().enumerate() {
                    prop_assert_eq!(value("text", i), text);
                    prop_assert_eq!(value("integer", i).parse::<i64>().expect("a number"), *integer);
                    prop_assert_eq!(value("float", i).parse::<f64>().expect("a number"), *float);
                }
            }
        }
    }
}
