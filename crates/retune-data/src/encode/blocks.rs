//! Texts → sequences of which any token may be masked, for masked language modelling.
//!
//! As `run_mlm.py` of Transformers: either all texts end to end, cut into blocks, or a sequence for each line. The last
//! block is kept if it is short, where `run_mlm.py` drops it: nothing here is padded, so it costs no more than its
//! length.

use std::collections::HashSet;

use tokenizers::{Encoding, Tokenizer};

use super::{encode_each, failed, strip_start};
use crate::error::DataError;
use crate::tokenize::{Piece, TextTokenizer, Tokenized};

/// What sequences are made of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maskable {
    /// All texts end to end, cut into blocks.
    Blocks,
    /// Each text its own.
    Lines,
}

impl TextTokenizer {
    /// Encodes the texts, each with its special tokens, on all cores, end to end in their order, and cuts them into
    /// blocks of the maximal length. The last block holds what is left. A word may be cut in two.
    /// [`Tokenized::read_pieces`] says what each token is.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenize`] where the tokenizer has no way to write a text.
    pub fn encode_blocks(&self, texts: &[String]) -> Result<Tokenized, DataError> {
        let mut blocks = Blocks::new(self)?;
        let mut encoded = Tokenized::default();
        blocks.push(texts, &mut encoded)?;
        blocks.finish(&mut encoded);
        Ok(encoded)
    }

    /// Encodes each line as a sequence of its own, on all cores, in their order. Lines of white space are left out; what
    /// is beyond the maximal length is cut off, and `truncated` counts where.
    ///
    /// # Errors
    ///
    /// As [`TextTokenizer::encode_blocks`].
    pub fn encode_lines(&self, lines: &[String]) -> Result<Tokenized, DataError> {
        let special = special_ids(&self.tokenizer);
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !strip_start(line).is_empty()).collect();
        let mut encoded = Tokenized::default();
        encode_each(
            &self.tokenizer,
            &lines,
            |line| (*line).into(),
            |_, encoding| {
                let pieces: Vec<Piece> = pieces(&encoding, &special).collect();
                encoded.push_pieces(encoding.get_ids(), encoding.get_type_ids(), &pieces);
                encoded.truncated += usize::from(!encoding.get_overflowing().is_empty());
                Ok(())
            },
        )?;
        Ok(encoded)
    }
}

/// Cuts texts that come one after the other into blocks.
pub(crate) struct Blocks {
    /// Without a maximal length.
    whole: Tokenizer,
    special: HashSet<u32>,
    /// How many tokens a block has.
    size: usize,
    /// What does not fill a block yet.
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    pieces: Vec<Piece>,
}

impl Blocks {
    pub(crate) fn new(tokenizer: &TextTokenizer) -> Result<Self, DataError> {
        let size = tokenizer.tokenizer.get_truncation().map_or(usize::MAX, |truncation| truncation.max_length);
        let mut whole = tokenizer.tokenizer.clone();
        whole.with_truncation(None).map_err(|error| failed(0..0, &error))?;
        let special = special_ids(&whole);
        Ok(Self { whole, special, size, ids: Vec::new(), type_ids: Vec::new(), pieces: Vec::new() })
    }

    /// Appends the blocks that are full after these texts.
    pub(crate) fn push(&mut self, texts: &[String], into: &mut Tokenized) -> Result<(), DataError> {
        let Self { whole, special, ids, type_ids, pieces: all_pieces, .. } = self;
        encode_each(
            whole,
            texts,
            |text| text.as_str().into(),
            |_, encoding| {
                ids.extend_from_slice(encoding.get_ids());
                type_ids.extend_from_slice(encoding.get_type_ids());
                all_pieces.extend(pieces(&encoding, special));
                Ok(())
            },
        )?;
        let full = self.ids.len() / self.size * self.size;
        for start in (0..full).step_by(self.size) {
            let block = start..start + self.size;
            into.push_pieces(&self.ids[block.clone()], &self.type_ids[block.clone()], &self.pieces[block]);
        }
        self.ids.drain(..full);
        self.type_ids.drain(..full);
        self.pieces.drain(..full);
        Ok(())
    }

    /// Appends what is left.
    pub(crate) fn finish(self, into: &mut Tokenized) {
        if !self.ids.is_empty() {
            into.push_pieces(&self.ids, &self.type_ids, &self.pieces);
        }
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
