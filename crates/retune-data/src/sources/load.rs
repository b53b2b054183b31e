//! A text file as one string, checked to be UTF-8.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::DataError;

/// The text of a file, without byte order mark.
pub(crate) fn text(path: &Path) -> Result<String, DataError> {
    check_is_file(path)?;
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        not_utf8(path, error.as_bytes(), offset)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    if text.trim().is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    Ok(text)
}

/// That there is something to open, and that it is not a directory.
pub(crate) fn check_is_file(path: &Path) -> Result<(), DataError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(DataError::IsDirectory { path: path.to_owned() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(DataError::NotFound { path: path.to_owned() }),
        Err(source) => Err(DataError::Read { path: path.to_owned(), source }),
    }
}

/// Names the likeliest encoding: the one that a byte order mark declares, else what Windows writes by default in Europe
/// and America, which is also the usual culprit.
fn not_utf8(path: &Path, bytes: &[u8], offset: usize) -> DataError {
    let encoding = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16",
        _ => "WINDOWS-1252",
    };
    let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count() as u64;
    DataError::NotUtf8 { path: path.to_owned(), line, offset, byte: bytes[offset], encoding }
}

/// What serde says is wrong, without the position at its end, which messages here give in front, and in the file's
/// terms.
pub(crate) fn message_without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
}
