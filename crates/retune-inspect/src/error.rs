//! What can be wrong with the numbers that a check is given.

/// Why a check cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InspectError {
    /// Two inputs that stand beside each other are of different lengths.
    #[error("{what} has {found} entries where {expected} are wanted")]
    Length {
        /// Which input.
        what: &'static str,
        /// How many it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A label is no class.
    #[error("row {row} has the label {label}, and there are {classes} classes, from 0")]
    Label {
        /// The row, from 0.
        row: usize,
        /// Its label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Fewer than two classes have rows.
    #[error("of {classes} classes fewer than two have rows: there is nothing to tell apart")]
    OneClass {
        /// How many classes there are.
        classes: usize,
    },
    /// Too few rows for so many folds.
    #[error("{rows} rows cannot be cut into {folds} folds: at least two folds, and as many rows as folds, are wanted")]
    Folds {
        /// How many rows there are.
        rows: usize,
        /// How many folds were asked for.
        folds: usize,
    },
    /// A number is not finite, or no probability.
    #[error("{what} of row {row} is {value}")]
    Value {
        /// Which number.
        what: &'static str,
        /// The row, from 0.
        row: usize,
        /// The number.
        value: f64,
    },
    /// A setting is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
}

/// That an input has as many entries as another.
pub(crate) fn same_length(what: &'static str, expected: usize, found: usize) -> Result<(), InspectError> {
    if expected == found { Ok(()) } else { Err(InspectError::Length { what, expected, found }) }
}
