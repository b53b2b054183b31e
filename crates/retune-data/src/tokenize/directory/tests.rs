//! Directories of a few tokens each. Whether the rules are Transformers' own, `tests/parity/tokenizer_forms.py` tells.

use std::fs;

use expect_test::expect;
use tempfile::TempDir;

use super::*;
use crate::tokenize::tokenized::tests::rows;
use crate::tokenize::{Text, TextTokenizer};

const BERT: (&str, &str) = ("config.json", r#"{"model_type": "bert"}"#);
const WORDS: (&str, &str) = ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncafe\ncafé\n##s\n");
const ROBERTA: (&str, &str) = ("config.json", r#"{"model_type": "roberta"}"#);
const PAIRS: (&str, &str) = ("merges.txt", "#version: 0.2\nĠ a\na b\n");
const BYTES: (&str, &str) =
    ("vocab.json", r#"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "Ġ": 6, "Ġa": 7, "ab": 8}"#);

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(directory.path().join(name), content).expect("a file");
    }
    directory
}

fn pair(first: &str, second: &str) -> Text {
    Text { first: first.into(), second: Some(second.into()) }
}

/// The ids of a text alone and of a pair, and the types of the pair.
fn ids(files: &[(&str, &str)], text: &str) -> [Vec<u32>; 3] {
    ids_in(directory(files).path(), text)
}

fn ids_in(directory: &Path, text: &str) -> [Vec<u32>; 3] {
    let tokenizer = TextTokenizer::from_directory(directory, 64).expect("a tokenizer");
    let found = tokenizer.encode(&[Text::single(text), pair("a", "a")]).expect("tokens");
    let [(single, _), (both, types)] = rows(&found).try_into().expect("two texts");
    [single, both, types.into_iter().map(u32::from).collect()]
}

/// A file of the wire format: pieces with scores, and what kind of model they make.
fn sentence_piece(pieces: &[(&str, f32, u8)], kind: u8) -> Vec<u8> {
    let field = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let pieces = pieces.iter().flat_map(|(text, score, kind)| {
        let piece = [field(0x0A, text.as_bytes()), vec![0x15], score.to_le_bytes().to_vec(), vec![0x18, *kind]];
        field(0x0A, &piece.concat())
    });
    pieces.chain(field(0x12, &[0x18, kind])).collect()
}

fn unigram(file: &str, model_type: &str, pieces: &[(&str, f32, u8)]) -> TempDir {
    let directory = directory(&[("config.json", &format!(r#"{{"model_type": "{model_type}"}}"#))]);
    fs::write(directory.path().join(file), sentence_piece(pieces, 1)).expect("a file");
    directory
}

fn error(files: &[(&str, &str)]) -> String {
    let directory = directory(files);
    let error = TextTokenizer::from_directory(directory.path(), 64).err().expect("an error");
    format!("{error}\n").replace(&directory.path().display().to_string(), "DIR")
}

#[test]
fn word_pieces_and_their_settings() {
    let types = vec![0, 0, 0, 1, 1];
    assert_eq!(ids(&[BERT, WORDS], "Cafés x"), [vec![2, 6, 8, 1, 3], vec![2, 5, 3, 5, 3], types]);
    let settings = ("tokenizer_config.json", r#"{"strip_accents": false}"#);
    assert_eq!(ids(&[BERT, WORDS, settings], "Cafés")[0], [2, 7, 8, 3]);
    let settings = ("tokenizer_config.json", r#"{"tokenizer_class": "BertTokenizerFast", "do_lower_case": false}"#);
    assert_eq!(ids(&[WORDS, settings], "Cafe cafés")[0], [2, 1, 7, 8, 3]);
    let settings = ("tokenizer_config.json", r#"{"tokenizer_class": "BertTokenizer", "cls_token": "a"}"#);
    assert_eq!(ids(&[WORDS, settings], "x")[0], [5, 1, 3]);
}

#[test]
fn added_tokens_join_by_their_ids_then_the_roles() {
    let settings = r#"{"added_tokens_decoder": {"900": {"content": "two"}, "90": {"content": "one"}}}"#;
    let vocabulary = ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    // `[MASK]` is not in the vocabulary and comes after both.
    let found = ids(&[BERT, vocabulary, ("tokenizer_config.json", settings)], "two a one [MASK]");
    assert_eq!(found[0], [2, 6, 4, 5, 7, 3]);
    // The oldest form, which the newer one silences.
    let added = ("added_tokens.json", r#"{"three": 6, "one": 5}"#);
    assert_eq!(ids(&[BERT, vocabulary, added], "three one")[0], [2, 6, 5, 3]);
    let found = ids(&[BERT, vocabulary, added, ("tokenizer_config.json", settings)], "three");
    assert_eq!(found[0], [2, 1, 3]);
}

#[test]
fn the_map_of_special_tokens_overrides_the_settings() {
    let settings = ("tokenizer_config.json", r#"{"cls_token": "[PAD]"}"#);
    let map = ("special_tokens_map.json", r#"{"cls_token": {"content": "a", "normalized": false}}"#);
    assert_eq!(ids(&[BERT, WORDS, settings], "s")[0], [0, 1, 3]);
    assert_eq!(ids(&[BERT, WORDS, settings, map], "s")[0], [5, 1, 3]);
}

#[test]
fn special_tokens_in_a_text_are_kept_unless_the_settings_split_them() {
    assert_eq!(ids(&[BERT, WORDS], "a[SEP]a")[0], [2, 5, 3, 5, 3]);
    let split = ("tokenizer_config.json", r#"{"split_special_tokens": true}"#);
    let directory = directory(&[BERT, WORDS, split]);
    let before = ids_in(directory.path(), "a[SEP]a");
    assert_eq!(before[0], [2, 5, 1, 1, 1, 5, 3]);
    // `tokenizer.json` does not say so, and the settings beside it still do.
    TextTokenizer::from_directory(directory.path(), 8).expect("a tokenizer").save(directory.path()).expect("a file");
    assert_eq!(ids_in(directory.path(), "a[SEP]a"), before);
}

#[test]
fn mpnet_has_the_ends_of_roberta() {
    let files = [("config.json", r#"{"model_type": "mpnet"}"#), ("vocab.txt", "<s>\n<pad>\n</s>\n[UNK]\na\n<mask>\n")];
    assert_eq!(ids(&files, "A  <mask>"), [vec![0, 4, 5, 2], vec![0, 4, 2, 2, 4, 2], vec![0; 6]]);
}

#[test]
fn byte_pairs() {
    assert_eq!(ids(&[ROBERTA, BYTES, PAIRS], "ab a"), [vec![0, 8, 7, 2], vec![0, 4, 2, 2, 4, 2], vec![0; 6]]);
    let settings = ("tokenizer_config.json", r#"{"add_prefix_space": true}"#);
    assert_eq!(ids(&[ROBERTA, BYTES, PAIRS, settings], "ab a")[0], [0, 7, 5, 7, 2]);
}

#[test]
fn unigrams_with_the_places_of_fairseq() {
    let pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("▁a", -1.0, 1), ("b", -2.0, 1)];
    let xlm = unigram(unigram::FAIRSEQ, "xlm-roberta", &pieces);
    assert_eq!(ids_in(xlm.path(), "ab <mask> q"), [vec![0, 4, 5, 6, 3, 2], vec![0, 4, 2, 2, 4, 2], vec![0; 6]]);
    let camembert = unigram(unigram::FAIRSEQ, "camembert", &pieces);
    assert_eq!(ids_in(camembert.path(), "ab <mask> q")[0], [5, 7, 8, 9, 3, 6]);
}

#[test]
fn unigrams_of_albert_and_deberta() {
    let pieces = [
        ("<pad>", 0.0, 3),
        ("<unk>", 0.0, 2),
        ("[CLS]", 0.0, 3),
        ("[SEP]", 0.0, 3),
        ("▁a", -1.0, 1),
        ("é", -2.0, 1),
        ("e", -3.0, 1),
    ];
    let albert = unigram(unigram::ALBERT, "albert", &pieces);
    let expected = [vec![2, 4, 6, 3], vec![2, 4, 3, 4, 3], vec![0, 0, 0, 1, 1]];
    assert_eq!(ids_in(albert.path(), "Aé"), expected);
    let mut pieces = pieces;
    pieces[1].0 = "[UNK]";
    let deberta = unigram(unigram::DEBERTA_V2, "deberta-v2", &pieces);
    assert_eq!(ids_in(deberta.path(), "ae\u{301} A")[0], [2, 4, 5, 1, 3]);
}

#[test]
fn what_is_saved_reads_the_same() {
    let pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("▁a", -1.0, 1), ("b", -2.0, 1)];
    for directory in [
        directory(&[BERT, WORDS]),
        directory(&[ROBERTA, BYTES, PAIRS]),
        unigram(unigram::FAIRSEQ, "camembert", &pieces),
    ] {
        let before = ids_in(directory.path(), "ab <mask> [MASK] q");
        TextTokenizer::from_directory(directory.path(), 5)
            .expect("a tokenizer")
            .save(directory.path())
            .expect("a file");
        let written = fs::read_to_string(directory.path().join("tokenizer.json")).expect("a file");
        assert!(written.contains(r#""truncation": null"#));
        for entry in fs::read_dir(directory.path()).expect("a folder").map(|entry| entry.expect("a file").path()) {
            if !entry.ends_with("tokenizer.json") {
                fs::remove_file(entry).expect("a file");
            }
        }
        assert_eq!(ids_in(directory.path(), "ab <mask> [MASK] q"), before);
    }
}

#[test]
fn errors() {
    let settings = |json| ("tokenizer_config.json", json);
    let all = [
        error(&[BERT]),
        error(&[BERT, WORDS, ("tokenizer.model", "x")]),
        error(&[WORDS]),
        error(&[WORDS, ("config.json", r#"{"model_type": "llama"}"#)]),
        error(&[BERT, WORDS, settings(r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#)]),
        error(&[BERT, WORDS, settings(r#"{"auto_map": {"AutoTokenizer": ["a.B", null]}}"#)]),
        error(&[BERT, WORDS, settings(r#"{"tokenizer_class": "RobertaTokenizer"}"#)]),
        error(&[BERT, WORDS, settings(r#"{"do_lower_case": "yes"}"#)]),
        error(&[BERT, WORDS, settings(r#"{"sep_token": null}"#)]),
        error(&[BERT, WORDS, settings(r#"{"sep_token": ["a"]}"#)]),
        error(&[BERT, WORDS, settings("{")]),
        error(&[BERT, WORDS, ("special_tokens_map.json", "[]")]),
        error(&[BERT, WORDS, ("added_tokens.json", r#"{"a": "b"}"#)]),
        error(&[BERT, WORDS, settings(r#"{"added_tokens_decoder": {"x": {"content": "a"}}}"#)]),
        error(&[BERT, ("vocab.txt", "version https://git-lfs\n")]),
        error(&[ROBERTA, BYTES]),
        error(&[ROBERTA, BYTES, ("merges.txt", "a b c\n")]),
        error(&[ROBERTA, BYTES, ("merges.txt", "a q\n")]),
        error(&[ROBERTA, ("vocab.json", r#"{"a": -1}"#), PAIRS]),
        error(&[("config.json", r#"{"model_type": "albert"}"#), ("spiece.model", "version https://git-lfs")]),
    ];
    expect![[r#"
        DIR: no tokenizer: neither tokenizer.json nor vocab.txt, vocab.json with merges.txt, spiece.model, spm.model or sentencepiece.bpe.model; copy the tokenizer's files into it
        DIR: no tokenizer.json, and its tokenizer is in tokenizer.model, which is not read; save it once in Python with AutoTokenizer.from_pretrained('DIR').save_pretrained('DIR'), which writes tokenizer.json
        DIR: no tokenizer.json, and neither the tokenizer_class of tokenizer_config.json nor the model_type of config.json says which tokenizer it has; save it once in Python with AutoTokenizer.from_pretrained('DIR').save_pretrained('DIR'), which writes tokenizer.json
        DIR: no tokenizer.json, and its tokenizer is that of the model type llama; save it once in Python with AutoTokenizer.from_pretrained('DIR').save_pretrained('DIR'), which writes tokenizer.json
        DIR: no tokenizer.json, the only file of which a PreTrainedTokenizerFast is made; copy it into it
        DIR: no tokenizer.json, and its tokenizer is Python code of its own (auto_map); save it once in Python with AutoTokenizer.from_pretrained('DIR').save_pretrained('DIR'), which writes tokenizer.json
        DIR: neither tokenizer.json nor vocab.json, of which a RobertaTokenizer is made; copy one of them into it
        DIR/tokenizer_config.json: `do_lower_case`: expected true or false, found "yes"
        DIR/tokenizer_config.json: `sep_token`: expected a token, which this tokenizer cannot do without, found null
        DIR/tokenizer_config.json: `sep_token`: expected a token: text, or an object with its content, found ["a"]
        DIR/tokenizer_config.json:1:1: not valid JSON: EOF while parsing an object; copy or download the file again
        DIR/special_tokens_map.json: `the file`: expected an object, found []
        DIR/added_tokens.json: `a`: expected an id, found "b"
        DIR/tokenizer_config.json: `added_tokens_decoder`: expected ids as keys, found "x"
        DIR/vocab.txt: the vocabulary lacks `[UNK]`, the unk_token; if the vocabulary is the right one, name its own unk_token in tokenizer_config.json
        DIR: neither tokenizer.json nor merges.txt, of which a RobertaTokenizer is made; copy one of them into it
        DIR/merges.txt: no tokenizer can be made of it: line 1 holds 3 tokens with one space between each; expected 2; copy or download the file again
        DIR/merges.txt: no tokenizer can be made of it: Token `q` out of vocabulary; copy or download the file again
        DIR/vocab.json: `a`: expected an id, found -1
        DIR/spiece.model: not a SentencePiece model: it holds a field of unknown type; copy or download the file again
    "#]].assert_eq(&all.concat());

    let directory = unigram(unigram::ALBERT, "albert", &[("<pad>", 0.0, 1), ("<unk>", 0.0, 2)]);
    let missing = TextTokenizer::from_directory(directory.path(), 64).err().expect("an error").to_string();
    assert!(missing.contains("lacks `[CLS]`, the cls_token"), "{missing}");
    fs::write(directory.path().join("spiece.model"), sentence_piece(&[("a", 0.0, 1)], 2)).expect("a file");
    let kind = TextTokenizer::from_directory(directory.path(), 64).err().expect("an error").to_string();
    assert!(kind.contains("its spiece.model is a byte-pair model of SentencePiece"), "{kind}");
    let nowhere = TextTokenizer::from_directory(&directory.path().join("x"), 64).err().expect("an error");
    assert!(matches!(nowhere, DataError::NotFound { .. }), "{nowhere}");
}
