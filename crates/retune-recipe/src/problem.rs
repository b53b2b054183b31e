//! What can be wrong with a recipe, and where.

use std::fmt;
use std::path::PathBuf;

use crate::nearest;

/// Everything that is wrong with a recipe; one line each in `Display`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct RecipeError {
    /// At least one problem: those of the file by line, then those of flags, then what is missing or contradictory.
    pub problems: Vec<Problem>,
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

impl From<Problem> for RecipeError {
    fn from(problem: Problem) -> Self {
        RecipeError { problems: vec![problem] }
    }
}

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A recipe file.
    File {
        /// The file, as the user named it.
        path: PathBuf,
        /// The line, from 1; `None` for the file as a whole.
        line: Option<usize>,
    },
    /// A flag of the command line, as in `--epochs` or `--set train.epochs`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line: None } => write!(f, "{}", path.display()),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where it was said; `None` for what was said nowhere.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub kind: ProblemKind,
}

impl Problem {
    pub(crate) fn at(origin: &Origin, kind: ProblemKind) -> Self {
        Problem { origin: Some(origin.clone()), kind }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProblemKind {
    /// The recipe file cannot be read.
    #[error("cannot read the recipe: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// The text is not TOML, or a `--set` is not an assignment.
    #[error("{reason}")]
    Syntax {
        /// What was expected.
        reason: String,
    },
    /// There is no such key.
    #[error("unknown key '{key}'{}", key_hint(*.suggestion, .known))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The nearest key that there is, if one is near.
        suggestion: Option<&'static str>,
        /// What there is, to be listed where nothing is near.
        known: Vec<&'static str>,
    },
    /// There is no such section.
    #[error("unknown section [{section}]{}", section_hint(*.suggestion, .known))]
    UnknownSection {
        /// The section as written.
        section: String,
        /// The nearest section that there is, if one is near.
        suggestion: Option<&'static str>,
        /// The sections that there are.
        known: Vec<&'static str>,
    },
    /// The value has another type than the key.
    #[error("'{key}' must be {expected}; found {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it takes.
        expected: String,
        /// The value, described.
        found: String,
    },
    /// The value has the right type, and cannot be.
    #[error("'{key}' must be {expected}; found {found}{}", nearest::did_you_mean(*.suggestion))]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What it takes.
        expected: String,
        /// The value as written.
        found: String,
        /// The nearest choice, where the key has choices and one is near.
        suggestion: Option<&'static str>,
    },
    /// A required key that is nowhere said.
    #[error("missing required key '{key}' ({}): {}", .doc.trim_end_matches('.'), how_to_say(.key, *.flag))]
    Missing {
        /// The key.
        key: &'static str,
        /// The flag that sets it.
        flag: Option<&'static str>,
        /// What the key means.
        doc: &'static str,
    },
    /// A value that the task has no use for.
    #[error("'{key}' must be {expected} where 'task.kind' is {task}; found {found}")]
    NotForTask {
        /// The key.
        key: &'static str,
        /// What the task takes.
        expected: Box<str>,
        /// What was said.
        found: Box<str>,
        /// The task.
        task: &'static str,
    },
    /// Two values that exclude each other.
    #[error("{first} and {second} contradict each other: {reason}")]
    Contradiction {
        /// The one setting.
        first: Box<Said>,
        /// The other.
        second: Box<Said>,
        /// Why they exclude each other, and how to mend it.
        reason: &'static str,
    },
}

/// A key and where it was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The key.
    pub key: &'static str,
    /// Where it was said.
    pub origin: Origin,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' ({})", self.key, self.origin)
    }
}

fn key_hint(suggestion: Option<&str>, known: &[&str]) -> String {
    match suggestion {
        Some(_) => nearest::did_you_mean(suggestion),
        None => format!("; there are {}", known.join(", ")),
    }
}

fn section_hint(suggestion: Option<&str>, known: &[&str]) -> String {
    match suggestion {
        Some(section) => format!("; did you mean [{section}]?"),
        None => format!("; there are [{}]", known.join("], [")),
    }
}

fn how_to_say(key: &str, flag: Option<&str>) -> String {
    match flag {
        Some(flag) => format!("write it in the recipe, or give {flag}"),
        None => format!("write it in the recipe, or give --set {key}=VALUE"),
    }
}
