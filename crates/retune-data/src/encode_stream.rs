//! Data files → tokens, in flat memory, once.

use sha2::{Digest, Sha256};

use crate::cache::TokenCache;
use crate::encode::{Blocks, Maskable};
use crate::error::DataError;
use crate::examples::Text;
use crate::sources::{DataSource, stream_columns};
use crate::table::Table;
use crate::tokenize::{Beside, InMemory, TextTokenizer, Tokenized, tell_of_truncated};

/// Tokenises the texts of a source, table by table, on all cores.
///
/// With a cache the tokens are in a file of it, and are those of an earlier call where the files hold the same bytes and
/// tokenizer, form, columns and `extra_key` are the same; then no table is read and `to_texts` is not called, so it must
/// do nothing but make texts. What else than the table decides what it makes, `extra_key` must say. Without a cache, or
/// where a file is a pipe, the tokens are in memory.
///
/// ```no_run
/// # use std::path::Path;
/// # use retune_data::{DataSource, Form, TextColumns, TextTokenizer, TokenCache, Wanted, encode_stream, texts};
/// let tokenizer = TextTokenizer::from_directory(Path::new("models/all-MiniLM-L6-v2"), 128)?;
/// let cache = TokenCache::open(Path::new("cache/tokens"))?;
/// let wanted = [Wanted::Text("sentence")];
/// let source = DataSource { path: Path::new("train.tsv"), form: &Form::default(), wanted: &wanted };
/// let columns = TextColumns::Single("sentence".into());
/// let tokenized = encode_stream(&source, &tokenizer, Some(&cache), |table| texts(table, &columns), "")?;
/// # Ok::<(), retune_data::DataError>(())
/// ```
///
/// # Errors
///
/// Those of [`stream_columns`], of `to_texts` and of [`TextTokenizer::encode`]; [`DataError::Write`] where the cache
/// cannot be written, [`DataError::Changed`] where the files were written to meanwhile.
pub fn encode_stream(
    source: &DataSource<'_>,
    tokenizer: &TextTokenizer,
    cache: Option<&TokenCache>,
    mut to_texts: impl FnMut(&Table) -> Result<Vec<Text>, DataError>,
    extra_key: &str,
) -> Result<Tokenized, DataError> {
    stored(source, tokenizer, cache, extra_key, |take| {
        let mut before = 0;
        for table in stream_columns(source.path, source.form, source.wanted)? {
            // The table goes before its texts are encoded.
            let texts = table.and_then(|table| to_texts(&table))?;
            take(&tokenizer.encode_from(before, &texts)?)?;
            before += texts.len();
        }
        Ok(())
    })
}

/// As [`encode_stream`], of texts any token of which may be masked: sequences as those of
/// [`TextTokenizer::encode_blocks`] or [`TextTokenizer::encode_lines`] of all texts, or of `chosen` ones: their places
/// among all, ascending.
///
/// # Errors
///
/// As [`encode_stream`].
pub fn encode_maskable_stream(
    source: &DataSource<'_>,
    tokenizer: &TextTokenizer,
    cache: Option<&TokenCache>,
    mut to_texts: impl FnMut(&Table) -> Result<Vec<String>, DataError>,
    sequences: Maskable,
    chosen: Option<&[usize]>,
) -> Result<Tokenized, DataError> {
    let extra_key = format!("{sequences:?} {}", key_of(chosen));
    stored(source, tokenizer, cache, &extra_key, |take| {
        let mut rows = Rows::of(chosen);
        let mut blocks = match sequences {
            Maskable::Blocks => Some(Blocks::new(tokenizer)?),
            Maskable::Lines => None,
        };
        for table in stream_columns(source.path, source.form, source.wanted)? {
            let mut texts = table.and_then(|table| to_texts(&table))?;
            let (_, here) = rows.next(texts.len());
            if here.len() < texts.len() {
                texts = here.iter().map(|row| std::mem::take(&mut texts[*row])).collect();
            }
            match &mut blocks {
                None => take(&tokenizer.encode_lines(&texts)?)?,
                Some(blocks) => {
                    let mut full = Tokenized::default();
                    blocks.push(&texts, &mut full)?;
                    take(&full)?;
                }
            }
        }
        if let Some(blocks) = blocks {
            let mut last = Tokenized::default();
            blocks.finish(&mut last);
            take(&last)?;
        }
        Ok(())
    })
}

/// As [`encode_stream`], of sequences that have numbers beside them: `encode` makes both of the rows of a table, of
/// which it is given the `chosen` ones alone (their places among all, ascending), or all.
///
/// # Errors
///
/// As [`encode_stream`], and those of `encode`, whose examples are counted from the first of the table.
pub fn encode_beside_stream(
    source: &DataSource<'_>,
    tokenizer: &TextTokenizer,
    cache: Option<&TokenCache>,
    mut encode: impl FnMut(&Table, &[usize]) -> Result<(Tokenized, Beside), DataError>,
    chosen: Option<&[usize]>,
    extra_key: &str,
) -> Result<(Tokenized, Beside), DataError> {
    let extra_key = format!("beside {extra_key} {}", key_of(chosen));
    let woven = stored(source, tokenizer, cache, &extra_key, |take| {
        let mut rows = Rows::of(chosen);
        for table in stream_columns(source.path, source.form, source.wanted)? {
            let table = table?;
            let (before, here) = rows.next(table.len());
            let (tokenized, beside) = encode(&table, &here).map_err(|error| error.of_examples_after(before))?;
            take(&Beside::woven(&tokenized, &beside)?)?;
        }
        Ok(())
    })?;
    Beside::unwoven(&woven)
}

/// Which rows of each table are chosen.
struct Rows<'a> {
    chosen: Option<&'a [usize]>,
    /// Rows of the tables before, and chosen ones among them.
    before: usize,
    taken: usize,
}

impl<'a> Rows<'a> {
    fn of(chosen: Option<&'a [usize]>) -> Self {
        Self { chosen, before: 0, taken: 0 }
    }

    /// How many were chosen before, and which are of the next so many, counted from the first of these.
    fn next(&mut self, count: usize) -> (usize, Vec<usize>) {
        let (before, taken) = (self.before, self.taken);
        self.before += count;
        let here = match self.chosen {
            None => (0..count).collect(),
            Some(chosen) => {
                let end = taken + chosen[taken..].partition_point(|row| *row < self.before);
                chosen[taken..end].iter().map(|row| row - before).collect::<Vec<usize>>()
            }
        };
        self.taken += here.len();
        (taken, here)
    }
}

/// A digest of the rows that are chosen.
fn key_of(chosen: Option<&[usize]>) -> String {
    let mut digest = Sha256::new();
    chosen.into_iter().flatten().for_each(|row| digest.update((*row as u64).to_le_bytes()));
    format!("{:?} {:x}", chosen.map(<[usize]>::len), digest.finalize())
}

/// What `encode` hands on: in the cache, where it may be already, or in memory.
fn stored(
    source: &DataSource<'_>,
    tokenizer: &TextTokenizer,
    cache: Option<&TokenCache>,
    extra_key: &str,
    encode: impl FnOnce(&mut dyn FnMut(&Tokenized) -> Result<(), DataError>) -> Result<(), DataError>,
) -> Result<Tokenized, DataError> {
    let keyed = match cache {
        Some(cache) => cache.key(source, tokenizer, extra_key)?.map(|key| (cache, key)),
        None => None,
    };
    let tokenized = match keyed {
        None => {
            let mut all = InMemory::default();
            encode(&mut |tokens| all.append(tokens))?;
            all.finish()
        }
        Some((cache, key)) => match cache.find(&key)? {
            Some(found) => found,
            None => {
                let mut writer = cache.begin(&key)?;
                encode(&mut |tokens| writer.append(tokens))?;
                cache.finish(&key, writer)?
            }
        },
    };
    tell_of_truncated(&tokenized);
    Ok(tokenized)
}
