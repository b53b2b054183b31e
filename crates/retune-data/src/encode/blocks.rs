//! Texts → sequences of which any token may be masked, for masked language modelling.
//!
//! As `run_mlm.py` of Transformers: either all texts end to end, cut into blocks, or a sequence for each line. The last
//! block is kept if it is short, where `run_mlm.py` drops it: nothing here is padded, so it costs no more than its
//! length.

use std::collections::HashSet;

use tokenizers::{Encoding, Tokenizer};

use super::{append, encode_each, failed, strip_start};
use crate::error::DataError;
use crate::tokenize::{TextTokenizer, Tokenized};

/// What a token is to masking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A special token: never masked. So are special tokens that a text spells out, and the one for unknown words, of
    /// which there is nothing to learn.
    Special,
    /// The first token of a word. What a word is, the tokenizer's own splitting says: for BERT, what white space and
    /// punctuation separate.
    First,
    /// A further token of the same word.
    Further,
}

/// Tokens to mask. `n` sequences, `t` tokens.
#[derive(Clone, Debug, Default)]
pub struct MaskableTokens {
    /// `n` sequences.
    pub tokenized: Tokenized,
    /// What each token is, `[t]`.
    pub pieces: Vec<Piece>,
}

impl TextTokenizer {
    /// Encodes the texts, each with its special tokens, on all cores, end to end in their order, and cuts them into
    /// blocks of the maximal length. The last block holds what is left. A word may be cut in two.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenize`] where the tokenizer has no way to write a text.
    pub fn encode_blocks(&self, texts: &[String]) -> Result<MaskableTokens, DataError> {
        let block = self.tokenizer.get_truncation().map_or(usize::MAX, |truncation| truncation.max_length);
        let mut whole = self.tokenizer.clone();
        whole.with_truncation(None).map_err(|error| failed(0..0, &error))?;
        let special = special_ids(&whole);
        let (mut ids, mut type_ids, mut encoded) = (Vec::new(), Vec::new(), MaskableTokens::default());
        encode_each(
            &whole,
            texts,
            |text| text.as_str().into(),
            |_, encoding| {
                ids.extend_from_slice(encoding.get_ids());
                type_ids.extend_from_slice(encoding.get_type_ids());
                encoded.pieces.extend(pieces(&encoding, &special));
                Ok(())
            },
        )?;
        for (ids, type_ids) in ids.chunks(block).zip(type_ids.chunks(block)) {
            encoded.tokenized.push(ids, type_ids);
        }
        Ok(encoded)
    }

    /// Encodes each line as a sequence of its own, on all cores, in their order. Lines of white space are left out; what
    /// is beyond the maximal length is cut off, and `truncated` counts where.
    ///
    /// # Errors
    ///
    /// As [`TextTokenizer::encode_blocks`].
    pub fn encode_lines(&self, lines: &[String]) -> Result<MaskableTokens, DataError> {
        let special = special_ids(&self.tokenizer);
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !strip_start(line).is_empty()).collect();
        let mut encoded = MaskableTokens::default();
        encode_each(
            &self.tokenizer,
            &lines,
            |line| (*line).into(),
            |_, encoding| {
                append(&mut encoded.tokenized, &encoding);
                encoded.pieces.extend(pieces(&encoding, &special));
                encoded.tokenized.truncated += usize::from(!encoding.get_overflowing().is_empty());
                Ok(())
            },
        )?;
        if encoded.tokenized.truncated > 0 {
            tracing::info!("{} of {} lines were cut to the maximal length", encoded.tokenized.truncated, lines.len());
        }
        Ok(encoded)
    }
}

fn special_ids(tokenizer: &Tokenizer) -> HashSet<u32> {
    let added = tokenizer.get_added_tokens_decoder();
    added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect()
}

fn pieces(encoding: &Encoding, special: &HashSet<u32>) -> impl Iterator<Item = Piece> {
    let words = encoding.get_word_ids();
    let tokens = encoding.get_ids().iter().zip(encoding.get_special_tokens_mask()).enumerate();
    tokens.map(move |(position, (id, is_special))| {
        if *is_special == 1 || special.contains(id) {
            Piece::Special
        } else if position > 0 && words[position].is_some() && words[position] == words[position - 1] {
            Piece::Further
        } else {
            Piece::First
        }
    })
}
