//! Files that name the classes that they number, as Python's `datasets` writes them (`tests/golden/classes.py`).

use std::path::PathBuf;

use crate::error::DataError;
use crate::sources::{Form, Wanted, read_columns, stream_columns};
use crate::table::Table;
use crate::{ClassNames, LabelMap, numbers};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn table(name: &str, wanted: Wanted<'_>) -> Table {
    read_columns(&golden(name), &Form::default(), &[wanted]).expect("a table")
}

#[test]
fn numbers_are_the_names_that_the_file_gives_them_in_its_order() {
    for file in ["classes.parquet", "classes.arrow"] {
        let labels = table(file, Wanted::Text("label"));
        let map = LabelMap::from_table(&labels, "label").expect("a map");
        assert_eq!(map.names(), ["neg", "pos", "unused"], "{file}");
        assert_eq!(map.encode(&labels, "label").expect("ids"), [1, 0, 1], "{file}");
        let tags = table(file, Wanted::List("tags"));
        let map = LabelMap::from_lists(&tags, "tags").expect("a map");
        assert_eq!(map.names(), ["O", "B-PER", "I-PER"], "{file}");
        assert_eq!(map.encode_lists(&tags, "tags").expect("ids"), [vec![1, 2, 0], vec![], vec![0]], "{file}");
        let nested = table(file, Wanted::Text("nested.kind"));
        let map = LabelMap::from_table(&nested, "nested.kind").expect("a map");
        assert_eq!(
            (map.names(), map.encode(&nested, "nested.kind").expect("ids")),
            (&["y".to_owned(), "x".to_owned()][..], vec![0, 1, 1])
        );
    }
}

#[test]
fn the_same_table_by_table() {
    let mut names = ClassNames::default();
    for table in stream_columns(&golden("classes.parquet"), &Form::default(), &[Wanted::Text("label")]).expect("a file")
    {
        names.add(&table.expect("a table"), "label").expect("labels");
    }
    assert_eq!(names.finish(&golden("classes.parquet")).expect("a map").names(), ["neg", "pos", "unused"]);
}

/// Of a model that there is the order is its own, and what a file of the user's says goes before what the data say.
#[test]
fn other_names_go_before_those_of_the_file() {
    let labels = table("classes.parquet", Wanted::Text("label"));
    let model = LabelMap::from_names(["pos", "neg"]).expect("a map");
    assert_eq!(model.encode(&labels, "label").expect("ids"), [0, 1, 0]);
    let own = LabelMap::from_names(["bad", "good"]).expect("a map").with_numbers();
    assert_eq!(own.encode(&labels, "label").expect("ids"), [1, 0, 1]);
    let other = LabelMap::from_names(["1", "0"]).expect("a map");
    let error = other.encode(&labels, "label").expect_err("an error");
    assert!(matches!(&error, DataError::UnknownLabel { label, .. } if label == "pos"), "{error}");
    // A task of numbers reads numbers.
    assert_eq!(numbers(&labels, "label").expect("numbers"), [1.0, 0.0, 1.0]);
}

#[test]
fn files_that_number_classes_differently_are_not_mixed() {
    let named = table("classes.parquet", Wanted::Text("label"));
    let plain = crate::table::tests::table_of_labels(&["0", "1"]);
    let mut names = ClassNames::default();
    names.add(&named, "label").expect("labels");
    let error = names.add(&plain, "label").expect_err("an error").to_string();
    assert!(error.contains("name the classes of column `label` differently"), "{error}");
    let error = Table::join(&golden("x"), vec![named, plain]).expect_err("an error").to_string();
    assert!(error.contains("name the classes of column `label` differently"), "{error}");
}
