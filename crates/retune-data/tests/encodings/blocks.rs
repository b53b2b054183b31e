//! Blocks and lines for masked language modelling.

use retune_data::{Piece, Tokenized};
use serde::Deserialize;
use serde_json::Value;

use crate::*;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    size: usize,
    input_ids: Vec<Vec<u32>>,
    pieces: Vec<Vec<u8>>,
    line_ids: Vec<Vec<u32>>,
    line_pieces: Vec<Vec<u8>>,
}

fn assert_equal(found: &Tokenized, ids: &[Vec<u32>], pieces: &[Vec<u8>]) {
    assert_eq!(found.len(), ids.len());
    for (row, (ids, pieces)) in ids.iter().zip(pieces).enumerate() {
        assert_eq!(&sequence(found, row), ids, "sequence {row}");
        let pieces = pieces.iter().map(|piece| [Piece::Special, Piece::First, Piece::Further][usize::from(*piece)]);
        let mut of_row = Vec::new();
        found.read_pieces(row, &mut of_row).expect("pieces");
        assert_eq!(of_row, pieces.collect::<Vec<_>>(), "sequence {row}");
    }
}

#[test]
fn tokens_and_words_equal_the_reference() {
    for name in ["word_piece", "byte_level"] {
        let mut all: Value = golden("blocks");
        let golden: Golden = serde_json::from_value(all[name].take()).unwrap();
        let tokenizer = tokenizer(name, golden.size);
        let blocks = tokenizer.encode_blocks(&golden.texts).unwrap();
        assert_equal(&blocks, &golden.input_ids, &golden.pieces);
        assert!((0..blocks.len() - 1).all(|row| blocks.length(row) == golden.size));
        let lines = tokenizer.encode_lines(&golden.texts).unwrap();
        assert_equal(&lines, &golden.line_ids, &golden.line_pieces);
        assert!(lines.truncated > 3);
        let nothing = tokenizer.encode_blocks(&[]).unwrap();
        assert!(nothing.is_empty());
    }
}
