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

#[test]
fn pieces_are_one_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let column = |name: &str, values| OutputColumn { name: name.into(), values };
    let rows = |rows: std::ops::Range<usize>| {
        vec![
            column("text", OutputValues::Text(rows.clone().map(|row| format!("row \"{row}\",\n")).collect())),
            column("class", OutputValues::MaybeInteger(rows.clone().map(|row| (row % 2 == 0).then_some(7)).collect())),
            column("p", OutputValues::Float(rows.clone().map(|row| row as f64 / 7.0).collect())),
            column("v", OutputValues::Vector(rows.map(|row| vec![row as f32; row % 3]).collect())),
        ]
    };
    for extension in ["csv", "tsv", "jsonl", "parquet"] {
        let (whole, pieces) =
            (folder.path().join("a").with_extension(extension), folder.path().join("b").with_extension(extension));
        write_table(&whole, rows(0..10)).expect("a table");
        let mut writer = TableWriter::create(&pieces).expect("a writer");
        for piece in [0..1, 1..3, 3..10] {
            writer.write(rows(piece)).expect("a piece");
            assert!(!pieces.exists() && writer.partial().exists());
        }
        writer.finish().expect("a table");
        match extension {
            "parquet" => {
                let read = |path| ParquetReader::new(File::open(path).expect("a file")).finish().expect("a table");
                assert!(read(whole).equals_missing(&read(pieces)));
            }
            _ => assert_eq!(fs::read_to_string(whole).expect("text"), fs::read_to_string(pieces).expect("text")),
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 8);
}

#[test]
fn a_piece_of_other_columns_is_refused_and_nothing_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    for extension in ["csv", "tsv", "jsonl", "parquet"] {
        let mut writer = TableWriter::create(&folder.path().join("a").with_extension(extension)).expect("a writer");
        writer.write(predictions()).expect("a piece");
        for wrong in [predictions()[1..].to_vec(), predictions().into_iter().rev().collect()] {
            assert!(matches!(writer.write(wrong), Err(DataError::WriteTable { .. })));
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
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
