//! `vocab.txt`: WordPiece, as BERT and its kin have it, and MPNet with other special tokens.
//!
//! Equals `BertTokenizer` and `MPNetTokenizer` of Transformers 5.17.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::roberta::RobertaProcessing;

use super::settings::Settings;
use super::special_tokens::SpecialTokens;
use crate::error::DataError;
use crate::sources::load;

pub(super) const VOCABULARY: &str = "vocab.txt";

/// `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]`.
pub(super) fn bert(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let defaults = [None, None, Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")];
    let special = SpecialTokens::new(settings, defaults);
    let (mut tokenizer, path) = words(directory, settings, &special)?;
    let cls = special.with_id("cls_token", &tokenizer, &path)?;
    let sep = special.with_id("sep_token", &tokenizer, &path)?;
    special.surround(&mut tokenizer, cls, sep)?;
    Ok(tokenizer)
}

/// `<s> A </s>`, `<s> A </s></s> B </s>`, all of type 0.
pub(super) fn mpnet(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let defaults = [Some("<s>"), Some("</s>"), Some("[UNK]"), Some("</s>"), Some("<pad>"), Some("<s>"), Some("<mask>")];
    let special = SpecialTokens::new(settings, defaults).with_mask_after_space();
    let (mut tokenizer, path) = words(directory, settings, &special)?;
    let cls = special.with_id("cls_token", &tokenizer, &path)?;
    let sep = special.with_id("sep_token", &tokenizer, &path)?;
    let processor = RobertaProcessing::new(sep, cls).trim_offsets(true).add_prefix_space(false);
    tokenizer.with_post_processor(Some(processor));
    Ok(tokenizer)
}

/// All but what comes around the texts, and where the vocabulary was read.
fn words(
    directory: &Path,
    settings: &Settings,
    special: &SpecialTokens<'_>,
) -> Result<(Tokenizer, PathBuf), DataError> {
    let path = directory.join(VOCABULARY);
    let refused =
        |error: tokenizers::Error| DataError::TokenizerRefused { path: path.clone(), message: error.to_string() };
    let vocabulary = WordPiece::read_bytes(load::text(&path)?.as_bytes()).map_err(refused)?;
    let unknown = special.text("unk_token")?.to_owned();
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown).build().map_err(refused)?;
    let mut tokenizer = Tokenizer::new(model);
    // Without it the first unknown word would be an error, in the middle of a run.
    special.with_id("unk_token", &tokenizer, &path)?;
    let normalizer = BertNormalizer::new(
        true,
        settings.flag("tokenize_chinese_chars", true)?,
        settings.optional_flag("strip_accents")?,
        settings.flag("do_lower_case", true)?,
    );
    tokenizer.with_normalizer(Some(normalizer)).map_err(refused)?;
    tokenizer
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::new("##".to_owned(), true)));
    special.add_to(&mut tokenizer, None)?;
    Ok((tokenizer, path))
}
