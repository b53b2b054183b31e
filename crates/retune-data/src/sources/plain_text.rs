//! Plain text: every line that is not empty is an example, in the column `text` or of the one name that was given.

use std::path::Path;

use super::{Holds, Request, check_columns, line_of};
use crate::error::DataError;
use crate::table::{ColumnBuilder, Positions, Table};

/// Reads the lines as they stand; a line of white space alone is skipped.
pub(super) fn read(path: &Path, text: &str, request: &Request<'_>) -> Result<Table, DataError> {
    let name = match request.names {
        [] => "text",
        [only] => only,
        names => {
            let (path, form, expected) = (path.to_owned(), "plain text", "one column");
            return Err(DataError::ColumnNames { path, form, expected, found: names.len() });
        }
    };
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).peekable();
    let first = lines.peek().map_or(1, |(line, _)| *line);
    check_columns(request, &line_of(path, first), &[(name, Holds::Texts)])?;
    let mut builders = request.builders();
    let mut places = Vec::new();
    for (place, line) in lines {
        for builder in &mut builders {
            // That the one column is a text was checked.
            let _ = builder.push_text(Some(line));
        }
        places.push(place);
    }
    Table::new(path, builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Lines(places))
}
