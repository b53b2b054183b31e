//! Tokens in a file.
//!
//! The file, in little endian: eight bytes that name the form; of each text its ids, four bytes each, then their marks,
//! one byte each (the type, and in the two highest bits the piece); the length of each text, four bytes; the number of
//! texts, of tokens, and of texts that were cut, eight bytes each; and the SHA-256 of all that. To read a text is to
//! read its bytes: nothing is mapped into memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::tokenized::{Lengths, Tokenized, Tokens};
use crate::error::DataError;

const MAGIC: [u8; 8] = *b"retoken1";
const TOKEN: u64 = 5;
const LENGTH: u64 = 4;
/// Three counts and the digest.
const FOOTER: u64 = 3 * 8 + 32;

/// The tokens of a file that was found whole.
#[derive(Clone, Debug)]
pub(super) struct StoredTokens {
    path: PathBuf,
    /// Open, so that the tokens stay even where the file is removed.
    file: Arc<File>,
}

impl StoredTokens {
    pub(super) fn read(&self, tokens: Range<u64>, ids: &mut Vec<u32>, marks: &mut Vec<u8>) -> Result<(), DataError> {
        let length = (tokens.end - tokens.start) as usize;
        let mut bytes = vec![0; length * TOKEN as usize];
        let read = self.file.read_exact_at(&mut bytes, MAGIC.len() as u64 + tokens.start * TOKEN);
        read.map_err(|source| DataError::Read { path: self.path.clone(), source })?;
        let (of_ids, of_marks) = bytes.split_at(length * size_of::<u32>());
        ids.extend(numbers(of_ids));
        marks.extend_from_slice(of_marks);
        Ok(())
    }
}

impl Tokenized {
    /// Opens what a [`TokenStoreWriter`] wrote: `None` where there is no such file, or one that is cut short, damaged,
    /// or of another form. The file is read once from start to end to know.
    ///
    /// # Errors
    ///
    /// [`DataError::Read`] where the system refuses to read.
    pub fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DataError::Read { path: path.to_owned(), source }),
        };
        match verified(&file).map_err(|source| DataError::Read { path: path.to_owned(), source })? {
            Some((lengths, truncated)) => {
                let tokens = Tokens::File(StoredTokens { path: path.to_owned(), file: Arc::new(file) });
                Ok(Some(Self { lengths, tokens, truncated }))
            }
            None => {
                tracing::warn!("{}: not a whole file of tokens; it is made anew", path.display());
                Ok(None)
            }
        }
    }
}

/// The lengths and the number of texts that were cut, if the file is whole.
fn verified(file: &File) -> io::Result<Option<(Lengths, usize)>> {
    let size = file.metadata()?.len();
    let Some(end) = size.checked_sub(FOOTER).filter(|end| *end >= MAGIC.len() as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER as usize];
    file.read_exact_at(&mut footer, end)?;
    let count = |at: usize| footer[8 * at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (texts, tokens, truncated) = (count(0), count(1), count(2));
    let in_lengths = texts.checked_mul(LENGTH);
    let in_tokens = tokens.checked_mul(TOKEN).and_then(|bytes| bytes.checked_add(MAGIC.len() as u64));
    let (Some(in_lengths), Some(in_tokens)) = (in_lengths, in_tokens) else { return Ok(None) };
    if in_lengths.checked_add(in_tokens) != Some(end) {
        return Ok(None);
    }

    let mut digest = Sha256::new();
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic)?;
    digest.update(magic);
    if magic != MAGIC {
        return Ok(None);
    }
    io::copy(&mut reader.by_ref().take(in_tokens - MAGIC.len() as u64), &mut digest)?;
    let mut lengths = Lengths::default();
    let mut bytes = [0; 1 << 12];
    let mut left = in_lengths as usize;
    while left > 0 {
        let block = &mut bytes[..left.min(1 << 12)];
        reader.read_exact(block)?;
        digest.update(&*block);
        numbers(block).for_each(|length| lengths.push(length as usize));
        left -= block.len();
    }
    digest.update(&footer[..3 * 8]);
    let is_whole = digest.finalize()[..] == footer[3 * 8..] && lengths.total() == tokens;
    Ok(is_whole.then_some((lengths, truncated as usize)))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(size_of::<u32>()).map(|four| four.first_chunk().map_or(0, |four| u32::from_le_bytes(*four)))
}

/// Writes tokens to a file, which gets its name when it is whole: until then, and where that never comes, there is none.
pub struct TokenStoreWriter {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    digest: Sha256,
    lengths: Lengths,
    truncated: usize,
}

impl TokenStoreWriter {
    /// Begins a file that shall stand at `path`.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`].
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let unwritable = |source| DataError::Write { path: path.to_owned(), source };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new().prefix(".").suffix(PARTIAL).tempfile_in(folder).map_err(unwritable)?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 16, file),
            digest: Sha256::new(),
            lengths: Lengths::default(),
            truncated: 0,
        };
        writer.write(&MAGIC)?;
        Ok(writer)
    }

    /// Appends texts.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`]; [`DataError::Read`] where the texts are in a file themselves.
    pub fn append(&mut self, texts: &Tokenized) -> Result<(), DataError> {
        let (mut ids, mut marks, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..texts.len() {
            ids.clear();
            marks.clear();
            bytes.clear();
            texts.read_marked(row, &mut ids, &mut marks)?;
            bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            bytes.extend_from_slice(&marks);
            self.write(&bytes)?;
            self.lengths.push(ids.len());
        }
        self.truncated += texts.truncated;
        Ok(())
    }

    /// Gives the file its name, when every byte is on the disk, and opens it.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`].
    pub fn finish(mut self) -> Result<Tokenized, DataError> {
        let lengths = std::mem::take(&mut self.lengths);
        let mut bytes = Vec::new();
        for group in lengths.all().chunks(1 << 10) {
            bytes.clear();
            bytes.extend(group.iter().flat_map(|length| length.to_le_bytes()));
            self.write(&bytes)?;
        }
        for count in [lengths.len() as u64, lengths.total(), self.truncated as u64] {
            self.write(&count.to_le_bytes())?;
        }
        let digest = self.digest.clone().finalize();
        self.write(&digest)?;

        let path = self.path;
        let named = || -> io::Result<File> {
            let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            Ok(file.persist(&path)?)
        };
        let file = named().map_err(|source| DataError::Write { path: path.clone(), source })?;
        let tokens = Tokens::File(StoredTokens { path, file: Arc::new(file) });
        Ok(Tokenized { lengths, tokens, truncated: self.truncated })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(|source| DataError::Write { path: self.path.clone(), source })
    }
}

/// How a file is called until it is whole.
pub(crate) const PARTIAL: &str = ".partial";

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::tokenized::tests::rows;
    use super::*;

    fn written(path: &Path, chunks: &[Tokenized]) -> Tokenized {
        let mut writer = TokenStoreWriter::create(path).expect("a writer");
        chunks.iter().for_each(|chunk| writer.append(chunk).expect("to append"));
        writer.finish().expect("a file")
    }

    fn chunk(lengths: &[usize], truncated: usize) -> Tokenized {
        let row = |length: &usize| (0..*length).map(|i| (u32::MAX - i as u32, (i % 3) as u8)).collect::<Vec<_>>();
        Tokenized { truncated, ..Tokenized::from_rows(lengths.iter().map(row)) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_back(
            chunks in prop::collection::vec(prop::collection::vec(0..5_usize, 0..300), 0..4),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("a.tokens");
            let chunks: Vec<Tokenized> = chunks.iter().map(|lengths| chunk(lengths, lengths.len() / 3)).collect();
            let expected: Vec<_> = chunks.iter().flat_map(rows).collect();
            let truncated: usize = chunks.iter().map(|chunk| chunk.truncated).sum();
            let at_once = written(&path, &chunks);
            let opened = Tokenized::open(&path).expect("to read").expect("a whole file");
            for tokenized in [&at_once, &opened] {
                prop_assert_eq!(rows(tokenized), expected.clone());
                prop_assert_eq!(tokenized.truncated, truncated);
            }
            // One file out of another; and what is removed stays readable.
            let again = written(&folder.path().join("b.tokens"), &[opened]);
            fs::remove_file(folder.path().join("b.tokens")).expect("to remove");
            prop_assert_eq!(rows(&again), expected);
            prop_assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        }
    }

    #[test]
    fn what_is_torn_damaged_or_foreign_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.tokens");
        assert!(Tokenized::open(&path).expect("to read").is_none());
        written(&path, &[chunk(&[3, 0, 2], 1)]);
        let whole = fs::read(&path).expect("bytes");
        let opens = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("a file");
            Tokenized::open(&path).expect("to read").is_some()
        };
        assert!(opens(&whole));
        for kept in 0..whole.len() {
            assert!(!opens(&whole[..kept]), "{kept} bytes");
            let mut damaged = whole.clone();
            damaged[kept] ^= 0x40;
            assert!(!opens(&damaged), "byte {kept}");
        }
        assert!(!opens(&[&whole[..], b"more"].concat()));
        assert!(!opens(b"text,label\na long enough line of another form, which ends with so many letters\n"));
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = TokenStoreWriter::create(&folder.path().join("a.tokens")).expect("a writer");
        writer.append(&chunk(&[2], 0)).expect("to append");
        drop(writer);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let nowhere = TokenStoreWriter::create(&folder.path().join("nowhere/a.tokens"));
        assert!(matches!(nowhere, Err(DataError::Write { .. })));
    }
}
