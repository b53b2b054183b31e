//! Which tokenizer a model directory without `tokenizer.json` holds.
//!
//! The class decides, as in Transformers: `tokenizer_class` of `tokenizer_config.json`, else that of `config.json`, else
//! what its `model_type` stands for. The class then knows its files.

use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::settings::{self, Settings, object};
use super::{byte_level, unigram, word_piece};
use crate::error::DataError;
use crate::sources::load;

/// Every file that stands for a tokenizer in place of `tokenizer.json`.
const VOCABULARIES: [&str; 5] =
    [word_piece::VOCABULARY, byte_level::VOCABULARY, unigram::ALBERT, unigram::DEBERTA_V2, unigram::FAIRSEQ];
/// Files of tokenizers that cannot be read. Where one is, Transformers takes it before any of the above.
const OTHERS: [&str; 3] = ["tokenizer.model", "tekken.json", "tiktoken.model"];

/// The classes of slow tokenizers that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Bert,
    MpNet,
    Roberta,
    Deberta,
    Albert,
    DebertaV2,
    XlmRoberta,
    Camembert,
}

/// Makes the tokenizer of a directory that has no `tokenizer.json`.
pub(super) fn read(directory: &Path) -> Result<Tokenizer, DataError> {
    if !directory.is_dir() {
        load::check_is_file(directory)?;
    }
    let unsupported = |found: String| DataError::TokenizerForm { directory: directory.to_owned(), found };
    if let Some(other) = OTHERS.into_iter().find(|file| directory.join(file).exists()) {
        return Err(unsupported(format!("its tokenizer is in {other}, which is not read")));
    }
    if !VOCABULARIES.iter().any(|file| directory.join(file).exists()) {
        return Err(DataError::NoTokenizer { directory: directory.to_owned() });
    }
    let class = class(directory)?;
    if let Some(file) = class.files().iter().find(|file| !directory.join(file).exists()) {
        return Err(DataError::TokenizerPartMissing { directory: directory.to_owned(), class: class.name(), file });
    }
    let settings = Settings::read(directory)?;
    if class == Class::Albert && (settings.has("add_bos_token") || settings.has("add_eos_token")) {
        return Err(unsupported("its tokenizer_config.json sets add_bos_token or add_eos_token".to_owned()));
    }
    match class {
        Class::Bert => word_piece::bert(directory, &settings),
        Class::MpNet => word_piece::mpnet(directory, &settings),
        Class::Roberta => byte_level::roberta(directory, &settings),
        Class::Deberta => byte_level::deberta(directory, &settings),
        Class::Albert => unigram::albert(directory, &settings),
        Class::DebertaV2 => unigram::deberta_v2(directory, &settings),
        Class::XlmRoberta => unigram::xlm_roberta(directory, &settings),
        Class::Camembert => unigram::camembert(directory, &settings),
    }
}

/// Whether special tokens written out in a text are cut like other words: `tokenizer.json` does not hold this.
pub(super) fn splits_special_tokens(directory: &Path) -> Result<bool, DataError> {
    let path = directory.join(settings::CONFIG);
    let values = object(&path)?.unwrap_or_default();
    Ok(settings::flag(&path, &values, "split_special_tokens")?.unwrap_or(false))
}

fn class(directory: &Path) -> Result<Class, DataError> {
    let unsupported = |found: String| DataError::TokenizerForm { directory: directory.to_owned(), found };
    let settings = object(&directory.join(settings::CONFIG))?.unwrap_or_default();
    let model = object(&directory.join("config.json"))?.unwrap_or_default();
    let own_code = settings.get("auto_map").is_some_and(|map| map.is_array() || map.get("AutoTokenizer").is_some());
    if own_code {
        return Err(unsupported("its tokenizer is Python code of its own (auto_map)".to_owned()));
    }
    let text = |values: &Map<String, Value>, key| values.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(name) = text(&settings, "tokenizer_class").or_else(|| text(&model, "tokenizer_class")) {
        if ["PreTrainedTokenizerFast", "TokenizersBackend"].contains(&name.as_str()) {
            return Err(DataError::TokenizerJsonMissing { directory: directory.to_owned(), class: name });
        }
        return Class::of_name(&name).ok_or_else(|| unsupported(format!("its tokenizer is a {name}")));
    }
    match text(&model, "model_type") {
        Some(kind) => {
            Class::of_model(&kind).ok_or_else(|| unsupported(format!("its tokenizer is that of the model type {kind}")))
        }
        None => Err(unsupported(
            "neither the tokenizer_class of tokenizer_config.json nor the model_type of config.json says which \
             tokenizer it has"
                .to_owned(),
        )),
    }
}

impl Class {
    /// The class of a name in Transformers, some of which are other names of one class.
    fn of_name(name: &str) -> Option<Self> {
        Some(match name.strip_suffix("Fast").unwrap_or(name) {
            "BertTokenizer"
            | "DistilBertTokenizer"
            | "ElectraTokenizer"
            | "LayoutLMTokenizer"
            | "LxmertTokenizer"
            | "MobileBertTokenizer"
            | "SqueezeBertTokenizer" => Self::Bert,
            "MPNetTokenizer" => Self::MpNet,
            "RobertaTokenizer" | "BartTokenizer" | "LEDTokenizer" | "LongformerTokenizer" | "MvpTokenizer" => {
                Self::Roberta
            }
            "DebertaTokenizer" => Self::Deberta,
            "AlbertTokenizer" => Self::Albert,
            "DebertaV2Tokenizer" => Self::DebertaV2,
            "XLMRobertaTokenizer" => Self::XlmRoberta,
            "CamembertTokenizer" => Self::Camembert,
            _ => return None,
        })
    }

    /// The class that Transformers gives a type of text models where no class is named.
    fn of_model(model_type: &str) -> Option<Self> {
        Some(match model_type {
            "bert" | "convbert" | "distilbert" | "electra" | "ernie" | "layoutlm" | "lxmert" | "megatron-bert"
            | "mobilebert" | "nezha" | "nomic_bert" | "qdqbert" | "squeezebert" => Self::Bert,
            "mpnet" => Self::MpNet,
            "roberta"
            | "roberta-prelayernorm"
            | "bart"
            | "data2vec-text"
            | "ibert"
            | "led"
            | "longformer"
            | "mega"
            | "mra"
            | "mvp" => Self::Roberta,
            "deberta" => Self::Deberta,
            "albert" | "yoso" => Self::Albert,
            "deberta-v2" => Self::DebertaV2,
            "jina_embeddings_v3" | "xlm-roberta" | "xmod" => Self::XlmRoberta,
            "camembert" => Self::Camembert,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::MpNet => "MPNetTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::Deberta => "DebertaTokenizer",
            Self::Albert => "AlbertTokenizer",
            Self::DebertaV2 => "DebertaV2Tokenizer",
            Self::XlmRoberta => "XLMRobertaTokenizer",
            Self::Camembert => "CamembertTokenizer",
        }
    }

    /// What it is made from.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Bert | Self::MpNet => &[word_piece::VOCABULARY],
            Self::Roberta | Self::Deberta => &[byte_level::VOCABULARY, byte_level::MERGES],
            Self::Albert => &[unigram::ALBERT],
            Self::DebertaV2 => &[unigram::DEBERTA_V2],
            Self::XlmRoberta | Self::Camembert => &[unigram::FAIRSEQ],
        }
    }
}

#[cfg(test)]
mod tests;
