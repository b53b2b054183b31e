//! `spiece.model`, `spm.model`, `sentencepiece.bpe.model`: SentencePiece's unigram models, as ALBERT, DeBERTa-v2, XLM-R
//! and CamemBERT have them.
//!
//! Equals the classes of Transformers 5.17, whose version 5 left several habits of SentencePiece behind: ALBERT scores
//! numbers with commas as they come, and DeBERTa-v2 composes characters (NFC) instead of using the model's character
//! map. All read the scores and nothing else of the model, so byte fallback is not used.

use std::path::{Path, PathBuf};

use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NFC, NFKD, NormalizerWrapper, Precompiled, Replace, Sequence, Strip, StripAccents,
};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use super::sentence_piece::{ModelKind, PieceKind, SentencePieceModel};
use super::settings::Settings;
use super::special_tokens::{SpecialTokens, Token};
use crate::error::DataError;

pub(super) const ALBERT: &str = "spiece.model";
pub(super) const DEBERTA_V2: &str = "spm.model";
pub(super) const FAIRSEQ: &str = "sentencepiece.bpe.model";

/// SentencePiece's mark for a space.
const SPACE: char = '▁';

/// A model file with the place it came from.
struct File {
    path: PathBuf,
    model: SentencePieceModel,
}

/// `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]`.
pub(super) fn albert(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let file = File::read(directory, ALBERT)?;
    let ends =
        [Some("[CLS]"), Some("[SEP]"), Some("<unk>"), Some("[SEP]"), Some("<pad>"), Some("[CLS]"), Some("[MASK]")];
    let special = SpecialTokens::new(settings, ends);
    let mut tokenizer = file.tokenizer(file.pieces(0), 1)?;

    let mut normalizers: Vec<NormalizerWrapper> = vec![file.replace("``", "\"")?, file.replace("''", "\"")?];
    if !settings.flag("keep_accents", false)? {
        normalizers.extend([NFKD.into(), StripAccents.into()]);
    }
    if settings.flag("do_lower_case", true)? {
        normalizers.push(Lowercase.into());
    }
    normalizers.extend(file.character_map()?);
    file.normalize(&mut tokenizer, Sequence::new(normalizers))?;
    words_by_space(&mut tokenizer, settings)?;

    let cls = special.with_id("cls_token", &tokenizer, &file.path)?;
    let sep = special.with_id("sep_token", &tokenizer, &file.path)?;
    special.surround(&mut tokenizer, cls, sep)?;
    special.add_to(&mut tokenizer, Some(file.own_tokens()))?;
    Ok(tokenizer)
}

/// `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]`.
pub(super) fn deberta_v2(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let file = File::read(directory, DEBERTA_V2)?;
    let ends =
        [Some("[CLS]"), Some("[SEP]"), Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")];
    let special = SpecialTokens::new(settings, ends);
    let unknown = special.text("unk_token")?;
    let named = file.model.pieces.iter().position(|piece| piece.text == unknown && piece.score == 0.0);
    let mut tokenizer = file.tokenizer(file.pieces(0), named.unwrap_or(file.model.unknown))?;

    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    if settings.flag("do_lower_case", false)? {
        normalizers.push(Lowercase.into());
    }
    let spaces = ReplacePattern::Regex(r"\s{2,}|[\n\r\t]".to_owned());
    normalizers.extend([file.replace(spaces, " ")?, NFC.into(), Strip::new(false, true).into()]);
    file.normalize(&mut tokenizer, Sequence::new(normalizers))?;
    let mut pre_tokenizers: Vec<PreTokenizerWrapper> = Vec::new();
    if settings.flag("split_by_punct", false)? {
        pre_tokenizers.push(Punctuation::new(SplitDelimiterBehavior::Isolated).into());
    }
    let always = settings.flag("add_prefix_space", true)?;
    let spaces = Metaspace::new(SPACE, if always { PrependScheme::Always } else { PrependScheme::First }, true);
    pre_tokenizers.push(spaces.clone().into());
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(pre_tokenizers))).with_decoder(Some(spaces));

    special.add_to(&mut tokenizer, Some(file.own_tokens()))?;
    let cls = special.with_id("cls_token", &tokenizer, &file.path)?;
    let sep = special.with_id("sep_token", &tokenizer, &file.path)?;
    special.surround(&mut tokenizer, cls, sep)?;
    Ok(tokenizer)
}

/// `<s> A </s>`, `<s> A </s></s> B </s>`, all of type 0. Its first four ids are fairseq's, not SentencePiece's.
pub(super) fn xlm_roberta(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let special = SpecialTokens::new(settings, FAIRSEQ_ENDS);
    let mut vocabulary = Vec::new();
    for role in ["bos_token", "pad_token", "eos_token", "unk_token"] {
        vocabulary.push((special.text(role)?.to_owned(), 0.0));
    }
    fairseq(directory, settings, &special, vocabulary, 3)
}

/// As XLM-R, but that the places of fairseq's own tokens, which it never uses, keep names that no text holds.
pub(super) fn camembert(directory: &Path, settings: &Settings) -> Result<Tokenizer, DataError> {
    let special = SpecialTokens::new(settings, FAIRSEQ_ENDS).with_mask_after_space();
    let vocabulary = vec![
        ("<s>NOTUSED".to_owned(), 0.0),
        (special.text("pad_token")?.to_owned(), 0.0),
        ("</s>NOTUSED".to_owned(), 0.0),
        (special.text("unk_token")?.to_owned(), 0.0),
        ("<unk>NOTUSED".to_owned(), -100.0),
    ];
    fairseq(directory, settings, &special, vocabulary, 1)
}

const FAIRSEQ_ENDS: [Option<&str>; 7] =
    [Some("<s>"), Some("</s>"), Some("<unk>"), Some("</s>"), Some("<pad>"), Some("<s>"), Some("<mask>")];

/// `vocabulary`, then the pieces of the file without the first `skipped`, then the mask.
fn fairseq(
    directory: &Path,
    settings: &Settings,
    special: &SpecialTokens<'_>,
    mut vocabulary: Vec<(String, f64)>,
    skipped: usize,
) -> Result<Tokenizer, DataError> {
    let file = File::read(directory, FAIRSEQ)?;
    vocabulary.extend(file.pieces(skipped));
    vocabulary.push((special.text("mask_token")?.to_owned(), 0.0));
    let mut tokenizer = file.tokenizer(vocabulary, 3)?;
    if let Some(map) = file.character_map()? {
        file.normalize(&mut tokenizer, map)?;
    }
    words_by_space(&mut tokenizer, settings)?;
    special.add_to(&mut tokenizer, Some(file.own_tokens()))?;
    let bos = special.with_id("bos_token", &tokenizer, &file.path)?;
    let eos = special.with_id("eos_token", &tokenizer, &file.path)?;
    special.surround_untyped(&mut tokenizer, bos, eos)?;
    Ok(tokenizer)
}

fn words_by_space(tokenizer: &mut Tokenizer, settings: &Settings) -> Result<(), DataError> {
    let prepended = settings.flag("add_prefix_space", true)?;
    let spaces = Metaspace::new(SPACE, if prepended { PrependScheme::Always } else { PrependScheme::Never }, true);
    let pre_tokenizer = PreTokenizers::new(vec![WhitespaceSplit.into(), spaces.clone().into()]);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer)).with_decoder(Some(spaces));
    Ok(())
}

impl File {
    fn read(directory: &Path, name: &str) -> Result<Self, DataError> {
        let path = directory.join(name);
        let model = SentencePieceModel::read(&path)?;
        match model.kind {
            ModelKind::Unigram => Ok(Self { path, model }),
            ModelKind::BytePair => Err(not_unigram(directory, name, "byte-pair")),
            ModelKind::Word => Err(not_unigram(directory, name, "word")),
            ModelKind::Character => Err(not_unigram(directory, name, "character")),
        }
    }

    /// Texts and scores but for the first `skipped`.
    fn pieces(&self, skipped: usize) -> Vec<(String, f64)> {
        self.model.pieces.iter().skip(skipped).map(|piece| (piece.text.clone(), f64::from(piece.score))).collect()
    }

    fn tokenizer(&self, vocabulary: Vec<(String, f64)>, unknown: usize) -> Result<Tokenizer, DataError> {
        Ok(Tokenizer::new(Unigram::from(vocabulary, Some(unknown), false).map_err(|error| self.refused(&*error))?))
    }

    /// The tokens that the model itself keeps whole.
    fn own_tokens(&self) -> Vec<Token> {
        let own = self.model.pieces.iter().filter(|piece| piece.kind != PieceKind::Plain);
        own.map(|piece| Token {
            normalized: Some(false),
            special: piece.kind == PieceKind::Control,
            ..Token::new(piece.text.clone())
        })
        .collect()
    }

    /// The model's own normaliser; none where it takes texts as they are (a model that Transformers refuses to read).
    fn character_map(&self) -> Result<Option<NormalizerWrapper>, DataError> {
        let map = &self.model.character_map;
        if map.is_empty() {
            return Ok(None);
        }
        Ok(Some(Precompiled::from(map).map_err(|error| self.refused(&error))?.into()))
    }

    fn replace(&self, pattern: impl Into<ReplacePattern>, by: &str) -> Result<NormalizerWrapper, DataError> {
        Ok(Replace::new(pattern, by).map_err(|error| self.refused(&*error))?.into())
    }

    fn normalize(&self, tokenizer: &mut Tokenizer, by: impl Into<NormalizerWrapper>) -> Result<(), DataError> {
        tokenizer.with_normalizer(Some(by)).map(|_| ()).map_err(|error| self.refused(&*error))
    }

    fn refused(&self, error: &dyn std::fmt::Display) -> DataError {
        DataError::TokenizerRefused { path: self.path.clone(), message: error.to_string() }
    }
}

fn not_unigram(directory: &Path, name: &str, kind: &str) -> DataError {
    DataError::TokenizerForm {
        directory: directory.to_owned(),
        found: format!("its {name} is a {kind} model of SentencePiece, of which only unigram models are read"),
    }
}
