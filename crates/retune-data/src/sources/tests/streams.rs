//! A stream equals the whole, wherever blocks and tables end: rows, places, errors.

use proptest::prelude::*;

use super::forms::{arrow_stream, form, gzip};
use super::*;

/// The rows of a table, or several: places, and each wanted column.
type Rows = Vec<(String, Vec<String>)>;

fn rows_of(tables: &[Table], wanted: &[Wanted<'_>]) -> Rows {
    let of_table = |table: &Table| {
        let columns: Vec<Vec<String>> = wanted
            .iter()
            .map(|wanted| match wanted {
                Wanted::Text(name) => {
                    table.column(name).expect("texts").iter().map(|text| format!("{text:?}")).collect()
                }
                _ => table.lists(wanted.name()).expect("lists").iter().map(|items| format!("{items:?}")).collect(),
            })
            .collect();
        let row = |row| (table.place(row).to_string(), columns.iter().map(|column| column[row].clone()).collect());
        (0..table.len()).map(row).collect::<Rows>()
    };
    tables.iter().flat_map(of_table).collect()
}

fn read_with(path: &Path, form: &Form, wanted: &[Wanted<'_>], limits: Limits) -> Result<Vec<Table>, String> {
    let tables = TableStream::new(path, form, wanted, limits).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    tables.map_err(|error| error.to_string())
}

/// Reads as a stream and whole, plain and compressed.
fn check(name: &str, content: &[u8], form: &Form, wanted: &[Wanted<'_>], limits: Limits) -> Result<(), TestCaseError> {
    let folder = Folder::new();
    for (name, content) in [(name.to_owned(), content.to_vec()), (format!("{name}.gz"), gzip(content))] {
        let path = folder.file(&name, content);
        let whole = read_columns(&path, form, wanted).map_err(|error| error.to_string());
        let tables = read_with(&path, form, wanted, limits);
        match (whole, tables) {
            (Ok(whole), Ok(tables)) => {
                prop_assert!(tables.iter().all(|table| table.path() == path));
                prop_assert_eq!(rows_of(&tables, wanted), rows_of(&[whole], wanted));
            }
            (whole, tables) => prop_assert_eq!(tables.err(), whole.err()),
        }
    }
    Ok(())
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..12_usize, 1..40_usize, 1..6_usize).prop_map(|(block, bytes, rows)| Limits { block, bytes, rows })
}

/// Pieces of a form in any order: now and then a file, more often nearly one.
fn pieces(pieces: &'static [&'static [u8]], count: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(pieces), 0..count).prop_map(|pieces| pieces.concat())
}

const TEXT: Wanted<'_> = Wanted::Text("text");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn csv(
        body in pieces(&[b"a,1\n", b"a,1\n", b"\"b,\n\"\"c\",2\r\n", b",\n", b"\n", b"\r\n", b"\"", b"\xc3\xa9,3\n", b"a\r,4", b"\xe9", b"x,y,z\n"], 8),
        header in prop::sample::select(vec!["text,label\n", "\u{feff}\r\n\ntext,label\r\n", "label,\"text\"\n", "txt,label\n", ""]),
        limits in limits(),
    ) {
        let wanted = [TEXT, Wanted::Separated("label", ';')];
        let content = [header.as_bytes(), &body].concat();
        check("a.csv", &content, &Form::default(), &wanted, limits)?;
        check("a.csv", &content, &form(DataFormat::Csv, &["text", "label"]), &wanted, limits)?;
    }

    #[test]
    fn one_column(
        body in pieces(&[b"a\n", b"\n", b"\r\n", b"\"\"\n", b"\"b\nc\"\n", b" ", b"text\n"], 10),
        limits in limits(),
    ) {
        check("a.csv", &[b"text\n", &body[..]].concat(), &Form::default(), &[TEXT], limits)?;
        check("a.csv", &body, &form(DataFormat::Csv, &["text"]), &[TEXT], limits)?;
        check("a.csv", &body, &Form::default(), &[TEXT], limits)?;
    }

    #[test]
    fn tsv(
        body in pieces(&[b"a\t1\n", b"b\t2\n", b"\"c\t3\n", b"d\"\t4\n", b"\"e\nf\"\t5\n", b"g \"h\"\t6\n", b"\"i\"\t7\r\n", b"x\n", b"\xe9"], 7),
        limits in limits(),
    ) {
        let content = [b"text\tlabel\n", &body[..]].concat();
        for format in [DataFormat::Auto, DataFormat::Tsv, DataFormat::TsvUnquoted] {
            check("a.tsv", &content, &form(format, &[]), &[TEXT, Wanted::Text("label")], limits)?;
        }
    }

    #[test]
    fn json(
        body in pieces(&[b"{\"text\": \"a\", \"tags\": [1]}\n", b"{\"text\": \"b\", \"tags\": null}\r\n", b"{\"text\":", b" \"c\"}\n", b"\n", b" \n", b"{\"text\": \"d\"}\n", b"[\"e\", [2]]\n", b"[", b"]", b",", b"\xc3\xa9"], 7),
        limits in limits(),
    ) {
        let wanted = [TEXT, Wanted::List("tags")];
        for name in ["a.jsonl", "a.json"] {
            check(name, &body, &Form::default(), &wanted, limits)?;
            check(name, &body, &form(DataFormat::Auto, &["text", "tags"]), &wanted, limits)?;
        }
    }

    #[test]
    fn plain_text(
        body in pieces(&[b"a\n", b"\n", b" \r\n", b"\xc3\xa9 b\r\n", b"\xe2\x80\xa8\n", b"c", b"\xff"], 10),
        limits in limits(),
    ) {
        check("a.txt", &body, &Form::default(), &[TEXT], limits)?;
        check("a.txt", &body, &Form::default(), &[Wanted::List("text")], limits)?;
    }

    #[test]
    fn conll(
        body in pieces(&[b"a\tO\n", b"b\tB-x\r\n", b"\n", b" \n", b"# c\n", b"-DOCSTART-\tO\n", b"d O\n", b"e\n", b"f\tO", b"\xff"], 12),
        limits in limits(),
    ) {
        check("a.conll", &body, &Form::default(), &[Wanted::List("tokens"), Wanted::List("tags")], limits)?;
    }
}

/// A frame of texts and lists, with a null in a list of one row or of none.
fn frame(rows: usize, null_at: usize) -> DataFrame {
    let texts: Vec<_> = (0..rows).map(|row| (row % 5 != 2).then(|| "é".repeat(row % 17))).collect();
    let lists: Vec<_> = (0..rows)
        .map(|row| Series::new("".into(), [Some(format!("item {row}")), (row != null_at).then(|| "x".to_owned())]))
        .collect();
    let columns = vec![Column::new("text".into(), texts), Column::new("tags".into(), lists)];
    DataFrame::new(rows, columns).expect("a frame")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn typed_forms(rows in 0..60_usize, null_at in 0..200_usize, group in 1..30_usize, mut limits in limits()) {
        // In rows and bytes of a size that cuts groups now, and joins them now.
        limits = Limits { bytes: limits.bytes * 60, rows: limits.rows * 5, ..limits };
        let wanted = [Wanted::List("tags"), TEXT];
        let mut frame = frame(rows, null_at);
        let mut parquet = Vec::new();
        ParquetWriter::new(&mut parquet).with_row_group_size(Some(group)).finish(&mut frame).expect("memory");
        check("a.parquet", &parquet, &Form::default(), &wanted, limits)?;
        let mut file = Vec::new();
        IpcWriter::new(&mut file).with_record_batch_size(Some(group)).finish(&mut frame).expect("memory");
        check("a.feather", &file, &Form::default(), &wanted, limits)?;
        check("a.arrow", &arrow_stream(&mut frame), &Form::default(), &wanted, limits)?;
    }
}

#[test]
fn tables_are_of_bounded_size() {
    let folder = Folder::new();
    let lines = |from: usize| (from..from + 10).map(|row| format!("{{\"text\": \"row {row}\"}}\n")).collect::<String>();
    folder.file("part-0.jsonl", lines(0));
    folder.file("part-1.jsonl", lines(10));
    let heights = |block, bytes, rows| {
        let limits = Limits { block, bytes, rows };
        let tables = read_with(folder.0.path(), &Form::default(), &[TEXT], limits).expect("tables");
        tables.iter().map(Table::len).collect::<Vec<_>>()
    };
    assert_eq!(heights(1 << 10, 1 << 10, 4), [4, 4, 2, 4, 4, 2]);
    // A line of the first file is 18 bytes long, and one of the second 19.
    assert_eq!(heights(1, 40, 1 << 10), [3, 3, 3, 1, 3, 3, 3, 1]);
    assert_eq!(heights(1 << 10, usize::MAX, usize::MAX), [10, 10]);
}

#[test]
fn an_error_is_the_last_that_comes() {
    let folder = Folder::new();
    folder.file("part-0.csv", "text\na\nb\n");
    folder.file("part-1.csv", "txt\na\n");
    folder.file("part-2.csv", "text\nc\n");
    let limits = Limits { block: 4, bytes: 4, rows: 1 };
    let form = Form::default();
    let mut stream = TableStream::new(folder.0.path(), &form, &[TEXT], limits).expect("a stream");
    let next = |stream: &mut TableStream<'_>| stream.next().map(|table| table.map(|table| table.len()));
    assert!(matches!(next(&mut stream), Some(Ok(1))));
    assert!(matches!(next(&mut stream), Some(Ok(1))));
    assert!(matches!(next(&mut stream), Some(Err(DataError::MissingColumn { .. }))));
    assert!(next(&mut stream).is_none());
}
