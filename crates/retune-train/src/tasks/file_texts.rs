//! Texts, one or two a row.

use std::borrow::Cow;

use retune_data::sources::Wanted;
use retune_data::{Table, Text, TextColumns, TextTokenizer, Tokenized, encode_stream};

use super::kept::{Columns, FileRows, Kept};
use crate::TrainError;

/// What a model reads of each example.
pub type Texts = Kept<Vec<Text>, TextColumns>;

impl Columns for TextColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        self.names().into_iter().map(Wanted::Text).collect()
    }
}

impl Texts {
    /// How many.
    pub fn len(&self) -> usize {
        self.count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many the file has, of which these may be some.
    pub(super) fn len_of_file(&self) -> usize {
        match self {
            Self::Held(texts) => texts.len(),
            Self::File(file) => file.count_of_file(),
        }
    }

    /// The texts themselves.
    ///
    /// # Errors
    /// The file cannot be read any more, or is not what it was.
    pub fn read(&self) -> Result<Cow<'_, [Text]>, TrainError> {
        match self {
            Self::Held(texts) => Ok(Cow::Borrowed(texts)),
            Self::File(file) => Ok(Cow::Owned(file.read(|table| retune_data::texts(table, &file.columns))?)),
        }
    }

    /// Tokenises them, those of a file in flat memory where the tokenizer has a cache.
    pub(super) fn encode(&self, tokenizer: &TextTokenizer) -> Result<Tokenized, TrainError> {
        match self {
            Self::Held(texts) => Ok(tokenizer.encode(texts)?),
            Self::File(file) => encode(file, tokenizer),
        }
    }
}

fn encode(file: &FileRows<TextColumns>, tokenizer: &TextTokenizer) -> Result<Tokenized, TrainError> {
    let to_texts = |table: &Table| retune_data::texts(table, &file.columns);
    let tokenized =
        file.with_source(|source| encode_stream(source, tokenizer, tokenizer.cache(), to_texts, "texts"))?;
    if tokenized.len() != file.count_of_file() {
        return Err(file.changed().into());
    }
    Ok(match file.chosen() {
        None => tokenized,
        Some(rows) => tokenized.select(rows)?,
    })
}
