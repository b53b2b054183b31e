//! The content of a file, decompressed as it is read; as one string, checked to be UTF-8; or as a file to seek in.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::blocks::Blocks;
use crate::error::DataError;

/// No text in UTF-8 begins so, and no file of the other forms.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// What is read at a time where the whole is wanted.
const BLOCK: usize = 1 << 20;

/// The content of a file from its start, decompressed where it is gzip, of one member or of several.
pub(crate) struct Content {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    is_gzip: bool,
    bytes: usize,
}

impl Content {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        /// Whatever is asked for at once, gzip is read by as much: how much comes out of a damaged file depends on it.
        const BUFFER: usize = 1 << 16;

        check_is_file(path)?;
        let unreadable = |source| DataError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut start = Vec::with_capacity(GZIP.len());
        (&file).take(GZIP.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
        let is_gzip = start == GZIP;
        if !is_gzip && !start.is_empty() && is_called_gzip(path) {
            return Err(DataError::NotGzip { path: path.to_owned() });
        }
        // Not rewound, because what comes from a pipe cannot be.
        let file = Cursor::new(start).chain(file);
        let reader: Box<dyn BufRead + Send> = match is_gzip {
            true => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))),
            false => Box::new(BufReader::with_capacity(BUFFER, file)),
        };
        Ok(Self { path: path.to_owned(), reader, is_gzip, bytes: 0 })
    }

    /// Appends the next `wanted` bytes, or fewer at the end, and returns whether it was reached. What could be read
    /// before an error is appended too.
    pub(crate) fn read(&mut self, wanted: usize, into: &mut Vec<u8>) -> Result<bool, DataError> {
        let mut missing = wanted;
        while missing > 0 {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.error(error)),
            };
            if available.is_empty() {
                return Ok(true);
            }
            let taken = available.len().min(missing);
            into.extend_from_slice(&available[..taken]);
            self.reader.consume(taken);
            self.bytes += taken;
            missing -= taken;
        }
        Ok(false)
    }

    fn error(&self, source: io::Error) -> DataError {
        let path = self.path.clone();
        match self.is_gzip {
            true => DataError::Gzip { path, bytes: self.bytes, message: source.to_string() },
            false => DataError::Read { path, source },
        }
    }
}

/// The text of a file, decompressed, without byte order mark.
pub(crate) fn text(path: &Path) -> Result<String, DataError> {
    Blocks::open(path, BLOCK)?.into_text()
}

/// A file to seek in: itself, or where it is gzip, its content in a file without a name in the system's temporary
/// folder, so that it need not fit into memory.
pub(crate) fn seekable(path: &Path) -> Result<File, DataError> {
    let mut content = Content::open(path)?;
    if !content.is_gzip {
        return File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source });
    }
    let unwritable = |source| DataError::Write { path: std::env::temp_dir(), source };
    let mut file = tempfile::tempfile().map_err(unwritable)?;
    let mut block = Vec::new();
    let mut is_last = false;
    while !is_last {
        block.clear();
        is_last = content.read(BLOCK, &mut block)?;
        file.write_all(&block).map_err(unwritable)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
    Ok(file)
}

/// Whether the name ends in `.gz`.
fn is_called_gzip(path: &Path) -> bool {
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

/// What serde says is wrong, without the position at its end, which messages here give in front, and in the file's
/// terms.
pub(crate) fn message_without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
}
