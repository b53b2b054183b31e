//! Streams and tokenises a column of a data file, and says how much memory that took at its peak.
//!
//! `cargo run --package retune-data --example stream_memory -- FILE COLUMN TOKENIZER [CACHE]`
//!
//! `TOKENIZER` is a model directory. With `CACHE`, a folder, the tokens go into a file of it; without it the tables are
//! read, and their tokens made and dropped, so that the peak is that of reading and encoding alone.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use retune_data::sources::stream_columns;
use retune_data::{DataSource, Form, TextColumns, TextTokenizer, TokenCache, Wanted, encode_stream, texts};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, column, tokenizer, rest @ ..] = &arguments[..] else {
        return Err("usage: stream_memory FILE COLUMN TOKENIZER [CACHE]".into());
    };
    let tokenizer = TextTokenizer::from_directory(Path::new(tokenizer), 128)?;
    let (form, wanted) = (Form::default(), [Wanted::Text(column)]);
    let source = DataSource { path: Path::new(file), form: &form, wanted: &wanted };
    let columns = TextColumns::Single(column.clone());
    println!("before: {} MiB", peak_in_mib()?);

    let start = Instant::now();
    let (mut rows, mut tokens) = (0, 0);
    if let [cache] = rest {
        let cache = TokenCache::open(Path::new(cache))?;
        let tokenized = encode_stream(&source, &tokenizer, Some(&cache), |table| texts(table, &columns), "")?;
        (rows, tokens) = (tokenized.len(), tokenized.tokens());
    } else {
        for table in stream_columns(source.path, source.form, source.wanted)? {
            let tokenized = tokenizer.encode(&texts(&table?, &columns)?)?;
            rows += tokenized.len();
            tokens += tokenized.tokens();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{file}: {rows} rows, {tokens} tokens, {seconds:.1} s, peak {} MiB", peak_in_mib()?);
    Ok(())
}

/// The most physical memory that this process has held, as Linux counts it.
fn peak_in_mib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system does not say")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024)
}
