//! Labels of which an example has several: those of a text, or the tags of its words.

use std::path::Path;

use super::{ClassNames, LabelMap};
use crate::error::DataError;
use crate::sources::load;
use crate::table::Table;

impl LabelMap {
    /// All labels of a column of lists, in the order of [`LabelMap::from_table`].
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`], [`DataError::WrongType`] where the column was read as texts.
    pub fn from_lists(table: &Table, column: &str) -> Result<Self, DataError> {
        let mut names = ClassNames::default();
        names.add_lists(table, column)?;
        names.finish_lists()
    }

    /// The names of a file, one a line, whose lines the data give by number, from 0. The data may give names too.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is empty, or names a class twice.
    pub fn from_names_file(path: &Path) -> Result<Self, DataError> {
        let text = load::text(path)?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let named = lines.len() - lines.iter().rev().take_while(|line| line.is_empty()).count();
        Ok(Self::from_names(lines[..named].iter().copied())?.with_numbers())
    }

    /// The same, but where the data give a label's number instead of its name, whatever they themselves name it. A name
    /// that is itself a number stays a name.
    pub fn with_numbers(mut self) -> Self {
        for id in 0..self.names.len() as u32 {
            self.ids.entry(id.to_string()).or_insert(id);
        }
        self.by_number = true;
        self
    }

    /// The ids of each row's labels, in ascending order and each once. A row may have none.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownLabel`], [`DataError::MissingColumn`], [`DataError::WrongType`].
    pub fn encode_sets(&self, table: &Table, column: &str) -> Result<Vec<Vec<u32>>, DataError> {
        let mut sets = self.encode_lists(table, column)?;
        for set in &mut sets {
            set.sort_unstable();
            set.dedup();
        }
        Ok(sets)
    }

    /// The ids of each row's labels, in their order. Empty texts in a list are no labels.
    ///
    /// # Errors
    ///
    /// As [`LabelMap::encode_sets`].
    pub fn encode_lists(&self, table: &Table, column: &str) -> Result<Vec<Vec<u32>>, DataError> {
        let lists = table.lists(column)?;
        let known = self.names_of(table, column);
        let named = |(row, list): (usize, &Option<Vec<&'_ str>>)| -> Vec<(usize, String)> {
            let names = list.iter().flatten().filter(|name| !name.is_empty());
            names.map(|name| (row, super::class_of(known, name).to_owned())).collect()
        };
        let all: Vec<(usize, String)> = lists.iter().enumerate().flat_map(named).collect();
        let mut unknown = all.iter().filter(|(_, name)| !self.ids.contains_key(name));
        if let Some((row, label)) = unknown.next() {
            return Err(DataError::UnknownLabel {
                place: table.place(*row),
                column: column.to_owned(),
                label: label.clone(),
                known: self.names.clone(),
                more: unknown.count(),
            });
        }
        let mut encoded = vec![Vec::new(); lists.len()];
        for (row, name) in all {
            encoded[row].push(self.ids[&name]);
        }
        Ok(encoded)
    }
}

/// The numbers of a column.
///
/// # Errors
///
/// [`DataError::EmptyLabel`], [`DataError::WrongType`] where a value is no finite number; [`DataError::MissingColumn`].
pub fn numbers(table: &Table, column: &str) -> Result<Vec<f64>, DataError> {
    let labels = super::labels_of(table, column)?;
    let number = |(row, label): (usize, &&str)| {
        let number: Option<f64> = label.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| DataError::WrongType {
            place: table.place(row),
            column: column.to_owned(),
            found: format!("`{}`", crate::nearest::short(label)),
            expected: "a number is wanted, such as 2.5",
        })
    };
    labels.iter().enumerate().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Form, read_columns};
    use crate::table::Wanted;

    fn table(name: &str, text: &str, wanted: Wanted<'_>) -> Table {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        read_columns(&path, &Form::default(), &[wanted]).expect("a table")
    }

    #[test]
    fn labels_of_lists_and_of_separated_texts() {
        let lists = table("a.jsonl", "{\"l\": [\"b\", \"a\", \"b\"]}\n{\"l\": []}\n", Wanted::List("l"));
        let map = LabelMap::from_lists(&lists, "l").expect("a map");
        assert_eq!(map.names(), ["a", "b"]);
        assert_eq!(map.encode_sets(&lists, "l").expect("ids"), [vec![0, 1], vec![]]);
        assert_eq!(map.encode_lists(&lists, "l").expect("ids"), [vec![1, 0, 1], vec![]]);
        let texts = table("a.csv", "l,x\n\"b, c\",1\n,2\n", Wanted::Separated("l", ','));
        let error = map.encode_sets(&texts, "l").expect_err("an error").to_string();
        assert!(error.contains("a.csv:2: label `c` (column `l`)"), "{error}");
    }

    #[test]
    fn a_file_of_names_gives_numbers_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("labels.txt");
        std::fs::write(&path, "joy\nanger\n\n").expect("a file");
        let map = LabelMap::from_names_file(&path).expect("a map");
        let texts = table("a.tsv", "l\tx\n1\t.\nanger,0\t.\n", Wanted::Separated("l", ','));
        assert_eq!(map.encode_lists(&texts, "l").expect("ids"), [vec![1], vec![1, 0]]);
        assert_eq!(map.names(), ["joy", "anger"]);
    }

    #[test]
    fn what_is_no_number_is_named() {
        let good = table("a.csv", "n\n2.5\n-1\n", Wanted::Text("n"));
        assert_eq!(numbers(&good, "n").expect("numbers"), [2.5, -1.0]);
        for text in ["n\n1\nhigh\n", "n\n1\nnan\n", "n\n1\ninf\n"] {
            let error = numbers(&table("a.csv", text, Wanted::Text("n")), "n").expect_err("an error").to_string();
            assert!(error.contains("a.csv:3: column `n` holds `"), "{error}");
        }
    }
}
