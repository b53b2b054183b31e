use std::fs;
use std::path::PathBuf;

use expect_test::Expect;
use polars::prelude::*;

use super::*;
use crate::error::Position;

/// A folder that goes when it is dropped, for files of every form.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    /// The error's text, the folder left out, and a line end, which makes `expect!` a block that rustfmt leaves alone.
    fn error(&self, result: Result<Table, DataError>) -> String {
        let error = result.expect_err("an error");
        format!("{error}\n").replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// Reads `content` as the extension of `name` says; rows are shown as `position: text | label`.
fn rows(name: &str, content: &str) -> Vec<String> {
    rows_as(DataFormat::Auto, name, content)
}

fn rows_as(format: DataFormat, name: &str, content: &str) -> Vec<String> {
    let folder = Folder::new();
    shown(&read(&folder.file(name, content), format, &["text", "label"]).expect("a table"))
}

fn shown(table: &Table) -> Vec<String> {
    let value = |name, row| table.column(name).expect("a column").get(row).unwrap_or("∅");
    let position = |row| match table.position(row) {
        Position::Line(line) => format!("line {line}"),
        Position::Character { line, column } => format!("at {line}:{column}"),
        Position::Row(row) => format!("row {row}"),
    };
    (0..table.len()).map(|row| format!("{}: {} | {}", position(row), value("text", row), value("label", row))).collect()
}

#[track_caller]
fn fails(name: &str, content: impl AsRef<[u8]>, expected: Expect) {
    fails_as(DataFormat::Auto, name, content, expected);
}

#[track_caller]
fn fails_as(format: DataFormat, name: &str, content: impl AsRef<[u8]>, expected: Expect) {
    let folder = Folder::new();
    let path = folder.file(name, content);
    expected.assert_eq(&folder.error(read(&path, format, &["text", "label"])));
}

#[test]
fn csv_as_it_stands() {
    let content = "id,text,label\r\n1,\"a, \"\"b\"\"\nc\",007\r\n2,,1.0\r\n3,\"\",\"\"\r\n\r\n4, x ,true";
    let expected = ["line 2: a, \"b\"\nc | 007", "line 4: ∅ | 1.0", "line 5: ∅ | ∅", "line 7:  x  | true"];
    assert_eq!(rows("a.csv", content), expected);
}

#[test]
fn an_empty_line_is_an_empty_value_where_there_is_one_column() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "\n\ntext\na\n\nb\n\n\n");
    let table = read(&path, DataFormat::Csv, &["text", "text"]).expect("a table");
    assert_eq!(table.column("text").expect("a column").iter().collect::<Vec<_>>(), [Some("a"), None, Some("b")]);
    assert_eq!(table.place(2).position, Position::Line(6));
    assert_eq!(table.frame().width(), 1);
}

#[test]
fn tsv_with_a_byte_order_mark() {
    assert_eq!(rows("a.tsv", "\u{feff}text\tlabel\na b\t0\n"), ["line 2: a b | 0"]);
    assert_eq!(rows_as(DataFormat::Tsv, "a.txt", "text\tlabel\n\"a\tb\"\t0\n"), ["line 2: a\tb | 0"]);
    assert_eq!(rows_as(DataFormat::TsvUnquoted, "a.txt", "text\tlabel\n\"a\"\t0\r\n"), ["line 2: \"a\" | 0"]);
}

#[test]
fn tsv_quotes_are_guessed() {
    // Paired quotes around whole fields: quoted.
    assert_eq!(rows("a.tsv", "text\tlabel\n\"a \"\"b\"\"\"\t0\n"), ["line 2: a \"b\" | 0"]);
    assert_eq!(rows("a.tsv", "text\tlabel\n\"a\nb\"\t0\n"), ["line 2: a\nb | 0"]);
    // A quote that never closes, and text after a closing one: unquoted.
    assert_eq!(rows("a.tsv", "text\tlabel\n\"a\t0\nb\t1\n"), ["line 2: \"a | 0", "line 3: b | 1"]);
    assert_eq!(rows("a.tsv", "text\tlabel\n\"a\" b\t0\n"), ["line 2: \"a\" b | 0"]);
    // Two stray quotes that make a record of two lines: unquoted.
    assert_eq!(rows("a.tsv", "text\tlabel\n\"a\t0\nb\"\t1\n"), ["line 2: \"a | 0", "line 3: b\" | 1"]);
}

#[test]
fn json_in_its_forms() {
    let expected = ["line 2: a | 1", "line 4: 2.5 | true", "line 5: ∅ | x"];
    let objects = [
        r#"{"text": "a", "label": 1.0, "more": [1]}"#,
        "{\"text\":\n2.5, \"label\": true}",
        r#"{"text": "", "label": "x"}"#,
    ];
    assert_eq!(
        rows("a.json", &format!("[\n{}\n]", objects.join(","))),
        ["at 2:1: a | 1", "at 2:42: 2.5 | true", "at 3:21: ∅ | x"]
    );
    assert_eq!(
        rows(
            "a.json",
            &format!(
                "{{\"version\": [1], \"data\": [\n{},\n\n{},\n{}]}}",
                objects[0],
                objects[1].replace('\n', ""),
                objects[2]
            )
        ),
        ["at 2:1: a | 1", "at 4:1: 2.5 | true", "at 5:1: ∅ | x"]
    );
    let lines = format!("\n{}\r\n\n{}\n{}", objects[0], objects[1].replace('\n', ""), objects[2]);
    assert_eq!(rows("a.jsonl", &lines), expected);
    assert_eq!(rows("a.ndjson", &lines), expected);
    assert_eq!(rows("a.json", &lines), expected);
    assert_eq!(rows("a.json", r#"[{"text": null, "label": 9007199254740993}]"#), ["at 1:2: ∅ | 9007199254740993"]);
}

fn write_parquet(folder: &Folder, columns: Vec<Column>) -> PathBuf {
    let path = folder.0.path().join("a.parquet");
    let mut frame = DataFrame::new(columns[0].len(), columns).expect("a frame");
    ParquetWriter::new(fs::File::create(&path).expect("a file")).finish(&mut frame).expect("a Parquet file");
    path
}

#[test]
fn parquet_values_as_text() {
    let folder = Folder::new();
    let text = || Column::new("text".into(), [Some("a"), None, Some("")]);
    let check = |label: Column, expected: [&str; 3]| {
        let list = Column::new(
            "other".into(),
            [Series::new("".into(), [1]), Series::new("".into(), [2]), Series::new("".into(), [3])],
        );
        let path = write_parquet(&folder, vec![label, text(), list]);
        let table = read(&path, DataFormat::Auto, &["text", "label"]).expect("a table");
        let [a, b, c] = expected;
        assert_eq!(shown(&table), [format!("row 1: a | {a}"), format!("row 2: ∅ | {b}"), format!("row 3: ∅ | {c}")]);
    };
    check(Column::new("label".into(), [Some(1_i64), None, Some(-3)]), ["1", "∅", "-3"]);
    check(Column::new("label".into(), [1_u8, 0, 255]), ["1", "0", "255"]);
    check(Column::new("label".into(), [1.0_f64, 0.5, 1e20]), ["1", "0.5", "100000000000000000000"]);
    check(Column::new("label".into(), [1.0_f32, 0.1, -2.0]), ["1", "0.1", "-2"]);
    check(Column::new("label".into(), [true, false, true]), ["true", "false", "true"]);
    check(
        Column::new_empty("label".into(), &DataType::Null).extend_constant(AnyValue::Null, 3).expect("nulls"),
        ["∅"; 3],
    );
}

mod broken;
mod errors;
mod forms;
mod streams;
