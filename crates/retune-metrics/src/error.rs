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
    /// There are not as many of something as of what it goes with.
    #[error("expected {expected} {quantity}; found {found}")]
    OtherCount {
        /// What is counted, and what each goes with.
        quantity: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// What has seen data of one shape cannot be merged into what has seen another.
    #[error("{quantity} is {found} in what is merged, and {expected} in what it is merged into; it must be the same")]
    NotMergeable {
        /// What differs.
        quantity: &'static str,
        /// Its number in what is merged into.
        expected: usize,
        /// Its number in what is merged.
        found: usize,
    },
    /// The measure compares things, and there are too few.
    #[error("{measure} needs at least {expected} examples; found {found}")]
    TooFew {
        /// The measure that was asked for.
        measure: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The measure compares judgements of one item, and no item has two.
    #[error("{measure} needs an item with two judgements; none of {items} has them")]
    NothingPairable {
        /// The measure that was asked for.
        measure: &'static str,
        /// How many items there are.
        items: u64,
    },
    /// The measure is one of variation, and there is none.
    #[error("{measure} is not defined where {quantity} are all the same; give examples that differ")]
    Constant {
        /// The measure that was asked for.
        measure: &'static str,
        /// What is all the same.
        quantity: &'static str,
    },
    /// The measure compares positive examples with negative ones, and one of the kinds is missing.
    #[error("{measure} is not defined where no example is {missing}; give examples of both kinds")]
    OneSided {
        /// The measure that was asked for.
        measure: &'static str,
        /// Positive or negative.
        missing: &'static str,
    },
    /// The measure averages over all classes, and of one of them it is not defined.
    #[error(
        "{measure} is not defined for class {class}, where no example is {missing}; give examples of it and of others"
    )]
    OneSidedClass {
        /// The measure that was asked for.
        measure: &'static str,
        /// The class or label.
        class: usize,
        /// Positive or negative.
        missing: &'static str,
    },
    /// A tag is not one of its scheme.
    #[error("tag {tag:?} at position {position} is not one of the scheme; it must be {expected}")]
    InvalidTag {
        /// What was given.
        tag: String,
        /// Its position in the sequence, from 0.
        position: usize,
        /// What tags the scheme has, in words.
        expected: &'static str,
    },
}
