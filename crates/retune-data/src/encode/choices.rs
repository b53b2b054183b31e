//! A context and its choices → a sequence for each, for multiple choice.
//!
//! As `run_swag.py` of Transformers: each choice is the second text of a pair with the context, and where the two do not
//! fit, the longer is cut, token by token. Examples may have different numbers of choices.

use crate::error::DataError;
use crate::examples::Text;
use crate::tokenize::{TextTokenizer, Tokenized};

/// What may be chosen in a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// What the choices have in common: a passage, a question, the beginning of a sentence.
    pub context: String,
    /// Its continuations or answers.
    pub choices: Vec<String>,
}

/// The tokens of many examples. `e` examples, `n` choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedChoices {
    /// A sequence for each choice, in their order, `n`.
    pub tokenized: Tokenized,
    /// The choices of example `i` are the sequences `examples[i]..examples[i + 1]`, `[e + 1]`.
    pub examples: Vec<usize>,
}

impl TextTokenizer {
    /// Encodes every choice with its context, on all cores, in their order.
    ///
    /// # Errors
    ///
    /// As [`TextTokenizer::encode`].
    pub fn encode_choices(&self, examples: &[Choices]) -> Result<EncodedChoices, DataError> {
        let mut ends = vec![0];
        let mut texts = Vec::new();
        for example in examples {
            let pair = |choice: &String| Text { first: example.context.clone(), second: Some(choice.clone()) };
            texts.extend(example.choices.iter().map(pair));
            ends.push(texts.len());
        }
        Ok(EncodedChoices { tokenized: self.encode(&texts)?, examples: ends })
    }
}
