//! What is wrong with data before it is trained on: each check is a file, takes plain values, and gives [`Finding`]s,
//! which are plain records.
//!
//! | file | what it finds |
//! |---|---|
//! | [`sizes`] | classes with few rows, of unequal sizes, unseen in training; numbers of a regression outside those of training |
//! | [`tokens`] | lengths in tokens, what is cut, what the vocabulary lacks, words in many pieces, by [`script`] |
//! | [`oddities`] | damaged encodings, control characters, HTML, punctuation alone, extreme lengths |
//! | [`fingerprints`], [`near`], [`duplicates`] | repeated rows, and rows of one data set in another: exact, [normalised](normalize), nearly |
//! | [`conflicts`] | equal texts with different labels |
//! | [`label_errors`] | labels that are likely wrong, by confident learning; equal to `cleanlab` |
//! | [`shift`] | whether a classifier tells two data sets apart ([`auc`]), and by which words |
//!
//! Classifiers of their own for this, and for baselines: [`linear`] (multinomial logistic regression) on [`features`]
//! or on [`tfidf`], judged by [`folds`]; equal to scikit-learn.
//!
//! Of rows that are compared with each other, hashes are kept in place of texts: 112 bytes a row.

pub mod auc;
pub mod conflicts;
pub mod duplicates;
mod error;
pub mod features;
pub mod finding;
pub mod fingerprints;
pub mod folds;
pub mod label_errors;
mod lbfgs;
pub mod linear;
pub mod near;
pub mod normalize;
pub mod oddities;
pub mod probabilities;
pub mod script;
pub mod shift;
pub mod sizes;
pub mod tfidf;
mod threads;
pub mod tokens;

pub use error::InspectError;
pub use finding::{Finding, FoundRow, Kind, RowId, Severity, Split, rank};
