//! A TOML document against the table of keys.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, TomlError};

use crate::check::check_item;
use crate::keys::{self, Key};
use crate::nearest;
use crate::problem::{Origin, Problem, ProblemKind};
use crate::sweep::SweepSection;
use crate::value::Value;

/// What a document says, what is wrong with it, and the keys that its wrong ones stand for.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) settings: Vec<(&'static Key, Value, Origin)>,
    pub(crate) problems: Vec<Problem>,
    /// Keys that a misspelt one most likely means. They are not missing: they are misspelt.
    pub(crate) meant: BTreeSet<&'static str>,
    /// What a search has use for, and nothing else.
    pub(crate) sweep: SweepSection,
}

/// Reads every setting of a document. Only text that is not TOML ends it early: all other problems are collected.
pub(crate) fn walk(text: &str, path: &Path) -> Result<Walked, Problem> {
    let document = Document::parse(text).map_err(|error| not_toml(text, path, &error))?;
    let mut walker = Walker { text, path, walked: Walked::default() };
    walker.root(document.as_table());
    let mut walked = walker.walked;
    walked.problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    Ok(walked)
}

struct Walker<'a> {
    text: &'a str,
    path: &'a Path,
    walked: Walked,
}

impl Walker<'_> {
    fn root(&mut self, root: &dyn TableLike) {
        for (name, item) in root.iter() {
            match item.as_table_like() {
                Some(section) if name == "sweep" => {
                    let line_of = |table: &dyn TableLike, name: &str| self.key_line(table, name);
                    self.walked.sweep = SweepSection::read(section, self.path, &line_of);
                }
                Some(section) if keys::is_section(name) => self.section(name, section),
                Some(section) => self.unknown_section(name, section, self.key_line(root, name)),
                None if keys::is_section(name) => {
                    let found = if item.is_array_of_tables() { "a list of tables" } else { "a value" };
                    let kind = ProblemKind::WrongType {
                        key: name.to_owned(),
                        expected: format!("a section, begun by the line [{name}]"),
                        found: found.to_owned(),
                    };
                    self.problem(self.key_line(root, name), kind);
                }
                None => self.unknown_key(name, self.key_line(root, name)),
            }
        }
    }

    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = format!("{section}.{name}");
            let Some(key) = keys::find(&path) else {
                self.unknown_key(&path, self.key_line(table, name));
                continue;
            };
            let line = self.line(item.span()).or_else(|| self.key_line(table, name));
            match check_item(key, item) {
                Ok(value) => self.walked.settings.push((key, value, self.origin(line))),
                Err(kind) => {
                    self.walked.meant.insert(key.path);
                    self.problem(line, kind);
                }
            }
        }
    }

    fn unknown_key(&mut self, path: &str, line: Option<usize>) {
        let kind = unknown_key(path);
        if let ProblemKind::UnknownKey { suggestion: Some(suggestion), .. } = kind {
            self.walked.meant.insert(suggestion);
        }
        self.problem(line, kind);
    }

    fn unknown_section(&mut self, section: &str, table: &dyn TableLike, line: Option<usize>) {
        let known = keys::sections();
        let suggestion = nearest::word(section, known.iter().copied());
        // One line for the section says enough: its keys are not looked at one by one.
        for (name, _) in table.iter() {
            let path = format!("{}.{name}", suggestion.unwrap_or(section));
            self.walked.meant.extend(nearest_key(&path));
        }
        self.problem(line, ProblemKind::UnknownSection { section: section.to_owned(), suggestion, known });
    }

    fn problem(&mut self, line: Option<usize>, kind: ProblemKind) {
        let problem = Problem::at(&self.origin(line), kind);
        self.walked.problems.push(problem);
    }

    fn origin(&self, line: Option<usize>) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }

    fn key_line(&self, table: &dyn TableLike, name: &str) -> Option<usize> {
        let span = table.key(name).and_then(toml_edit::Key::span);
        self.line(span.or_else(|| table.get(name).and_then(Item::span)))
    }

    fn line(&self, span: Option<Range<usize>>) -> Option<usize> {
        span.map(|span| line_at(self.text, span.start))
    }
}

/// The problem of a key that is not in the table.
pub(crate) fn unknown_key(path: &str) -> ProblemKind {
    let section = path.split_once('.').map_or("", |(section, _)| section);
    let of_section: Vec<_> = keys::keys().iter().filter(|key| key.section() == section).map(|key| key.path).collect();
    let known = if of_section.is_empty() { keys::keys().iter().map(|key| key.path).collect() } else { of_section };
    ProblemKind::UnknownKey { key: path.to_owned(), suggestion: nearest_key(path), known }
}

fn nearest_key(path: &str) -> Option<&'static str> {
    nearest::key(path, keys::keys().iter().map(|key| key.path))
}

fn not_toml(text: &str, path: &Path, error: &TomlError) -> Problem {
    let line = error.span().map(|span| line_at(text, span.start));
    let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let origin = Origin::File { path: path.to_owned(), line };
    Problem::at(&origin, ProblemKind::Syntax { reason: format!("not TOML: {reason}") })
}

/// The line, from 1, of the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
