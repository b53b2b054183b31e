use std::path::Path;

use super::*;
use crate::sources::{DataFormat, Form, read_columns, rows_kept, stream_columns};

fn written(name: &str, content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    (folder, path)
}

fn form(filter: Option<&str>, computed: &[&str]) -> Form {
    let computed: Vec<String> = computed.iter().map(ToString::to_string).collect();
    let expressions = Expressions::new(filter, &computed).expect("expressions");
    Form { expressions, ..Form::default() }
}

fn texts(table: &Table, column: &str) -> Vec<Option<String>> {
    table.column(column).expect("a column").iter().map(|text| text.map(str::to_owned)).collect()
}

fn present(table: &Table, column: &str) -> Vec<String> {
    texts(table, column).into_iter().flatten().collect()
}

const RATED: &str = "title,body,stars,kind\nA,good,5,x\nB,,1,y\nC,fair,3.5,x\n\"D, d\",poor,10,z\n";

fn read(form: &Form, wanted: &[Wanted<'_>]) -> Result<Table, DataError> {
    let (_folder, path) = written("rated.csv", RATED);
    read_columns(&path, form, wanted).map_err(|error| {
        // Where the folder lies is of no interest.
        assert!(error.to_string().contains("rated.csv") || !error.to_string().contains('/'), "{error}");
        error
    })
}

#[test]
fn rows_are_left_out_and_keep_their_places() {
    let table = read(&form(Some("double(stars) > 3"), &[]), &[Wanted::Text("title")]).expect("a table");
    assert_eq!(present(&table, "title"), ["A", "C", "D, d"]);
    let lines: Vec<_> = (0..table.len()).map(|row| table.position(row)).collect();
    assert_eq!(lines, [2, 4, 5].map(crate::Position::Line));
    assert_eq!(table.frame().width(), 1, "the filter's own column is not among those asked for");
}

#[test]
fn columns_are_computed_of_those_that_the_file_has() {
    let computed =
        ["text = title + (body == null ? '' : ': ' + body)", "stars = double(stars) / 5.0", "kind = kind == 'x'"];
    let wanted = [Wanted::Text("stars"), Wanted::Text("text"), Wanted::Text("kind"), Wanted::Text("title")];
    // The filter sees the file's stars, not those computed.
    let table = read(&form(Some("double(stars) <= 5.0"), &computed), &wanted).expect("a table");
    assert_eq!(present(&table, "text"), ["A: good", "B", "C: fair"]);
    assert_eq!(present(&table, "stars"), ["1", "0.2", "0.7"]);
    assert_eq!(present(&table, "kind"), ["true", "false", "true"]);
    assert_eq!(present(&table, "title"), ["A", "B", "C"]);
    let order: Vec<_> = table.frame().get_column_names().into_iter().map(ToString::to_string).collect();
    assert_eq!(order, ["stars", "text", "kind", "title"]);
}

#[test]
fn an_empty_text_or_null_is_an_empty_field() {
    let table =
        read(&form(None, &["a = body", "b = body == null ? '' : body"]), &[Wanted::Text("a"), Wanted::Text("b")]);
    let table = table.expect("a table");
    assert_eq!(texts(&table, "a"), texts(&table, "b"));
    assert_eq!(texts(&table, "a")[1], None);
}

#[test]
fn constants_join_what_the_file_has() {
    let table = read(&form(None, &["label = 'good'"]), &[Wanted::Text("title"), Wanted::Text("label")]);
    assert_eq!(present(&table.expect("a table"), "label"), ["good"; 4]);
}

#[test]
fn lists_are_read_and_made() {
    let (_folder, path) = written(
        "tagged.jsonl",
        "{\"words\": [\"a\", \"b\"], \"line\": \"x y\"}\n{\"words\": [], \"line\": \"z\"}\n{\"words\": [\"c\"], \"line\": null}\n",
    );
    let form = form(Some("size(words) > 0"), &["parts = line == null ? [] : line.split(' ')"]);
    let table = read_columns(&path, &form, &[Wanted::List("words"), Wanted::List("parts")]).expect("a table");
    assert_eq!(table.lists("words").expect("lists"), [Some(vec!["a", "b"]), Some(vec!["c"])]);
    assert_eq!(table.lists("parts").expect("lists"), [Some(vec!["x", "y"]), Some(vec![])]);
    let any = Form { expressions: Expressions::new(Some("words.exists(w, w == 'c')"), &[]).expect("one"), ..form };
    let table = read_columns(&path, &any, &[Wanted::List("words")]).expect("a table");
    assert_eq!(table.lists("words").expect("lists"), [Some(vec!["c"])]);
}

#[test]
fn nested_fields_and_any_name_can_be_named() {
    let (_folder, path) = written(
        "nested.jsonl",
        "{\"of\": {\"who\": \"a\"}, \"#1 String\": \"p\"}\n{\"of\": {\"who\": \"b\"}, \"#1 String\": \"q\"}\n",
    );
    let form = form(Some("of.who == 'b'"), &["text = row['#1 String'] + of.who"]);
    let table = read_columns(&path, &form, &[Wanted::Text("text")]).expect("a table");
    assert_eq!(present(&table, "text"), ["qb"]);
    assert_eq!(table.place(0).position, crate::Position::Line(2));
}

#[test]
fn rows_without_lines_keep_their_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rated.parquet");
    let column = crate::OutputColumn {
        name: "kind".to_owned(),
        values: crate::OutputValues::Text(["x", "y", "x", "y"].map(str::to_owned).to_vec()),
    };
    crate::write_table(&path, vec![column]).expect("a file");
    let form = form(Some("kind == 'y'"), &[]);
    let table = read_columns(&path, &form, &[Wanted::Text("kind")]).expect("a table");
    assert_eq!([table.position(0), table.position(1)], [2, 4].map(crate::Position::Row));
}

#[test]
fn a_stream_gives_what_the_whole_gives() {
    let rows: String = (0..70_000).map(|row| format!("{{\"n\": {row}}}\n")).collect();
    let (_folder, path) = written("many.jsonl", &rows);
    let form = form(Some("int(n) % 7 == 0 && int(n) > 66000"), &["m = int(n) * 2"]);
    let wanted = [Wanted::Text("m")];
    let streamed: Vec<Table> =
        stream_columns(&path, &form, &wanted).expect("a stream").collect::<Result<_, _>>().expect("tables");
    let streamed: Vec<String> = streamed.iter().flat_map(|table| present(table, "m")).collect();
    assert_eq!(streamed, present(&read_columns(&path, &form, &wanted).expect("a table"), "m"));
    assert_eq!(streamed.first().map(String::as_str), Some("132006"));
}

#[test]
fn kept_rows_are_counted() {
    let (_folder, path) = written("rated.csv", RATED);
    let kept = |filter| rows_kept(&path, &form(filter, &[])).expect("a count");
    assert_eq!([kept(Some("double(stars) > 3")), kept(Some("kind == 'w'"))], [Some((3, 4)), Some((0, 4))]);
    assert_eq!([kept(None), kept(Some("true"))], [None, None]);
    let (_folder, path) = written("tagged.jsonl", "{\"words\": [\"a\"]}\n");
    assert_eq!(rows_kept(&path, &form(Some("size(words) > 0"), &[])).expect("a count"), None);
}

#[test]
fn what_is_not_an_expression_is_said() {
    let message = |filter: Option<&str>, computed: &[&str]| {
        let computed: Vec<String> = computed.iter().map(ToString::to_string).collect();
        Expressions::new(filter, &computed).expect_err("an error").to_string()
    };
    let found = [
        message(Some("stars >"), &[]),
        message(Some("stars == 5"), &[]),
        message(Some("kind in ['x', 1]"), &[]),
        message(Some("stars == size(title)"), &[]),
        message(Some("size(title) != '5'"), &[]),
        message(Some("has(row.title)"), &[]),
        message(Some("!has(meta.source)"), &[]),
        message(None, &["title"]),
        message(None, &["a = title", "a = body"]),
    ];
    expect_test::expect![[r#"
        data.filter: `stars >`: not CEL, at character 8: something is missing
        data.filter: `stars == 5`: column `stars` is a text, as columns stand in the file, and 5 is none, so that they are never equal: write the value as a text, as "5", or int(…), double(…) or bool(…) around the text for what it stands for
        data.filter: `kind in ['x', 1]`: column `kind` is a text, as columns stand in the file, and 1 is none, so that they are never equal: write the value as a text, as "5", or int(…), double(…) or bool(…) around the text for what it stands for
        data.filter: `stars == size(title)`: column `stars` is a text, as columns stand in the file, and a number is none, so that they are never equal: write the value as a text, as "5", or int(…), double(…) or bool(…) around the text for what it stands for
        data.filter: `size(title) != '5'`: "5" is a text, as columns stand in the file, and a number is none, so that they are never equal: write the value as a text, as "5", or int(…), double(…) or bool(…) around the text for what it stands for
        data.filter: `has(row.title)`: every row has every column, so that has(…) asks nothing: write title != null where one must not be empty
        data.filter: `!has(meta.source)`: every row has every column, so that has(…) asks nothing: write meta.source != null where one must not be empty
        data.computed: `title`: NAME = EXPRESSION is wanted, as "text = title + ' ' + body"
        data.computed, column `a`: `body`: the column is computed twice; leave one of the two out"#]]
    .assert_eq(&found.join("\n"));
}

#[test]
fn what_goes_wrong_in_a_row_is_said_with_its_place() {
    let message = |filter: Option<&str>, computed: &[&str], wanted: Wanted<'_>| {
        let error = read(&form(filter, computed), &[wanted]).expect_err("an error").to_string();
        error.split_once("rated.csv").map(|(_, rest)| rest.to_owned()).unwrap_or(error)
    };
    let title = Wanted::Text("title");
    let found = [
        message(Some("stars > 3.0"), &[], title),
        message(Some("size(body) > 1"), &[], title),
        message(Some("int(kind) > 1"), &[], title),
        message(Some("lower(kind) == 'x'"), &[], title),
        message(Some("kind"), &[], title),
        message(Some("kind == 'w'"), &[], title),
        message(Some("kin == 'x'"), &[], title),
        message(None, &["a = kind.split('')"], Wanted::Text("a")),
        message(None, &["a = kind"], Wanted::List("a")),
        message(None, &["a = 'x'"], Wanted::Text("a")),
    ];
    expect_test::expect![[r#"
        :2: data.filter: `stars > 3.0`: `>` does not go with string and double; columns hold texts: write double(COLUMN) or int(COLUMN) for the number that it stands for, string(…) for a text
        :3: data.filter: `size(body) > 1`: `size` does not go with null_type; a column whose field is empty is null: ask for `COLUMN != null && …` first
        :2: data.filter: `int(kind) > 1`: `int` fails: string parse error: invalid digit found in string
        :2: data.filter: `lower(kind) == 'x'`: there is no function `lower` in CEL
        :2: data.filter: `kind`: a filter says true or false, and this says the text `x`
        : data.filter, `kind == 'w'`, keeps none of its rows; widen it, or leave it out
        : no column `kin`; the columns are `title`, `body`, `stars`, `kind`; did you mean `kind`?
        :2: data.computed, column `a`: `kind.split('')`: the value is a list of 1; texts and labels must be text, numbers or true/false
        :2: data.computed, column `a`: `kind`: the value is the text `x`; a list of texts is wanted, as ["a", "b"]
        data.computed, column `a`: `'x'`: no column of the file is read at all; let one expression, or data.text, name one"#]].assert_eq(&found.join("\n"));
}

#[test]
fn an_expression_is_what_its_text_says() {
    let of = |filter| Form { format: DataFormat::Csv, ..form(Some(filter), &["a = 'b'"]) };
    assert_eq!(of("x == 'y'"), of("x == 'y'"));
    assert_ne!(of("x == 'y'"), of("x == 'z'"));
    assert!(format!("{:?}", of("x == 'y'")).contains("x == 'y'"), "the cache's key");
    assert!(read_columns(Path::new("none.csv"), &of("x == 'y'"), &[Wanted::Text("a")]).is_err());
}

#[test]
fn what_the_documentation_lists_is_there() {
    let (_folder, path) = written("a.csv", "kind,n,words\nAb cd,-3,x y\n");
    for holds in [
        "kind in ['Ab cd', 'b'] && !(kind == 'a' || kind == 'b')",
        "size(kind) == 5 && kind.contains('b c') && kind.startsWith('A') && kind.endsWith('d')",
        "kind.matches('^[A-Z][a-z] ')",
        "kind.lowerAscii() == 'ab cd' && kind.trim().replace('b', 'x').substring(1) == 'x cd'",
        "kind.split(' ').join('+') + '!' == 'Ab+cd!'",
        "int(n) + 1 == -2 && double(n) / 2.0 == -1.5 && string(int(n) * 2) == '-6' && int(n) % 2 == -1",
        "math.greatest(int(n), 0) == 0 && math.round(1.5) == 2.0",
        "words.split(' ').exists(w, w == 'x') && words.split(' ').all(w, size(w) == 1)",
        "words.split(' ').filter(w, w != 'x').map(w, w + 'z') == ['yz']",
    ] {
        let table = read_columns(&path, &form(Some(holds), &[]), &[Wanted::Text("kind")]);
        assert_eq!(present(&table.expect(holds), "kind"), ["Ab cd"], "{holds}");
    }
}
