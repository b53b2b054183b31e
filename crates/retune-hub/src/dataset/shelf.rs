//! Splits that were found before: of each a folder of links to its files, in the order in which they are read.
//!
//! It lies in the user's cache, `retune/datasets/ORG--NAME/COMMIT/CONFIG/SPLIT/`, and appears when all files are there:
//! so the next start needs neither to ask the Hub which files a split is of, nor to guess it from those that the cache
//! happens to hold. Whatever reads folders reads it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{Environment, HubError};

/// Holds the name of the configuration, for whoever asked for none.
const CONFIG: &str = ".config";

/// The folder of a split, which need not exist. `config` is as it was asked for.
pub(crate) fn folder(
    environment: &Environment,
    name: &str,
    commit: &str,
    config: Option<&str>,
    split: &str,
) -> PathBuf {
    let datasets = environment.user_cache.join("retune").join("datasets");
    // No configuration's name is escaped to this.
    let config = config.map_or("%".to_owned(), escaped);
    datasets.join(name.replace('/', "--")).join(commit).join(config).join(escaped(split))
}

/// The configuration whose split lies in a folder, if all its files are there still.
pub(crate) fn find(folder: &Path) -> Result<Option<String>, HubError> {
    let Ok(config) = fs::read_to_string(folder.join(CONFIG)) else { return Ok(None) };
    let unreadable = |source| HubError::io("read", folder, source);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        if !entry.map_err(unreadable)?.path().is_file() {
            return Ok(None);
        }
    }
    Ok(Some(config))
}

/// Makes the folder of a split.
pub(crate) fn put(folder: &Path, config: &str, files: &[PathBuf]) -> Result<(), HubError> {
    let parent = folder.parent().unwrap_or(folder);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let draft = parent.join(format!(".{name}.{}.part", std::process::id()));
    let fill = || {
        let _ = fs::remove_dir_all(&draft);
        fs::create_dir_all(&draft)?;
        for (place, file) in files.iter().enumerate() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            symlink(std::path::absolute(file)?, draft.join(format!("{place:05}.{name}")))?;
        }
        fs::write(draft.join(CONFIG), config)?;
        // What stands there lacks files, or is what another process has just put there.
        let _ = fs::remove_dir_all(folder);
        fs::rename(&draft, folder)
    };
    let filled = fill();
    let _ = fs::remove_dir_all(&draft);
    match filled {
        Err(_) if find(folder).is_ok_and(|found| found.is_some()) => Ok(()),
        filled => filled.map_err(|source| HubError::io("write", folder, source)),
    }
}

/// A name as that of a folder: what is not a letter, a digit, `-`, `_` or a `.` within it stands as its bytes in
/// hexadecimal.
fn escaped(name: &str) -> String {
    let byte = |(place, byte): (usize, u8)| match byte {
        b'.' if place > 0 => ".".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    name.bytes().enumerate().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_plain_and_never_alike() {
        assert_eq!(escaped("sst2"), "sst2");
        assert_eq!(escaped("20231101.en"), "20231101.en");
        assert_eq!(escaped("../a b"), "%2e.%2fa%20b");
        assert_ne!(escaped("%"), "%");
    }

    #[test]
    fn a_folder_counts_while_all_its_files_are_there() -> Result<(), Box<dyn std::error::Error>> {
        let work = tempfile::tempdir()?;
        let files: Vec<PathBuf> = ["b.parquet", "a.parquet"].iter().map(|name| work.path().join(name)).collect();
        for file in &files {
            fs::write(file, "rows")?;
        }
        let folder = work.path().join("deep/shelf");
        assert_eq!(find(&folder)?, None);
        put(&folder, "plain text", &files)?;
        assert_eq!(find(&folder)?.as_deref(), Some("plain text"));
        let mut names: Vec<_> = fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!(names, [".config", "00000.b.parquet", "00001.a.parquet"]);
        fs::remove_file(&files[1])?;
        assert_eq!(find(&folder)?, None);
        fs::write(&files[1], "rows")?;
        put(&folder, "other", &files[1..])?;
        assert_eq!((find(&folder)?.as_deref(), fs::read_dir(&folder)?.count()), (Some("other"), 2));
        Ok(())
    }
}
