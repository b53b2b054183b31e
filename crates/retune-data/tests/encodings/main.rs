//! Encodings against those of `transformers`; `golden/generate.py` writes them.

mod answers;
mod blocks;
mod choices;
mod windows;
mod words;

use std::path::{Path, PathBuf};

use retune_data::{TextTokenizer, Tokenized};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let mut all: Value = serde_json::from_str(include_str!("../golden/encodings.json")).expect("JSON");
    serde_json::from_value(all[name].take()).expect("a golden")
}

fn tokenizer(name: &str, max_length: usize) -> TextTokenizer {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    TextTokenizer::from_file(&folder.join(format!("{name}.json")), max_length).expect("a tokenizer")
}

fn sequence(tokenized: &Tokenized, row: usize) -> Vec<u32> {
    tokens(tokenized, row).0
}

/// The ids of a sequence, and of each token the text of a pair that it is of.
fn tokens(tokenized: &Tokenized, row: usize) -> (Vec<u32>, Vec<u8>) {
    let (mut ids, mut type_ids) = (Vec::new(), Vec::new());
    tokenized.read(row, &mut ids, &mut type_ids).expect("tokens");
    (ids, type_ids)
}
