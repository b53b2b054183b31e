//! CoNLL columns: one token a line with its tags beside it, and an empty line after each sentence.
//!
//! The shared tasks each had their own columns, so they go by place: the first is the token, the last is its tag, and
//! names are given for any other. Fields are set apart by one tab where the first line of tokens has a tab, else by
//! white space.

use std::path::Path;

use super::{AS_NAMED, Holds, Request, check_columns, line_of};
use crate::error::DataError;
use crate::table::{ColumnBuilder, Positions, Table};

const TOKENS: &str = "tokens";
const TAGS: &str = "tags";

/// Reads each sentence as a row of lists, and its place as the line of its first token.
pub(super) fn read(path: &Path, text: &str, request: &Request<'_>) -> Result<Table, DataError> {
    let mut sentences = Sentences::new(path, text, request)?;
    let there: Vec<_> = sentences.names.iter().map(|name| (name.as_str(), Holds::Lists)).collect();
    check_columns(request, &line_of(path, sentences.first_line), &there)?;
    let column_of = |name| sentences.names.iter().position(|other| *other == name).unwrap_or_default();
    let wanted: Vec<usize> = request.wanted.iter().map(|wanted| column_of(wanted.name())).collect();

    let mut builders = request.builders();
    let mut lines = Vec::new();
    while let Some(line) = sentences.next_sentence()? {
        for (builder, &column) in builders.iter_mut().zip(&wanted) {
            // That a list is wanted was checked.
            let _ = builder.push_list(sentences.fields.iter().map(|fields| fields[column]));
        }
        lines.push(line);
    }
    Table::new(path, builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(lines))
}

/// Reads one sentence after the other.
struct Sentences<'a> {
    path: &'a Path,
    lines: Vec<(u64, &'a str)>,
    next: usize,
    has_tabs: bool,
    /// The names of the columns, as many as the first line of tokens has fields.
    names: Vec<String>,
    first_line: u64,
    /// The fields of each token of the sentence at hand.
    fields: Vec<Vec<&'a str>>,
}

impl<'a> Sentences<'a> {
    fn new(path: &'a Path, text: &'a str, request: &Request<'_>) -> Result<Self, DataError> {
        let lines: Vec<_> = (1..).zip(text.lines()).collect();
        let mut first = lines.iter().filter(|(_, line)| !is_between(line) && !is_comment(line));
        let &(first_line, line) = first.next().ok_or_else(|| DataError::NoRows { path: path.to_owned() })?;
        let has_tabs = line.contains('\t');
        let columns = split(line, has_tabs).count();
        let names = match request.names {
            [] => default_names(columns),
            names if names.len() == columns => names.to_vec(),
            names => return Err(other_fields(path, first_line, names.len(), columns, AS_NAMED)),
        };
        Ok(Self { path, lines, next: 0, has_tabs, names, first_line, fields: Vec::new() })
    }

    /// Puts the next sentence into `fields` and returns the line on which it starts, or `None` at the end.
    fn next_sentence(&mut self) -> Result<Option<u64>, DataError> {
        self.fields.clear();
        let mut start = None;
        while let Some(&(number, line)) = self.lines.get(self.next) {
            self.next += 1;
            if is_between(line) {
                if start.is_some() {
                    break;
                }
            } else if !(start.is_none() && is_comment(line)) {
                let fields: Vec<_> = split(line, self.has_tabs).collect();
                if fields.len() != self.names.len() {
                    return Err(other_fields(self.path, number, self.names.len(), fields.len(), AS_FIRST));
                }
                if !is_no_word(&fields) {
                    start = start.or(Some(number));
                    self.fields.push(fields);
                }
            }
        }
        Ok(start)
    }
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
