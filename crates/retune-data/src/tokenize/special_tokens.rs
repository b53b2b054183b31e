//! Special tokens: which a tokenizer has, in which order they join the vocabulary, and what they do around a text.
//!
//! The order decides the ids of those that the vocabulary lacks; it is Transformers 5.17's (`TokenizersBackend`): added
//! tokens by id, then the roles in the order of [`ROLES`], then the unnamed ones.

use std::path::Path;

use tokenizers::processors::template::{Template, TemplateProcessing};
use tokenizers::{AddedToken, Tokenizer};

use super::settings::Settings;
use crate::error::DataError;

/// The roles that a special token can have, in the order in which they join the vocabulary.
pub(super) const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token of its own and how it is matched in a text.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    /// Where nothing is said, a token is matched in the normalised text unless it is special.
    pub normalized: Option<bool>,
    pub special: bool,
}

/// A special token as a file gives it. The two are never equal to one another, as they are not in Python: which of them
/// it is decides whether a token is added twice, of which the later says how it is matched.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Text(String),
    Token(Token),
}

/// The special tokens of one tokenizer: what its class has by default under what the files say.
pub(super) struct SpecialTokens<'a> {
    settings: &'a Settings,
    /// In the order of [`ROLES`]
    roles: [Option<Content>; 7],
}

/// A special token's text and id.
pub(super) type Named = (String, u32);

impl Token {
    pub fn new(content: String) -> Self {
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: None, special: false }
    }

    fn to_added(&self) -> AddedToken {
        AddedToken::from(self.content.clone(), self.special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!self.special))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.to_added() == other.to_added()
    }
}

impl Content {
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Token(token) => &token.content,
        }
    }

    /// The same, special if it is a token.
    pub fn into_special(self) -> Self {
        match self {
            Self::Token(token) => Self::Token(Token { special: true, ..token }),
            text => text,
        }
    }
}

impl<'a> SpecialTokens<'a> {
    /// `defaults` in the order of [`ROLES`].
    pub fn new(settings: &'a Settings, defaults: [Option<&str>; 7]) -> Self {
        let mut roles = defaults.map(|text| text.map(|text| Content::Text(text.to_owned())));
        for (name, content) in &settings.named {
            if let Some(index) = ROLES.iter().position(|role| role == name) {
                roles[index] = content.clone();
            }
        }
        Self { settings, roles }
    }

    /// Has the mask take the white space before it along, unless a file says how it is matched.
    pub fn with_mask_after_space(mut self) -> Self {
        if let Some(Content::Text(text)) = &self.roles[6] {
            self.roles[6] = Some(Content::Token(Token { lstrip: true, ..Token::new(text.clone()) }));
        }
        self
    }

    /// The text of a role, one of [`ROLES`].
    pub fn text(&self, role: &'static str) -> Result<&str, DataError> {
        let content = ROLES.iter().position(|name| *name == role).and_then(|index| self.roles[index].as_ref());
        content.map(Content::text).ok_or_else(|| DataError::TokenizerSetting {
            path: self.settings.path.clone(),
            key: role.to_owned(),
            expected: "a token, which this tokenizer cannot do without",
            found: "null".to_owned(),
        })
    }

    /// The text and the id of a role. `path` is where the vocabulary was read.
    pub fn with_id(&self, role: &'static str, tokenizer: &Tokenizer, path: &Path) -> Result<Named, DataError> {
        let text = self.text(role)?.to_owned();
        match tokenizer.token_to_id(&text) {
            Some(id) => Ok((text, id)),
            None => Err(DataError::VocabularyLacks { path: path.to_owned(), token: text, role }),
        }
    }

    /// Adds all of them. `of_vocabulary` are those that the vocabulary file itself names, which count where no settings
    /// name any.
    pub fn add_to(&self, tokenizer: &mut Tokenizer, of_vocabulary: Option<Vec<Token>>) -> Result<(), DataError> {
        let named: Vec<&Content> = self
            .roles
            .iter()
            .flatten()
            .chain(self.settings.model_specific.iter().map(|(_, content)| content))
            .collect();
        let of_vocabulary = of_vocabulary.map(|tokens| tokens.into_iter().map(Content::Token).collect());
        let extra = self.settings.extra.clone().or(of_vocabulary).or(self.settings.additional.clone());
        let mut tokens: Vec<Content> = self.settings.added.iter().cloned().map(Content::Token).collect();
        let added: Vec<&str> = self.settings.added.iter().map(|token| token.content.as_str()).collect();
        for content in named.iter().copied().chain(extra.iter().flatten()) {
            if !added.contains(&content.text()) && !tokens.contains(content) {
                tokens.push(content.clone());
            }
        }
        let tokens = tokens.into_iter().map(|content| match content {
            Content::Text(text) => AddedToken::from(text, true),
            Content::Token(token) => {
                let special = token.special || named.iter().any(|content| content.text() == token.content);
                Token { special, ..token }.to_added()
            }
        });
        tokenizer.add_tokens(tokens).map(|_| ()).map_err(|error| self.refused(&error))
    }

    /// `first A last`, `first A last B last`; of type 1 from `B` on.
    pub fn surround(&self, tokenizer: &mut Tokenizer, first: Named, last: Named) -> Result<(), DataError> {
        let [start, middle, end] = [format!("{}:0", first.0), format!("{}:0", last.0), format!("{}:1", last.0)];
        let single = [&start, "$A:0", &middle];
        self.template(tokenizer, [first, last], &single, &[&start, "$A:0", &middle, "$B:1", &end])
    }

    /// `first A last`, `first A last last B last`; all of type 0.
    pub fn surround_untyped(&self, tokenizer: &mut Tokenizer, first: Named, last: Named) -> Result<(), DataError> {
        let (start, end) = (first.0.clone(), last.0.clone());
        let pair = [&start, "$A", &end, &end, "$B", &end];
        self.template(tokenizer, [first, last], &[&start, "$A", &end], &pair)
    }

    fn template(
        &self,
        tokenizer: &mut Tokenizer,
        special: [Named; 2],
        single: &[&str],
        pair: &[&str],
    ) -> Result<(), DataError> {
        let template = |pieces: &[&str]| Template::try_from(pieces.to_vec()).map_err(|error| self.refused(&error));
        let processor = TemplateProcessing::builder()
            .single(template(single)?)
            .pair(template(pair)?)
            .special_tokens(Vec::from(special))
            .build()
            .map_err(|error| self.refused(&error))?;
        tokenizer.with_post_processor(Some(processor));
        Ok(())
    }

    fn refused(&self, error: &dyn ToString) -> DataError {
        DataError::TokenizerRefused { path: self.settings.path.clone(), message: error.to_string() }
    }
}
