//! The classes of data: those that occur in it, or those that its files name.

use std::collections::BTreeSet;
use std::path::Path;

use super::{LabelMap, class_of, labels_of};
use crate::error::DataError;
use crate::table::Table;

/// The classes of a training file that is read table by table.
#[derive(Clone, Debug, Default)]
pub struct ClassNames {
    names: BTreeSet<String>,
    /// Those that the file itself names, in the order of their numbers.
    known: Option<Vec<String>>,
    rows: usize,
}

impl ClassNames {
    /// Adds those of a table.
    ///
    /// # Errors
    ///
    /// [`DataError::EmptyLabel`], [`DataError::MissingColumn`]; [`DataError::UnknownLabel`] and
    /// [`DataError::ClassesDiffer`] where files name classes.
    pub fn add(&mut self, table: &Table, column: &str) -> Result<(), DataError> {
        let labels = labels_of(table, column)?.into_iter().enumerate();
        self.take(table, column, labels)
    }

    /// Adds labels, each with its row.
    fn take<'a>(
        &mut self,
        table: &'a Table,
        column: &str,
        labels: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), DataError> {
        let known = table.class_names(column);
        if self.rows > 0 && self.known.as_deref() != known {
            let (first, second) = (table.path().to_owned(), table.place(0).path);
            return Err(DataError::ClassesDiffer { column: column.to_owned(), first, second });
        }
        self.known = known.map(<[String]>::to_vec);
        self.rows += table.len();
        let labels: Vec<(usize, &str)> = labels.map(|(row, label)| (row, class_of(known, label))).collect();
        let mut unknown =
            labels.iter().filter(|(_, label)| known.is_some_and(|known| !known.iter().any(|name| name == label)));
        if let Some((row, label)) = unknown.next() {
            let (place, more) = (table.place(*row), unknown.count());
            let (column, label, known) = (column.to_owned(), (*label).to_owned(), known.unwrap_or_default().to_vec());
            return Err(DataError::UnknownLabel { place, column, label, known, more });
        }
        for (_, name) in labels {
            if !self.names.contains(name) {
                self.names.insert(name.to_owned());
            }
        }
        Ok(())
    }

    /// All of them, in the order of [`LabelMap::from_table`].
    ///
    /// # Errors
    ///
    /// [`DataError::OneClass`], which names the file.
    pub fn finish(&self, path: &Path) -> Result<LabelMap, DataError> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if let [only] = names[..] {
            return Err(DataError::OneClass { path: path.to_owned(), label: only.to_owned(), rows: self.rows });
        }
        sort_numbers(&mut names);
        self.map_of(names)
    }

    /// Adds those of a column of lists.
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`], [`DataError::WrongType`]; those of classes as [`ClassNames::add`].
    pub fn add_lists(&mut self, table: &Table, column: &str) -> Result<(), DataError> {
        let lists = table.lists(column)?;
        let labels =
            lists.iter().enumerate().flat_map(|(row, list)| list.iter().flatten().map(move |name| (row, *name)));
        self.take(table, column, labels.filter(|(_, name)| !name.is_empty()))
    }

    fn map_of(&self, found: Vec<&str>) -> Result<LabelMap, DataError> {
        match &self.known {
            Some(known) => LabelMap::from_names(known.iter().map(String::as_str)),
            None => LabelMap::from_names(found),
        }
    }

    /// All of them, however few.
    ///
    /// # Errors
    ///
    /// None: the names are different.
    pub fn finish_lists(&self) -> Result<LabelMap, DataError> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        sort_numbers(&mut names);
        self.map_of(names)
    }
}

/// Names that are all whole numbers in the order of these. They come in the order of their code points.
fn sort_numbers(names: &mut [&str]) {
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        // Stable: names of one number (`1`, `01`) keep the order of their code points.
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    }
}
