//! Which of a data set's Parquet files are which configuration and which split.
//!
//! What the head of the repository's `README.md` says (`configs`) counts first. Else paths of the form
//! `CONFIG/SPLIT/0000.parquet`, as the Hub writes where it converts a data set, say both. Else there is one
//! configuration, `default`, whose splits are found by the names that Python's `datasets` goes by:
//! `data/SPLIT-00000-of-00002.parquet` with any split; or folders, or else files, that are called by one of the words
//! for training, validation and test; or else everything is for training. A golden file holds what `datasets` 5.2 makes
//! of some such lists.

use std::collections::BTreeMap;

use glob::{MatchOptions, Pattern};
use serde_json::Value;

/// A configuration, also called subset, with its splits: the paths of each in the order in which they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// Whether the repository says that it is meant where none is named.
    pub(crate) is_default: bool,
    pub(crate) splits: Vec<(String, Vec<String>)>,
}

/// The words by which `datasets` knows the splits.
const WORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "val", "dev"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// The configurations of a repository with these files that have Parquet files; `card` is the head of its `README.md`.
pub(crate) fn configs(files: &[String], card: &Value) -> Vec<Config> {
    let is_hidden = |part: &str| part.starts_with('.') || part.starts_with("__");
    let mut parquet: Vec<&str> = files.iter().map(String::as_str).filter(|file| file.ends_with(".parquet")).collect();
    parquet.retain(|file| !file.split('/').any(is_hidden));
    parquet.sort_unstable();
    if parquet.is_empty() {
        return vec![];
    }
    if let Some(said) = of_card(&parquet, card) {
        return said;
    }
    if let Some(converted) = of_folders(&parquet) {
        return converted;
    }
    vec![Config { name: "default".to_owned(), is_default: false, splits: by_names(&parquet) }]
}

/// What the card says; `None` where it says nothing of files.
fn of_card(parquet: &[&str], card: &Value) -> Option<Vec<Config>> {
    let said = card["configs"].as_array()?.iter().filter(|config| !config["data_files"].is_null());
    let said: Vec<Config> = said
        .map(|config| Config {
            name: config["config_name"].as_str().unwrap_or("default").to_owned(),
            is_default: config["default"].as_bool().unwrap_or_default(),
            splits: splits_of(parquet, &config["data_files"]),
        })
        .collect();
    // A card may well name files of other forms alone, of which there may be a conversion.
    (!said.is_empty()).then(|| said.into_iter().filter(|config| !config.splits.is_empty()).collect())
}

/// `data_files` of a card: patterns; or splits with patterns each, as a map or as a list.
fn splits_of(parquet: &[&str], said: &Value) -> Vec<(String, Vec<String>)> {
    let of_list = |list: &Vec<Value>| -> Vec<(String, Value)> {
        let split = |one: &Value| Some((one["split"].as_str()?.to_owned(), one["path"].clone()));
        let splits: Option<Vec<_>> = list.iter().map(split).collect();
        splits.unwrap_or_else(|| vec![("train".to_owned(), said.clone())])
    };
    let splits = match said {
        Value::Object(map) => map.iter().map(|(split, paths)| (split.clone(), paths.clone())).collect(),
        Value::Array(list) => of_list(list),
        _ => vec![("train".to_owned(), said.clone())],
    };
    let found = splits.into_iter().map(|(split, paths)| (split, matching(parquet, &paths)));
    found.filter(|(_, files)| !files.is_empty()).collect()
}

/// The files that a pattern or a list of patterns names, each once.
fn matching(parquet: &[&str], said: &Value) -> Vec<String> {
    const OPTIONS: MatchOptions =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

    let patterns = match said {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect::<Vec<_>>(),
    };
    let mut found: Vec<String> = Vec::new();
    for pattern in patterns {
        let pattern = pattern.trim_start_matches("./");
        let compiled = Pattern::new(pattern).ok();
        let names = |file: &str| file == pattern || compiled.as_ref().is_some_and(|it| it.matches_with(file, OPTIONS));
        for file in parquet.iter().filter(|file| names(file)) {
            if !found.iter().any(|known| known == file) {
                found.push((*file).to_owned());
            }
        }
    }
    found
}

/// `CONFIG/SPLIT/0000.parquet`, where all files are called so.
fn of_folders(parquet: &[&str]) -> Option<Vec<Config>> {
    let mut configs: BTreeMap<&str, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for path in parquet {
        let [config, split, file] = path.split('/').collect::<Vec<_>>()[..] else { return None };
        let number = file.strip_suffix(".parquet")?;
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        configs.entry(config).or_default().entry(split).or_default().push((*path).to_owned());
    }
    let named = |(split, files): (&str, Vec<String>)| (split.to_owned(), files);
    let config = |(name, splits): (&str, BTreeMap<&str, Vec<String>>)| Config {
        name: name.to_owned(),
        is_default: false,
        splits: splits.into_iter().map(named).collect(),
    };
    Some(configs.into_iter().map(config).collect())
}

/// The splits by the names of files and folders.
fn by_names(parquet: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut shards: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in parquet {
        if let Some(split) = path.strip_prefix("data/").and_then(split_of_shard) {
            shards.entry(split).or_default().push((*path).to_owned());
        }
    }
    if !shards.is_empty() {
        return shards.into_iter().map(|(split, files)| (split.to_owned(), files)).collect();
    }
    let folders = |path: &str| path.rsplit_once('/').map(|(folders, _)| folders.to_owned()).unwrap_or_default();
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    for part in [&folders as &dyn Fn(&str) -> String, &name] {
        let of = |words: &[&str]| -> Vec<String> {
            let named = parquet.iter().filter(|path| has_word(&part(path), words));
            named.map(|path| (*path).to_owned()).collect()
        };
        let found = WORDS.iter().map(|(split, words)| ((*split).to_owned(), of(words)));
        let found: Vec<_> = found.filter(|(_, files)| !files.is_empty()).collect();
        if !found.is_empty() {
            return found;
        }
    }
    vec![("train".to_owned(), parquet.iter().map(|path| (*path).to_owned()).collect())]
}

/// The split of `SPLIT-00000-of-00002.parquet`, behind whose numbers anything may stand.
fn split_of_shard(name: &str) -> Option<&str> {
    let digits = |text: &str| text.len() >= 5 && text.bytes().take(5).all(|byte| byte.is_ascii_digit());
    let (before, after) = name.rsplit_once("-of-").filter(|(_, after)| digits(after))?;
    let (split, _) = before.rsplit_once('-').filter(|(_, number)| number.len() == 5 && digits(number))?;
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    (!after.contains('/') && split.split('.').all(is_word)).then_some(split)
}

/// Whether one of the words stands in a text, between its ends and what separates words.
fn has_word(text: &str, words: &[&str]) -> bool {
    let separates = |c: char| matches!(c, '-' | '.' | '_' | ' ' | '/') || c.is_ascii_digit();
    text.split(separates).any(|part| words.contains(&part))
}

#[cfg(test)]
mod tests;
