//! Plain text: every line that is not empty is an example, in the column `text` or of the one name that was given.

use std::path::Path;
use std::sync::Arc;

use polars::prelude::Column;

use super::blocks::Blocks;
use super::lines::Lines;
use super::stream::Parser;
use super::{Holds, Request, check_columns, line_of};
use crate::error::DataError;
use crate::table::{ColumnBuilder, Positions};

/// The lines as they stand; a line of white space alone is skipped.
pub(super) struct PlainText<'a> {
    request: Arc<Request<'a>>,
    builders: Vec<ColumnBuilder<'a>>,
    lines: Vec<u64>,
}

impl<'a> PlainText<'a> {
    /// `blocks` are at the start of the file.
    pub(super) fn new(path: &Path, blocks: &Blocks, request: &Arc<Request<'a>>) -> Result<Self, DataError> {
        let name = match &request.names[..] {
            [] => "text",
            [only] => only,
            names => {
                let (path, form, expected) = (path.to_owned(), "plain text", "one column");
                return Err(DataError::ColumnNames { path, form, expected, found: names.len() });
            }
        };
        // Blocks begin with what is no white space.
        let text = blocks.text();
        let before = &text[..text.len() - text.trim_start().len()];
        let first = blocks.line() + before.matches('\n').count() as u64;
        check_columns(request, &line_of(path, first), &[(name, Holds::Texts)])?;
        Ok(Self { request: Arc::clone(request), builders: request.builders(), lines: Vec::new() })
    }
}

impl Parser for PlainText<'_> {
    fn gather(&mut self, text: &str, line: u64, is_last: bool, rows: usize) -> Result<usize, DataError> {
        let mut lines = Lines::new(text, line, is_last);
        while self.lines.len() < rows
            && let Some((line, content)) = lines.next()
        {
            if !content.trim().is_empty() {
                for builder in &mut self.builders {
                    // That the one column is a text was checked.
                    let _ = builder.push_text(Some(content));
                }
                self.lines.push(line);
            }
        }
        Ok(lines.at())
    }

    fn rows(&self) -> usize {
        self.lines.len()
    }

    fn take(&mut self) -> (Vec<Column>, Positions) {
        let builders = std::mem::replace(&mut self.builders, self.request.builders());
        let lines = std::mem::take(&mut self.lines);
        (builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(lines))
    }
}
