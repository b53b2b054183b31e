//! What data files held when a run began, so that a run that goes on can tell whether they still do.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::sources::{DataFormat, data_files, load};

/// How long ago a file must have been written to for its times to be trusted: a file system's clock may stand still for
/// a moment, and two writes within it look like one.
const SETTLED: Duration = Duration::from_secs(2);

/// What the files of a path held, in the order in which they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents {
    files: Vec<FileContent>,
}

/// What a file held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes in lower-case hexadecimal; `None` of a pipe or the like, which can be read but once.
    pub sha256: Option<String>,
    /// What the system said of the file; `None` where that may stay the same though the file is written to.
    stamp: Option<Stamp>,
}

/// What the system says of a file, which changes with every write: while it is the same, the file need not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    bytes: u64,
    /// Nanoseconds since 1970, as is the next.
    modified: i64,
    changed: i64,
}

/// How a path's files differ from what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file holds something else.
    Content {
        /// What it held.
        before: FileContent,
        /// What it holds.
        now: FileContent,
    },
    /// A file that was not there.
    New(PathBuf),
    /// A file that is not there any more.
    Gone(PathBuf),
}

/// The digests of files that this process has read, so that a large file is read once for whoever asks.
static DIGESTS: LazyLock<Mutex<Digests>> = LazyLock::new(Mutex::default);

/// SHA-256 by file and stamp.
type Digests = HashMap<(PathBuf, Stamp), [u8; 32]>;

impl Contents {
    /// Reads the files that a path names, from start to end.
    ///
    /// # Errors
    ///
    /// The path names no files, or one cannot be read or is written to meanwhile.
    pub fn of(path: &Path, format: DataFormat) -> Result<Self, DataError> {
        let files = data_files(path, format)?.into_iter().map(|file| FileContent::of(&file));
        Ok(Self { files: files.collect::<Result<_, _>>()? })
    }

    /// The files.
    pub fn files(&self) -> &[FileContent] {
        &self.files
    }

    /// How the files that the path names now differ from these; nothing where they hold the same bytes in the same
    /// order, whatever they are called. A file that nobody can have written to is not read.
    ///
    /// # Errors
    ///
    /// As [`Contents::of`], but that a file is gone is a change.
    pub fn changes(&self, path: &Path, format: DataFormat) -> Result<Vec<Change>, DataError> {
        let paths = match data_files(path, format) {
            Ok(paths) => paths,
            Err(DataError::NotFound { .. } | DataError::NoMatch { .. } | DataError::NoDataFiles { .. }) => vec![],
            Err(error) => return Err(error),
        };
        let before = |path: &Path| self.files.iter().find(|file| file.path == path);
        let mut now = Vec::new();
        for path in paths.iter().filter(|path| path.exists()) {
            now.push(match before(path).filter(|before| before.is_surely_in(path)) {
                Some(before) => before.clone(),
                None => FileContent::of(path)?,
            });
        }
        if now.len() == self.files.len() && now.iter().zip(&self.files).all(|(now, before)| now.equals(before)) {
            return Ok(vec![]);
        }
        let mut changes = Vec::new();
        for before in &self.files {
            match now.iter().find(|now| now.path == before.path) {
                None => changes.push(Change::Gone(before.path.clone())),
                Some(now) if now.equals(before) => {}
                Some(now) => changes.push(Change::Content { before: before.clone(), now: now.clone() }),
            }
        }
        let is_new = |file: &&FileContent| before(&file.path).is_none();
        changes.extend(now.iter().filter(is_new).map(|file| Change::New(file.path.clone())));
        Ok(changes)
    }
}

impl FileContent {
    fn of(path: &Path) -> Result<Self, DataError> {
        let metadata = metadata(path)?;
        let (sha256, stamp) = match metadata.is_file() {
            true => (Some(hexadecimal(&digest(path)?)), Stamp::settled(&metadata)),
            false => (None, None),
        };
        Ok(Self { path: path.to_owned(), bytes: metadata.len(), sha256, stamp })
    }

    /// Whether the system says of the file what it said when it was read.
    fn is_surely_in(&self, path: &Path) -> bool {
        let now = fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| Stamp::of(&metadata));
        self.stamp.is_some() && self.stamp == now
    }

    fn equals(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of a file that was last written to long enough ago.
    fn settled(metadata: &Metadata) -> Option<Self> {
        let stamp = Self::of(metadata);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_nanos(u64::try_from(stamp.changed).ok()?);
        now.checked_sub(changed).is_some_and(|age| age > SETTLED).then_some(stamp)
    }
}

/// The SHA-256 of a file.
///
/// # Errors
///
/// [`DataError::Changed`] where it is written to meanwhile; it cannot be read.
pub(crate) fn digest(path: &Path) -> Result<[u8; 32], DataError> {
    let before = metadata(path)?;
    // The times of a file that has just been written to say too little to know it by.
    let key = Stamp::settled(&before).map(|stamp| (path.to_owned(), stamp));
    let known = || DIGESTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(digest) = key.as_ref().and_then(|key| known().get(key).copied()) {
        return Ok(digest);
    }
    let mut content = Sha256::new();
    let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut content));
    read.map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    if Stamp::of(&metadata(path)?) != Stamp::of(&before) {
        return Err(DataError::Changed { path: path.to_owned() });
    }
    let digest = content.finalize().into();
    if let Some(key) = key {
        known().insert(key, digest);
    }
    Ok(digest)
}

fn metadata(path: &Path) -> Result<Metadata, DataError> {
    load::check_is_file(path)?;
    fs::metadata(path).map_err(|source| DataError::Read { path: path.to_owned(), source })
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Change {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Content { before, .. } => &before.path,
            Self::New(path) | Self::Gone(path) => path,
        }
    }
}

/// In words, as the end of a sentence that names the key of the recipe.
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content { before, now } => {
                let path = before.path.display();
                write!(formatter, "{path} holds {}, where it held {}", now.in_words(), before.in_words())
            }
            Self::New(path) => write!(formatter, "{} is new", path.display()),
            Self::Gone(path) => write!(formatter, "{} is not there any more", path.display()),
        }
    }
}

impl FileContent {
    fn in_words(&self) -> String {
        match &self.sha256 {
            Some(sha256) => format!("{} bytes with the SHA-256 {:.12}…", self.bytes, sha256),
            None => "what can be read but once".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
