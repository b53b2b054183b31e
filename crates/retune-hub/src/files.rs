//! Which files make a model, and which of them a directory holds.

use std::collections::BTreeSet;
use std::path::Path;

use crate::HubError;

/// The model's shape and kind.
pub(crate) const CONFIG: &str = "config.json";
/// The whole tokenizer, as the `tokenizers` library writes it.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The weights in one file.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Which shard holds which tensor, where the weights are many files.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Taken along where they are: what the tokenizer is called and limited to, for the model directory that a run writes.
pub(crate) const OPTIONAL: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt"];
/// What a tokenizer is made from where there is no [`TOKENIZER`]: any one of these sets.
pub(crate) const VOCABULARIES: [&[&str]; 5] =
    [&["vocab.txt"], &["vocab.json", "merges.txt"], &["spiece.model"], &["spm.model"], &["sentencepiece.bpe.model"]];
/// Weights as pickle, whole and in shards.
pub(crate) const PICKLES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// How much of a model a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Every needed file.
    Complete,
    /// The weights as pickle only.
    Pickle,
    /// Some needed files are not there.
    Lacks { missing: Vec<String> },
}

/// Looks into `directory`, which need not exist. A link that leads nowhere counts as missing.
pub(crate) fn holding(directory: &Path) -> Result<Holding, HubError> {
    let has = |file: &str| directory.join(file).is_file();
    let mut missing = Vec::new();
    if !has(CONFIG) {
        missing.push(CONFIG.to_owned());
    }
    if tokenizer(has).is_empty() {
        missing.push(TOKENIZER.to_owned());
    }
    if has(INDEX) && !has(WEIGHTS) {
        missing.extend(shards(directory)?.into_iter().filter(|shard| !has(shard)));
    } else if !has(WEIGHTS) {
        if has(CONFIG) && PICKLES.iter().any(|file| has(file)) {
            return Ok(Holding::Pickle);
        }
        missing.push(WEIGHTS.to_owned());
    }
    Ok(if missing.is_empty() { Holding::Complete } else { Holding::Lacks { missing } })
}

/// The files of the tokenizer: the whole one, else every vocabulary that is complete, else none.
pub(crate) fn tokenizer(has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    if has(TOKENIZER) {
        return vec![TOKENIZER];
    }
    VOCABULARIES.into_iter().filter(|files| files.iter().all(|file| has(file))).flatten().copied().collect()
}

/// The shards that the index in `directory` names, sorted.
///
/// A shard's name must be a plain file name: the index comes from strangers, and its names become paths.
pub(crate) fn shards(directory: &Path) -> Result<BTreeSet<String>, HubError> {
    let path = directory.join(INDEX);
    let text = std::fs::read_to_string(&path).map_err(|source| HubError::io("read", &path, source))?;
    let bad = |reason: String| HubError::BadIndex { path: path.clone(), reason };
    let index: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let map =
        index.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| bad("it has no weight_map".into()))?;
    let mut shards = BTreeSet::new();
    for (tensor, shard) in map {
        let shard = shard.as_str().filter(|name| is_plain_safetensors(name));
        let shard = shard.ok_or_else(|| bad(format!("the file of `{tensor}` is not a plain .safetensors name")))?;
        shards.insert(shard.to_owned());
    }
    if shards.is_empty() { Err(bad("its weight_map is empty".into())) } else { Ok(shards) }
}

fn is_plain_safetensors(name: &str) -> bool {
    name.ends_with(".safetensors")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    fn missing(files: &[(&str, &str)]) -> Vec<String> {
        match holding(directory(files).path()).unwrap() {
            Holding::Lacks { missing } => missing,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_missing_file_is_named() {
        assert_eq!(missing(&[]), [CONFIG, TOKENIZER, WEIGHTS]);
        assert_eq!(missing(&[(CONFIG, "{}"), (WEIGHTS, "")]), [TOKENIZER]);
        let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
        let files = [(CONFIG, "{}"), (TOKENIZER, "{}"), (INDEX, index), ("model-1.safetensors", "")];
        assert_eq!(missing(&files), ["model-2.safetensors"]);
    }

    #[test]
    fn a_vocabulary_stands_for_the_tokenizer_where_it_is_whole() {
        let others = [(CONFIG, "{}"), (WEIGHTS, "")];
        for files in VOCABULARIES {
            let all: Vec<_> = files.iter().map(|file| (*file, "")).chain(others).collect();
            assert_eq!(holding(directory(&all).path()).unwrap(), Holding::Complete, "{files:?}");
        }
        assert_eq!(missing(&[(CONFIG, "{}"), (WEIGHTS, ""), ("vocab.json", "")]), [TOKENIZER]);
        assert_eq!(tokenizer(|file| file != TOKENIZER && file.ends_with("n")), [""; 0]);
        assert_eq!(
            tokenizer(|file| file.ends_with(".model")),
            ["spiece.model", "spm.model", "sentencepiece.bpe.model"]
        );
        assert_eq!(tokenizer(|_| true), [TOKENIZER]);
    }

    #[test]
    fn pickle_beside_safetensors_is_no_matter_and_alone_it_is() {
        let alone = directory(&[(CONFIG, "{}"), (TOKENIZER, "{}"), (PICKLES[0], "")]);
        assert_eq!(holding(alone.path()).unwrap(), Holding::Pickle);
        let beside = directory(&[(CONFIG, "{}"), (TOKENIZER, "{}"), (PICKLES[0], ""), (WEIGHTS, "")]);
        assert_eq!(holding(beside.path()).unwrap(), Holding::Complete);
    }

    #[test]
    fn an_index_that_names_no_plain_file_is_refused() {
        for index in [
            "not json",
            "{}",
            r#"{"weight_map": {}}"#,
            r#"{"weight_map": {"a": 1}}"#,
            r#"{"weight_map": {"a": "../../etc/passwd.safetensors"}}"#,
            r#"{"weight_map": {"a": "/x.safetensors"}}"#,
            r#"{"weight_map": {"a": "weights.bin"}}"#,
        ] {
            let directory = directory(&[(CONFIG, "{}"), (TOKENIZER, "{}"), (INDEX, index)]);
            assert!(matches!(holding(directory.path()), Err(HubError::BadIndex { .. })), "{index}");
        }
    }
}
