//! Every form as it is published, read whole. Rows are shown as `place: value | value`, lists in brackets.

use std::io::Write;

use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

pub(super) fn form(format: DataFormat, columns: &[&str]) -> Form {
    Form { format, columns: columns.iter().map(ToString::to_string).collect(), ..Form::default() }
}

pub(super) fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).expect("memory");
    encoder.finish().expect("memory")
}

/// The wanted columns, each row on a line, without the folder.
fn show(folder: &Folder, path: &str, form: &Form, wanted: &[Wanted<'_>]) -> String {
    let table = read_columns(&folder.0.path().join(path), form, wanted).expect("a table");
    let value = |wanted: &Wanted<'_>, row: usize| match wanted {
        Wanted::Text(name) => table.column(name).expect("texts").get(row).unwrap_or("∅").to_owned(),
        Wanted::List(name) | Wanted::Separated(name, _) => match &table.lists(name).expect("lists")[row] {
            Some(items) => format!("[{}]", items.join(", ")),
            None => "∅".to_owned(),
        },
    };
    let line = |row| {
        let values: Vec<String> = wanted.iter().map(|wanted| value(wanted, row)).collect();
        format!("{}: {}\n", table.place(row), values.join(" | "))
    };
    (0..table.len()).map(line).collect::<String>().replace(&format!("{}/", folder.0.path().display()), "")
}

#[track_caller]
fn reads(name: &str, content: impl AsRef<[u8]>, form: &Form, wanted: &[Wanted<'_>], expected: Expect) {
    let folder = Folder::new();
    folder.file(name, content);
    expected.assert_eq(&show(&folder, name, form, wanted));
}

const TEXT: Wanted<'_> = Wanted::Text("text");
const LABEL: Wanted<'_> = Wanted::Text("label");

#[test]
fn files_without_a_header() {
    let names = form(DataFormat::Auto, &["text", "label", "id"]);
    reads(
        "a.csv",
        "\u{feff}\n\"a, b\",1,x\n,0,y\n",
        &names,
        &[LABEL, TEXT],
        expect![[r#"
        a.csv:2: 1 | a, b
        a.csv:3: 0 | ∅
    "#]],
    );
    reads(
        "a.tsv",
        "say \"hi\"\t2,7\tx\r\nb\t\ty\r\n",
        &names,
        &[TEXT, Wanted::Separated("label", ',')],
        expect![[r#"
        a.tsv:1: say "hi" | [2, 7]
        a.tsv:2: b | ∅
    "#]],
    );
    // A column that is called like a value of the first row is no header.
    reads(
        "a.csv",
        "text,label,1\n",
        &names,
        &[TEXT],
        expect![[r#"
        a.csv:1: text
    "#]],
    );
    // Nor is a later row that is like the names.
    reads(
        "a.csv",
        "a,1,x\ntext,label,id\n",
        &names,
        &[TEXT],
        expect![[r#"
        a.csv:1: a
        a.csv:2: text
    "#]],
    );
    reads(
        "a.csv",
        "a\n\nb\n",
        &form(DataFormat::Auto, &["text"]),
        &[TEXT],
        expect![[r#"
        a.csv:1: a
        a.csv:2: ∅
        a.csv:3: b
    "#]],
    );
}

#[test]
fn gzip_of_one_member_and_of_several() {
    let any = Form::default();
    reads(
        "a.csv.gz",
        gzip("text,label\na,1\n"),
        &any,
        &[TEXT, LABEL],
        expect![[r#"
        a.csv.gz:2: a | 1
    "#]],
    );
    let members = [gzip("{\"text\": \"a\", \"label\": 1}\n{\"te"), gzip("xt\": \"b\", \"label\": 2}\n")].concat();
    reads(
        "a.JSONL.GZ",
        &members,
        &any,
        &[TEXT, LABEL],
        expect![[r#"
        a.JSONL.GZ:1: a | 1
        a.JSONL.GZ:2: b | 2
    "#]],
    );
    // What is compressed and not called so is read too.
    reads(
        "a.txt",
        gzip("one\ntwo\n"),
        &any,
        &[TEXT],
        expect![[r#"
        a.txt:1: one
        a.txt:2: two
    "#]],
    );
    let folder = Folder::new();
    let parquet = fs::read(write_parquet(&folder, vec![Column::new("text".into(), ["a", "b"])])).expect("bytes");
    folder.file("b.parquet.gz", gzip(parquet));
    expect![[r#"
        b.parquet.gz, row 1: a
        b.parquet.gz, row 2: b
    "#]]
    .assert_eq(&show(&folder, "b.parquet.gz", &any, &[TEXT]));
}

#[test]
fn nested_fields_and_lists_of_json() {
    let rows = r#"{"a": {"t": "x", "n": [{"l": 1}]}, "tags": ["B", "", 2.0, true], "a.b": "dot"}
{"a": {"t": null, "n": [{"l": 0}]}, "tags": [], "a.b": ""}
{"a": {"t": "z", "n": [{"l": 0}]}, "tags": null, "a.b": "q"}"#;
    let wanted = [Wanted::Text("a.t"), Wanted::Text("a.n.0.l"), Wanted::List("tags"), Wanted::Text("a.b")];
    reads(
        "a.jsonl",
        rows,
        &Form::default(),
        &wanted,
        expect![[r#"
        a.jsonl:1: x | 1 | [B, , 2, true] | dot
        a.jsonl:2: ∅ | 0 | [] | ∅
        a.jsonl:3: z | 0 | ∅ | q
    "#]],
    );
    let labels = "{\"label\": \"2, 7,\"}\n{\"label\": [2, 7]}\n{\"label\": \"\"}\n{\"label\": 5}\n";
    reads(
        "a.jsonl",
        labels,
        &Form::default(),
        &[Wanted::Separated("label", ',')],
        expect![[r#"
        a.jsonl:1: [2, 7]
        a.jsonl:2: [2, 7]
        a.jsonl:3: ∅
        a.jsonl:4: [5]
    "#]],
    );
}

#[test]
fn json_rows_that_are_lists() {
    let names = form(DataFormat::Auto, &["text", "label"]);
    reads(
        "a.json",
        "[[\"a\", \"x\"],\n [\"b\", null]]",
        &names,
        &[TEXT, LABEL],
        expect![[r#"
        a.json:1:2: a | x
        a.json:2:2: b | ∅
    "#]],
    );
    reads(
        "a.jsonl",
        "[\"a\", [\"x\", \"y\"]]\n",
        &names,
        &[TEXT, Wanted::List("label")],
        expect![[r#"
        a.jsonl:1: a | [x, y]
    "#]],
    );
}

#[test]
fn one_array_of_a_document() {
    let names = form(DataFormat::Auto, &["text", "label"]);
    let folder = Folder::new();
    folder.file(
        "a.json",
        r#"{"version": 1, "train": [["a", "x"], ["b", "y"]], "deep": {"val": [["c", "x"]]}, "tags": ["x"]}"#,
    );
    expect![[r#"
        a.json:1:26: a | x
        a.json:1:38: b | y
    "#]]
    .assert_eq(&show(&folder, "a.json#train", &names, &[TEXT, LABEL]));
    expect![[r#"
        a.json:1:68: c | x
    "#]]
    .assert_eq(&show(&folder, "a.json#deep.val", &names, &[TEXT, LABEL]));
    // Where there is one array of rows, it need not be chosen.
    folder.file("b.json", r#"{"meta": {"sizes": [1]}, "deep": {"rows": [{"text": "a", "label": 1}]}}"#);
    expect![[r#"
        b.json:1:44: a | 1
    "#]]
    .assert_eq(&show(&folder, "b.json", &Form::default(), &[TEXT, LABEL]));
    // The file that bears the whole name goes first.
    folder.file("c.csv#1", "text\nfirst\n");
    folder.file("c.csv", "text\nsecond\n");
    expect![[r#"
        c.csv#1:2: first
    "#]]
    .assert_eq(&show(&folder, "c.csv#1", &form(DataFormat::Csv, &[]), &[TEXT]));
}

#[test]
fn conll_in_its_dialects() {
    let tokens = [Wanted::List("tokens"), Wanted::List("tags")];
    let tabs = "-DOCSTART-\tO\n\n\nNew York\tB-loc\n#\tO\n\n\nwins\tO\r\n \nat\tO\n";
    reads(
        "a.conll",
        tabs,
        &Form::default(),
        &tokens,
        expect![[r#"
        a.conll:4: [New York, #] | [B-loc, O]
        a.conll:8: [wins] | [O]
        a.conll:10: [at] | [O]
    "#]],
    );
    let spaces = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\n# 2 I-NP O\n\nPeter NNP B-NP B-PER\n";
    reads(
        "a.conll",
        spaces,
        &Form::default(),
        &tokens,
        expect![[r#"
        a.conll:3: [EU, #] | [B-ORG, O]
        a.conll:6: [Peter] | [B-PER]
    "#]],
    );
    let names = form(DataFormat::Conll, &["word", "pos", "chunk", "ner"]);
    reads(
        "a.txt",
        spaces,
        &names,
        &[Wanted::List("pos"), Wanted::List("word")],
        expect![[r#"
        a.txt:3: [NNP, 2] | [EU, #]
        a.txt:6: [NNP] | [Peter]
    "#]],
    );
    let universal = "# sent_id = 1\n# text = vámonos\n1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n2.1\te\t_\t_\t_\t_\t_\t_\t_\t_\n\n";
    let names =
        form(DataFormat::Auto, &["id", "tokens", "lemma", "tags", "xpos", "feats", "head", "deprel", "deps", "misc"]);
    reads(
        "a.conllu",
        universal,
        &names,
        &tokens,
        expect![[r#"
        a.conllu:4: [vamos, nos] | [VERB, PRON]
    "#]],
    );
}

#[test]
fn squad_in_its_versions() {
    let all = ["id", "title", "context", "question", "is_impossible"].map(Wanted::Text);
    let all = [&all[..], &[Wanted::List("answers.text"), Wanted::List("answers.answer_start")]].concat();
    let v2 = r#"{"version": "v2.0", "data": [{"title": "T", "paragraphs": [
  {"context": "C one", "qas": [{"id": "1", "question": "Q?", "answers": [{"text": "C", "answer_start": 0}, {"text": "one", "answer_start": 2}], "is_impossible": false},
   {"id": "2", "question": "R?", "answers": [], "plausible_answers": [{"text": "C", "answer_start": 0}], "is_impossible": true}]},
  {"context": "D", "qas": []}]},
 {"title": "U", "paragraphs": [{"context": "E", "qas": [{"id": 3, "question": "S?", "answers": [{"text": "E", "answer_start": 0}]}]}]}]}"#;
    reads(
        "a.json",
        v2,
        &Form::default(),
        &all,
        expect![[r#"
        a.json:2:32: 1 | T | C one | Q? | false | [C, one] | [0, 2]
        a.json:3:4: 2 | T | C one | R? | true | [] | []
        a.json:5:57: 3 | U | E | S? | false | [E] | [0]
    "#]],
    );
    let short = r#"[{"context": "C", "more": 1, "qas": [{"question": "Q?", "answer": "C"}, {"question": "R?", "answers": ["C", "D"]}, {"question": "S?"}]}]"#;
    reads(
        "a.json",
        short,
        &Form::default(),
        &all,
        expect![[r#"
        a.json:1:38: ∅ | ∅ | C | Q? | false | [C] | []
        a.json:1:73: ∅ | ∅ | C | R? | false | [C, D] | []
        a.json:1:116: ∅ | ∅ | C | S? | true | [] | []
    "#]],
    );
    reads(
        "a.txt",
        short,
        &form(DataFormat::Squad, &[]),
        &[Wanted::Text("question")],
        expect![[r#"
        a.txt:1:38: Q?
        a.txt:1:73: R?
        a.txt:1:116: S?
    "#]],
    );
}

#[test]
fn lines_of_plain_text() {
    reads(
        "a.txt",
        "one\r\n\n \t\n  two, \"2\" \n",
        &Form::default(),
        &[TEXT],
        expect![[r#"
        a.txt:1: one
        a.txt:4:   two, "2" 
    "#]],
    );
    reads(
        "a.en",
        "one\n",
        &form(DataFormat::Text, &["sentence"]),
        &[Wanted::Text("sentence")],
        expect![[r#"
        a.en:1: one
    "#]],
    );
}

#[test]
fn folders_and_patterns() {
    let folder = Folder::new();
    fs::create_dir_all(folder.0.path().join("shards/deeper")).expect("a folder");
    for (name, content) in [
        ("shards/part-1.csv", "label,text\n1,a\n0,b\n"),
        ("shards/part-0.csv", "text,label,more\nc,1,x\n"),
        ("shards/deeper/part-9.csv", "text,label\nd,1\n"),
        ("shards/README.md", "# Not data"),
        ("shards/_SUCCESS", ""),
        ("shards/.hidden.jsonl", ""),
        ("dev.csv", "text,label\ne,1\n"),
    ] {
        folder.file(name, content);
    }
    let wanted = [TEXT, LABEL];
    expect![[r#"
        shards/part-0.csv:2: c | 1
        shards/part-1.csv:2: a | 1
        shards/part-1.csv:3: b | 0
    "#]]
    .assert_eq(&show(&folder, "shards", &Form::default(), &wanted));
    expect![[r#"
        shards/part-0.csv:2: c | 1
        shards/part-1.csv:2: a | 1
        shards/part-1.csv:3: b | 0
    "#]]
    .assert_eq(&show(&folder, "shards/part-[0-9].csv", &Form::default(), &wanted));
    expect![[r#"
        shards/deeper/part-9.csv:2: d | 1
        shards/part-0.csv:2: c | 1
        shards/part-1.csv:2: a | 1
        shards/part-1.csv:3: b | 0
    "#]]
    .assert_eq(&show(&folder, "*/**/part-*.csv", &Form::default(), &wanted));
    // A file that bears the very name is no pattern.
    folder.file("a[1].csv", "text,label\nf,1\n");
    expect![[r#"
        a[1].csv:2: f | 1
    "#]]
    .assert_eq(&show(&folder, "a[1].csv", &Form::default(), &wanted));
    folder.file("j-1.json", r#"{"train": [["a", "x"]], "dev": [["b", "y"]]}"#);
    folder.file("j-2.json", r#"{"train": [["c", "x"]], "dev": [["d", "y"]]}"#);
    expect![[r#"
        j-1.json:1:33: b | y
        j-2.json:1:33: d | y
    "#]]
    .assert_eq(&show(&folder, "j-*.json#dev", &form(DataFormat::Auto, &["text", "label"]), &wanted));
}

/// A frame with a struct, with lists of several types, and with categories.
fn nested_frame() -> DataFrame {
    let text = Series::new("text".into(), [Some("a"), None]);
    let tags = Series::new(
        "tags".into(),
        [
            Series::new("".into(), ["x", "", "a tag of more than twelve bytes"]),
            Series::new_empty("".into(), &DataType::String),
        ],
    );
    let inner = StructChunked::from_series("a".into(), 2, [text.clone(), tags.clone()].iter()).expect("a struct");
    let numbers = Series::new("numbers".into(), [Some(Series::new("".into(), [1.0, 2.5])), None]);
    let kinds = Series::new("kinds".into(), ["b", "c"])
        .cast(&DataType::from_categories(Categories::global()))
        .expect("categories");
    let dot = Series::new("a.dot".into(), [true, false]);
    let columns = [inner.into_series(), numbers, kinds, dot].map(Series::into_column).to_vec();
    DataFrame::new(2, columns).expect("a frame")
}

const NESTED: [Wanted<'_>; 5] = [
    Wanted::Text("a.text"),
    Wanted::List("a.tags"),
    Wanted::List("numbers"),
    Wanted::Text("kinds"),
    Wanted::Separated("a.dot", ','),
];

#[test]
fn parquet_structs_and_lists() {
    let folder = Folder::new();
    write_parquet(&folder, nested_frame().columns().to_vec());
    expect![[r#"
        a.parquet, row 1: a | [x, , a tag of more than twelve bytes] | [1, 2.5] | b | [true]
        a.parquet, row 2: ∅ | [] | ∅ | c | [false]
    "#]]
    .assert_eq(&show(&folder, "a.parquet", &Form::default(), &NESTED));
}

pub(super) fn arrow_file(frame: &mut DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    IpcWriter::new(&mut bytes).with_compression(Some(IpcCompression::default())).finish(frame).expect("memory");
    bytes
}

pub(super) fn arrow_stream(frame: &mut DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    IpcStreamWriter::new(&mut bytes).finish(frame).expect("memory");
    bytes
}

#[test]
fn arrow_files_and_streams() {
    let folder = Folder::new();
    folder.file("a.feather", arrow_file(&mut nested_frame()));
    folder.file("b.arrow", arrow_stream(&mut nested_frame()));
    let shown = ["a.feather", "b.arrow"].map(|name| show(&folder, name, &Form::default(), &NESTED));
    expect![[r#"
        a.feather, row 1: a | [x, , a tag of more than twelve bytes] | [1, 2.5] | b | [true]
        a.feather, row 2: ∅ | [] | ∅ | c | [false]
        b.arrow, row 1: a | [x, , a tag of more than twelve bytes] | [1, 2.5] | b | [true]
        b.arrow, row 2: ∅ | [] | ∅ | c | [false]
    "#]]
    .assert_eq(&shown.concat());
}
