//! What stands beside a vocabulary: `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
//!
//! The rules of precedence are those of Transformers 5.17 (`PreTrainedTokenizerBase._from_pretrained`), which decide
//! ids: where `tokenizer_config.json` has an `added_tokens_decoder`, the two other files are not read at all; else
//! `special_tokens_map.json` overrides it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::special_tokens::{Content, ROLES, Token};
use crate::error::DataError;
use crate::sources::load;

pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";

/// The settings of one tokenizer, resolved.
pub(super) struct Settings {
    /// Where the values stand, for messages.
    pub path: PathBuf,
    values: Map<String, Value>,
    /// Roles (`cls_token` …) that a file gives; `None` where it says null.
    pub named: Vec<(String, Option<Content>)>,
    /// Special tokens under names that only this model has.
    pub model_specific: Vec<(String, Content)>,
    /// Special tokens without a name. Where it is `Some`, if only of nothing, those of the vocabulary file are ignored.
    pub extra: Option<Vec<Content>>,
    /// As `extra`, by its old name, which only `special_tokens_map.json` gives here.
    pub additional: Option<Vec<Content>>,
    /// Tokens that were added to the vocabulary, by rising id.
    pub added: Vec<Token>,
}

impl Settings {
    /// Reads what there is of the three files.
    pub fn read(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(CONFIG);
        let values = object(&path)?.unwrap_or_default();
        let mut settings = Self {
            path: path.clone(),
            values,
            named: Vec::new(),
            model_specific: Vec::new(),
            extra: None,
            additional: None,
            added: Vec::new(),
        };
        let extra = settings.values.get("extra_special_tokens").or(settings.values.get("additional_special_tokens"));
        if let Some(extra) = extra.cloned() {
            settings.set_extra(&path, "extra_special_tokens", &extra)?;
        }
        for (key, value) in settings.values.clone() {
            settings.set_role(&path, &key, &value)?;
        }
        match settings.values.get("added_tokens_decoder").cloned() {
            Some(decoder) => settings.added = added_tokens_decoder(&path, &decoder)?,
            None => {
                settings.read_special_tokens_map(&directory.join(SPECIAL_TOKENS))?;
                settings.read_added_tokens(&directory.join(ADDED_TOKENS))?;
            }
        }
        // A role whose text is an added token takes over how that token is matched.
        for content in settings.named.iter_mut().filter_map(|(_, content)| content.as_mut()) {
            if let Some(token) = settings.added.iter().find(|token| token.content == content.text()) {
                *content = Content::Token(token.clone());
            }
        }
        Ok(settings)
    }

    /// A truth value; `default` where it is absent or null.
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, DataError> {
        Ok(self.optional_flag(key)?.unwrap_or(default))
    }

    /// A truth value, where there is one.
    pub fn optional_flag(&self, key: &'static str) -> Result<Option<bool>, DataError> {
        flag(&self.path, &self.values, key)
    }

    /// Whether the file mentions a key.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn set_role(&mut self, path: &Path, key: &str, value: &Value) -> Result<(), DataError> {
        if ROLES.contains(&key) {
            let content = if value.is_null() { None } else { Some(content(path, key, value)?) };
            match self.named.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = content,
                None => self.named.push((key.to_owned(), content)),
            }
        } else if key.ends_with("_token") && (value.is_string() || value.get("content").is_some()) {
            let content = content(path, key, value)?;
            self.model_specific.retain(|(name, _)| name != key);
            self.model_specific.push((key.to_owned(), content));
        }
        Ok(())
    }

    fn set_extra(&mut self, path: &Path, key: &str, value: &Value) -> Result<(), DataError> {
        match value {
            Value::Object(named) => {
                for (key, value) in named {
                    let content = content(path, key, value)?;
                    self.model_specific.push((key.clone(), content));
                }
            }
            Value::Null => self.extra = Some(Vec::new()),
            value => self.extra = Some(contents(path, key, value)?),
        }
        Ok(())
    }

    fn read_special_tokens_map(&mut self, path: &Path) -> Result<(), DataError> {
        for (key, value) in object(path)?.unwrap_or_default() {
            match key.as_str() {
                "extra_special_tokens" if value.is_array() => {
                    let mut all = self.extra.take().unwrap_or_default();
                    for content in contents(path, &key, &value)?.into_iter().map(Content::into_special) {
                        if !all.contains(&content) {
                            all.push(content);
                        }
                    }
                    self.extra = Some(all);
                }
                "extra_special_tokens" => self.set_extra(path, &key, &value)?,
                "additional_special_tokens" => self.additional = Some(contents(path, &key, &value)?),
                _ => {
                    self.set_role(path, &key, &value)?;
                    let named = self.named.iter_mut().filter(|(name, _)| *name == key);
                    for content in named.filter_map(|(_, content)| content.as_mut()) {
                        *content = content.clone().into_special();
                    }
                }
            }
        }
        Ok(())
    }

    /// The oldest form: content → id. Which of them are special, the other files say.
    fn read_added_tokens(&mut self, path: &Path) -> Result<(), DataError> {
        let Some(ids) = object(path)? else { return Ok(()) };
        let mut by_id = Vec::new();
        for (text, id) in ids {
            let id = id.as_u64().ok_or_else(|| setting(path, &text, "an id", &id))?;
            let named = self.named.iter().filter_map(|(_, content)| content.as_ref());
            let special = named.chain(self.extra.iter().flatten()).any(|content| content.text() == text);
            by_id.push((id, Token { normalized: Some(!special), special, ..Token::new(text) }));
        }
        by_id.sort_by_key(|(id, _)| *id);
        self.added = by_id.into_iter().map(|(_, token)| token).collect();
        Ok(())
    }
}

/// The object in a JSON file; `None` where there is no such file.
pub(super) fn object(path: &Path) -> Result<Option<Map<String, Value>>, DataError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = load::text(path)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| DataError::Json {
        path: path.to_owned(),
        line: error.line() as u64,
        column: error.column(),
        message: load::message_without_position(&error),
        hint: "copy or download the file again",
    })?;
    match value {
        Value::Object(object) => Ok(Some(object)),
        other => Err(setting(path, "the file", "an object", &other)),
    }
}

/// A truth value of an object that was read from `path`.
pub(super) fn flag(path: &Path, values: &Map<String, Value>, key: &str) -> Result<Option<bool>, DataError> {
    match values.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(setting(path, key, "true or false", other)),
    }
}

fn added_tokens_decoder(path: &Path, decoder: &Value) -> Result<Vec<Token>, DataError> {
    let key = "added_tokens_decoder";
    let decoder = decoder.as_object().ok_or_else(|| setting(path, key, "an object from ids to tokens", decoder))?;
    let mut by_id = Vec::new();
    for (id, value) in decoder {
        let number: u64 = id.parse().map_err(|_| setting(path, key, "ids as keys", &Value::from(id.as_str())))?;
        by_id.push((number, token(path, id, value)?));
    }
    by_id.sort_by_key(|(id, _)| *id);
    Ok(by_id.into_iter().map(|(_, token)| token).collect())
}

fn contents(path: &Path, key: &str, value: &Value) -> Result<Vec<Content>, DataError> {
    let values = value.as_array().ok_or_else(|| setting(path, key, "a list of tokens", value))?;
    values.iter().map(|value| content(path, key, value)).collect()
}

fn content(path: &Path, key: &str, value: &Value) -> Result<Content, DataError> {
    match value {
        Value::String(text) => Ok(Content::Text(text.clone())),
        value => token(path, key, value).map(Content::Token),
    }
}

fn token(path: &Path, key: &str, value: &Value) -> Result<Token, DataError> {
    let text = value.get("content").and_then(Value::as_str);
    let (Some(text), Some(values)) = (text, value.as_object()) else {
        return Err(setting(path, key, "a token: text, or an object with its content", value));
    };
    let flag = |key: &str| flag(path, values, key);
    Ok(Token {
        content: text.to_owned(),
        single_word: flag("single_word")?.unwrap_or(false),
        lstrip: flag("lstrip")?.unwrap_or(false),
        rstrip: flag("rstrip")?.unwrap_or(false),
        normalized: flag("normalized")?,
        special: flag("special")?.unwrap_or(false),
    })
}

fn setting(path: &Path, key: &str, expected: &'static str, found: &Value) -> DataError {
    DataError::TokenizerSetting { path: path.to_owned(), key: key.to_owned(), expected, found: found.to_string() }
}
