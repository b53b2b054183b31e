//! Texts → tokens, by the tokenizer that the model came with.

mod beside;
mod byte_level;
mod directory;
mod mask;
mod piece;
mod pieces;
mod sentence_piece;
mod settings;
mod special_tokens;
mod store;
pub(crate) mod tokenized;
mod unigram;
mod word_piece;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokenizers::utils::parallelism::set_parallelism;
use tokenizers::{EncodeInput, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy};

use crate::cache::TokenCache;
use crate::error::DataError;
use crate::examples::Text;
use crate::sources::load;
pub use beside::Beside;
pub use piece::Piece;
pub use pieces::PieceCounts;
pub(crate) use store::PARTIAL;
pub use store::TokenStoreWriter;
pub(crate) use tokenized::InMemory;
use tokenized::MAX_TYPE;
pub use tokenized::Tokenized;

/// Texts encoded at a time: enough to occupy every core, few enough that the library's rich encodings (offsets, masks,
/// the strings of the tokens) do not pile up.
pub(crate) const TEXTS_AT_A_TIME: usize = 4096;

const TOKENIZER_FILE: &str = "tokenizer.json";

/// A Hugging Face tokenizer that adds special tokens and cuts what is longer than a set length.
pub struct TextTokenizer {
    pub(crate) tokenizer: Tokenizer,
    cache: Option<TokenCache>,
}

impl TextTokenizer {
    /// Reads the tokenizer of a model directory: its `tokenizer.json`, or where there is none, what it is made from, as
    /// `AutoTokenizer` of Transformers 5.17 does:
    ///
    /// - `vocab.txt`: WordPiece (BERT, DistilBERT, ELECTRA, MPNet);
    /// - `vocab.json` and `merges.txt`: byte-level byte-pair encoding (RoBERTa and its kin, DeBERTa);
    /// - `spiece.model`, `spm.model`, `sentencepiece.bpe.model`: SentencePiece's unigram models (ALBERT, DeBERTa-v2,
    ///   XLM-R, CamemBERT);
    ///
    /// with `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`. Which of them it is,
    /// `tokenizer_class` says, or `model_type` of `config.json`. Texts are cut as in [`TextTokenizer::from_file`].
    ///
    /// # Errors
    ///
    /// Those of [`TextTokenizer::from_file`]; [`DataError::NoTokenizer`], [`DataError::TokenizerPartMissing`],
    /// [`DataError::TokenizerJsonMissing`], [`DataError::TokenizerForm`] (only Python reads it), [`DataError::Json`],
    /// [`DataError::TokenizerSetting`], [`DataError::VocabularyLacks`], [`DataError::SentencePiece`] and
    /// [`DataError::TokenizerRefused`].
    pub fn from_directory(directory: &Path, max_length: usize) -> Result<Self, DataError> {
        let file = directory.join(TOKENIZER_FILE);
        let mut read = if file.exists() {
            Self::from_file(&file, max_length)?
        } else {
            Self::limited(directory::read(directory)?, max_length)?
        };
        read.tokenizer.set_encode_special_tokens(directory::splits_special_tokens(directory)?);
        Ok(read)
    }

    /// Reads a `tokenizer.json`. What the file says of padding and truncation is ignored: nothing is padded, and of a
    /// text (or a pair, token by token from the longer of the two) the end is cut off beyond `max_length` tokens, which
    /// include the special ones.
    ///
    /// # Errors
    ///
    /// [`DataError::TokenizerFile`]; those of reading a text file; [`DataError::MaxLength`] where special tokens fill
    /// it.
    pub fn from_file(path: &Path, max_length: usize) -> Result<Self, DataError> {
        let text = load::text(path)?;
        let tokenizer = serde_json::from_str(&text).map_err(|error| file_error(path, &text, &error))?;
        Self::limited(tokenizer, max_length)
    }

    fn limited(mut tokenizer: Tokenizer, max_length: usize) -> Result<Self, DataError> {
        // The library subtracts without a check.
        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(true));
        if max_length <= special {
            return Err(DataError::MaxLength { max_length, minimum: special + 1 });
        }
        let truncation =
            TruncationParams { max_length, strategy: TruncationStrategy::LongestFirst, ..Default::default() };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|_| DataError::MaxLength { max_length, minimum: special + 1 })?
            .with_padding(None);
        // Said outright, because the library warns of forks where it had to guess.
        set_parallelism(true);
        Ok(Self { tokenizer, cache: None })
    }

    /// Writes `tokenizer.json` into a model directory: the whole tokenizer, without the maximal length, in the form that
    /// Transformers and this crate read.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`].
    pub fn save(&self, directory: &Path) -> Result<(), DataError> {
        let path = directory.join(TOKENIZER_FILE);
        let mut tokenizer = self.tokenizer.clone();
        let unlimited = tokenizer.with_truncation(None).and_then(|tokenizer| tokenizer.to_string(true));
        let written = unlimited.map_err(std::io::Error::other).and_then(|text| fs::write(&path, text));
        written.map_err(|source| DataError::Write { path, source })
    }

    /// Encodes the texts, on all cores, in their order.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenize`] where the tokenizer has no way to write a text (no token for unknown words), or types
    /// that are no bytes.
    pub fn encode(&self, texts: &[Text]) -> Result<Tokenized, DataError> {
        let tokenized = self.encode_from(0, texts)?;
        tell_of_truncated(&tokenized);
        Ok(tokenized)
    }

    /// Encodes texts before which there are `before` others, of which a message counts.
    pub(crate) fn encode_from(&self, before: usize, texts: &[Text]) -> Result<Tokenized, DataError> {
        let mut all = InMemory::default();
        for (group, first) in texts.chunks(TEXTS_AT_A_TIME).zip((before..).step_by(TEXTS_AT_A_TIME)) {
            let failed = |message| DataError::Tokenize { first, last: first + group.len() - 1, message };
            let inputs = group.iter().map(as_input).collect();
            let encodings =
                self.tokenizer.encode_batch_fast(inputs, true).map_err(|error| failed(error.to_string()))?;
            for encoding in encodings {
                all.ids.extend_from_slice(encoding.get_ids());
                for &type_id in encoding.get_type_ids() {
                    let byte = u8::try_from(type_id).ok().filter(|byte| *byte <= MAX_TYPE);
                    let beyond = || failed(format!("a token is of type {type_id}, beyond {MAX_TYPE}"));
                    all.marks.push(byte.ok_or_else(beyond)?);
                }
                all.lengths.push(encoding.len());
                all.truncated += usize::from(!encoding.get_overflowing().is_empty());
            }
        }
        Ok(all.finish())
    }

    /// The tokens of one text with the place of each in it.
    ///
    /// # Errors
    ///
    /// As [`TextTokenizer::encode`].
    pub fn pieces(&self, text: &Text) -> Result<Vec<TextPiece>, DataError> {
        let encoded = self.tokenizer.encode_char_offsets(as_input(text), true);
        let encoding =
            encoded.map_err(|error| DataError::Tokenize { first: 0, last: 0, message: error.to_string() })?;
        let texts: [Vec<char>; 2] =
            [text.first.as_str(), text.second.as_deref().unwrap_or_default()].map(|text| text.chars().collect());
        let piece = |place: usize| {
            let is_special = encoding.get_special_tokens_mask()[place] == 1;
            let of = encoding.token_to_sequence(place).filter(|_| !is_special);
            let (start, end) = of.map_or((0, 0), |_| encoding.get_offsets()[place]);
            let text = match of.and_then(|of| texts.get(of)?.get(start..end)) {
                Some(letters) => letters.iter().collect(),
                None => encoding.get_tokens()[place].clone(),
            };
            TextPiece { id: encoding.get_ids()[place], text, of, start, end, is_special }
        };
        Ok((0..encoding.len()).map(piece).collect())
    }

    /// The id of the padding token, where there is one by its usual names.
    pub fn padding_id(&self) -> Option<u32> {
        ["[PAD]", "<pad>"].iter().find_map(|name| self.tokenizer.token_to_id(name))
    }

    /// Everything that decides which tokens a text becomes, as text; `None` where the library cannot write it.
    pub(crate) fn settings(&self) -> Option<String> {
        let written = self.tokenizer.to_string(false).ok()?;
        // The one setting that the library does not write.
        Some(format!("{written}\n{}", self.tokenizer.get_encode_special_tokens()))
    }

    /// The same, but what it tokenises of files is kept in a cache, and taken from there.
    pub fn with_cache(self, cache: Option<TokenCache>) -> Self {
        Self { cache, ..self }
    }

    /// Where the tokens of files are kept, if they are.
    pub fn cache(&self) -> Option<&TokenCache> {
        self.cache.as_ref()
    }

    /// All tokens by id, as the vocabulary writes them; empty where an id has none.
    pub fn vocabulary(&self) -> Vec<String> {
        let vocabulary = self.tokenizer.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
        let mut tokens = vec![String::new(); size];
        for (token, id) in vocabulary {
            tokens[id as usize] = token;
        }
        tokens
    }

    /// The number of tokens, with those that were added to the vocabulary: ids are below it, unless the file leaves
    /// gaps.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }
}

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPiece {
    /// Its id.
    pub id: u32,
    /// What it stands for in the text; of a special token its name.
    pub text: String,
    /// Which text of a pair it is of, 0 or 1; `None` for a special token.
    pub of: Option<usize>,
    /// Where it begins in that text, in characters.
    pub start: usize,
    /// Where it ends, in characters.
    pub end: usize,
    /// Whether the tokenizer put it there.
    pub is_special: bool,
}

/// Says how many texts were cut, where there are some.
pub(crate) fn tell_of_truncated(tokenized: &Tokenized) {
    if tokenized.truncated > 0 {
        tracing::info!("{} of {} texts were cut to the maximal length", tokenized.truncated, tokenized.len());
    }
}

fn as_input(text: &Text) -> EncodeInput<'_> {
    match &text.second {
        None => EncodeInput::Single(text.first.as_str().into()),
        Some(second) => EncodeInput::Dual(text.first.as_str().into(), second.as_str().into()),
    }
}

/// The library's own reader calls much that is valid JSON a mistake in the syntax; so the text is looked at once more.
fn file_error(path: &Path, text: &str, error: &serde_json::Error) -> DataError {
    let document = serde_json::from_str::<Value>(text);
    let what = if document.is_ok() { "JSON, but not a tokenizer" } else { "not valid JSON" };
    let error = document.as_ref().err().unwrap_or(error);
    let message = match &document {
        Ok(document) if document.get("model").is_none() => "there is no key `model`".to_owned(),
        _ => load::message_without_position(error),
    };
    DataError::TokenizerFile { path: path.to_owned(), line: error.line(), column: error.column(), what, message }
}

#[cfg(test)]
pub(crate) mod tests;
