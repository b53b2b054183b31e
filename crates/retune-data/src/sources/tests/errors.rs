//! The text of every error that a file can give.

use expect_test::expect;

use super::*;

#[test]
fn what_is_not_there() {
    let folder = Folder::new();
    let error = |path: &Path| folder.error(read(path, DataFormat::Auto, &["text"]));
    expect![[r#"
        no.csv: no such file; a relative path starts at the working directory
    "#]]
    .assert_eq(&error(&folder.0.path().join("no.csv")));
    expect![[r#"
        no.parquet: no such file; a relative path starts at the working directory
    "#]]
    .assert_eq(&error(&folder.0.path().join("no.parquet")));
    expect![[r#"
        no.xlsx: no such file; a relative path starts at the working directory
    "#]]
    .assert_eq(&error(&folder.0.path().join("no.xlsx")));
    fs::create_dir(folder.0.path().join("data.csv")).expect("a folder");
    expect![[r#"
        data.csv: no file in this folder has the extension of a data format; name a file, or state the format
    "#]]
    .assert_eq(&error(&folder.0.path().join("data.csv")));
    expect![[r#"
        a.xlsx: the extension names no data format (.csv, .tsv, .json, .jsonl, .ndjson, .parquet, .arrow, .feather, .conll, .conllu or .txt, each also with .gz); rename the file or state its format
    "#]].assert_eq(&error(&folder.file("a.xlsx", "PK")));
}

#[test]
fn what_is_empty() {
    fails(
        "a.csv",
        "",
        expect![[r#"
        a.csv: the file is empty
    "#]],
    );
    fails(
        "a.tsv",
        "\u{feff}\n \n",
        expect![[r#"
        a.tsv: the file is empty
    "#]],
    );
    fails(
        "a.csv",
        "text,label\n\n",
        expect![[r#"
        a.csv: the file has no rows of data
    "#]],
    );
    fails(
        "a.json",
        "[]",
        expect![[r#"
        a.json: the file has no rows of data
    "#]],
    );
    fails(
        "a.jsonl",
        "\n",
        expect![[r#"
        a.jsonl: the file is empty
    "#]],
    );
    fails(
        "a.parquet",
        "",
        expect![[r#"
        a.parquet: the file is empty
    "#]],
    );
}

#[test]
fn what_is_not_utf8() {
    fails(
        "a.csv",
        b"text,label\nfine,1\ncaf\xe9,0\n",
        expect![[r#"
        a.csv:3: not UTF-8 (byte 0xE9 at offset 21); convert it, if it is WINDOWS-1252, with: iconv -f WINDOWS-1252 -t UTF-8 a.csv > a.csv.utf8
    "#]],
    );
    fails(
        "a.tsv",
        b"\xff\xfet\0e\0x\0t\0",
        expect![[r#"
        a.tsv:1: not UTF-8 (byte 0xFF at offset 0); convert it, if it is UTF-16, with: iconv -f UTF-16 -t UTF-8 a.tsv > a.tsv.utf8
    "#]],
    );
}

#[test]
fn what_has_other_fields() {
    fails(
        "a.csv",
        "text,label\na,1\n\"b\nc\",1\nd\n",
        expect![[r#"
        a.csv:5: expected 2 fields as in the header, found 1; add the missing fields (empty ones still need their commas)
    "#]],
    );
    fails(
        "a.csv",
        "text,label\nwell, yes,1\n",
        expect![[r#"
        a.csv:2: expected 2 fields as in the header, found 3; a field that holds a comma must stand in double quotes
    "#]],
    );
    fails_as(
        DataFormat::TsvUnquoted,
        "a.tsv",
        "text\tlabel\na\n",
        expect![[r#"
        a.tsv:2: expected 2 fields as in the header, found 1; add the missing fields (empty ones still need their tabs); a text must not hold a line end
    "#]],
    );
    fails(
        "a.tsv",
        "text\tlabel\n\"a\tb\"\t1\n\"c\n",
        expect![[r#"
        a.tsv:2: expected 2 fields as in the header, found 3; a text must not hold a tab
    "#]],
    );
}

#[test]
fn what_quotes_break() {
    fails(
        "a.csv",
        "text,label\n\"a,1\nb,0\n",
        expect![[r#"
        a.csv:2: the quote that opens here is never closed; close it; a field that holds quotes must stand in quotes, with each of them doubled
    "#]],
    );
    fails(
        "a.csv",
        "text,label\n\"a\nb\" c,1\n",
        expect![[r#"
        a.csv:3: text follows a closing quote; a field that holds quotes must stand in quotes, with each of them doubled
    "#]],
    );
    fails_as(
        DataFormat::Tsv,
        "a.tsv",
        "text\tlabel\n\"a\t1\n",
        expect![[r#"
        a.tsv:2: the quote that opens here is never closed; close it; if quotes are plain characters in this file, read it as TSV without quoting
    "#]],
    );
}

#[test]
fn which_separator_was_meant() {
    fails(
        "a.csv",
        "text;label\na;1\n",
        expect![[r#"
        a.csv: no column `text`; the columns are `text;label`; that is one field with semicolons in it: separate the file by commas or tabs
        a.csv: no column `label`; the columns are `text;label`; that is one field with semicolons in it: separate the file by commas or tabs
    "#]],
    );
    fails(
        "a.csv",
        "text\tlabel\na\t1\n",
        expect![[r#"
        a.csv: no column `text`; the columns are `text\tlabel`; that is one field with tabs in it: read the file as TSV
        a.csv: no column `label`; the columns are `text\tlabel`; that is one field with tabs in it: read the file as TSV
    "#]],
    );
    fails(
        "a.tsv",
        "text,label\na,1\n",
        expect![[r#"
        a.tsv: no column `text`; the columns are `text,label`; that is one field with commas in it: read the file as CSV
        a.tsv: no column `label`; the columns are `text,label`; that is one field with commas in it: read the file as CSV
    "#]],
    );
}

#[test]
fn which_columns_are_missing() {
    fails(
        "a.csv",
        "Text,labels\na,1\n",
        expect![[r#"
        a.csv: no column `text`; the columns are `Text`, `labels`; did you mean `Text`?
        a.csv: no column `label`; the columns are `Text`, `labels`; did you mean `labels`?
    "#]],
    );
    fails(
        "a.tsv",
        "text\tlabel\ttext\na\t1\t2\n",
        expect![[r#"
        a.tsv: the header names the column `text` twice; rename one of the two
    "#]],
    );
    fails(
        "a.jsonl",
        "{\"text\": \"a\", \"lable\": 1}\n",
        expect![[r#"
        a.jsonl: no column `label`; the columns are `text`, `lable`; did you mean `lable`?
    "#]],
    );
    fails(
        "a.jsonl",
        "{\"text\": \"a\", \"label\": 1}\n\n{\"text\": \"a\"}\n",
        expect![[r#"
        a.jsonl:3: the object lacks the field `label`; its fields are `text`
    "#]],
    );
}

#[test]
fn what_is_not_json() {
    fails(
        "a.jsonl",
        "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\" \"label\": 1}\n",
        expect![[r#"
        a.jsonl:2:14: not valid JSON: expected `,` or `}`; correct it there
    "#]],
    );
    fails(
        "a.jsonl",
        "{\n  \"text\": \"a\"\n}\n",
        expect![[r#"
        a.jsonl:1:1: not valid JSON: EOF while parsing an object; the text ends too early: in JSONL each line is one whole object
    "#]],
    );
    fails(
        "a.jsonl",
        "{\"text\": \"a\", \"label\": 1}\n[1]\n",
        expect![[r#"
            a.jsonl:2: the row is a list, and its 1 items have no names; give them, as in data.columns = ["text", "label"] or --columns text label
        "#]],
    );
    fails(
        "a.json",
        "[\n{\"text\": \"a\", \"label\": 1},\n{\"text\": tru}]",
        expect![[r#"
        a.json:3:13: not valid JSON: expected ident; correct it there
    "#]],
    );
    // Only the second look at an element finds that these are no characters.
    fails(
        "a.json",
        "[\n{\"text\": \"a\", \"label\": 1},\n  {\"text\":\n\"\\ud800\"}]",
        expect![[r#"
        a.json:4:8: not valid JSON: unexpected end of hex escape; correct it there
    "#]],
    );
    fails(
        "a.json",
        "{\"train\": [[\"a\", \"1\"]]}",
        expect![[r#"
            a.json:1:12: the row is a list, and its 2 items have no names; give them, as in data.columns = ["text", "label"] or --columns text label
        "#]],
    );
    fails(
        "a.json",
        "{\"train\": [{}], \"dev\": [{}]}",
        expect![[r#"
            a.json: the document holds several arrays of rows: `dev`, `train`; choose one, as in a.json#train
        "#]],
    );
    fails(
        "a.json",
        "\"text\"",
        expect![[r#"
            a.json:1:1: expected an array of objects or of lists, or an object that holds one, found a string
        "#]],
    );
    fails(
        "a.json",
        "[1]",
        expect![[r#"
            a.json:1:2: expected an object, as {"text": …}, or a list, found a number
        "#]],
    );
}

#[test]
fn what_is_of_a_wrong_type() {
    fails(
        "a.jsonl",
        "{\"text\": \"a\", \"label\": [\"x\"]}\n",
        expect![[r#"
        a.jsonl:1: column `label` holds a list; texts and labels must be text, numbers or true/false
    "#]],
    );
    fails(
        "a.jsonl",
        "{\"text\": {\"en\": \"a\"}, \"label\": 1}\n",
        expect![[r#"
        a.jsonl:1: column `text` holds an object; texts and labels must be text, numbers or true/false
    "#]],
    );
    let folder = Folder::new();
    let list = Column::new("label".into(), [Series::new("".into(), [1])]);
    let path = write_parquet(&folder, vec![list, Column::new("txet".into(), ["a"])]);
    expect![[r#"
        a.parquet: no column `text`; the columns are `label`, `txet`; did you mean `txet`?
        a.parquet, row 1: column `label` holds lists; texts and labels must be text, numbers or true/false
    "#]]
    .assert_eq(&folder.error(read(&path, DataFormat::Auto, &["text", "label"])));
    let path = write_parquet(&folder, vec![Column::new("text".into(), [&b"a"[..]])]);
    expect![[r#"
        a.parquet, row 1: column `text` holds bytes; texts and labels must be text, numbers or true/false
    "#]]
    .assert_eq(&folder.error(read(&path, DataFormat::Auto, &["text"])));
}

#[test]
fn parquet_that_is_cut_or_is_none() {
    let folder = Folder::new();
    let texts: Vec<String> = (0..500).map(|i| format!("text number {i}")).collect();
    let path = write_parquet(&folder, vec![Column::new("text".into(), texts)]);
    let whole = fs::read(&path).expect("bytes");
    let error = |bytes: &[u8]| folder.error(read(&folder.file("b.parquet", bytes), DataFormat::Auto, &["text"]));
    expect![[r#"
        b.parquet: not a readable Parquet file (parquet: File out of specification: The file must end with PAR1); it may be cut short: write or download it again
    "#]].assert_eq(&error(&whole[..whole.len() / 2]));
    expect![[r#"
        b.parquet: not a readable Parquet file (parquet: File out of specification: A Parquet file must contain a header and footer with at least 12 bytes); it may be cut short: write or download it again
    "#]].assert_eq(&error(b"text,label\n"));
    let mut corrupt = whole.clone();
    corrupt[10..60].fill(0xFF);
    expect![[r#"
        b.parquet: not a readable Parquet file (parquet: File out of specification: Invalid thrift: bad data); it may be cut short: write or download it again
    "#]].assert_eq(&error(&corrupt));
    for place in (0..whole.len()).step_by(7) {
        // Some wrong bytes are values; of the others none may be a panic.
        let mut corrupt = whole.clone();
        corrupt[place] ^= 0x55;
        if let Err(error) = read(&folder.file("b.parquet", corrupt), DataFormat::Auto, &["text"]) {
            assert!(
                matches!(
                    error,
                    DataError::Columnar { .. }
                        | DataError::MissingColumn { .. }
                        | DataError::NoRows { .. }
                        | DataError::WrongType { .. }
                ),
                "{error}"
            );
        }
    }
    for kept in (0..whole.len()).step_by(97) {
        assert!(read(&folder.file("b.parquet", &whole[..kept]), DataFormat::Auto, &["text"]).is_err(), "{kept} bytes");
    }
}
