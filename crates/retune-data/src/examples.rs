//! Rows → examples: the texts, the id of the class, and where the row stands.

use crate::error::{DataError, Position};
use crate::labels::LabelMap;
use crate::table::Table;

/// What the model reads of one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    /// The text, or the first of the two.
    pub first: String,
    /// The second text of a pair.
    pub second: Option<String>,
}

impl Text {
    /// One text, no pair.
    pub fn single(first: impl Into<String>) -> Self {
        Self { first: first.into(), second: None }
    }
}

/// The columns that hold the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextColumns {
    /// One text a row.
    Single(String),
    /// Two texts a row, read together.
    Pair(String, String),
}

impl TextColumns {
    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        match self {
            TextColumns::Single(first) => vec![first],
            TextColumns::Pair(first, second) => vec![first, second],
        }
    }
}

/// A labelled data set; the three vectors are of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    /// What the model reads.
    pub texts: Vec<Text>,
    /// Ids of the classes.
    pub labels: Vec<u32>,
    /// Where each example stands in its file.
    pub positions: Vec<Position>,
}

impl Examples {
    /// The examples of a file, whose labels are all in `labels`.
    ///
    /// # Errors
    ///
    /// As [`texts`] and [`LabelMap::encode`]; the problems of texts and labels at once.
    pub fn from_table(
        table: &Table,
        columns: &TextColumns,
        label_column: &str,
        labels: &LabelMap,
    ) -> Result<Self, DataError> {
        let positions = (0..table.len()).map(|row| table.position(row)).collect();
        match (texts(table, columns), labels.encode(table, label_column)) {
            (Ok(texts), Ok(labels)) => Ok(Self { texts, labels, positions }),
            (Err(text), Err(label)) => Err(DataError::Several(vec![text, label])),
            (Err(problem), _) | (_, Err(problem)) => Err(problem),
        }
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The examples with these indices, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            texts: rows.iter().map(|&row| self.texts[row].clone()).collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            positions: rows.iter().map(|&row| self.positions[row]).collect(),
        }
    }
}

/// The texts of a file, for prediction: no label is asked for.
///
/// # Errors
///
/// [`DataError::EmptyText`] where a text is null, empty or white space; [`DataError::MissingColumn`].
pub fn texts(table: &Table, columns: &TextColumns) -> Result<Vec<Text>, DataError> {
    let make = |(first, second): (&str, Option<&str>)| Text { first: first.into(), second: second.map(Into::into) };
    Ok(match columns {
        TextColumns::Single(first) => texts_of(table, first)?.into_iter().map(|first| make((first, None))).collect(),
        TextColumns::Pair(first, second) => {
            let (first, second) = match (texts_of(table, first), texts_of(table, second)) {
                (Ok(first), Ok(second)) => (first, second),
                (Err(first), Err(second)) => return Err(DataError::Several(vec![first, second])),
                (Err(problem), _) | (_, Err(problem)) => return Err(problem),
            };
            first.into_iter().zip(second.into_iter().map(Some)).map(make).collect()
        }
    })
}

fn texts_of<'a>(table: &'a Table, column: &str) -> Result<Vec<&'a str>, DataError> {
    let values = table.column(column)?;
    let mut empty = values.iter().enumerate().filter(|(_, text)| text.is_none_or(|text| text.trim().is_empty()));
    if let Some((row, _)) = empty.next() {
        let (place, more) = (table.place(row), empty.count());
        return Err(DataError::EmptyText { place, column: column.to_owned(), more });
    }
    Ok(values.iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::expect;

    use super::*;
    use crate::sources::{DataFormat, read};

    fn examples(csv: &str, columns: &TextColumns) -> Result<Examples, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dev.csv");
        fs::write(&path, csv).expect("a file");
        let mut names = columns.names();
        names.push("label");
        let table = read(&path, DataFormat::Auto, &names).expect("a table");
        let labels = LabelMap::from_names(["no", "yes"]).expect("labels");
        Examples::from_table(&table, columns, "label", &labels)
            .map_err(|error| format!("{error}\n").replace(&format!("{}/", folder.path().display()), ""))
    }

    fn pair() -> TextColumns {
        TextColumns::Pair("a".into(), "b".into())
    }

    #[test]
    fn pairs_labels_and_lines() {
        let got = examples("label,b,a\nyes,\"two\nlines\",one\nno,four,three\n", &pair()).expect("examples");
        let text = |first: &str, second: &str| Text { first: first.into(), second: Some(second.into()) };
        assert_eq!(got.texts, [text("one", "two\nlines"), text("three", "four")]);
        assert_eq!(got.labels, [1, 0]);
        assert_eq!(got.positions, [Position::Line(2), Position::Line(4)]);
        let swapped = got.select(&[1, 0]);
        assert_eq!((swapped.labels, swapped.positions), (vec![0, 1], vec![Position::Line(4), Position::Line(2)]));
    }

    #[test]
    fn every_empty_text_is_counted_and_both_kinds_of_problem_are_named() {
        let csv = "a,label\nfine,yes\n\"  \",no\n,maybe\n";
        expect![[r#"
            dev.csv:3: column `a` is empty (and 1 more row); fill the text in, or remove the row
            dev.csv:4: label `maybe` (column `label`) is not among those trained on: `no`, `yes`; correct it, remove the row, or add training examples of it
        "#]].assert_eq(&examples(csv, &TextColumns::Single("a".into())).expect_err("an error"));
    }

    #[test]
    fn the_second_text_of_a_pair_may_not_be_empty() {
        expect![[r#"
            dev.csv:2: column `b` is empty; fill the text in, or remove the row
        "#]]
        .assert_eq(&examples("a,b,label\nx,,yes\n", &pair()).expect_err("an error"));
    }
}
