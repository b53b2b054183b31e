//! Choices in their contexts.

use retune_data::Choices;
use serde::Deserialize;

use crate::*;

#[derive(Deserialize)]
struct Golden {
    examples: Vec<Example>,
    max_length: usize,
    input_ids: Vec<Vec<u32>>,
    token_type_ids: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct Example {
    context: String,
    choices: Vec<String>,
}

#[test]
fn pairs_equal_the_reference() {
    let golden: Golden = golden("choices");
    let choices = |example: Example| Choices { context: example.context, choices: example.choices };
    let mut examples: Vec<Choices> = golden.examples.into_iter().map(choices).collect();
    let counts: Vec<usize> = examples.iter().map(|example| example.choices.len()).collect();
    assert_eq!(counts, [1, 2, 3, 4, 1, 2, 3]);
    // One without choices has no sequence.
    examples.insert(1, Choices { context: "ba".into(), choices: Vec::new() });
    let encoded = tokenizer("word_piece", golden.max_length).encode_choices(&examples).unwrap();
    assert_eq!(encoded.examples, [0, 1, 1, 3, 6, 10, 11, 13, 16]);
    for (row, ids) in golden.input_ids.iter().enumerate() {
        let range = encoded.tokenized.offsets[row]..encoded.tokenized.offsets[row + 1];
        assert_eq!(sequence(&encoded.tokenized, row), ids, "choice {row}");
        assert_eq!(encoded.tokenized.type_ids[range], golden.token_type_ids[row], "choice {row}");
    }
    assert_eq!(encoded.tokenized.len(), golden.input_ids.len());
    assert!(encoded.tokenized.truncated > 2);
}
