//! What a token is to masking, which stands beside its type.

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

impl Piece {
    /// In the two highest bits of a byte.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Piece::First => 0,
            Piece::Further => 1 << 6,
            Piece::Special => 2 << 6,
        }
    }

    pub(crate) fn of_bits(byte: u8) -> Self {
        match byte >> 6 {
            0 => Piece::First,
            1 => Piece::Further,
            _ => Piece::Special,
        }
    }
}
