//! Masks tokens for masked language modelling.
//!
//! J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2019): some tokens are to be predicted,
//! and of these 80 % are replaced by the mask, 10 % by a random token, and 10 % are kept. By token, each is chosen with
//! the given probability, as by Transformers' `DataCollatorForLanguageModeling`. By word, `n` tokens not special, words
//! are drawn in random order, all of their tokens with them, until `max(1, round(n p))` tokens are chosen; a word that
//! would be too many is passed over, as in BERT's `create_masked_lm_predictions` (which counts the special tokens too,
//! and has at least one masked only where a word of one token is left: here, where all words are too long, it is the
//! first). Transformers' collator replaces all that is chosen by word with the mask.

use std::ops::Range;

use retune_random::{Purpose, Random};

use super::IGNORED_LABEL;
use crate::tokenize::Piece;

/// How tokens are masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// The share of tokens to predict, from 0 to 1; 0.15 is usual.
    pub probability: f64,
    /// Whether words are chosen whole, rather than tokens.
    pub whole_word: bool,
    /// The token that stands for what is masked; see [`TextTokenizer::mask_id`](crate::TextTokenizer::mask_id).
    pub mask_id: u32,
    /// Random tokens are those below this. None are drawn where it is 0; the mask stands in for them.
    pub vocabulary: u32,
    /// All draws are a function of the seed, the epoch, and the row.
    pub seed: u64,
}

/// One sequence of `l` tokens, masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// Token ids, `[l]`.
    pub ids: Vec<u32>,
    /// What was there, where it is to be predicted, and else [`IGNORED_LABEL`], `[l]`.
    pub labels: Vec<i64>,
}

impl Masking {
    /// Masks one sequence. `row` is its place in the data set; with the epoch it decides what is drawn, whatever batch
    /// the sequence stands in. Special tokens are never chosen. A token without a piece counts as special.
    pub fn apply(&self, ids: &[u32], pieces: &[Piece], epoch: u64, row: usize) -> Masked {
        let mut random = Random::new(Purpose::Masking, self.seed, epoch).substream(row as u64);
        let mut masked = Masked { ids: ids.to_vec(), labels: vec![IGNORED_LABEL; ids.len()] };
        let pieces = &pieces[..pieces.len().min(ids.len())];
        let chosen = match self.whole_word {
            true => self.choose_words(pieces, &mut random),
            false => self.choose_tokens(pieces, &mut random),
        };
        for position in chosen {
            masked.labels[position] = ids[position].into();
            masked.ids[position] = match random.unit() {
                draw if draw < 0.8 => self.mask_id,
                draw if draw < 0.9 && self.vocabulary > 0 => random.below(self.vocabulary as usize) as u32,
                draw if draw < 0.9 => self.mask_id,
                _ => ids[position],
            };
        }
        masked
    }

    fn choose_tokens(&self, pieces: &[Piece], random: &mut Random) -> Vec<usize> {
        let candidates = (0..pieces.len()).filter(|&position| pieces[position] != Piece::Special);
        candidates.filter(|_| random.unit() < self.probability).collect()
    }

    fn choose_words(&self, pieces: &[Piece], random: &mut Random) -> Vec<usize> {
        let mut words = words(pieces);
        let tokens: usize = words.iter().map(Range::len).sum();
        let wanted = ((tokens as f64 * self.probability).round_ties_even() as usize).max(1);
        random.shuffle(&mut words);
        let mut chosen = Vec::new();
        for word in &words {
            if chosen.len() + word.len() <= wanted {
                chosen.extend(word.clone());
            }
        }
        match words.first() {
            Some(first) if chosen.is_empty() => first.clone().collect(),
            _ => chosen,
        }
    }
}

/// The tokens of each word. The rest of a word that a block before has begun is a word.
fn words(pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (position, piece) in pieces.iter().enumerate() {
        match (piece, words.last_mut()) {
            (Piece::Special, _) => {}
            (Piece::Further, Some(word)) if word.end == position => word.end += 1,
            _ => words.push(position..position + 1),
        }
    }
    words
}

#[cfg(test)]
mod tests;
