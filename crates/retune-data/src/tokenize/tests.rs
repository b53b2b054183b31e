use std::fs;
use std::path::PathBuf;

use expect_test::expect;
use proptest::prelude::*;

use super::tokenized::tests::rows;
use super::*;

/// A BERT of twelve word pieces, whose file asks for a padding and a truncation that must not be heeded.
pub(crate) const TINY: &str = r###"{
  "version": "1.0",
  "truncation": {"direction": "Left", "max_length": 4, "strategy": "OnlyFirst", "stride": 0},
  "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
  "added_tokens": [],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "decoder": null,
  "model": {
    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "cat": 5, "##s": 6, "sat": 7, ",": 8, "a": 9, "b": 10, "c": 11}
  }
}"###;

pub(crate) fn tokenizer_of(json: &str, max_length: usize) -> Result<TextTokenizer, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("tokenizer.json");
    fs::write(&path, json).expect("a file");
    TextTokenizer::from_file(&path, max_length)
        .map_err(|error| format!("{error}\n").replace(&format!("{}/", folder.path().display()), ""))
}

fn pair(first: &str, second: &str) -> Text {
    Text { first: first.into(), second: Some(second.into()) }
}

#[test]
fn word_pieces_special_tokens_and_types() {
    let texts = [Text::single("The cats, sat"), pair("cat", "a dog")];
    let got = tokenizer_of(TINY, 128).expect("a tokenizer").encode(&texts).expect("tokens");
    let expected =
        [(vec![2, 4, 5, 6, 8, 7, 3], vec![0, 0, 0, 0, 0, 0, 0]), (vec![2, 5, 3, 9, 1, 3], vec![0, 0, 0, 1, 1, 1])];
    assert_eq!(rows(&got), expected);
    assert_eq!((got.len(), got.length(0), got.length(1), got.max_length(), got.truncated), (2, 7, 6, 7, 0));
}

#[test]
fn the_end_of_the_longer_text_is_cut() {
    let tokenizer = tokenizer_of(TINY, 6).expect("a tokenizer");
    let texts = [Text::single("a b c a"), Text::single("a b c a b"), pair("a", "a b c"), pair("a b c", "a b c")];
    let got = tokenizer.encode(&texts).expect("tokens");
    let of = |row: usize| rows(&got)[row].0.clone();
    assert_eq!(of(0), [2, 9, 10, 11, 9, 3]);
    assert_eq!(of(1), [2, 9, 10, 11, 9, 3]);
    assert_eq!(of(2), [2, 9, 3, 9, 10, 3]);
    assert_eq!(of(3), [2, 9, 3, 9, 10, 3]);
    assert_eq!(got.truncated, 3);
}

#[test]
fn no_text_no_tokens() {
    let got = tokenizer_of(TINY, 8).expect("a tokenizer").encode(&[]).expect("tokens");
    assert!(got.is_empty() && got.tokens() == 0 && got.max_length() == 0);
}

#[test]
fn groups_of_texts_keep_their_order() {
    let words = ["a", "b", "c"];
    let texts: Vec<Text> = (0..2 * TEXTS_AT_A_TIME + 5).map(|i| Text::single(words[i % 3])).collect();
    let got = tokenizer_of(TINY, 8).expect("a tokenizer").encode(&texts).expect("tokens");
    assert_eq!(got.len(), texts.len());
    assert!(rows(&got).iter().enumerate().all(|(i, (ids, _))| ids[1] == 9 + (i % 3) as u32));
}

#[test]
fn errors() {
    let text = |json: &str, max_length| tokenizer_of(json, max_length).err().expect("an error");
    expect![[r#"
        tokenizer.json:1:1: not valid JSON: expected value; a tokenizer.json as the `tokenizers` library saves it is wanted
    "#]].assert_eq(&text("version https://git-lfs", 8));
    expect![[r#"
        tokenizer.json:8:59: not valid JSON: EOF while parsing a string; a tokenizer.json as the `tokenizers` library saves it is wanted
    "#]].assert_eq(&text(&TINY[..TINY.find("[SEP]").expect("a token") + 3], 8));
    expect![[r#"
        tokenizer.json:1:14: JSON, but not a tokenizer: there is no key `model`; a tokenizer.json as the `tokenizers` library saves it is wanted
    "#]].assert_eq(&text("{\"model_type\": \"bert\"}", 8));
    expect![[r#"
        tokenizer.json: the file is empty
    "#]]
    .assert_eq(&text("", 8));
    expect![[r#"
        the maximal length of 3 tokens leaves no room for text; at least 4 are needed
    "#]]
    .assert_eq(&text(TINY, 3));
}

proptest! {
    #[test]
    fn together_as_one_by_one(
        words in prop::collection::vec((prop::collection::vec("the|cats?|sat|,|é|a|b", 0..12), any::<bool>()), 1..12),
        max_length in 4..20_usize,
    ) {
        let tokenizer = tokenizer_of(TINY, max_length).expect("a tokenizer");
        let texts: Vec<Text> = words
            .iter()
            .map(|(words, is_pair)| match is_pair {
                true => pair(&words.join(" "), "sat, the cat"),
                false => Text::single(words.join(" ")),
            })
            .collect();
        let together = tokenizer.encode(&texts).expect("tokens");
        prop_assert!(together.max_length() <= max_length);
        let mut truncated = 0;
        for (row, text) in rows(&together).into_iter().zip(&texts) {
            let alone = tokenizer.encode(std::slice::from_ref(text)).expect("tokens");
            prop_assert_eq!(vec![row], rows(&alone));
            truncated += alone.truncated;
        }
        prop_assert_eq!(together.truncated, truncated);
    }
}

#[test]
fn pieces_are_counted_before_anything_is_cut() {
    let tokenizer = tokenizer_of(TINY, 4).expect("a tokenizer");
    let texts = [Text::single("the cats sat, zebra"), pair("cat", "a dog"), Text::single("")];
    let counts = |tokens, pieces, unknown| PieceCounts { tokens, pieces, unknown };
    assert_eq!(tokenizer.count_pieces(&texts).expect("counts"), [counts(8, 6, 1), counts(6, 3, 1), counts(2, 0, 0)]);
}
