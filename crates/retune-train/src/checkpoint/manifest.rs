//! What a checkpoint's files must be: their sizes and SHA-256, in `manifest.json` beside them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::write_synced;

const MANIFEST: &str = "manifest.json";

/// The files by their paths, relative to the checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// Writes the manifest of a folder for all files in it, and for `best` beside it.
pub(super) fn write(folder: &Path, best: Option<&Path>) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        files.insert(file.file_name().to_string_lossy().into_owned(), entry(&file.path())?);
    }
    if let Some(best) = best {
        let name = best.file_name().unwrap_or_default().to_string_lossy();
        files.insert(format!("../{name}"), entry(best)?);
    }
    let text = serde_json::to_string_pretty(&Manifest { files })?;
    write_synced(&folder.join(MANIFEST), text.as_bytes())
}

/// Checks every file against the manifest; the error says which differs, in words.
pub(super) fn verify(folder: &Path) -> Result<(), String> {
    let text = fs::read_to_string(folder.join(MANIFEST)).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    for (name, expected) in manifest.files {
        let found = entry(&folder.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        if found.bytes != expected.bytes {
            return Err(format!("{name} has {} bytes, expected {}", found.bytes, expected.bytes));
        }
        if found != expected {
            return Err(format!("{name} has another SHA-256 than when it was written"));
        }
    }
    Ok(())
}

/// Whether the manifest of a checkpoint names a file beside it.
pub(super) fn names(folder: &Path, file: &Path) -> bool {
    let text = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let manifest: Option<Manifest> = serde_json::from_str(&text).ok();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    manifest.is_some_and(|manifest| manifest.files.contains_key(&format!("../{name}")))
}

fn entry(path: &Path) -> io::Result<Entry> {
    let mut digest = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(Entry { bytes, sha256: digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect() })
}
