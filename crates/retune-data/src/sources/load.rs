//! A file as bytes, decompressed, or as one string, checked to be UTF-8.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::DataError;

/// The text of a file, decompressed, without byte order mark.
pub(crate) fn text(path: &Path) -> Result<String, DataError> {
    let mut text = String::from_utf8(bytes(path)?).map_err(|error| {
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

/// The content of a file, decompressed where it is gzip, of one member or of several.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    const GZIP: [u8; 2] = [0x1F, 0x8B];

    check_is_file(path)?;
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    // No text in UTF-8 begins so, and no file of the other forms.
    if !bytes.starts_with(&GZIP) {
        return match is_called_gzip(path) && !bytes.is_empty() {
            true => Err(DataError::NotGzip { path: path.to_owned() }),
            false => Ok(bytes),
        };
    }
    let mut content = Vec::new();
    match MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut content) {
        Ok(_) => Ok(content),
        Err(error) => Err(DataError::Gzip { path: path.to_owned(), bytes: content.len(), message: error.to_string() }),
    }
}

/// Whether the name ends in `.gz`.
pub(crate) fn is_called_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
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
