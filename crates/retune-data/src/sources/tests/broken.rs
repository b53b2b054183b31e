//! Each form broken in at least five ways, and the message for each.

use expect_test::expect;

use super::forms::{arrow_file, arrow_stream, form, gzip};
use super::*;

/// The messages of several files of one form.
#[track_caller]
fn breaks(form: &Form, wanted: &[Wanted<'_>], files: &[(&str, &[u8])], expected: Expect) {
    let messages = files.iter().map(|(name, content)| {
        let folder = Folder::new();
        let (file, _) = name.split_once('#').unwrap_or((name, ""));
        folder.file(file, content);
        folder.error(read_columns(&folder.0.path().join(name), form, wanted))
    });
    expected.assert_eq(&messages.collect::<String>());
}

const PAIR: &[Wanted<'_>] = &[Wanted::Text("text"), Wanted::Text("label")];
const TAGS: &[Wanted<'_>] = &[Wanted::List("tokens"), Wanted::List("tags")];

#[test]
fn files_without_a_header() {
    let names = form(DataFormat::Auto, &["text", "label"]);
    breaks(
        &names,
        PAIR,
        &[
            ("a.csv", b"a,1\n\"b,2\n"),
            ("a.csv", b"a,1,x\n"),
            ("a.csv", b"a,1\nb\n"),
            ("a.csv", b"text,label\na,1\n"),
            ("a.csv", b"a,1\n\xe9,2\n"),
            ("a.csv", b"\n\n"),
        ],
        expect![[r#"
            a.csv:2: the quote that opens here is never closed; close it; a field that holds quotes must stand in quotes, with each of them doubled
            a.csv:1: expected 2 fields as data.columns names them, found 3; a field that holds a comma must stand in double quotes
            a.csv:2: expected 2 fields as data.columns names them, found 1; add the missing fields (empty ones still need their commas)
            a.csv:1: this is a header, `text`, `label`, and data.columns names the columns of files without one; leave data.columns out
            a.csv:2: not UTF-8 (byte 0xE9 at offset 4); convert it, if it is WINDOWS-1252, with: iconv -f WINDOWS-1252 -t UTF-8 a.csv > a.csv.utf8
            a.csv: the file is empty
        "#]],
    );
    breaks(
        &names,
        &[Wanted::Text("sentence")],
        &[("a.tsv", b"a\t1\n")],
        expect![[r#"
        a.tsv: no column `sentence`; the columns are `text`, `label`
    "#]],
    );
    breaks(
        &names,
        &[Wanted::List("label")],
        &[("a.tsv", b"a\t1\n")],
        expect![[r#"
        a.tsv:1: column `label` holds a text; a list of texts is wanted, as ["a", "b"]
    "#]],
    );
}

#[test]
fn gzip_files() {
    let whole = gzip("text,label\n".to_owned() + &"a,1\n".repeat(1000) + "caf\u{e9},0\n");
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    let latin = gzip(b"text,label\ncaf\xe9,0\n");
    breaks(
        &Form::default(),
        PAIR,
        &[
            ("a.csv.gz", &whole[..whole.len() - 20]),
            ("a.csv.gz", &flipped),
            ("a.csv.gz", &[&whole[..], b"tail"].concat()),
            ("a.csv.gz", b"text,label\na,1\n"),
            ("a.csv.gz", b""),
            ("a.csv.gz", &gzip("")),
            ("a.csv.gz", &latin),
            ("a.gz", &whole),
            ("a.csv.gz", &gzip("text,label\na\n")),
        ],
        expect![[r#"
            a.csv.gz: the gzip file is cut short or damaged after 3110 bytes of its content (incomplete deflate stream); copy or download it again
            a.csv.gz: the gzip file is cut short or damaged after 4019 bytes of its content (corrupt gzip stream does not have a matching checksum); copy or download it again
            a.csv.gz: the gzip file is cut short or damaged after 4019 bytes of its content (unexpected end of file); copy or download it again
            a.csv.gz: the name ends in .gz, but the content is not gzip; rename the file, or compress it
            a.csv.gz: the file is empty
            a.csv.gz: the file is empty
            a.csv.gz:2: not UTF-8 (byte 0xE9 at offset 14); convert it, if it is WINDOWS-1252, with: gzip -dc a.csv.gz | iconv -f WINDOWS-1252 -t UTF-8 > a.csv
            a.gz: the extension names no data format (.csv, .tsv, .json, .jsonl, .ndjson, .parquet, .arrow, .feather, .conll, .conllu or .txt, each also with .gz); rename the file or state its format
            a.csv.gz:2: expected 2 fields as in the header, found 1; add the missing fields (empty ones still need their commas)
        "#]],
    );
}

#[test]
fn nested_json_and_lists() {
    let nested = [Wanted::Text("a.text"), Wanted::List("a.tags")];
    breaks(
        &Form::default(),
        &nested,
        &[
            ("a.jsonl", br#"{"a": {"txet": "x", "tags": ["y"]}, "b": 1}"#),
            ("a.jsonl", b"{\"a\": {\"text\": \"x\", \"tags\": [\"y\"]}}\n{\"a\": {\"text\": \"x\"}}"),
            ("a.jsonl", br#"{"a": {"text": ["x"], "tags": ["y"]}}"#),
            ("a.jsonl", br#"{"a": {"text": "x", "tags": "y"}}"#),
            ("a.jsonl", br#"{"a": {"text": "x", "tags": ["y", null]}}"#),
            ("a.jsonl", br#"{"a": {"text": "x", "tags": [["y"]]}}"#),
            ("a.jsonl", br#"{"a": {"text": "x", "tags": ["y"}}"#),
            ("a.json", br#"[{"a": {"text": "x", "tags": []}}, {"a": {"text": {}, "tags": []}}]"#),
        ],
        expect![[r#"
            a.jsonl: no column `a.text`; the columns are `a.txet`, `a.tags`, `b`; did you mean `a.txet`?
            a.jsonl:2: the object lacks the field `a.tags`; its fields are `a.text`
            a.jsonl:1: column `a.text` holds a list; texts and labels must be text, numbers or true/false
            a.jsonl:1: column `a.tags` holds a string; a list of texts is wanted, as ["a", "b"]
            a.jsonl:1: column `a.tags` holds a list whose item 2 is null; a list of texts is wanted, as ["a", "b"]
            a.jsonl:1: column `a.tags` holds a list whose item 1 is a list; a list of texts is wanted, as ["a", "b"]
            a.jsonl:1:33: not valid JSON: expected `,` or `]`; correct it there
            a.json:1:36: column `a.text` holds an object; texts and labels must be text, numbers or true/false
        "#]],
    );
    breaks(
        &Form::default(),
        &[Wanted::Text("text")],
        &[("a.jsonl", br#"{"a": {"text": "x"}}"#)],
        expect![[r#"
        a.jsonl: no column `text`; the columns are `a.text`
    "#]],
    );
}

#[test]
fn json_rows_that_are_lists() {
    let two = br#"[["a", 1], ["b", 2]]"#;
    breaks(
        &Form::default(),
        PAIR,
        &[("a.json", two), ("a.jsonl", b"[\"a\", 1]\n")],
        expect![[r#"
            a.json:1:2: the row is a list, and its 2 items have no names; give them, as in data.columns = ["text", "label"] or --columns text label
            a.jsonl:1: the row is a list, and its 2 items have no names; give them, as in data.columns = ["text", "label"] or --columns text label
        "#]],
    );
    breaks(
        &form(DataFormat::Auto, &["text", "label"]),
        PAIR,
        &[
            ("a.json", br#"[["a", 1], ["b", 2, 3]]"#),
            ("a.json", br#"[["a", 1], "b"]"#),
            ("a.json", br#"[["a", {"b": 1}]]"#),
            ("a.json", br#"[["a", 1], ["b", 2"#),
            ("a.json", b"[[\"a\", 1],\n [\"\xe9\", 2]]"),
        ],
        expect![[r#"
            a.json:1:12: expected 2 fields as data.columns names them, found 3; every row must have an item for each name
            a.json:1:12: expected an object, as {"text": …}, or a list, found a string
            a.json:1:2: column `label` holds an object; texts and labels must be text, numbers or true/false
            a.json:1:18: not valid JSON: EOF while parsing a list; the document ends too early: write or download it again
            a.json:2: not UTF-8 (byte 0xE9 at offset 14); convert it, if it is WINDOWS-1252, with: iconv -f WINDOWS-1252 -t UTF-8 a.json > a.json.utf8
        "#]],
    );
    breaks(
        &form(DataFormat::Auto, &["x", "label"]),
        PAIR,
        &[("a.json", two)],
        expect![[r#"
        a.json: no column `text`; the columns are `x`, `label`
    "#]],
    );
}

#[test]
fn arrays_of_a_document() {
    let names = form(DataFormat::Auto, &["text", "label"]);
    let splits = br#"{"train": [["a", 1]], "val": [["b", 2]], "oos": {"val": [["c", 3]]}, "sizes": [1, 2]}"#;
    breaks(
        &names,
        PAIR,
        &[
            ("a.json", splits),
            ("a.json#trian", splits),
            ("a.json#sizes", splits),
            ("a.json", br#"{"sizes": [1, 2]}"#),
            ("a.json#train", br#"[["a", 1]]"#),
            ("a.json#train", br#"{"train": [["a", 1]"#),
            ("a.json#train", br#"{"train": []}"#),
            ("a.csv#train", b"a,1\n"),
            ("a.jsonl#train", b"[\"a\", 1]\n"),
        ],
        expect![[r#"
            a.json: the document holds several arrays of rows: `oos.val`, `train`, `val`; choose one, as in a.json#train
            a.json: no array of rows at `trian`; the document holds `oos.val`, `train`, `val`; did you mean `train`?
            a.json: no array of rows at `sizes`; the document holds `oos.val`, `train`, `val`
            a.json: the document holds no array of objects or of lists, as [{"text": …}, …]
            a.json: no array of rows at `train`; the document holds none
            a.json:1:19: not valid JSON: EOF while parsing a list; the document ends too early: write or download it again
            a.json: the file has no rows of data
            a.csv: `#train` chooses among the arrays of a JSON document, and this file is read as CSV; leave it out
            a.jsonl: `#train` chooses among the arrays of a JSON document, and this file is read as JSONL; leave it out
        "#]],
    );
}

#[test]
fn conll() {
    breaks(
        &Form::default(),
        TAGS,
        &[
            ("a.conll", b"a\tO\nb\n"),
            ("a.conll", b"a\tO\nb\tO\tO\n"),
            ("a.conll", b"a\nb\n"),
            ("a.conll", b"-DOCSTART-\n\n# only a comment\n"),
            ("a.conll", b"a O\n\xe9 O\n"),
            ("a.conll", b"a O\n\nb O extra\n"),
            ("a.conll", b""),
        ],
        expect![[r#"
            a.conll:2: expected 2 fields as on the first line of tokens, found 1; a token has its tags on its own line, and a sentence ends with an empty line
            a.conll:2: expected 2 fields as on the first line of tokens, found 3; a token must not hold what sets the fields apart
            a.conll: no column `tags`; the columns are `tokens`
            a.conll: the file has no rows of data
            a.conll:2: not UTF-8 (byte 0xE9 at offset 4); convert it, if it is WINDOWS-1252, with: iconv -f WINDOWS-1252 -t UTF-8 a.conll > a.conll.utf8
            a.conll:3: expected 2 fields as on the first line of tokens, found 3; a token must not hold what sets the fields apart
            a.conll: the file is empty
        "#]],
    );
    let names = form(DataFormat::Auto, &["word", "tag"]);
    breaks(
        &names,
        TAGS,
        &[("a.conll", b"a\tO\n")],
        expect![[r#"
        a.conll: no column `tokens`; the columns are `word`, `tag`
        a.conll: no column `tags`; the columns are `word`, `tag`; did you mean `tag`?
    "#]],
    );
    breaks(
        &names,
        &[Wanted::Text("word")],
        &[("a.conll", b"\na\tO\n"), ("a.conll", b"\na\tNN\tO\n")],
        expect![[r#"
            a.conll:2: column `word` holds lists; texts and labels must be text, numbers or true/false
            a.conll:2: expected 2 fields as data.columns names them, found 3; name every column of the file
        "#]],
    );
}

#[test]
fn squad() {
    let paragraph =
        |qas: &str| format!("{{\"data\": [{{\"paragraphs\": [\n{{\"context\": \"C\", \"qas\": [{qas}]}}]}}]}}");
    let files = [
        paragraph(r#"{"id": "1"}"#),
        paragraph(r#"{"question": "Q", "answers": [{"text": "C"}, {"text": "C", "answer_start": 0}]}"#),
        paragraph(r#"{"question": "Q", "answers": [{"answer_start": 0}]}"#),
        paragraph(r#"{"question": "Q", "answers": [{"text": "C", "answer_start": -1}]}"#),
        paragraph(r#"{"question": "Q", "answers": {"text": ["C"]}}"#),
        paragraph(r#"{"question": "Q", "answers": [3]}"#),
        paragraph(r#"{"question": "Q", "is_impossible": "no"}"#),
        "{\"data\": [{\"paragraphs\": [{\"context\": 1, \"qas\": []}]}]}".to_owned(),
        "{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}".to_owned(),
        "{\"data\": [{\"paragraphs\": []}]}".to_owned(),
        "{\"data\": [{\"paragraphs\": [{\"context\": \"C\"".to_owned(),
        "[{\"context\": \"C\", \"qas\": [{\"question\": \"Q\", \"answer\": 3}]}]".to_owned(),
    ];
    let files: Vec<_> = files.iter().map(|content| ("a.json", content.as_bytes())).collect();
    let wanted = [Wanted::Text("question"), Wanted::List("answers.text")];
    breaks(
        &form(DataFormat::Squad, &[]),
        &wanted,
        &files,
        expect![[r#"
            a.json:2:36: not in the form of SQuAD: missing field `question`
            a.json:2:26: expected an `answer_start` for each of the answers, or for none, found one for some of them
            a.json:2:74: not in the form of SQuAD: missing field `text`
            a.json:2:87: not in the form of SQuAD: invalid value: integer `-1`, expected u64
            a.json:2:54: not in the form of SQuAD: invalid type: map, expected a sequence
            a.json:2:56: not in the form of SQuAD: invalid type: integer `3`, expected the text of an answer, or an object with `text` and `answer_start`
            a.json:2:64: not in the form of SQuAD: invalid type: string "no", expected a boolean
            a.json:1:39: not in the form of SQuAD: invalid type: integer `1`, expected a string
            a.json:1:37: not in the form of SQuAD: missing field `context`
            a.json: the file has no rows of data
            a.json:1:41: not valid JSON: EOF while parsing an object; the document ends too early: write or download it again
            a.json:1:55: not in the form of SQuAD: invalid type: integer `3`, expected the text of an answer, or an object with `text` and `answer_start`
        "#]],
    );
    let wrong = [Wanted::Text("qestion"), Wanted::Text("answers.text"), Wanted::List("context")];
    breaks(
        &form(DataFormat::Squad, &[]),
        &wrong,
        &files[..1],
        expect![[r#"
        a.json: no column `qestion`; the columns are `id`, `title`, `context`, `question`, `answers.text`, `answers.answer_start`, `is_impossible`; did you mean `question`?
        a.json:1:1: column `answers.text` holds lists; texts and labels must be text, numbers or true/false
        a.json:1:1: column `context` holds texts; a list of texts is wanted, as ["a", "b"]
    "#]],
    );
}

#[test]
fn plain_text() {
    let text = &[Wanted::Text("text")];
    breaks(
        &Form::default(),
        text,
        &[("a.txt", b"one\ncaf\xe9\n"), ("a.txt", b""), ("a.txt", b"\n \n"), ("a.txt", b"\xff\xfea\0")],
        expect![[r#"
            a.txt:2: not UTF-8 (byte 0xE9 at offset 7); convert it, if it is WINDOWS-1252, with: iconv -f WINDOWS-1252 -t UTF-8 a.txt > a.txt.utf8
            a.txt: the file is empty
            a.txt: the file is empty
            a.txt:1: not UTF-8 (byte 0xFF at offset 0); convert it, if it is UTF-16, with: iconv -f UTF-16 -t UTF-8 a.txt > a.txt.utf8
        "#]],
    );
    breaks(
        &form(DataFormat::Text, &["a", "b"]),
        text,
        &[("a.txt", b"one\n")],
        expect![[r#"
            a.txt: plain text has one column, and data.columns names 2
        "#]],
    );
    breaks(
        &form(DataFormat::Text, &["a"]),
        text,
        &[("a.txt", b"one\n")],
        expect![[r#"
        a.txt: no column `text`; the columns are `a`
    "#]],
    );
    breaks(
        &Form::default(),
        &[Wanted::List("text")],
        &[("a.txt", b"\none\n")],
        expect![[r#"
        a.txt:2: column `text` holds texts; a list of texts is wanted, as ["a", "b"]
    "#]],
    );
}

#[test]
fn folders_and_patterns() {
    let folder = Folder::new();
    for name in ["empty", "mixed", "shards", "text"] {
        fs::create_dir(folder.0.path().join(name)).expect("a folder");
    }
    for (name, content) in [
        ("mixed/a.csv.gz", &b"text,label\na,1\n"[..]),
        ("mixed/b.jsonl", b"{}"),
        ("shards/a.csv", b"text,label\na,1\n"),
        ("shards/b.csv", b"text,lable\nb,1\n"),
        ("shards/c.csv", b"text,label\n"),
        ("text/README.md", b"# A"),
    ] {
        folder.file(name, content);
    }
    let paths =
        ["empty", "text", "mixed", "shards", "shards/[ac].csv", "none-*.csv", "shards/a***.csv", "shards/no.csv"];
    let messages =
        paths.map(|path| folder.error(read(&folder.0.path().join(path), DataFormat::Auto, &["text", "label"])));
    expect![[r#"
        empty: no file in this folder has the extension of a data format; name a file, or state the format
        text: no file in this folder has the extension of a data format; name a file, or state the format
        mixed: the files are of different forms, as mixed/a.csv.gz and mixed/b.jsonl; name those of one form by a pattern, such as mixed/*.csv
        shards/b.csv: no column `label`; the columns are `text`, `lable`; did you mean `lable`?
        shards/c.csv: the file has no rows of data
        none-*.csv: no file matches this pattern
        shards/a***.csv: not a pattern of files: wildcards are either regular `*` or recursive `**`
        shards/no.csv: no such file; a relative path starts at the working directory
    "#]].assert_eq(&messages.concat());
}

#[test]
fn typed_columns_that_are_not_as_wanted() {
    let folder = Folder::new();
    let list = |name: &str, items: Series| Column::new(name.into(), [items]);
    let inner = StructChunked::from_series("a".into(), 1, [Series::new("x".into(), ["b"])].iter()).expect("a struct");
    let path = write_parquet(
        &folder,
        vec![
            list("tags", Series::new("".into(), ["x"])),
            list("holes", Series::new("".into(), [Some("x"), None])),
            list("bytes", Series::new("".into(), [&b"x"[..]])),
            Column::new("text".into(), ["b"]),
            inner.into_series().into_column(),
        ],
    );
    let wanted = [
        Wanted::Text("tags"),
        Wanted::List("text"),
        Wanted::List("bytes"),
        Wanted::Text("a"),
        Wanted::Text("a.y"),
        Wanted::Text("x"),
        Wanted::Text("text.x"),
    ];
    expect![[r#"
        a.parquet, row 1: column `tags` holds lists; texts and labels must be text, numbers or true/false
        a.parquet, row 1: column `text` holds no lists; a list of texts is wanted, as ["a", "b"]
        a.parquet, row 1: column `bytes` holds lists of bytes; a list of texts is wanted, as ["a", "b"]
        a.parquet, row 1: column `a` holds structs; texts and labels must be text, numbers or true/false
        a.parquet: no column `a.y`; the columns are `tags`, `holes`, `bytes`, `text`, `a.x`; did you mean `a.x`?
        a.parquet: no column `x`; the columns are `tags`, `holes`, `bytes`, `text`, `a.x`
        a.parquet: no column `text.x`; the columns are `tags`, `holes`, `bytes`, `text`, `a.x`; did you mean `text`?
    "#]]
    .assert_eq(&folder.error(read_columns(&path, &Form::default(), &wanted)));
    expect![[r#"
        a.parquet, row 1: column `holes` holds a list whose item 2 is null; a list of texts is wanted, as ["a", "b"]
    "#]]
    .assert_eq(&folder.error(read_columns(&path, &Form::default(), &[Wanted::List("holes")])));
}

#[test]
fn arrow() {
    let texts: Vec<String> = (0..500).map(|i| format!("text number {i}")).collect();
    let mut frame = DataFrame::new(500, vec![Column::new("text".into(), texts)]).expect("a frame");
    let (file, stream) = (arrow_file(&mut frame), arrow_stream(&mut frame));
    breaks(
        &Form::default(),
        &[Wanted::Text("text")],
        &[
            ("a.feather", &file[..file.len() / 2]),
            ("a.arrow", &stream[..stream.len() / 2]),
            ("a.arrow", &stream[..stream.len() - 8]),
            ("a.arrow", b"text,label\n"),
            ("a.feather", b"FEA1\0\0"),
            ("a.arrow", b""),
            ("a.arrow.gz", &file),
        ],
        expect![[r#"
            a.feather: not a readable Arrow file (out-of-spec: InvalidFooter); it may be cut short: write or download it again
            a.arrow: not a readable Arrow file (the stream has no end); it may be cut short: write or download it again
            a.arrow: not a readable Arrow file (the stream has no end); it may be cut short: write or download it again
            a.arrow: not a readable Arrow file (it begins neither like a file nor like a stream); it may be cut short: write or download it again
            a.feather: not a readable Arrow file (Feather version 1, which nobody writes any more; write it as version 2); it may be cut short: write or download it again
            a.arrow: the file is empty
            a.arrow.gz: the name ends in .gz, but the content is not gzip; rename the file, or compress it
        "#]],
    );
    breaks(
        &Form::default(),
        &[Wanted::Text("txt")],
        &[("a.arrow", &stream)],
        expect![[r#"
        a.arrow: no column `txt`; the columns are `text`; did you mean `text`?
    "#]],
    );
    // Some wrong bytes are values; of the others none may be a panic.
    for whole in [file, stream] {
        let folder = Folder::new();
        for place in (0..whole.len()).step_by(11) {
            let mut corrupt = whole.clone();
            corrupt[place] ^= 0x55;
            if let Err(error) = read(&folder.file("b.arrow", corrupt), DataFormat::Auto, &["text"]) {
                assert!(!matches!(error, DataError::Read { .. }), "{error}");
            }
        }
        for kept in (0..whole.len()).step_by(97) {
            assert!(
                read(&folder.file("b.arrow", &whole[..kept]), DataFormat::Auto, &["text"]).is_err(),
                "{kept} bytes"
            );
        }
    }
}
