//! Whether a TSV is quoted, where nobody said so.

use std::path::Path;
use std::sync::Arc;

use polars::prelude::Column;

use super::{Delimited, open};
use crate::error::DataError;
use crate::sources::Request;
use crate::sources::blocks::Blocks;
use crate::sources::records::Dialect;
use crate::sources::stream::{Limits, Parser, TextChunks};
use crate::table::Positions;

/// Opens a TSV of which nobody said whether it is quoted.
///
/// Quoted is right if the text parses so. Yet two stray quotes can swallow the line end between them and leave a
/// structure that parses; then the unquoted reading parses too and has more rows, while a line end that is truly quoted
/// leaves lines with too few fields. So the unquoted reading wins where it parses and has another number of rows.
///
/// To know that takes the whole file; so it is read once, and where there are quotes in it twice, without keeping rows.
pub(in crate::sources) fn open_guessing_quotes<'a>(
    path: &Path,
    request: &Arc<Request<'a>>,
    limits: Limits,
) -> Result<TextChunks<Delimited<'a>>, DataError> {
    let mut has_quotes = false;
    let quoted = count(path, Dialect::Tsv, request, limits, &mut has_quotes);
    if !has_quotes || matches!(quoted, Err(DataError::MissingColumn { .. } | DataError::Several(_))) {
        return open(path, Dialect::Tsv, request, limits);
    }
    let is_quoted = match (quoted, count(path, Dialect::TsvUnquoted, request, limits, &mut has_quotes)) {
        (Ok(quoted), Ok(unquoted)) => quoted == unquoted,
        (Ok(_), Err(_)) => true,
        (Err(_), _) => false,
    };
    if is_quoted {
        return open(path, Dialect::Tsv, request, limits);
    }
    tracing::info!("{}: read as TSV without quoting, because quotes in it do not pair up", path.display());
    open(path, Dialect::TsvUnquoted, request, limits)
}

/// The rows of one reading; `has_quotes` is set where the text that was read holds one.
fn count(
    path: &Path,
    dialect: Dialect,
    request: &Arc<Request<'_>>,
    limits: Limits,
    has_quotes: &mut bool,
) -> Result<usize, DataError> {
    let blocks = Blocks::open(path, limits.block)?;
    let rows = Delimited { keeps_rows: false, ..Delimited::new(path, dialect, request)? };
    TextChunks::new(path, blocks, Counted { rows, has_quotes }, limits).count()
}

/// Rows of which it is noted whether there are quotes in them.
struct Counted<'a, 'q> {
    rows: Delimited<'a>,
    has_quotes: &'q mut bool,
}

impl Parser for Counted<'_, '_> {
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError> {
        *self.has_quotes = *self.has_quotes || text.contains('"');
        self.rows.gather(text, line, is_last, rows)
    }

    fn check_end(&mut self) -> Result<(), DataError> {
        self.rows.check_end()
    }

    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn take(&mut self) -> (Vec<Column>, Positions) {
        self.rows.take()
    }
}
