//! A split among what Python left in the Hugging Face cache, without asking the Hub which files it is of.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::card::card_of;
use super::layout::{self, Config};
use super::{CONVERTED, DatasetRequest, chosen};
use crate::HubError;

const README: &str = "README.md";

/// The configuration and the files of a split in a snapshot; `None` where it cannot be told that they are all of it.
///
/// What a split is of is said by the card, so that must be there, or the mark of Python's that there is none; and the
/// names of files that say of how many they are one must be so many. Where names do not say it, what `datasets`
/// downloads, it downloads whole.
pub(super) fn find(
    request: &DatasetRequest,
    revision: &str,
    split: &str,
    snapshot: &Path,
) -> Result<Option<(String, Vec<String>)>, HubError> {
    if !snapshot.is_dir() {
        return Ok(None);
    }
    let Some(card) = card(snapshot, revision)? else { return Ok(None) };
    // Of several configurations perhaps one is here, which need not be the one that is meant.
    let config = request.config.clone().or_else(|| meant(&card, revision));
    if config.is_none() && (revision == CONVERTED || said(&card).count() > 1) {
        return Ok(None);
    }
    let request = &DatasetRequest { config, ..request.clone() };
    let mut files = Vec::new();
    gather(snapshot, "", &mut files)?;
    let configs: Vec<Config> = layout::configs(&files, &card);
    // What is not here may well be on the Hub: that it is not here is all that can be said.
    let found = chosen(request, split, configs).ok();
    Ok(found.filter(|(_, files)| is_whole(files)))
}

/// The configurations of which a card says which files they are.
fn said(card: &Value) -> impl Iterator<Item = &Value> {
    card["configs"].as_array().into_iter().flatten().filter(|config| !config["data_files"].is_null())
}

/// The configuration that is meant where none is named, if there may be several.
fn meant(card: &Value, revision: &str) -> Option<String> {
    let name = |config: &Value| config["config_name"].as_str().unwrap_or("default").to_owned();
    let marked = said(card).find(|config| config["default"] == true).map(name);
    let named = || said(card).map(name).find(|name| name == "default");
    marked.or_else(named).or_else(|| (revision == CONVERTED).then(|| "default".to_owned()))
}

fn card(snapshot: &Path, revision: &str) -> Result<Option<Value>, HubError> {
    let path = snapshot.join(README);
    if path.is_file() {
        let text = fs::read_to_string(&path).map_err(|source| HubError::io("read", &path, source))?;
        return Ok(card_of(&text));
    }
    // `.no_exist/COMMIT/` beside `snapshots/COMMIT/`. The Hub's own conversion has no card.
    let marks = snapshot.parent().and_then(Path::parent).map(|root| root.join(".no_exist"));
    let commit = snapshot.file_name().unwrap_or_default();
    let is_marked = marks.is_some_and(|marks| marks.join(commit).join(README).is_file());
    Ok((is_marked || revision == CONVERTED).then_some(Value::Null))
}

/// The paths of the files below a folder.
fn gather(root: &Path, below: &str, files: &mut Vec<String>) -> Result<(), HubError> {
    let folder: PathBuf = root.join(below);
    let unreadable = |source| HubError::io("read", &folder, source);
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let there = root.join(&path);
        if there.is_dir() {
            gather(root, &path, files)?;
        } else if there.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether as many files are there as their names say: `NAME-00001-of-00002…` is one of two.
fn is_whole(files: &[String]) -> bool {
    let of = |file: &str| -> Option<usize> {
        let (_, behind) = file.rsplit_once("-of-")?;
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let stem = |file: &str| {
        file.rsplit_once("-of-").and_then(|(stem, _)| stem.rsplit_once('-')).map(|(stem, _)| stem.to_owned())
    };
    files
        .iter()
        .all(|file| of(file).is_none_or(|all| files.iter().filter(|other| stem(other) == stem(file)).count() == all))
}
