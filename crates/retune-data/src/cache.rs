//! Data sets that were tokenised before.
//!
//! A file of the cache is found by a digest of everything that its tokens hang on, the content of the data files among
//! it: so it is never out of date, and what is no longer asked for is removed by and by.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::sources::{DataSource, Fingerprint};
use crate::tokenize::{PARTIAL, TextTokenizer, TokenStoreWriter, Tokenized};

/// Raised by whatever makes other tokens of the same file: the form of the cache's files, how a data file is read, and
/// the library, of which the version is named.
const VERSION: &str = "1, tokenizers 0.23.2";
const EXTENSION: &str = "tokens";
/// How much the files of a cache may be together, unless told otherwise.
const LIMIT: u64 = 10 << 30;
/// After how long a file that is not whole will never be.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of tokenised data sets.
#[derive(Clone, Debug)]
pub struct TokenCache {
    folder: PathBuf,
    limit: u64,
}

/// Where the tokens of a data set belong.
pub(crate) struct Key {
    name: String,
    fingerprint: Fingerprint,
}

impl TokenCache {
    /// The cache in `folder`, which is made where there is none, of no more than 10 GiB.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`].
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        fs::create_dir_all(folder).map_err(|source| DataError::Write { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), limit: LIMIT })
    }

    /// The same cache, of no more than so many bytes. The data set that was tokenised last stays even where it is larger
    /// alone.
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Where the tokens of a source belong; `None` where that cannot be known, because a file can be read but once.
    pub(crate) fn key(
        &self,
        source: &DataSource<'_>,
        tokenizer: &TextTokenizer,
        extra: &str,
    ) -> Result<Option<Key>, DataError> {
        let Some(fingerprint) = Fingerprint::of(source.path, source.form.format)? else { return Ok(None) };
        let Some(settings) = tokenizer.settings() else { return Ok(None) };
        let mut digest = Sha256::new();
        let form = format!("{:?} {:?}", source.form, source.wanted);
        for part in [VERSION, env!("CARGO_PKG_VERSION"), &settings, &form, extra] {
            // With its length, so that no part can pass for the end of another.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update(fingerprint.digest());
        let name = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Key { name, fingerprint }))
    }

    /// The tokens under a key, where they are there and whole.
    pub(crate) fn find(&self, key: &Key) -> Result<Option<Tokenized>, DataError> {
        let path = self.path(key);
        let found = Tokenized::open(&path)?;
        if found.is_some() {
            tracing::info!("{}: tokenised before", path.display());
            // What is used is removed last. Where the system does not let us say so, it is merely removed sooner.
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        Ok(found)
    }

    /// Begins the tokens under a key.
    pub(crate) fn begin(&self, key: &Key) -> Result<TokenStoreWriter, DataError> {
        TokenStoreWriter::create(&self.path(key))
    }

    /// Ends the tokens under a key, unless the data files are no longer those that it stands for.
    pub(crate) fn finish(&self, key: &Key, writer: TokenStoreWriter) -> Result<Tokenized, DataError> {
        key.fingerprint.check_unchanged()?;
        let tokenized = writer.finish()?;
        let path = self.path(key);
        if let Err(error) = self.remove_oldest(&path) {
            tracing::warn!("{}: what was not used for long cannot be removed: {error}", self.folder.display());
        }
        Ok(tokenized)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(&key.name).with_extension(EXTENSION)
    }

    /// Removes what was used longest ago until the rest is within the limit, and what was never finished.
    fn remove_oldest(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            let used = metadata.modified()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && name.ends_with(PARTIAL) {
                if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                    remove(&path)?;
                }
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push((path == newest, used, path, metadata.len()));
            }
        }
        // The newest is the last, whatever the clock says.
        files.sort();
        let mut bytes: u64 = files.iter().map(|(.., bytes)| bytes).sum();
        for (is_newest, _, path, size) in files {
            if is_newest || bytes <= self.limit {
                break;
            }
            remove(&path)?;
            bytes -= size;
        }
        Ok(())
    }
}

/// Removes a file, which another process may have removed already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
