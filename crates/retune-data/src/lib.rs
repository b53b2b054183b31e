//! Frames of examples to packed batches of tokens, in plain vectors: nothing here knows of tensors.
//!
//! The road, each step one module:
//!
//! 1. [`sources::read_columns`]: a CSV, TSV, JSON, JSONL, Parquet, Arrow, CoNLL, SQuAD or text file, or many of one
//!    form → a [`Table`], a polars frame of strings and lists of strings in which every row knows its file and line; or
//!    [`sources::stream_columns`]: the same as tables of bounded size, for data larger than memory. [`Expressions`]
//!    leave rows out and compute columns.
//! 2. [`LabelMap`]: the names of the classes ↔ their ids.
//! 3. [`Examples`] (or, without labels, [`texts`]): one or two texts a row, checked for what is missing.
//! 4. [`stratified_split`]: where there is no evaluation file. [`contrastive_pairs`]: rows of the same class, and of
//!    others.
//! 5. [`TextTokenizer`]: texts → [`Tokenized`], in memory or, by a [`TokenStoreWriter`], in a file. [`encode_stream`]
//!    does steps 1, 3 and 5 for texts in flat memory, and by a [`TokenCache`] once.
//!    [`TextTokenizer::encode_words`] is for tasks that ask for a label of every word, [`TextTokenizer::encode_windows`]
//!    for answers in contexts, and [`TextTokenizer::encode_blocks`] for [`Masking`].
//! 6. [`EpochOrder`] (training) or [`evaluation_batches`]: which rows stand in which batch.
//! 7. [`collate`]: rows → a [`PackedBatch`] without padding.
//! 8. [`decode_answer`]: the logits of an example's windows → its answer.
//! 9. [`write_table`], [`TableWriter`]: predictions → a file; [`read_results`] reads it back.
//!
//! Everything that a user can get wrong in a file is a [`DataError`] that names the file, the line and the mend.

mod answers;
mod batch;
mod cache;
mod contents;
mod encode;
mod encode_stream;
mod error;
mod examples;
mod expressions;
mod labels;
mod nearest;
mod order;
mod pairs;
mod read_results;
pub mod sources;
mod split;
mod table;
mod tokenize;
mod write;

pub use answers::{FoundAnswers, Occurrence, find_answer, find_answers};
pub use batch::{PackedBatch, collate};
pub use cache::TokenCache;
pub use contents::{Change, Contents, FileContent};
pub use encode::{
    AnswerOptions, Candidate, DecodedAnswer, EncodedWords, FurtherPieces, IGNORED_LABEL, Maskable, Masked, Masking,
    WindowAnswers, Windows, decode_answer, words_of_text,
};
pub use encode_stream::{encode_beside_stream, encode_maskable_stream, encode_stream};
pub use error::{DataError, Place, Position};
pub use examples::{Examples, Text, TextColumns, texts};
pub use expressions::Expressions;
pub use labels::{ClassNames, LabelMap, numbers};
pub use order::{EpochOrder, OrderState, Sampler, evaluation_batches, evaluation_batches_of};
pub use pairs::{Pair, contrastive_pairs};
pub use read_results::read_results;
pub use sources::{DataFormat, DataSource, Form, TableStream, Wanted, rows_kept};
pub use split::{Split, stratified_split};
pub use table::Table;
pub use tokenize::{Beside, Piece, PieceCounts, TextPiece, TextTokenizer, TokenStoreWriter, Tokenized};
pub use write::{OutputColumn, OutputFormat, OutputValues, TableWriter, write_table};
