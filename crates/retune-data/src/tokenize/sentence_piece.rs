//! The little of a SentencePiece model file that decides its tokens.
//!
//! The file is one protocol buffer (`sentencepiece_model.proto`, message `ModelProto`). Six of its fields matter here,
//! so the wire format is read by hand: a code generator and its runtime would be more code than this.

use std::fs;
use std::path::Path;

use crate::error::DataError;
use crate::sources::load;

/// A SentencePiece model.
#[derive(Debug, PartialEq)]
pub(super) struct SentencePieceModel {
    /// By id.
    pub pieces: Vec<Piece>,
    pub kind: ModelKind,
    /// The id of the piece for what no other piece covers.
    pub unknown: usize,
    /// The map from characters to characters, compiled; empty where texts are taken as they are.
    pub character_map: Vec<u8>,
}

/// An entry of the vocabulary.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: PieceKind,
}

/// How a text is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ModelKind {
    Unigram,
    BytePair,
    Word,
    Character,
}

/// Pieces that are tokens of their own, and all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PieceKind {
    /// Normal, unknown, unused or a byte.
    Plain,
    /// `<s>` and the like.
    Control,
    /// Never cut, whatever its score.
    UserDefined,
}

/// A field's value in the wire format.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Fixed64,
}

/// The fields of one message, one after another.
struct Fields<'a>(&'a [u8]);

impl SentencePieceModel {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        load::check_is_file(path)?;
        let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        Self::parse(&bytes).map_err(|reason| DataError::SentencePiece { path: path.to_owned(), reason })
    }

    /// Parses a serialised `ModelProto`.
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        // What the format's definition has where a field is not written.
        let mut model = Self { pieces: Vec::new(), kind: ModelKind::Unigram, unknown: 0, character_map: Vec::new() };
        let mut fields = Fields(bytes);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (1, Wire::Bytes(message)) => model.pieces.push(Piece::parse(message)?),
                (2, Wire::Bytes(message)) => model.read_trainer(message)?,
                (3, Wire::Bytes(message)) => model.read_normalizer(message)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() { Err("it has no pieces") } else { Ok(model) }
    }

    fn read_trainer(&mut self, message: &[u8]) -> Result<(), &'static str> {
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (3, Wire::Number(kind)) => {
                    self.kind = match kind {
                        1 => ModelKind::Unigram,
                        2 => ModelKind::BytePair,
                        3 => ModelKind::Word,
                        4 => ModelKind::Character,
                        _ => return Err("its model type is none of unigram, bpe, word and char"),
                    }
                }
                // A negative id, for none, is sign-extended to 64 bits.
                (40, Wire::Number(id)) => self.unknown = usize::try_from(id).unwrap_or(usize::MAX),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, message: &[u8]) -> Result<(), &'static str> {
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next()? {
            if let (2, Wire::Bytes(map)) = (field, value) {
                self.character_map = map.to_owned();
            }
        }
        Ok(())
    }
}

impl Piece {
    fn parse(message: &[u8]) -> Result<Self, &'static str> {
        let mut piece = Self { text: String::new(), score: 0.0, kind: PieceKind::Plain };
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (1, Wire::Bytes(text)) => {
                    piece.text = str::from_utf8(text).map_err(|_| "a piece is not UTF-8")?.to_owned();
                }
                (2, Wire::Fixed32(score)) => piece.score = f32::from_le_bytes(score),
                (3, Wire::Number(3)) => piece.kind = PieceKind::Control,
                (3, Wire::Number(4)) => piece.kind = PieceKind::UserDefined,
                _ => {}
            }
        }
        Ok(piece)
    }
}

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, &'static str> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => self.take(8).map(|_| Wire::Fixed64)?,
            2 => {
                let length = self.number()?;
                Wire::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => match *self.take(4)? {
                [a, b, c, d] => Wire::Fixed32([a, b, c, d]),
                _ => return Err(CUT_SHORT),
            },
            _ => return Err("it holds a field of unknown type"),
        };
        Ok(Some((tag >> 3, value)))
    }

    /// A number in groups of seven bits, the lowest first; the eighth bit says that more follow.
    fn number(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(CUT_SHORT)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("it holds a number of more than 64 bits")
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CUT_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
}

const CUT_SHORT: &str = "it ends in the middle of a field";

#[cfg(test)]
mod tests;
