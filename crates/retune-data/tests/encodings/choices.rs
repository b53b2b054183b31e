//! Choices in their contexts.

use retune_data::Text;
use serde::Deserialize;

use crate::*;

#[derive(Deserialize)]
struct Golden {
    examples: Vec<Example>,
    max_length: usize,
    input_ids: Vec<Vec<u32>>,
    token_type_ids: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Example {
    context: String,
    choices: Vec<String>,
}

#[test]
fn pairs_equal_the_reference() {
    let golden: Golden = golden("choices");
    let pairs = |example: Example| {
        let pair = move |choice| Text { first: example.context.clone(), second: Some(choice) };
        example.choices.into_iter().map(pair).collect::<Vec<_>>()
    };
    let texts: Vec<Text> = golden.examples.into_iter().flat_map(pairs).collect();
    let tokenized = tokenizer("word_piece", golden.max_length).encode(&texts).unwrap();
    for (row, (ids, type_ids)) in golden.input_ids.iter().zip(&golden.token_type_ids).enumerate() {
        assert_eq!(tokens(&tokenized, row), (ids.clone(), type_ids.clone()), "choice {row}");
    }
    assert_eq!(tokenized.len(), golden.input_ids.len());
    assert!(tokenized.truncated > 2);
}
