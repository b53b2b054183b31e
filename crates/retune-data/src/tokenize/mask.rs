//! Which token stands for what is masked.

use std::path::Path;

use serde_json::Value;

use super::TextTokenizer;
use super::settings::{CONFIG, SPECIAL_TOKENS, object};
use crate::error::DataError;

/// What BERT and RoBERTa call it, and their kin.
const USUAL: [&str; 2] = ["[MASK]", "<mask>"];

impl TextTokenizer {
    /// The id of the mask token: the `mask_token` of the model directory's `tokenizer_config.json` or
    /// `special_tokens_map.json`, of which the second counts where the first has no `added_tokens_decoder`, as for
    /// Transformers. Where neither names one, `[MASK]` or `<mask>`, if the vocabulary has it.
    ///
    /// # Errors
    ///
    /// [`DataError::NoMaskToken`]; [`DataError::Json`] and those of reading a text file.
    pub fn mask_id(&self, directory: &Path) -> Result<u32, DataError> {
        let named = named(directory)?;
        let id = match &named {
            Named::Token(text) => self.tokenizer.token_to_id(text),
            Named::Null => None,
            Named::Nothing => USUAL.iter().find_map(|text| self.tokenizer.token_to_id(text)),
        };
        let token = if let Named::Token(text) = named { Some(text) } else { None };
        id.ok_or_else(|| DataError::NoMaskToken { directory: directory.to_owned(), token })
    }
}

/// What the files say of the mask.
enum Named {
    Nothing,
    Null,
    Token(String),
}

fn named(directory: &Path) -> Result<Named, DataError> {
    let config = object(&directory.join(CONFIG))?.unwrap_or_default();
    let mut values = vec![config.get("mask_token").cloned()];
    if !config.contains_key("added_tokens_decoder") {
        let map = object(&directory.join(SPECIAL_TOKENS))?.unwrap_or_default();
        values.push(map.get("mask_token").cloned());
    }
    let Some(value) = values.into_iter().flatten().next_back() else { return Ok(Named::Nothing) };
    let text = value.as_str().or_else(|| value.get("content").and_then(Value::as_str));
    Ok(text.map_or(Named::Null, |text| Named::Token(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mask_id(vocabulary: &str, files: &[(&str, &str)]) -> Result<u32, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let all = [("config.json", r#"{"model_type": "bert"}"#), ("vocab.txt", vocabulary)];
        for (name, content) in all.iter().chain(files) {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let tokenizer = TextTokenizer::from_directory(folder.path(), 16).expect("a tokenizer");
        let result = tokenizer.mask_id(folder.path());
        result.map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "model"))
    }

    #[test]
    fn the_files_name_it_or_it_is_the_usual_one() {
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<blank>\n<mask>\n";
        assert_eq!(mask_id(words, &[]), Ok(4));
        let config = ("tokenizer_config.json", r#"{"mask_token": "<blank>"}"#);
        let map = ("special_tokens_map.json", r#"{"mask_token": {"content": "<mask>"}}"#);
        assert_eq!(mask_id(words, &[config]), Ok(5));
        assert_eq!(mask_id(words, &[config, map]), Ok(6));
        let decoder = ("tokenizer_config.json", r#"{"mask_token": "<blank>", "added_tokens_decoder": {}}"#);
        assert_eq!(mask_id(words, &[decoder, map]), Ok(5));
    }

    #[test]
    fn without_one_there_is_an_error() {
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
        assert_eq!(
            mask_id(words, &[("tokenizer_config.json", r#"{"mask_token": null}"#)]),
            Err("model: the tokenizer has no mask token; masked language modelling needs a model that was trained with \
                 one, as BERT and RoBERTa were, or name it as `mask_token` in tokenizer_config.json"
                .to_owned())
        );
    }
}
