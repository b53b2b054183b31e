//! Texts → sequences for tasks that ask for more than one class of each text: a label for every word, an answer in a
//! context, the tokens behind a mask.
//!
//! Here the library's tokenizer only makes tokens. Where sequences end is decided in this module, because version 0.23
//! of the library stops to tokenise at the maximal length, and what it then gives as overflow lacks the rest of the
//! text.

mod answers_decode;
mod blocks;
mod masking;
mod text_words;
mod windows;
mod words;

pub use answers_decode::{AnswerOptions, Candidate, DecodedAnswer, WindowAnswers, decode_answer};
pub(crate) use blocks::Blocks;
pub use blocks::Maskable;
pub use masking::{Masked, Masking};
pub use text_words::words_of_text;
pub use windows::Windows;
pub use words::{EncodedWords, FurtherPieces};

use std::ops::Range;

use tokenizers::{EncodeInput, Encoding, PostProcessor, PostProcessorWrapper, Tokenizer};

use crate::error::DataError;
use crate::tokenize::{TEXTS_AT_A_TIME, Tokenized};

/// The label of a token that no loss counts, as PyTorch's losses and Transformers have it.
pub const IGNORED_LABEL: i64 = -100;

type LibraryError = Box<dyn std::error::Error + Send + Sync>;

/// The tokenizer without a maximal length and without special tokens.
fn bare(tokenizer: &Tokenizer) -> Result<Tokenizer, DataError> {
    let mut bare = tokenizer.clone();
    bare.with_truncation(None).map_err(|error| failed(0..0, &error))?;
    bare.with_post_processor(None::<PostProcessorWrapper>);
    Ok(bare)
}

/// Encodes on all cores and hands the encodings on in their order, with offsets in characters and without special
/// tokens, unless the tokenizer is not [`bare`].
fn encode_each<'a, T>(
    tokenizer: &Tokenizer,
    items: &'a [T],
    as_input: impl Fn(&'a T) -> EncodeInput<'a>,
    mut each: impl FnMut(usize, Encoding) -> Result<(), DataError>,
) -> Result<(), DataError> {
    for (group, first) in items.chunks(TEXTS_AT_A_TIME).zip((0..).step_by(TEXTS_AT_A_TIME)) {
        let inputs = group.iter().map(&as_input).collect();
        let encodings = tokenizer
            .encode_batch_char_offsets(inputs, true)
            .map_err(|error| failed(first..first + group.len(), &error))?;
        for (row, encoding) in (first..).zip(encodings) {
            each(row, encoding)?;
        }
    }
    Ok(())
}

/// Puts the special tokens around one text or two, as the tokenizer's post-processor does.
fn surround(
    tokenizer: &Tokenizer,
    row: usize,
    first: Encoding,
    second: Option<Encoding>,
) -> Result<Encoding, DataError> {
    let surrounded = match tokenizer.get_post_processor() {
        Some(processor) => processor.process(first, second, true),
        None => <dyn PostProcessor>::default_process([Some(first), second].into_iter().flatten().collect(), true)
            .map(|encodings| Encoding::merge(encodings, false)),
    };
    surrounded.map_err(|error| failed(row..row + 1, &error))
}

/// The number of special tokens that come around one text, or around two.
fn special_tokens(tokenizer: &Tokenizer, is_pair: bool) -> usize {
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(is_pair))
}

/// Some tokens of an encoding that has no special ones.
fn part(encoding: &Encoding, range: Range<usize>) -> Encoding {
    range
        .map(|i| {
            let token = encoding.get_tokens()[i].clone();
            let (offsets, word) = (encoding.get_offsets()[i], encoding.get_word_ids()[i]);
            (encoding.get_ids()[i], token, offsets, word, encoding.get_type_ids()[i])
        })
        .collect()
}

/// Adds a sequence at the end.
fn append(tokenized: &mut Tokenized, encoding: &Encoding) {
    tokenized.push(encoding.get_ids(), encoding.get_type_ids());
}

fn failed(rows: Range<usize>, error: &LibraryError) -> DataError {
    DataError::Tokenize { first: rows.start, last: rows.end.saturating_sub(1), message: error.to_string() }
}

/// What `str.lstrip` of Python leaves, to which four control characters are white space too.
fn strip_start(text: &str) -> &str {
    text.trim_start_matches(|letter: char| letter.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&letter))
}
