//! Sentences that are split into words → sequences whose tokens know their words, for token classification.
//!
//! Equals `tokenizer(sentences, is_split_into_words=True)` of Transformers, with one difference: a sentence longer than
//! the maximal length is not cut but goes on in further sequences, so that every word has a prediction. They are split
//! between words, each has its special tokens, and none repeats a word of another.

use std::ops::Range;

use serde_json::Value;
use tokenizers::{EncodeInput, InputSequence, PreTokenizerWrapper, Tokenizer};

use super::{IGNORED_LABEL, append, bare, encode_each, part, special_tokens, surround};
use crate::error::DataError;
use crate::tokenize::{TextTokenizer, Tokenized};

/// The tokens of many sentences of words. `s` sentences, `n` sequences, `t` tokens.
#[derive(Clone, Debug, Default)]
pub struct EncodedWords {
    /// `n` sequences, at least one of each sentence, in the order of the sentences. `truncated` counts the sentences
    /// that lost tokens of a word.
    pub tokenized: Tokenized,
    /// The word of its sentence, from 0, that each token is of; `None` for special tokens, `[t]`.
    pub words: Vec<Option<u32>>,
    /// The sentence of each sequence, from 0, `[n]`.
    pub sentences: Vec<usize>,
    /// How many words each sentence has, `[s]`. Words without any token (empty, or control characters alone) count.
    pub word_counts: Vec<usize>,
    /// Words of which the end was cut off, because no sequence holds all of their tokens.
    pub cut_words: usize,
}

/// Which label the tokens of a word have, other than its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FurtherPieces<'a> {
    /// None ([`IGNORED_LABEL`]), as is usual.
    Ignored,
    /// That of the word.
    AsFirst,
    /// Another one: class `i` goes on as class `inside[i]`, as B-PER goes on as I-PER in `run_ner.py` with
    /// `label_all_tokens`. A class beyond the list goes on as itself.
    Inside(&'a [u32]),
}

impl TextTokenizer {
    /// Encodes sentences of words, on all cores, in their order.
    ///
    /// Byte-level tokenizers (RoBERTa and its kin) write the space before a word into its first token. Words here have
    /// none, so each is encoded with one before it, as with `add_prefix_space=True`, which Transformers demands of them.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenize`] where the tokenizer has no way to write a word.
    pub fn encode_words(&self, sentences: &[Vec<String>]) -> Result<EncodedWords, DataError> {
        let pieces = with_prefix_space(bare(&self.tokenizer)?)?;
        let max_length = self.tokenizer.get_truncation().map_or(usize::MAX, |truncation| truncation.max_length);
        let room = max_length.saturating_sub(special_tokens(&self.tokenizer, false));
        let mut encoded = EncodedWords { ..EncodedWords::default() };
        encode_each(&pieces, sentences, as_words, |sentence, encoding| {
            let (ranges, cut_words) = split_between_words(encoding.get_word_ids(), room);
            for range in ranges {
                let sequence = surround(&self.tokenizer, sentence, part(&encoding, range), None)?;
                append(&mut encoded.tokenized, &sequence);
                let of_sentence = sequence.get_sequence_ids();
                let words = sequence.get_word_ids().iter().zip(of_sentence);
                encoded.words.extend(words.map(|(word, sentence)| word.filter(|_| sentence.is_some())));
                encoded.sentences.push(sentence);
            }
            encoded.word_counts.push(sentences[sentence].len());
            encoded.cut_words += cut_words;
            encoded.tokenized.truncated += usize::from(cut_words > 0);
            Ok(())
        })?;
        if encoded.cut_words > 0 {
            tracing::info!("{} words were cut to the maximal length", encoded.cut_words);
        }
        Ok(encoded)
    }
}

impl EncodedWords {
    /// The label of each token, `[t]`: that of its word at the word's first token, at others as `further` says, and
    /// [`IGNORED_LABEL`] at special tokens. `labels` has a class for each word of each sentence.
    ///
    /// # Errors
    ///
    /// [`DataError::LabelCount`] for the first sentence with another number of words.
    pub fn align(&self, labels: &[Vec<u32>], further: FurtherPieces<'_>) -> Result<Vec<i64>, DataError> {
        for (sentence, &words) in self.word_counts.iter().enumerate() {
            let found = labels.get(sentence).map_or(0, Vec::len);
            if found != words {
                return Err(DataError::LabelCount { sentence, words, labels: found });
            }
        }
        let mut aligned = Vec::with_capacity(self.words.len());
        for (range, &sentence) in self.sequences().zip(&self.sentences) {
            let mut previous = None;
            for &word in &self.words[range] {
                aligned.push(word.map_or(IGNORED_LABEL, |index| {
                    let label = labels[sentence][index as usize];
                    match further {
                        _ if word != previous => label.into(),
                        FurtherPieces::Ignored => IGNORED_LABEL,
                        FurtherPieces::AsFirst => label.into(),
                        FurtherPieces::Inside(inside) => (*inside.get(label as usize).unwrap_or(&label)).into(),
                    }
                }));
                previous = word;
            }
        }
        Ok(aligned)
    }

    /// Where the first token of each word stands among all tokens (`0..t`), by sentence and word; `None` for words
    /// without token. What is predicted there is predicted of the word.
    pub fn first_tokens(&self) -> Vec<Vec<Option<usize>>> {
        let mut first: Vec<Vec<Option<usize>>> = self.word_counts.iter().map(|&words| vec![None; words]).collect();
        for (range, &sentence) in self.sequences().zip(&self.sentences) {
            for position in range {
                if let Some(word) = self.words[position] {
                    first[sentence][word as usize].get_or_insert(position);
                }
            }
        }
        first
    }

    fn sequences(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.tokenized.len()).map(|row| self.tokenized.range(row))
    }
}

fn as_words(words: &Vec<String>) -> EncodeInput<'_> {
    EncodeInput::Single(InputSequence::from(words.as_slice()))
}

/// The tokens of each sequence, as many whole words as `room` has place for, and how many words were cut. Without any
/// token there is one empty sequence.
fn split_between_words(words: &[Option<u32>], room: usize) -> (Vec<Range<usize>>, usize) {
    let (mut sequences, mut cut) = (Vec::new(), 0);
    let (mut sequence, mut next) = (0..0, 0);
    for word in words.chunk_by(|left, right| left == right) {
        let end = next + word.len();
        if end - sequence.start > room && !sequence.is_empty() {
            sequences.push(sequence);
            sequence = next..next;
        }
        if word.len() > room {
            sequences.push(next..next + room);
            sequence = end..end;
            cut += 1;
        } else {
            sequence.end = end;
        }
        next = end;
    }
    if !sequence.is_empty() || sequences.is_empty() {
        sequences.push(sequence);
    }
    (sequences, cut)
}

/// Has byte-level pre-tokenizers put a space before every word.
fn with_prefix_space(mut tokenizer: Tokenizer) -> Result<Tokenizer, DataError> {
    let refused = |error: serde_json::Error| DataError::Tokenize { first: 0, last: 0, message: error.to_string() };
    let mut settings = serde_json::to_value(tokenizer.get_pre_tokenizer()).map_err(refused)?;
    if set_prefix_space(&mut settings) {
        let pre_tokenizer: PreTokenizerWrapper = serde_json::from_value(settings).map_err(refused)?;
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    }
    Ok(tokenizer)
}

/// Whether there was any to set. Those of a sequence stand in a list; only the first sees the beginning of the word.
fn set_prefix_space(settings: &mut Value) -> bool {
    if settings["type"] == "ByteLevel" {
        let before = settings["add_prefix_space"].as_bool();
        settings["add_prefix_space"] = true.into();
        return before != Some(true);
    }
    let parts = settings.get_mut("pretokenizers").and_then(Value::as_array_mut);
    parts.is_some_and(|parts| parts.iter_mut().any(set_prefix_space))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_end_between_words() {
        let words: Vec<_> = [0, 0, 1, 3, 3, 3, 4, 5, 5].map(Some).into();
        let split = |room| format!("{:?}", split_between_words(&words, room));
        assert_eq!(split(9), "([0..9], 0)");
        assert_eq!(split(4), "([0..3, 3..7, 7..9], 0)");
        assert_eq!(split(3), "([0..3, 3..6, 6..9], 0)");
        assert_eq!(split(2), "([0..2, 2..3, 3..5, 6..7, 7..9], 1)");
        assert_eq!(split(1), "([0..1, 2..3, 3..4, 6..7, 7..8], 3)");
        assert_eq!(format!("{:?}", split_between_words(&[], 4)), "([0..0], 0)");
    }
}
