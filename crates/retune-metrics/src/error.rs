//! What can be wrong with what is measured.

/// Why a measure cannot be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// A label or a prediction is no class of the matrix.
    #[error("{role} {class} is not one of the {classes} classes; classes are counted from 0")]
    ClassOutOfRange {
        /// What it was given as: a label or a prediction.
        role: &'static str,
        /// What was given.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A matrix needs a class.
    #[error("a confusion matrix needs at least one class; 0 were asked for")]
    NoClasses,
    /// Nothing has been counted, so there is nothing to measure.
    #[error("{measure} of no examples is not defined; give at least one example")]
    Empty {
        /// The measure that was asked for.
        measure: &'static str,
    },
    /// A number is NaN or infinite.
    #[error("{quantity} is {value}; it must be finite")]
    NotFinite {
        /// What the number is.
        quantity: &'static str,
        /// NaN or an infinity.
        value: f64,
    },
    /// A number lies outside its range.
    #[error("{quantity} is {value}; it must be {expected}")]
    OutOfRange {
        /// What the number is.
        quantity: &'static str,
        /// The number.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// Matrices of different numbers of classes cannot be added.
    #[error("a matrix of {found} classes cannot be merged into one of {expected}")]
    OtherClasses {
        /// Classes of the matrix that is merged into.
        expected: usize,
        /// Classes of the matrix that is merged.
        found: usize,
    },
    /// There are not as many probabilities as labels and classes ask for.
    #[error("expected {labels} x {classes} probabilities, one for each label and class; found {found}")]
    ProbabilityCount {
        /// The number of labels.
        labels: usize,
        /// The number of classes.
        classes: usize,
        /// The number of probabilities.
        found: usize,
    },
    /// The probabilities of one example do not add up to one.
    #[error("the probabilities of example {example} add up to {sum}; they must add up to 1")]
    NotADistribution {
        /// The example, from 0.
        example: usize,
        /// What they add up to.
        sum: f64,
    },
}
