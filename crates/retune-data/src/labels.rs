//! The names of the classes and their ids.

use std::collections::HashMap;

use crate::error::DataError;
use crate::table::Table;

/// Names ↔ ids, where ids count from 0: what a model's configuration keeps as `id2label` and `label2id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    names: Vec<String>,
    /// By what stands in the data: names, and numbers where [`LabelMap::with_numbers`] allows them.
    ids: HashMap<String, u32>,
    /// Whether numbers are places among these names, whatever a file says of its own numbers.
    by_number: bool,
}

impl LabelMap {
    /// The classes of a training file: as numbers if every name is an integer, else by Unicode code points, so that the
    /// ids do not hang on the order of the rows. Where the file itself names classes that its column numbers, those, in
    /// their order.
    ///
    /// # Errors
    ///
    /// [`DataError::EmptyLabel`], [`DataError::OneClass`], [`DataError::MissingColumn`].
    pub fn from_table(table: &Table, column: &str) -> Result<Self, DataError> {
        let mut names = ClassNames::default();
        names.add(table, column)?;
        names.finish(table.path())
    }

    /// The classes of a model that there is already: the values of its `id2label`, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`DataError::DuplicateLabel`].
    pub fn from_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self, DataError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut ids = HashMap::with_capacity(names.len());
        for (id, name) in (0..).zip(&names) {
            if let Some(first) = ids.insert(name.clone(), id) {
                return Err(DataError::DuplicateLabel { label: name.clone(), first, second: id });
            }
        }
        Ok(Self { names, ids, by_number: false })
    }

    /// The ids of a file's labels, one a row.
    ///
    /// # Errors
    ///
    /// [`DataError::EmptyLabel`], [`DataError::UnknownLabel`], [`DataError::MissingColumn`].
    pub fn encode(&self, table: &Table, column: &str) -> Result<Vec<u32>, DataError> {
        let known = self.names_of(table, column);
        let labels: Vec<&str> = labels_of(table, column)?.into_iter().map(|label| class_of(known, label)).collect();
        let mut unknown = labels.iter().enumerate().filter(|(_, label)| !self.ids.contains_key(**label));
        if let Some((row, label)) = unknown.next() {
            return Err(DataError::UnknownLabel {
                place: table.place(row),
                column: column.to_owned(),
                label: (*label).to_owned(),
                known: self.names.clone(),
                more: unknown.count(),
            });
        }
        Ok(labels.iter().map(|label| self.ids[*label]).collect())
    }

    /// The names that a file gives the numbers of a column, where they count.
    fn names_of<'a>(&self, table: &'a Table, column: &str) -> Option<&'a [String]> {
        table.class_names(column).filter(|_| !self.by_number)
    }

    /// All that decides which id a file's label has, as one text.
    pub fn key(&self) -> String {
        format!("{:?} {}", self.names, self.by_number)
    }

    /// The number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a class, where there is such an id.
    pub fn name(&self, id: u32) -> Option<&str> {
        self.names.get(id as usize).map(String::as_str)
    }

    /// The id of a class, where there is such a name.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }
}

/// The name of the class that a value means: where the file names its classes, a number is the place of one.
fn class_of<'a>(names: Option<&'a [String]>, label: &'a str) -> &'a str {
    names.and_then(|names| names.get(label.parse::<usize>().ok()?)).map_or(label, String::as_str)
}

/// The labels of all rows.
pub(crate) fn labels_of<'a>(table: &'a Table, column: &str) -> Result<Vec<&'a str>, DataError> {
    let values = table.column(column)?;
    let mut empty = values.iter().enumerate().filter(|(_, label)| label.is_none());
    if let Some((row, _)) = empty.next() {
        let (place, more) = (table.place(row), empty.count());
        return Err(DataError::EmptyLabel { place, column: column.to_owned(), more });
    }
    Ok(values.iter().flatten().collect())
}

mod class_names;
#[cfg(test)]
mod named;
mod sets;

pub use class_names::ClassNames;
pub use sets::numbers;

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::sources::{DataFormat, read};
    use crate::table::tests::table_of_labels;

    fn map_of(labels: &[&str]) -> Result<LabelMap, DataError> {
        LabelMap::from_table(&table_of_labels(labels), "label")
    }

    #[test]
    fn integers_sort_as_numbers_and_names_by_code_points() {
        assert_eq!(map_of(&["10", "9", "-1", "10"]).expect("a map").names(), ["-1", "9", "10"]);
        assert_eq!(map_of(&["1", "01", "0"]).expect("a map").names(), ["0", "01", "1"]);
        assert_eq!(map_of(&["b", "a", "Z", "é", "10", "9"]).expect("a map").names(), ["10", "9", "Z", "a", "b", "é"]);
    }

    #[test]
    fn ids_are_those_of_the_model_that_there_is() {
        let map = LabelMap::from_names(["positive", "negative"]).expect("a map");
        assert_eq!(map.encode(&table_of_labels(&["negative", "positive"]), "label").expect("ids"), [1, 0]);
        assert_eq!(
            (map.name(1), map.name(2), map.id("positive"), map.id("?")),
            (Some("negative"), None, Some(0), None)
        );
    }

    #[test]
    fn errors() {
        let text = |result: Result<LabelMap, DataError>| format!("{}\n", result.expect_err("an error"));
        expect![[r#"
            train.csv: all 2 rows have the label `spam`; to train a classifier takes at least two classes
        "#]]
        .assert_eq(&text(map_of(&["spam", "spam"])));
        expect![[r#"
            train.csv:3: the label (column `label`) is empty (and 1 more row); fill the label in, or remove the row
        "#]]
        .assert_eq(&text(map_of(&["spam", "", "ham", ""])));
        expect![[r#"
            the label `a` has two ids, 0 and 2; give each class its own name
        "#]]
        .assert_eq(&text(LabelMap::from_names(["a", "b", "a"])));

        let map = map_of(&["negative", "positive"]).expect("a map");
        let error = map.encode(&table_of_labels(&["negative", "Positive", "neutral"]), "label").expect_err("an error");
        expect![[r#"
            train.csv:3: label `Positive` (column `label`) is not among those trained on: `negative`, `positive`; did you mean `positive`?; correct it, remove the row, or add training examples of it (and 1 more row)
        "#]].assert_eq(&format!("{error}\n"));
    }

    #[test]
    fn another_column_is_missing() {
        let error = LabelMap::from_table(&table_of_labels(&["a", "b"]), "lable").expect_err("an error");
        expect![[r#"
            train.csv: no column `lable`; the columns are `label`; did you mean `label`?
        "#]]
        .assert_eq(&format!("{error}\n"));
    }

    proptest! {
        #[test]
        fn encoding_then_naming_gives_the_labels_back(labels in prop::collection::vec("[a-c0-3]{1,2}", 2..40)) {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            prop_assume!(labels.iter().any(|label| *label != labels[0]));
            let table = table_of_labels(&labels);
            let map = LabelMap::from_table(&table, "label").expect("a map");
            let ids = map.encode(&table, "label").expect("ids");
            let named: Vec<&str> = ids.iter().map(|&id| map.name(id).expect("a name")).collect();
            prop_assert_eq!(named, labels.clone());
            // The order of the rows does not matter.
            let reversed: Vec<&str> = labels.iter().rev().copied().collect();
            prop_assert_eq!(map, map_of(&reversed).expect("a map"));
        }
    }

    #[test]
    fn numbers_that_went_through_a_float_are_the_same_labels() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("train.jsonl");
        std::fs::write(&path, "{\"label\": 1.0}\n{\"label\": 0}\n{\"label\": \"1\"}\n").expect("a file");
        let table = read(&path, DataFormat::Auto, &["label"]).expect("a table");
        assert_eq!(LabelMap::from_table(&table, "label").expect("a map").names(), ["0", "1"]);
    }
}
