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

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkpoint of two files, and a best model beside it; with a manifest.
    fn checkpoint() -> io::Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        let step = folder.path().join("step-00000003");
        fs::create_dir(&step)?;
        fs::write(step.join("parameters.safetensors"), [7; 100])?;
        fs::write(step.join("state.json"), "{}")?;
        fs::write(folder.path().join("best-00000002.safetensors"), "best")?;
        write(&step, Some(&folder.path().join("best-00000002.safetensors")))?;
        Ok(folder)
    }

    #[test]
    fn what_is_whole_passes_and_every_damage_is_named() -> io::Result<()> {
        assert_eq!(verify(&checkpoint()?.path().join("step-00000003")), Ok(()));
        let every_bit = (0..800).map(|bit| {
            let mut bytes = vec![7_u8; 100];
            bytes[bit / 8] ^= 1 << (bit % 8);
            ("parameters.safetensors", Some(bytes), "another SHA-256")
        });
        let missing = if cfg!(windows) { "" } else { "No such file" };
        let others = [
            ("parameters.safetensors", Some(vec![7; 99]), "has 99 bytes, expected 100"),
            ("parameters.safetensors", Some(vec![7; 101]), "has 101 bytes, expected 100"),
            ("parameters.safetensors", Some(vec![]), "has 0 bytes, expected 100"),
            ("parameters.safetensors", None, missing),
            ("state.json", Some(b"[]".to_vec()), "another SHA-256"),
            ("state.json", None, missing),
            ("../best-00000002.safetensors", Some(b"bust".to_vec()), "another SHA-256"),
            ("../best-00000002.safetensors", None, missing),
            (MANIFEST, None, missing),
            (MANIFEST, Some(b"{\"files\": {".to_vec()), "EOF"),
            (MANIFEST, Some(b"{}".to_vec()), "missing field"),
            (MANIFEST, Some(vec![0xff]), "UTF-8"),
        ];
        let folder = checkpoint()?;
        let step = folder.path().join("step-00000003");
        for (name, bytes, expected) in every_bit.chain(others) {
            let path = step.join(name);
            let whole = fs::read(&path)?;
            match bytes {
                Some(bytes) => fs::write(&path, bytes)?,
                None => fs::remove_file(&path)?,
            }
            let reason = verify(&step).err().unwrap_or_default();
            assert!(reason.starts_with(name) && reason.contains(expected), "{name}: {reason}");
            fs::write(&path, whole)?;
            assert_eq!(verify(&step), Ok(()));
        }
        Ok(())
    }

    #[test]
    fn it_knows_the_best_model_that_it_names() -> io::Result<()> {
        let folder = checkpoint()?;
        let step = folder.path().join("step-00000003");
        let best = |step: u64| folder.path().join(format!("best-{step:08}.safetensors"));
        assert!(names(&step, &best(2)) && !names(&step, &best(3)));
        assert!(!names(folder.path(), &best(2)), "without a manifest nothing is named");
        Ok(())
    }
}
