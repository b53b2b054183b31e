//! What the files of a path hold, and whether that changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{DataFormat, files};
use crate::contents;
use crate::error::DataError;

/// The content of every file that a path names, in their order, and how the system saw them when it was read.
pub(crate) struct Fingerprint {
    path: PathBuf,
    format: DataFormat,
    files: Vec<Seen>,
    digest: [u8; 32],
}

/// A file, and what the system says of it: a file that is written to becomes another.
#[derive(PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    is_file: bool,
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Reads the files from start to end; `None` where one is a pipe or the like, which can be read but once.
    pub(crate) fn of(path: &Path, format: DataFormat) -> Result<Option<Self>, DataError> {
        let (files, array) = look(path, format)?;
        if files.iter().any(|file| !file.is_file) {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        for Seen { path: file, .. } in &files {
            let content = contents::digest(file)?;
            // Where the form is not stated, the name says it.
            digest.update(format!("{:?}\0", files::format_of(file)));
            digest.update(content);
        }
        digest.update(format!("{array:?}"));
        Ok(Some(Self { path: path.to_owned(), format, files, digest: digest.finalize().into() }))
    }

    /// The same for the same bytes in files of the same forms, wherever they are.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// [`DataError::Changed`] where the path names other files now, or one of them was written to.
    pub(crate) fn check_unchanged(&self) -> Result<(), DataError> {
        let (files, _) = look(&self.path, self.format)?;
        if files == self.files { Ok(()) } else { Err(DataError::Changed { path: self.path.clone() }) }
    }
}

fn look(path: &Path, format: DataFormat) -> Result<(Vec<Seen>, Option<String>), DataError> {
    let found = files::find(path, format)?;
    let seen = |path: PathBuf| {
        super::load::check_is_file(&path)?;
        let metadata = fs::metadata(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
        Ok(Seen {
            path,
            is_file: metadata.is_file(),
            place: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    };
    Ok((found.paths.into_iter().map(seen).collect::<Result<_, DataError>>()?, found.array))
}
