//! The digest of the file against the pin.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{WheelError, at, file_name};
use crate::pip::Pulse;
use crate::{Progress, Step};

/// Compares the SHA-256 of `path` with `expected`, and deletes the file where they differ.
pub(crate) fn digest(path: &Path, expected: &str, report: &mut dyn FnMut(Progress)) -> Result<(), WheelError> {
    let mut file = at("cannot read", path, File::open(path))?;
    let size = at("cannot read", path, file.metadata())?.len();
    let mut pulse = Pulse::new(Step::Verifying, Some(size));
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = at("cannot read", path, file.read(&mut buffer))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        done += read as u64;
        pulse.tell(done, report);
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected {
        return Ok(());
    }
    at("cannot delete", path, fs::remove_file(path))?;
    Err(WheelError::Digest { file: file_name(path), expected: expected.to_owned(), found })
}
