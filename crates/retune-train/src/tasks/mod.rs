//! Tasks: each ties columns, head, loss, measures and predictions together. A new one is a file here, a line of
//! [`TaskKind`](retune_recipe::TaskKind) and a line of [`with_task!`](crate::with_task).

mod classification;
mod embeddings;
mod file_texts;
mod groups;
mod kept;
mod masked_lm;
mod multi_label;
mod multiple_choice;
mod probabilities;
mod question_answering;
mod regression;
mod tables;
mod texts;
mod token_classification;

pub use classification::Classification;
pub use embeddings::Embeddings;
pub use file_texts::Texts;
pub use groups::{GroupExamples, Groups};
pub use kept::{FileRows, Kept};
pub use masked_lm::MaskedLanguageModel;
pub use multi_label::MultiLabel;
pub use multiple_choice::MultipleChoice;
pub use probabilities::{arg_max, log_softmax, softmax};
pub use question_answering::QuestionAnswering;
pub use regression::Regression;
pub(crate) use tables::Tables;
pub(crate) use tables::data_format;
pub use tables::form_of;
pub use texts::TextExamples;
pub use token_classification::TokenClassification;

/// Calls a function that is generic in its task with the task of a kind: `with_task!(kind, run(plan))` is
/// `run::<Classification>(plan)` where that is the kind.
#[macro_export]
macro_rules! with_task {
    ($kind:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $kind {
            $crate::TaskKind::Classification => $function::<$crate::tasks::Classification>($($argument),*),
            $crate::TaskKind::MultiLabel => $function::<$crate::tasks::MultiLabel>($($argument),*),
            $crate::TaskKind::Regression => $function::<$crate::tasks::Regression>($($argument),*),
            $crate::TaskKind::TokenClassification => $function::<$crate::tasks::TokenClassification>($($argument),*),
            $crate::TaskKind::QuestionAnswering => $function::<$crate::tasks::QuestionAnswering>($($argument),*),
            $crate::TaskKind::MaskedLm => $function::<$crate::tasks::MaskedLanguageModel>($($argument),*),
            $crate::TaskKind::MultipleChoice => $function::<$crate::tasks::MultipleChoice>($($argument),*),
            $crate::TaskKind::Embeddings => $function::<$crate::tasks::Embeddings>($($argument),*),
        }
    };
}
