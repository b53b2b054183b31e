//! How many tokens texts would be, were nothing cut, and how many of them stand for what the vocabulary lacks.

use serde_json::Value;
use tokenizers::PostProcessor;

use super::{TEXTS_AT_A_TIME, TextTokenizer, as_input};
use crate::error::DataError;
use crate::examples::Text;

/// The tokens of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PieceCounts {
    /// All of them, with the special ones, before anything is cut.
    pub tokens: usize,
    /// Those of the text itself.
    pub pieces: usize,
    /// Those of the text that are the token for unknown words; 0 where the tokenizer has none.
    pub unknown: usize,
}

impl TextTokenizer {
    /// Counts the tokens of each text, on all cores.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenize`] where the tokenizer has no way to write a text.
    pub fn count_pieces(&self, texts: &[Text]) -> Result<Vec<PieceCounts>, DataError> {
        let failed = |first, count: usize, message| DataError::Tokenize { first, last: first + count - 1, message };
        let mut tokenizer = self.tokenizer.clone();
        tokenizer.with_truncation(None).map_err(|error| failed(0, texts.len().max(1), error.to_string()))?;
        let unknown_id = self.unknown_id();
        let mut counts = Vec::with_capacity(texts.len());
        for (group, first) in texts.chunks(TEXTS_AT_A_TIME).zip((0..).step_by(TEXTS_AT_A_TIME)) {
            let inputs = group.iter().map(as_input).collect();
            let encodings = tokenizer
                .encode_batch_fast(inputs, false)
                .map_err(|error| failed(first, group.len(), error.to_string()))?;
            for (encoding, text) in encodings.iter().zip(group) {
                let special =
                    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(text.second.is_some()));
                let pieces = encoding.len();
                let unknown = encoding.get_ids().iter().filter(|id| Some(**id) == unknown_id).count();
                counts.push(PieceCounts { tokens: pieces + special, pieces, unknown });
            }
        }
        Ok(counts)
    }

    /// The token for unknown words.
    fn unknown_id(&self) -> Option<u32> {
        let model = serde_json::to_value(self.tokenizer.get_model()).ok()?;
        match (model.get("unk_id").and_then(Value::as_u64), model.get("unk_token").and_then(Value::as_str)) {
            (Some(id), _) => u32::try_from(id).ok(),
            (None, Some(token)) => self.tokenizer.token_to_id(token),
            (None, None) => None,
        }
    }
}
