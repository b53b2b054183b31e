//! The files that a path names: one, those of a folder, those that match a pattern; and the array of a document.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataFormat;
use crate::error::DataError;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// At least one file, in the order of their names.
    pub(super) paths: Vec<PathBuf>,
    /// What stands after `#`.
    pub(super) array: Option<String>,
}

/// Finds the files of `path`. What is there under the very name goes before every other meaning of `#`, `*` or `[`.
pub(super) fn find(path: &Path, format: DataFormat) -> Result<Found, DataError> {
    let (path, array) = without_array(path);
    let paths = if path.is_dir() {
        of_folder(path, format)?
    } else if path.exists() || !is_pattern(path) {
        vec![path.to_owned()]
    } else {
        of_pattern(path)?
    };
    if format == DataFormat::Auto {
        check_one_form(path, &paths)?;
    }
    Ok(Found { paths, array })
}

/// The form that the extension names, that of `.gz` left out.
pub(super) fn format_of(path: &Path) -> Option<DataFormat> {
    match extension(path).as_str() {
        "csv" => Some(DataFormat::Csv),
        "tsv" => Some(DataFormat::Tsv),
        "json" => Some(DataFormat::Json),
        "jsonl" | "ndjson" => Some(DataFormat::Jsonl),
        "parquet" => Some(DataFormat::Parquet),
        "arrow" | "feather" => Some(DataFormat::Arrow),
        "conll" | "conllu" => Some(DataFormat::Conll),
        "txt" => Some(DataFormat::Text),
        _ => None,
    }
}

fn extension(path: &Path) -> String {
    let lower = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match lower(path).as_deref() {
        Some("gz") => lower(&path.with_extension("")).unwrap_or_default(),
        extension => extension.unwrap_or_default().to_owned(),
    }
}

fn without_array(path: &Path) -> (&Path, Option<String>) {
    match path.to_str().and_then(|text| text.rsplit_once('#')) {
        Some((file, array)) if !array.is_empty() && !file.is_empty() && !path.exists() => {
            (Path::new(file), Some(array.to_owned()))
        }
        _ => (path, None),
    }
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[']))
}

/// The data files of a folder, not of the folders in it. What is hidden, or marked by `_` as other than data, as in
/// `_SUCCESS`, is left out; so is, unless the form was stated, what has the extension of no form, as a `README.md`.
fn of_folder(folder: &Path, format: DataFormat) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |source| DataError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let is_other = entry.file_name().to_string_lossy().starts_with(['.', '_']);
        if !is_other && path.is_file() && (format != DataFormat::Auto || format_of(&path).is_some()) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(DataError::NoDataFiles { path: folder.to_owned() });
    }
    Ok(paths)
}

fn of_pattern(pattern: &Path) -> Result<Vec<PathBuf>, DataError> {
    let text = pattern.to_str().unwrap_or_default();
    let matches =
        glob::glob(text).map_err(|error| DataError::BadPattern { path: pattern.to_owned(), message: error.msg })?;
    let mut paths = Vec::new();
    for path in matches {
        let path = path.map_err(|error| DataError::Read { path: error.path().to_owned(), source: error.into() })?;
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    match paths.first() {
        None => Err(DataError::NoMatch { path: pattern.to_owned() }),
        Some(_) => Ok(paths),
    }
}

fn check_one_form(path: &Path, paths: &[PathBuf]) -> Result<(), DataError> {
    let [first, others @ ..] = paths else { return Ok(()) };
    match others.iter().find(|other| format_of(other) != format_of(first)) {
        None => Ok(()),
        Some(second) => {
            let example = first.with_file_name(format!("*.{}", extension(first)));
            let (path, first, second) = (path.to_owned(), first.clone(), second.clone());
            Err(DataError::MixedForms { path, first, second, example })
        }
    }
}
