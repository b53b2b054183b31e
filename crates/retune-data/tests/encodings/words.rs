//! Words of sentences and their labels.

use proptest::prelude::*;
use retune_data::{FurtherPieces, IGNORED_LABEL};
use serde::Deserialize;
use serde_json::Value;

use crate::*;

#[derive(Deserialize)]
struct Golden {
    sentences: Vec<Vec<String>>,
    input_ids: Vec<Vec<u32>>,
    word_ids: Vec<Vec<Option<u32>>>,
}

fn golden_of(name: &str) -> Golden {
    let mut all: Value = golden("words");
    serde_json::from_value(all[name].take()).expect("a golden")
}

#[test]
fn whole_sentences_equal_the_reference() {
    for name in ["word_piece", "byte_level"] {
        let golden = golden_of(name);
        let encoded = tokenizer(name, 512).encode_words(&golden.sentences).unwrap();
        assert_eq!(encoded.tokenized.len(), golden.sentences.len());
        assert_eq!((encoded.cut_words, encoded.tokenized.truncated), (0, 0));
        for (row, ids) in golden.input_ids.iter().enumerate() {
            assert_eq!(&sequence(&encoded.tokenized, row), ids, "{name}, sentence {row}");
            let range = encoded.tokenized.range(row);
            assert_eq!(encoded.words[range], golden.word_ids[row], "{name}, sentence {row}");
        }
    }
}

#[test]
fn labels_stand_at_first_tokens() {
    let sentences = [vec!["bakelo".to_owned(), String::new(), "ta,".to_owned()]];
    let encoded = tokenizer("word_piece", 16).encode_words(&sentences).unwrap();
    let words = [None, Some(0), Some(0), Some(2), Some(2), None];
    assert_eq!(encoded.words, words);
    let labels = [vec![1, 7, 3]];
    let none = IGNORED_LABEL;
    let align = |further| encoded.align(&labels, further).unwrap();
    assert_eq!(align(FurtherPieces::Ignored), [none, 1, none, 3, none, none]);
    assert_eq!(align(FurtherPieces::AsFirst), [none, 1, 1, 3, 3, none]);
    assert_eq!(align(FurtherPieces::Inside(&[0, 2])), [none, 1, 2, 3, 3, none]);
    assert_eq!(encoded.first_tokens(), [[Some(1), None, Some(3)]]);
    let error = encoded.align(&[vec![1, 7]], FurtherPieces::Ignored).unwrap_err();
    assert_eq!(error.to_string(), "sentence 0 (from 0) has 3 words and 2 labels; give each word one label");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Where nothing is cut, all words are there in their order, and each sequence is as its words alone would be.
    #[test]
    fn long_sentences_go_on(max_length in 5..40_usize, rows in prop::collection::vec(0..9_usize, 1..5)) {
        for name in ["word_piece", "byte_level"] {
            let golden = golden_of(name);
            let pick = |row: &usize| golden.sentences[*row].clone();
            let sentences: Vec<Vec<String>> = rows.iter().map(pick).collect();
            let encoded = tokenizer(name, max_length).encode_words(&sentences).unwrap();
            prop_assert!(encoded.tokenized.max_length() <= max_length);
            let whole = tokenizer(name, 512);
            for (row, &sentence) in encoded.sentences.iter().enumerate() {
                let range = encoded.tokenized.range(row);
                let mut inside: Vec<usize> =
                    encoded.words[range].iter().flatten().map(|&word| word as usize).collect();
                inside.dedup();
                let alone = inside.iter().map(|&word| sentences[sentence][word].clone()).collect();
                let alone = whole.encode_words(&[alone]).unwrap();
                let found = sequence(&encoded.tokenized, row);
                let full = sequence(&alone.tokenized, 0);
                if full.len() <= max_length {
                    prop_assert_eq!(found, full);
                } else {
                    prop_assert!(encoded.cut_words > 0 && inside.len() == 1);
                    prop_assert_eq!(&found[..max_length - 1], &full[..max_length - 1]);
                }
            }
            let together = whole.encode_words(&sentences).unwrap();
            let has_token = |first: &[Vec<Option<usize>>]| -> Vec<Vec<bool>> {
                first.iter().map(|words| words.iter().map(Option::is_some).collect()).collect()
            };
            prop_assert_eq!(has_token(&encoded.first_tokens()), has_token(&together.first_tokens()));
        }
    }
}
