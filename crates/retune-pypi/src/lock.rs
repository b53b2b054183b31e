//! One process at a time makes a folder, and what a killed one left is cleared away.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{WheelError, at};

/// The right to make one folder, held until dropped. The system releases it when its process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    parent: PathBuf,
    prefix: String,
    _file: File,
}

impl FolderLock {
    /// Waits for the right to make `destination`; `waiting` is called about twice a second meanwhile. Makes the parent
    /// folder, and in it a lock file that stays.
    ///
    /// # Errors
    /// [`WheelError::Io`] where the parent folder cannot be made or written.
    pub fn acquire(destination: &Path, waiting: &mut dyn FnMut()) -> Result<FolderLock, WheelError> {
        let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        at("cannot create", parent, fs::create_dir_all(parent))?;
        let name = crate::error::file_name(destination);
        let path = parent.join(format!(".{name}.lock"));
        let file = at("cannot open", &path, File::options().create(true).append(true).open(&path))?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => waiting(),
                Err(TryLockError::Error(source)) => return at("cannot lock", &path, Err(source)),
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(FolderLock { parent: parent.to_owned(), prefix: format!(".{name}.tmp-"), _file: file })
    }

    /// Removes scratch folders of processes that were killed: nobody else works on this destination now.
    ///
    /// # Errors
    /// [`WheelError::Io`] where one cannot be removed.
    pub fn remove_stale(&self) -> Result<(), WheelError> {
        for entry in at("cannot list", &self.parent, fs::read_dir(&self.parent))? {
            let entry = at("cannot list", &self.parent, entry)?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                at("cannot remove the unfinished", &entry.path(), fs::remove_dir_all(entry.path()))?;
            }
        }
        Ok(())
    }

    /// A new folder beside the destination, so that a rename moves its content there; removed when dropped.
    ///
    /// # Errors
    /// [`WheelError::Io`] where it cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir, WheelError> {
        let made = tempfile::Builder::new().prefix(&self.prefix).tempdir_in(&self.parent);
        at("cannot create a folder in", &self.parent, made)
    }

    /// Makes renames in the parent folder survive a power cut.
    ///
    /// # Errors
    /// [`WheelError::Io`] where the system refuses.
    pub fn sync_parent(&self) -> Result<(), WheelError> {
        at("cannot write to disk", &self.parent, File::open(&self.parent).and_then(|folder| folder.sync_all()))
    }
}
