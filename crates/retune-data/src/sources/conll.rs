//! CoNLL columns: one token a line with its tags beside it, and an empty line after each sentence.
//!
//! The shared tasks each had their own columns, so they go by place: the first is the token, the last is its tag, and
//! names are given for any other. Fields are set apart by one tab where the first line of tokens has a tab, else by
//! white space.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::Column;

use super::lines::Lines;
use super::stream::Parser;
use super::{AS_NAMED, Holds, Request, check_columns, line_of};
use crate::error::DataError;
use crate::table::{ColumnBuilder, Positions};

const TOKENS: &str = "tokens";
const TAGS: &str = "tags";

/// Each sentence as a row of lists, and its place as the line of its first token.
pub(super) struct Conll<'a> {
    path: PathBuf,
    request: Arc<Request<'a>>,
    columns: Option<Columns>,
    builders: Vec<ColumnBuilder<'a>>,
    lines: Vec<u64>,
}

/// What the first line of tokens tells.
struct Columns {
    has_tabs: bool,
    /// As many as the line has fields.
    count: usize,
    /// The index of each wanted column.
    wanted: Vec<usize>,
}

impl<'a> Conll<'a> {
    pub(super) fn new(path: &Path, request: &Arc<Request<'a>>) -> Self {
        let (path, builders) = (path.to_owned(), request.builders());
        Self { path, request: Arc::clone(request), columns: None, builders, lines: Vec::new() }
    }

    /// The fields of a line of tokens, of which the first says how many there are.
    fn fields<'t>(&mut self, number: u64, line: &'t str) -> Result<Vec<&'t str>, DataError> {
        let columns = match &mut self.columns {
            Some(columns) => columns,
            none => none.insert(columns(&self.path, number, line, &self.request)?),
        };
        let fields: Vec<_> = split(line, columns.has_tabs).collect();
        if fields.len() != columns.count {
            return Err(other_fields(&self.path, number, columns.count, fields.len(), AS_FIRST));
        }
        Ok(fields)
    }

    fn push(&mut self, line: u64, sentence: &[Vec<&str>]) {
        let wanted = self.columns.iter().flat_map(|columns| &columns.wanted);
        for (builder, &column) in self.builders.iter_mut().zip(wanted) {
            // That a list is wanted was checked.
            let _ = builder.push_list(sentence.iter().map(|fields| fields[column]));
        }
        self.lines.push(line);
    }
}

impl Parser for Conll<'_> {
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError> {
        let mut lines = Lines::new(text, line, is_last);
        let mut sentence = Vec::new();
        let mut start = None;
        let mut taken = 0;
        while self.lines.len() < rows {
            let Some((number, line)) = lines.next() else {
                if let (Some(first), true) = (start, is_last) {
                    self.push(first, &sentence);
                    taken = lines.at();
                }
                break;
            };
            if is_between(line) {
                if let Some(first) = start.take() {
                    self.push(first, &sentence);
                    sentence.clear();
                }
            } else if start.is_some() || !is_comment(line) {
                let fields = self.fields(number, line)?;
                if !is_no_word(&fields) {
                    start = start.or(Some(number));
                    sentence.push(fields);
                }
            }
            // A sentence stays until it is whole.
            if start.is_none() {
                taken = lines.at();
            }
        }
        Ok(taken)
    }

    fn check_end(&mut self) -> Result<(), DataError> {
        match self.columns {
            Some(_) => Ok(()),
            None => Err(DataError::NoRows { path: self.path.clone() }),
        }
    }

    fn rows(&self) -> usize {
        self.lines.len()
    }

    fn take(&mut self) -> (Vec<Column>, Positions) {
        let builders = std::mem::replace(&mut self.builders, self.request.builders());
        let lines = std::mem::take(&mut self.lines);
        (builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(lines))
    }
}

fn columns(path: &Path, number: u64, line: &str, request: &Request<'_>) -> Result<Columns, DataError> {
    let has_tabs = line.contains('\t');
    let count = split(line, has_tabs).count();
    let names = match &request.names[..] {
        [] => default_names(count),
        names if names.len() == count => names.to_vec(),
        names => return Err(other_fields(path, number, names.len(), count, AS_NAMED)),
    };
    let there: Vec<_> = names.iter().map(|name| (name.as_str(), Holds::Lists)).collect();
    check_columns(request, &line_of(path, number), &there)?;
    let column_of = |name| names.iter().position(|other| *other == name).unwrap_or_default();
    let wanted = request.wanted.iter().map(|wanted| column_of(wanted.name())).collect();
    Ok(Columns { has_tabs, count, wanted })
}

/// An empty line, or the mark between two documents.
fn is_between(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("-DOCSTART-")
}

/// A comment of CoNLL-U. It stands before the first token of a sentence; later, `#` is a token.
fn is_comment(line: &str) -> bool {
    line.starts_with("# ")
}

/// The range of a contracted word (`3-4`), or a word that is not written (`3.1`), in the ten columns of CoNLL-U: the
/// words themselves have lines of their own.
fn is_no_word(fields: &[&str]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    fields.len() == 10
        && fields[0].split_once(['-', '.']).is_some_and(|(first, second)| is_number(first) && is_number(second))
}

fn split(line: &str, at_tabs: bool) -> impl Iterator<Item = &str> {
    let (tabs, spaces) = match at_tabs {
        true => (Some(line.split('\t')), None),
        false => (None, Some(line.split_whitespace())),
    };
    tabs.into_iter().flatten().chain(spaces.into_iter().flatten())
}

/// `tokens`, what has no name, `tags`.
fn default_names(columns: usize) -> Vec<String> {
    let name = |column| match column {
        0 => TOKENS.to_owned(),
        last if last + 1 == columns => TAGS.to_owned(),
        other => format!("column {}", other + 1),
    };
    (0..columns).map(name).collect()
}

const AS_FIRST: &str = "as on the first line of tokens";

fn other_fields(path: &Path, line: u64, expected: usize, found: usize, as_in: &'static str) -> DataError {
    let hint = match as_in {
        AS_NAMED => "name every column of the file",
        _ if found < expected => "a token has its tags on its own line, and a sentence ends with an empty line",
        _ => "a token must not hold what sets the fields apart",
    };
    DataError::FieldCount { place: line_of(path, line), expected, as_in, found, hint }
}
