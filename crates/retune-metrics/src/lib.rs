//! Measures of a model's quality: pure numbers in, pure numbers out.
//!
//! Everything streams: a [`ConfusionMatrix`] and a [`MeanLoss`] keep their size however many examples they have seen,
//! never the logits, and two of them merge into what one would have been. So evaluation needs no more memory at its
//! end than at its start, and many processes give the measures of one.
//!
//! Values equal scikit-learn's. Where a measure is 0/0 it is 0 and never NaN, so that every result can be compared and
//! written as JSON; the one difference from scikit-learn that this makes is noted at
//! [`cohen_kappa`](ConfusionMatrix::cohen_kappa).
//!
//! ```
//! use retune_metrics::{Average, Bootstrap, ConfusionMatrix};
//!
//! let mut matrix = ConfusionMatrix::new(2)?;
//! for (label, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
//!     matrix.update(label, predicted)?;
//! }
//! assert_eq!(matrix.accuracy()?, 0.75);
//! assert_eq!(matrix.recall(Average::Macro)?, 0.75);
//! let interval = Bootstrap::new(1000, 42)?.interval(&matrix, ConfusionMatrix::accuracy)?;
//! assert!(interval.low <= 0.75 && 0.75 <= interval.high);
//! # Ok::<(), retune_metrics::MetricError>(())
//! ```

mod averages;
mod bootstrap;
mod confusion;
mod error;
mod loss;

pub use averages::{Average, ClassScores};
pub use bootstrap::{Bootstrap, Interval, Statistic};
pub use confusion::{Confusion, ConfusionMatrix};
pub use error::MetricError;
pub use loss::{MeanLoss, log_loss};
