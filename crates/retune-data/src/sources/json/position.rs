//! Where the pieces of a document stand.

use std::path::Path;

use crate::error::{Place, Position};

/// Where a piece of JSON begins: the line, from 1, and the bytes before it on that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Start {
    pub(in crate::sources) line: u64,
    pub(in crate::sources) column: usize,
}

impl Start {
    pub(in crate::sources) fn of_file() -> Self {
        Self { line: 1, column: 0 }
    }

    pub(in crate::sources) fn place(self, path: &Path) -> Place {
        let (line, column) = self.character();
        Place { path: path.to_owned(), position: Position::Character { line, column } }
    }

    /// The line and the column, from 1; what is beyond four thousand million is that.
    pub(in crate::sources) fn character(self) -> (u32, u32) {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        (small(self.line), small(self.column as u64 + 1))
    }

    /// The line and the column of an error that counts from here.
    pub(in crate::sources) fn moved_by(self, error: &serde_json::Error) -> (u64, usize) {
        let line = self.line + (error.line() as u64).saturating_sub(1);
        (line, error.column() + if error.line() <= 1 { self.column } else { 0 })
    }
}

/// Counts lines from one piece to the next, so that counting stays linear in the text.
pub(in crate::sources) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    start: Start,
}

impl<'a> Cursor<'a> {
    pub(in crate::sources) fn new(text: &'a str) -> Self {
        Self { text, at: 0, start: Start::of_file() }
    }

    /// `piece` borrows from the text, behind the piece before it, so its address says where it stands.
    pub(in crate::sources) fn advance_to(&mut self, piece: &str) -> Start {
        let offset = piece.as_ptr().addr() - self.text.as_ptr().addr();
        let between = &self.text[self.at..offset];
        match between.rfind('\n') {
            Some(last) => {
                self.start.line += between.matches('\n').count() as u64;
                self.start.column = between.len() - last - 1;
            }
            None => self.start.column += between.len(),
        }
        self.at = offset;
        self.start
    }
}
