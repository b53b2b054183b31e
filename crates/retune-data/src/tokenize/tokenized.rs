//! The tokens of a data set: in memory, or in a file of which memory holds the lengths alone.

use std::ops::Range;

use super::piece::Piece;
use super::store::StoredTokens;
use crate::error::DataError;

/// The bits of a token's second byte that say which text of a pair it belongs to; the others say what it is to masking.
const TYPE: u8 = 0b0011_1111;
/// The largest type that a token can have.
pub(crate) const MAX_TYPE: u8 = TYPE;

/// The tokens of many texts, `n` of them, in their order.
///
/// Those of a file are read as they are asked for, so that a data set may be larger than memory: four bytes a text are
/// held, and five a token lie on the disk.
#[derive(Clone, Debug, Default)]
pub struct Tokenized {
    pub(super) lengths: Lengths,
    pub(super) tokens: Tokens,
    /// How many texts were cut to the maximal length.
    pub truncated: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Tokens {
    /// The ids, `[t]`, and of each token the text of a pair that it belongs to, with its [`Piece`] above, `[t]`.
    Memory {
        ids: Vec<u32>,
        marks: Vec<u8>,
    },
    File(StoredTokens),
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Memory { ids: Vec::new(), marks: Vec::new() }
    }
}

impl Tokenized {
    /// Texts whose tokens are known: of each its ids, and of each token the text of a pair (0 or 1) that it belongs to.
    ///
    /// ```
    /// let tokenized = retune_data::Tokenized::from_rows([vec![(7, 0), (8, 1)], vec![(9, 0)]]);
    /// assert_eq!((tokenized.len(), tokenized.length(0), tokenized.length(1)), (2, 2, 1));
    /// ```
    pub fn from_rows<R: IntoIterator<Item = (u32, u8)>>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut all = InMemory::default();
        for row in rows {
            let before = all.ids.len();
            for (id, type_id) in row {
                all.ids.push(id);
                all.marks.push(type_id & TYPE);
            }
            all.lengths.push(all.ids.len() - before);
        }
        all.finish()
    }

    /// The number of texts, `n`.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of tokens of one text.
    ///
    /// # Panics
    ///
    /// If there is no such text.
    pub fn length(&self, row: usize) -> usize {
        self.lengths.length(row)
    }

    /// The number of tokens of the longest text, 0 where there is none.
    pub fn max_length(&self) -> usize {
        (0..self.len()).map(|row| self.length(row)).max().unwrap_or(0)
    }

    /// The number of tokens of all texts, `t`.
    pub fn tokens(&self) -> u64 {
        self.lengths.total
    }

    /// Which of all tokens, `0..t`, are those of one text.
    ///
    /// # Panics
    ///
    /// If there is no such text.
    pub fn range(&self, row: usize) -> Range<usize> {
        let range = self.lengths.range(row);
        range.start as usize..range.end as usize
    }

    /// The texts of these rows, in this order, without copying tokens that are in a file. How many of them were cut is
    /// not known: `truncated` stays that of all.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenized::read`].
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self, DataError> {
        let mut selected = Self { truncated: self.truncated, ..Self::default() };
        match &self.tokens {
            Tokens::Memory { .. } => {
                let (mut ids, mut marks) = (Vec::new(), Vec::new());
                for &row in rows {
                    self.read_marked(row, &mut ids, &mut marks)?;
                    selected.lengths.push(self.length(row));
                }
                selected.tokens = Tokens::Memory { ids, marks };
            }
            Tokens::File(tokens) => {
                rows.iter().for_each(|&row| selected.lengths.push(self.length(row)));
                selected.lengths.places = Some(rows.iter().map(|&row| self.lengths.place(row)).collect());
                selected.tokens = Tokens::File(tokens.clone());
            }
        }
        Ok(selected)
    }

    /// Adds a sequence to those in memory.
    pub(crate) fn push(&mut self, new_ids: &[u32], new_type_ids: &[u32]) {
        self.push_marked(new_ids, new_type_ids.iter().map(|type_id| clamped(*type_id)));
    }

    /// Adds a sequence of which it is known what each token is to masking.
    pub(crate) fn push_pieces(&mut self, new_ids: &[u32], new_type_ids: &[u32], pieces: &[Piece]) {
        let marks = new_type_ids.iter().zip(pieces);
        self.push_marked(new_ids, marks.map(|(type_id, piece)| clamped(*type_id) | piece.bits()));
    }

    pub(super) fn push_marked(&mut self, new_ids: &[u32], new_marks: impl Iterator<Item = u8>) {
        if let Tokens::Memory { ids, marks } = &mut self.tokens {
            ids.extend_from_slice(new_ids);
            marks.extend(new_marks);
            self.lengths.push(new_ids.len());
        }
    }

    /// Appends the tokens of one text: their ids, and of each the text of a pair that it belongs to.
    ///
    /// # Errors
    ///
    /// [`DataError::Read`], where they are in a file.
    ///
    /// # Panics
    ///
    /// If there is no such text.
    pub fn read(&self, row: usize, ids: &mut Vec<u32>, type_ids: &mut Vec<u8>) -> Result<(), DataError> {
        let before = type_ids.len();
        self.read_marked(row, ids, type_ids)?;
        type_ids[before..].iter_mut().for_each(|mark| *mark &= TYPE);
        Ok(())
    }

    /// Appends what each token of a sequence is to masking: known of those of [`TextTokenizer::encode_blocks`] and
    /// [`TextTokenizer::encode_lines`] alone.
    ///
    /// [`TextTokenizer::encode_blocks`]: crate::TextTokenizer::encode_blocks
    /// [`TextTokenizer::encode_lines`]: crate::TextTokenizer::encode_lines
    ///
    /// # Errors
    ///
    /// [`DataError::Read`], where they are in a file.
    ///
    /// # Panics
    ///
    /// If there is no such sequence.
    pub fn read_pieces(&self, row: usize, pieces: &mut Vec<Piece>) -> Result<(), DataError> {
        let (mut ids, mut marks) = (Vec::new(), Vec::new());
        self.read_marked(row, &mut ids, &mut marks)?;
        pieces.extend(marks.into_iter().map(Piece::of_bits));
        Ok(())
    }

    /// As [`Tokenized::read`], with the pieces above the types.
    pub(super) fn read_marked(&self, row: usize, ids: &mut Vec<u32>, marks: &mut Vec<u8>) -> Result<(), DataError> {
        let range = self.lengths.place(row)..self.lengths.place(row) + self.length(row) as u64;
        match &self.tokens {
            Tokens::Memory { ids: all_ids, marks: all_marks } => {
                let range = range.start as usize..range.end as usize;
                ids.extend_from_slice(&all_ids[range.clone()]);
                marks.extend_from_slice(&all_marks[range]);
                Ok(())
            }
            Tokens::File(tokens) => tokens.read(range, ids, marks),
        }
    }
}

fn clamped(type_id: u32) -> u8 {
    u8::try_from(type_id).unwrap_or(u8::MAX).min(MAX_TYPE)
}

/// Texts that are gathered in memory.
#[derive(Default)]
pub(crate) struct InMemory {
    pub(super) ids: Vec<u32>,
    pub(super) marks: Vec<u8>,
    pub(super) lengths: Lengths,
    pub(super) truncated: usize,
}

impl InMemory {
    pub(crate) fn append(&mut self, texts: &Tokenized) -> Result<(), DataError> {
        for row in 0..texts.len() {
            texts.read_marked(row, &mut self.ids, &mut self.marks)?;
            self.lengths.push(texts.length(row));
        }
        self.truncated += texts.truncated;
        Ok(())
    }

    pub(crate) fn finish(self) -> Tokenized {
        let Self { ids, marks, lengths, truncated } = self;
        Tokenized { lengths, tokens: Tokens::Memory { ids, marks }, truncated }
    }
}

/// The lengths of the texts, from which follows where each stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    lengths: Vec<u32>,
    /// How many tokens stand before each group of [`Lengths::GROUP`] texts: to keep that for every text would take twice
    /// as much as the lengths do.
    starts: Vec<u64>,
    total: u64,
    /// Where each text begins among the tokens of a file of which these are only some; `None` where they are all.
    places: Option<Vec<u64>>,
}

impl Lengths {
    const GROUP: usize = 256;

    /// Adds a text. No tokenizer makes more tokens of one than 32 bits count: its text would be of gigabytes.
    pub(super) fn push(&mut self, length: usize) {
        if self.lengths.len().is_multiple_of(Self::GROUP) {
            self.starts.push(self.total);
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.lengths.push(length);
        self.total += u64::from(length);
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn all(&self) -> &[u32] {
        &self.lengths
    }

    fn length(&self, row: usize) -> usize {
        self.lengths[row] as usize
    }

    /// Where the tokens of a text begin in what holds them.
    fn place(&self, row: usize) -> u64 {
        match &self.places {
            Some(places) => places[row],
            None => self.range(row).start,
        }
    }

    /// Which of all tokens are those of a text.
    fn range(&self, row: usize) -> Range<u64> {
        let group = row / Self::GROUP;
        let before: u64 = self.lengths[group * Self::GROUP..row].iter().map(|&length| u64::from(length)).sum();
        let start = self.starts[group] + before;
        start..start + u64::from(self.lengths[row])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ids and the types of every text.
    pub(crate) fn rows(tokenized: &Tokenized) -> Vec<(Vec<u32>, Vec<u8>)> {
        let read = |row| {
            let (mut ids, mut type_ids) = (Vec::new(), Vec::new());
            tokenized.read(row, &mut ids, &mut type_ids).expect("tokens");
            assert_eq!((ids.len(), type_ids.len()), (tokenized.length(row), tokenized.length(row)));
            (ids, type_ids)
        };
        (0..tokenized.len()).map(read).collect()
    }

    proptest! {
        #[test]
        fn rows_come_back(lengths in prop::collection::vec(0..4_usize, 0..700)) {
            let row = |(row, &length): (usize, &usize)| (0..length).map(move |i| ((row * 7 + i) as u32, (i % 2) as u8));
            let tokenized = Tokenized::from_rows(lengths.iter().enumerate().map(row));
            prop_assert_eq!(tokenized.tokens(), lengths.iter().sum::<usize>() as u64);
            prop_assert_eq!(tokenized.max_length(), lengths.iter().copied().max().unwrap_or(0));
            let expected: Vec<(Vec<u32>, Vec<u8>)> = lengths.iter().enumerate().map(row).map(Iterator::unzip).collect();
            prop_assert_eq!(rows(&tokenized), expected);
        }
    }
}
