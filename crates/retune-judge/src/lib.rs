//! People judge a model: rows are drawn, judges answer on a page, and the answers say how good the model is.
//!
//! | | |
//! |---|---|
//! | [`Item`], [`StudySettings`] | plain records in: rows with what a model says of them, and what is asked |
//! | [`Study`] | one SQLite file; every answer is on the disk before it is acknowledged |
//! | [`Server`] | the page, on an address of this machine |
//! | [`Report`] | accuracy with its interval, agreement, preference, disagreements |
//! | [`corrected`] | labels by the majority of judges, for the next training |
//! | [`draw`], [`estimate()`] | the mathematics: which rows, and what they say of all rows |
//!
//! It knows nothing of models, files of data, or libtorch.

mod answer;
mod corrected;
mod error;
mod estimate;
mod item;
mod report;
mod sampling;
mod server;
mod settings;
mod store;

pub use answer::{Answer, Judgement, Side};
pub use corrected::{Corrected, Decision, corrected};
pub use error::JudgeError;
pub use estimate::{Estimate, LEVEL, Observation, Population, estimate};
pub use item::Item;
pub use report::{Agreement, Disagreement, Measure, PairAgreement, Preference, Report, Said};
pub use sampling::{Drawn, Frame, draw};
pub use server::{Server, ServerSettings};
pub use settings::{Mode, Sampling, StudySettings};
pub use store::{Answered, Progress, Sampled, Study, Turn};
