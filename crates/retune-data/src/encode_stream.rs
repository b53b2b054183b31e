//! Data files → tokens, in flat memory, once.

use crate::cache::TokenCache;
use crate::error::DataError;
use crate::examples::Text;
use crate::sources::{DataSource, stream_columns};
use crate::table::Table;
use crate::tokenize::{InMemory, TextTokenizer, Tokenized, tell_of_truncated};

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
    let keyed = match cache {
        Some(cache) => cache.key(source, tokenizer, extra_key)?.map(|key| (cache, key)),
        None => None,
    };
    let tokenized = match keyed {
        None => {
            let mut all = InMemory::default();
            encode_all(source, tokenizer, &mut to_texts, |texts| all.append(texts))?;
            all.finish()
        }
        Some((cache, key)) => match cache.find(&key)? {
            Some(found) => found,
            None => {
                let mut writer = cache.begin(&key)?;
                encode_all(source, tokenizer, &mut to_texts, |texts| writer.append(texts))?;
                cache.finish(&key, writer)?
            }
        },
    };
    tell_of_truncated(&tokenized);
    Ok(tokenized)
}

fn encode_all(
    source: &DataSource<'_>,
    tokenizer: &TextTokenizer,
    to_texts: &mut impl FnMut(&Table) -> Result<Vec<Text>, DataError>,
    mut take: impl FnMut(&Tokenized) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut before = 0;
    for table in stream_columns(source.path, source.form, source.wanted)? {
        // The table goes before its texts are encoded.
        let texts = table.and_then(|table| to_texts(&table))?;
        take(&tokenizer.encode_from(before, &texts)?)?;
        before += texts.len();
    }
    Ok(())
}
