//! The text of a file, block by block: checked to be UTF-8 as it comes, and in flat memory.
//!
//! A reader takes whole records off the front and asks for more behind what is left. What it finds must not depend on
//! where blocks end: it may decide only what no further text can change. So the first fault of a file is the one that is
//! reported, and text that is not UTF-8 is a fault where it stands.

use std::path::{Path, PathBuf};

use super::load::Content;
use crate::error::DataError;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Text that was read and not taken yet, and the file that it comes from.
pub(crate) struct Blocks {
    path: PathBuf,
    content: Content,
    /// How many bytes are read at once, at least.
    block: usize,
    text: String,
    /// How much of `text` was taken.
    taken: usize,
    /// The bytes of a character of which a block held but the first.
    cut: Vec<u8>,
    /// How many bytes of the content stand before `text`.
    offset: usize,
    line: u64,
    is_last: bool,
    /// What is wrong behind `text`.
    fault: Option<DataError>,
}

impl Blocks {
    /// Opens a file that holds more than white space, and reads the beginning of it.
    pub(crate) fn open(path: &Path, block: usize) -> Result<Self, DataError> {
        let mut blocks = Self {
            path: path.to_owned(),
            content: Content::open(path)?,
            // The mark, and what betrays UTF-16, must not be cut.
            block: block.max(BYTE_ORDER_MARK.len_utf8()),
            text: String::new(),
            taken: 0,
            cut: Vec::new(),
            offset: 0,
            line: 1,
            is_last: false,
            fault: None,
        };
        blocks.fill()?;
        blocks.block = block.max(1);
        if blocks.text.starts_with(BYTE_ORDER_MARK) {
            blocks.taken = BYTE_ORDER_MARK.len_utf8();
        }
        while blocks.text().trim_start().is_empty() {
            if blocks.is_last {
                return Err(DataError::Empty { path: path.to_owned() });
            }
            blocks.fill()?;
        }
        Ok(blocks)
    }

    /// What was read and not taken yet.
    pub(crate) fn text(&self) -> &str {
        &self.text[self.taken..]
    }

    /// The line on which [`Blocks::text`] begins, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Whether nothing follows [`Blocks::text`].
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Takes the first `bytes` of the text, which end with a character.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.line += self.text()[..bytes].matches('\n').count() as u64;
        self.taken += bytes;
    }

    /// Reads on. At least as much as there is left, so that to parse that again and again takes no more than twice as
    /// long as to parse it once.
    ///
    /// # Errors
    ///
    /// What is wrong behind the text that there was: [`DataError::NotUtf8`], [`DataError::Gzip`], [`DataError::Read`].
    pub(crate) fn fill(&mut self) -> Result<(), DataError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.text.drain(..self.taken);
        self.offset += self.taken;
        self.taken = 0;
        let mut bytes = std::mem::take(&mut self.cut);
        let is_last = match self.content.read(self.block.max(self.text.len()), &mut bytes) {
            Ok(is_last) => is_last,
            Err(error) => {
                self.fault = Some(error);
                false
            }
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.text.push_str(text),
            Err(error) => {
                let (valid, others) = bytes.split_at(error.valid_up_to());
                self.text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                if error.error_len().is_none() && !is_last {
                    self.cut = others.to_vec();
                } else {
                    self.fault = Some(self.not_utf8(others));
                }
            }
        }
        self.is_last = is_last && self.fault.is_none();
        Ok(())
    }

    /// All that was not taken yet.
    pub(crate) fn into_text(mut self) -> Result<String, DataError> {
        while !self.is_last {
            self.fill()?;
        }
        self.text.drain(..self.taken);
        Ok(self.text)
    }

    /// Names the likeliest encoding: the one that a byte order mark declares, else what Windows writes by default in
    /// Europe and America, which is also the usual culprit. `others` follow the text.
    fn not_utf8(&self, others: &[u8]) -> DataError {
        let offset = self.offset + self.text.len();
        let encoding = match others {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] if offset == 0 => "UTF-16",
            _ => "WINDOWS-1252",
        };
        let line = self.line + self.text().matches('\n').count() as u64;
        let byte = others.first().copied().unwrap_or_default();
        DataError::NotUtf8 { path: self.path.clone(), line, offset, byte, encoding }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// What the blocks of a file hold, if the text is taken by `step` bytes or what of them ends with a character.
    fn text_of(content: &[u8], block: usize, step: usize) -> Result<(String, u64), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        fs::write(&path, content).expect("a file");
        let read = || {
            let mut blocks = Blocks::open(&path, block)?;
            let mut text = String::new();
            loop {
                let taken = blocks.text().floor_char_boundary(step);
                text.push_str(&blocks.text()[..taken]);
                blocks.take(taken);
                if blocks.text().is_empty() && blocks.is_last() {
                    return Ok((text, blocks.line()));
                }
                if taken == 0 {
                    blocks.fill()?;
                }
            }
        };
        read().map_err(|error: DataError| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    proptest! {
        #[test]
        fn blocks_are_the_file(text in "[ \naé→𝄞\u{feff}]{0,30}", block in 1..9_usize, step in 4..9_usize) {
            let expected = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let found = text_of(text.as_bytes(), block, step);
            if expected.trim().is_empty() {
                prop_assert_eq!(found, Err("a: the file is empty".to_owned()));
            } else {
                let line = 1 + expected.matches('\n').count() as u64;
                prop_assert_eq!(found, Ok((expected.to_owned(), line)));
            }
        }

        #[test]
        fn what_is_not_utf8_is_found_where_it_stands(
            bytes in prop::collection::vec(prop::sample::select(b"\n \xc3\xa9\xff\xfe\xe2a".to_vec()), 0..20),
            block in 1..9_usize,
        ) {
            let found = text_of(&bytes, block, 4);
            match std::str::from_utf8(&bytes) {
                Ok(text) => prop_assert_eq!(found.is_ok(), !text.trim().is_empty()),
                Err(error) => {
                    let offset = error.valid_up_to();
                    let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
                    let start = format!("a:{line}: not UTF-8 (byte 0x{:02X} at offset {offset})", bytes[offset]);
                    let message = found.expect_err("an error");
                    prop_assert!(message.starts_with(&start), "{message} should start with {start}");
                    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
                    prop_assert_eq!(message.contains("UTF-16"), is_utf16);
                }
            }
        }
    }
}
