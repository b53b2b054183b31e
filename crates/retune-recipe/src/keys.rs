//! What is known of each key that a recipe may have. The keys themselves are in `sections`.

use std::fmt;

use crate::choices::{DeviceChoice, one_of};
use crate::sections::KEYS;

/// One key of a recipe.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section and the name, as in `train.epochs`.
    pub path: &'static str,
    /// The type and the range of its values.
    pub kind: Kind,
    /// What happens where the recipe does not say it.
    pub fallback: Fallback,
    /// The flag of the command line that sets it, where it has one besides `--set`.
    pub flag: Option<&'static str>,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
}

pub(crate) const fn key(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, flag: None, doc }
}

impl Key {
    pub(crate) const fn flag(mut self, flag: &'static str) -> Key {
        self.flag = Some(flag);
        self
    }

    /// The part before the dot.
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part after the dot.
    pub fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// The type of a key's values, with their range. Its `Display` completes "expected …".
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A text that is not empty.
    Text,
    /// An expression of columns, which who reads the data knows to check.
    Expression,
    /// A path, relative to the current directory.
    Path,
    /// The names of one to three columns.
    Columns,
    /// The names of any number of columns, in their order.
    Names,
    /// Columns and the expressions that they are computed by.
    Computed,
    /// A whole number of at least `min`.
    Integer {
        /// The least that is allowed.
        min: u64,
    },
    /// A finite number.
    Float(Range),
    /// True or false.
    Switch,
    /// One of the words.
    Choice(&'static [&'static str]),
    /// A device, see [`DeviceChoice`].
    Device,
    /// Weights of classes, see [`Weights`](crate::Weights).
    Weights,
    /// Numbers by pattern of name, see [`Factors`](crate::Factors).
    Factors,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("a text"),
            Kind::Expression => f.write_str("an expression of columns, as text"),
            Kind::Path => f.write_str("a path"),
            Kind::Columns => f.write_str("the name of one column or a list of up to three"),
            Kind::Names => f.write_str("the name of one column or a list of names"),
            Kind::Computed => f.write_str("one \"NAME = EXPRESSION\" or a list of them"),
            Kind::Integer { min } => write!(f, "a whole number, at least {min}"),
            Kind::Float(range) => write!(f, "a number {range}"),
            Kind::Switch => f.write_str("true or false"),
            Kind::Choice(names) => f.write_str(&one_of(names)),
            Kind::Device => f.write_str(&one_of(DeviceChoice::NAMES)),
            Kind::Weights => f.write_str("none, balanced, or weights above 0 by name, as \"spam=2, ham=0.5\""),
            Kind::Factors => f.write_str("numbers of 0 or more by name, as \"classifier.*=10, *.embeddings.*=0.1\""),
        }
    }
}

/// A range of finite numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Zero or more.
    NotNegative,
    /// More than zero.
    Positive,
    /// More than zero, and at most one.
    PositiveToOne,
    /// From zero to one, both allowed.
    ZeroToOne,
    /// Zero or more, and less than one.
    BelowOne,
    /// More than zero, and less than one.
    Between,
}

impl Range {
    pub(crate) fn contains(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Range::NotNegative => number >= 0.0,
                Range::Positive => number > 0.0,
                Range::PositiveToOne => number > 0.0 && number <= 1.0,
                Range::ZeroToOne => (0.0..=1.0).contains(&number),
                Range::BelowOne => (0.0..1.0).contains(&number),
                Range::Between => number > 0.0 && number < 1.0,
            }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::NotNegative => "of zero or more",
            Range::Positive => "above 0",
            Range::PositiveToOne => "above 0 and at most 1",
            Range::ZeroToOne => "from 0 to 1",
            Range::BelowOne => "of at least 0 and below 1",
            Range::Between => "above 0 and below 1",
        })
    }
}

/// What happens where a recipe does not say a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fallback {
    /// It must be said.
    Required,
    /// It stays unset; the text says what that means.
    Unset(&'static str),
    /// It is worked out from the rest of the recipe; the text says how.
    Derived(&'static str),
    /// A text.
    Text(&'static str),
    /// A whole number.
    Integer(u64),
    /// A number.
    Float(f64),
    /// True or false.
    Switch(bool),
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fallback::Required => f.write_str("required"),
            Fallback::Unset(meaning) => f.write_str(meaning),
            Fallback::Derived(rule) => write!(f, "default: {rule}"),
            Fallback::Text(text) => write!(f, "default: {text}"),
            Fallback::Integer(number) => write!(f, "default: {number}"),
            Fallback::Float(number) => write!(f, "default: {number:?}"),
            Fallback::Switch(switch) => write!(f, "default: {switch}"),
        }
    }
}

/// Every key of a recipe, in the order in which recipes, plans and the documentation list them.
pub fn keys() -> &'static [Key] {
    &KEYS
}

pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

pub(crate) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}

/// The sections, each once, in the order of the table.
pub(crate) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = KEYS.iter().map(Key::section).collect();
    sections.dedup();
    sections
}
