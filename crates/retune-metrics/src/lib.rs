//! Measures of a model's quality: pure numbers in, pure numbers out.
//!
//! Everything streams: a measure is made empty, is updated with one example (or one batch) after another, and two of
//! them merge into what one would have been, so many processes give the measures of one. Most keep their size however
//! many examples they have seen, so evaluation needs no more memory at its end than at its start. Those that are exact
//! functions of all scores keep the scores, and say so: [`BinaryScores`], [`MulticlassScores`], [`MultilabelScores`],
//! [`RankCorrelation`], [`UnanswerableScores`].
//!
//! | of | measures |
//! |---|---|
//! | classes | [`ConfusionMatrix`], [`TopKAccuracy`] |
//! | probabilities | [`log_loss`], [`BrierScore`], [`Calibration`], [`Temperature`], [`MulticlassScores`] |
//! | yes or no | [`BinaryScores`], [`BinaryCounts`] |
//! | several labels | [`Multilabel`], [`MultilabelScores`], [`LabelRanking`] |
//! | numbers | [`Regression`], [`RankCorrelation`] |
//! | tags | [`EntityScores`], and [`entities`], which reads them |
//! | answers | [`AnswerScores`] (SQuAD 1.1), [`UnanswerableScores`] (SQuAD 2.0) |
//! | rankings | [`Retrieval`] |
//! | tokens | [`Perplexity`], [`MeanLoss`] |
//! | judges | [`FleissKappa`], [`KrippendorffAlpha`], and of two [`ConfusionMatrix::cohen_kappa`] |
//! | chance | [`Bootstrap`], [`McNemar`], [`SignTest`], [`randomization_test`], [`wilson_interval`] |
//!
//! Values equal those of scikit-learn, scipy, statsmodels, krippendorff, seqeval and the SQuAD scripts; every file says
//! where it deviates. Where a share is 0/0 it is 0 and never NaN, so that every result can be compared and written as
//! JSON; what is not defined at all, such as the correlation with a constant, is an error. The one difference from
//! scikit-learn that the former makes is noted at [`cohen_kappa`](ConfusionMatrix::cohen_kappa).
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

mod answers;
mod averages;
mod binary_counts;
mod binary_scores;
mod bootstrap;
mod calibration;
mod checks;
mod comparison;
mod confusion;
mod counts;
mod entity_scores;
mod error;
mod fleiss;
mod krippendorff;
mod label_ranking;
mod language_modelling;
mod loss;
mod mcnemar;
mod multiclass_scores;
mod multilabel;
mod multilabel_scores;
mod normal;
mod proportion;
mod rank_correlation;
mod regression;
mod retrieval;
mod sign_test;
mod sum;
mod tags;
mod temperature;
mod top_k;
mod unanswerable;

pub use answers::{AnswerScores, normalize_answer};
pub use averages::{Average, ClassScores};
pub use binary_counts::BinaryCounts;
pub use binary_scores::{BinaryScores, Cut, Threshold};
pub use bootstrap::{Bootstrap, Interval, Statistic};
pub use calibration::{BrierScore, Calibration, ReliabilityBin};
pub use comparison::{PairedDifference, randomization_test};
pub use confusion::{Confusion, ConfusionMatrix};
pub use entity_scores::EntityScores;
pub use error::MetricError;
pub use fleiss::FleissKappa;
pub use krippendorff::{KrippendorffAlpha, MeasurementLevel};
pub use label_ranking::LabelRanking;
pub use language_modelling::Perplexity;
pub use loss::{MeanLoss, log_loss};
pub use mcnemar::McNemar;
pub use multiclass_scores::MulticlassScores;
pub use multilabel::Multilabel;
pub use multilabel_scores::MultilabelScores;
pub use proportion::wilson_interval;
pub use rank_correlation::RankCorrelation;
pub use regression::Regression;
pub use retrieval::{Gain, Retrieval, RetrievalMeasures};
pub use sign_test::SignTest;
pub use tags::{Decoding, Entity, Scheme, entities};
pub use temperature::Temperature;
pub use top_k::TopKAccuracy;
pub use unanswerable::{AnswerMeasures, NoAnswerThreshold, Questions, UnanswerableScores};
