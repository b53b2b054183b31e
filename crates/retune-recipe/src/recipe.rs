//! What the user wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::check;
use crate::keys::{self, Key};
use crate::problem::{Origin, Problem, ProblemKind, RecipeError};
use crate::render::{self, Unsaid};
use crate::sweep::SweepSection;
use crate::value::Value;
use crate::walk;

/// What the user wrote, in a file, in flags, or in both; later settings override earlier ones.
///
/// A wrong setting does not end the reading: it is kept as a problem, and [`Recipe::resolve`] reports it along with all
/// the others. A wrong setting stays a problem when a later one overrides it.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The file that it was read from.
    pub(crate) file: Option<PathBuf>,
    pub(crate) settings: BTreeMap<&'static str, Setting>,
    problems: Vec<Problem>,
    /// Keys that were said wrongly, and so are not to be reported as missing.
    pub(crate) meant: BTreeSet<&'static str>,
    pub(crate) sweep: SweepSection,
}

/// A checked value and where it was said.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

impl Recipe {
    /// A recipe that says nothing yet.
    pub fn new() -> Self {
        Recipe::default()
    }

    /// Reads a recipe file. Its name becomes the name of the run directory, where the recipe does not say one.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not UTF-8, or is not TOML. All other problems are kept for [`Recipe::resolve`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, RecipeError> {
        let path = path.as_ref();
        let unreadable = |reason: String| {
            let origin = Origin::File { path: path.to_owned(), line: None };
            Problem::at(&origin, ProblemKind::Unreadable { reason })
        };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            unreadable(format!("line {} is not UTF-8; save the file in that encoding", line + 1))
        })?;
        Recipe::parse(&text, path)
    }

    /// Reads a recipe from text; `origin` is the path that messages name.
    ///
    /// # Errors
    ///
    /// The text is not TOML. All other problems are kept for [`Recipe::resolve`].
    pub fn parse(text: &str, origin: impl Into<PathBuf>) -> Result<Self, RecipeError> {
        let file = origin.into();
        let walked = walk::walk(text, &file)?;
        let settings =
            walked.settings.into_iter().map(|(key, value, origin)| (key.path, Setting { value, origin })).collect();
        Ok(Recipe { file: Some(file), settings, problems: walked.problems, meant: walked.meant, sweep: walked.sweep })
    }

    /// Sets a key from the command line; `origin` is what messages name, such as `--epochs`.
    ///
    /// The value is read as the key's type asks: `5` for a number, `true`, `["a", "b"]` for a list. Text needs no
    /// quotes.
    pub fn set(&mut self, key: &str, value: &str, origin: impl Into<String>) -> &mut Self {
        let origin = origin.into();
        if self.set_sweep(key, value, &origin) {
            return self;
        }
        self.set_checked(key, origin, |key| check::check_text(key, value))
    }

    /// Sets a key to a list of texts that are taken as they are, as when `--text` is given twice.
    pub fn set_list<S: AsRef<str>>(&mut self, key: &str, values: &[S], origin: impl Into<String>) -> &mut Self {
        let list: toml_edit::Array = values.iter().map(AsRef::as_ref).collect();
        self.set_checked(key, origin.into(), |key| check::check(key, &list.into()))
    }

    /// Sets a key from the `KEY=VALUE` of `--set`.
    pub fn set_assignment(&mut self, assignment: &str) -> &mut Self {
        match assignment.split_once('=') {
            Some((key, value)) => self.set(key.trim(), value.trim(), format!("--set {}", key.trim())),
            None => {
                let origin = Origin::Flag(format!("--set {assignment}"));
                let reason = "expected KEY=VALUE, as in --set train.epochs=5".to_owned();
                self.problems.push(Problem::at(&origin, ProblemKind::Syntax { reason }));
                self
            }
        }
    }

    /// What is wrong with what was said. What is missing or contradictory only [`Recipe::resolve`] knows.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Where a key was said, if it was.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.settings.get(key).map(|setting| &setting.origin)
    }

    /// The recipe as TOML: only what was said, grouped and ordered as in [`keys()`](crate::keys()), each key under a
    /// comment that says what it means.
    ///
    /// # Errors
    ///
    /// What was said is wrong.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        if self.problems.is_empty() {
            let text = render::toml(Unsaid::Omit, |key| self.settings.get(key).map(|setting| setting.value.clone()));
            Ok(text + &self.sweep.to_toml())
        } else {
            Err(RecipeError { problems: self.problems.clone() })
        }
    }

    fn set_checked(
        &mut self,
        path: &str,
        flag: String,
        check: impl FnOnce(&'static Key) -> Result<Value, ProblemKind>,
    ) -> &mut Self {
        let origin = Origin::Flag(flag);
        let checked = match keys::find(path) {
            Some(key) => check(key).map(|value| (key, value)),
            None => Err(walk::unknown_key(path)),
        };
        match checked {
            Ok((key, value)) => {
                self.settings.insert(key.path, Setting { value, origin });
            }
            Err(kind) => {
                self.meant.extend(match &kind {
                    ProblemKind::UnknownKey { suggestion, .. } => *suggestion,
                    _ => keys::find(path).map(|key| key.path),
                });
                self.problems.push(Problem::at(&origin, kind));
            }
        }
        self
    }
}
