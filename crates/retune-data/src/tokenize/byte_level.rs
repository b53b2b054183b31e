//! `vocab.json` and `merges.txt`: byte-pair encoding of bytes, as RoBERTa and its kin and the first DeBERTa have it.
//!
//! Equals `RobertaTokenizer` and `DebertaTokenizer` of Transformers 5.17. Its version 5 no longer has the mask of either
//! take the space before it along, and puts two separators between the texts of a DeBERTa's pair.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;

use super::settings::{Settings, object};
use super::special_tokens::SpecialTokens;
use crate::error::DataError;
use crate::sources::load;

pub(super) const VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";

/// `<s> A </s>`, `<s> A </s></s> B </s>`, all of type 0.
pub(super) fn roberta(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let ends = [Some("<s>"), Some("</s>"), Some("<unk>"), Some("</s>"), Some("<pad>"), Some("<s>"), Some("<mask>")];
    let special = SpecialTokens::new(settings, ends);
    let (mut tokenizer, path) = bytes(directory, settings, &special)?;
    let cls = special.with_id("cls_token", &tokenizer, &path)?;
    let sep = special.with_id("sep_token", &tokenizer, &path)?;
    let processor = RobertaProcessing::new(sep, cls)
        .trim_offsets(settings.flag("trim_offsets", true)?)
        .add_prefix_space(settings.flag("add_prefix_space", false)?);
    tokenizer.with_post_processor(Some(processor));
    Ok(tokenizer)
}

/// `[CLS] A [SEP]`, `[CLS] A [SEP][SEP] B [SEP]`, all of type 0.
pub(super) fn deberta(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let ends =
        [Some("[CLS]"), Some("[SEP]"), Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")];
    let special = SpecialTokens::new(settings, ends);
    let (mut tokenizer, path) = bytes(directory, settings, &special)?;
    let cls = special.with_id("cls_token", &tokenizer, &path)?;
    let sep = special.with_id("sep_token", &tokenizer, &path)?;
    special.surround_untyped(&mut tokenizer, cls, sep)?;
    Ok(tokenizer)
}

/// All but what comes around the texts, and where the vocabulary was read.
fn bytes(
    directory: &Path,
    settings: &Settings,
    special: &SpecialTokens<'_>,
) -> Result<(Tokenizer, PathBuf), DataError> {
    let (vocabulary_path, merges_path) = (directory.join(VOCABULARY), directory.join(MERGES));
    let vocabulary = vocabulary(&vocabulary_path)?;
    let merges = merges(&merges_path)?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(String::new())
        .fuse_unk(false)
        .build()
        .map_err(|error| DataError::TokenizerRefused { path: merges_path, message: error.to_string() })?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::new(settings.flag("add_prefix_space", false)?, true, true)))
        .with_decoder(Some(ByteLevel::default()));
    special.add_to(&mut tokenizer, None)?;
    Ok((tokenizer, vocabulary_path))
}

fn vocabulary(path: &Path) -> Result<Vocab, DataError> {
    let id = |(token, id): (String, Value)| match id.as_u64().and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok((token, id)),
        None => Err(DataError::TokenizerSetting {
            path: path.to_owned(),
            key: token,
            expected: "an id",
            found: id.to_string(),
        }),
    };
    object(path)?.unwrap_or_default().into_iter().map(id).collect()
}

/// A pair a line, after a first line with the format's version.
fn merges(path: &Path) -> Result<Merges, DataError> {
    let text = load::text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with("#version"));
    let pair = |(index, line): (usize, &str)| match line.split(' ').collect::<Vec<_>>()[..] {
        [left, right] => Ok((left.to_owned(), right.to_owned())),
        ref parts => Err(DataError::TokenizerRefused {
            path: path.to_owned(),
            message: format!("line {} holds {} tokens with one space between each; expected 2", index + 1, parts.len()),
        }),
    };
    lines.map(pair).collect()
}
