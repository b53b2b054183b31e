//! Delimited text → records, strictly, with the line on which each starts.
//!
//! Why not the `csv` crate: it takes an unclosed quote, or text after a closing quote, as if nothing were wrong, and
//! those two are what tells a quoted file from an unquoted one. A test compares this parser with that crate.

use std::borrow::Cow;

/// How fields are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Commas, quotes.
    Csv,
    /// Tabs, quotes.
    Tsv,
    /// Tabs, no quotes.
    TsvUnquoted,
}

impl Dialect {
    fn delimiter(self) -> u8 {
        match self {
            Dialect::Csv => b',',
            Dialect::Tsv | Dialect::TsvUnquoted => b'\t',
        }
    }

    fn has_quotes(self) -> bool {
        self != Dialect::TsvUnquoted
    }
}

/// What breaks a quoted file. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The quote that opens on this line is never closed.
    UnclosedQuote { line: u64 },
    /// On this line, neither a delimiter nor a line end follows a closing quote.
    TextAfterQuote { line: u64 },
}

/// The records of a text, one after the other. Lines end in `\n` or `\r\n`; a `\r` elsewhere is part of its field.
///
/// Where more text follows, a record counts as one when its line end is there, and a fault when no further text can mend
/// it.
pub(super) struct Records<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    is_last: bool,
    dialect: Dialect,
}

impl<'a> Records<'a> {
    /// The text begins on `line`, and `is_last` says that nothing follows it.
    pub(super) fn new(text: &'a str, dialect: Dialect, line: u64, is_last: bool) -> Self {
        Self { text, at: 0, line, is_last, dialect }
    }

    /// How many bytes the records so far are.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Puts the fields of the next record into `fields` and returns the line on which it starts, or `None` where there
    /// is no further whole record. An empty line is a record of one empty field.
    pub(super) fn next_into(&mut self, fields: &mut Vec<Cow<'a, str>>) -> Result<Option<u64>, Fault> {
        fields.clear();
        if self.at == self.text.len() {
            return Ok(None);
        }
        let (at, line) = (self.at, self.line);
        if self.whole_record_into(fields)? {
            return Ok(Some(line));
        }
        (self.at, self.line) = (at, line);
        Ok(None)
    }

    fn whole_record_into(&mut self, fields: &mut Vec<Cow<'a, str>>) -> Result<bool, Fault> {
        loop {
            let opens_quote = self.dialect.has_quotes() && self.text.as_bytes().get(self.at) == Some(&b'"');
            let field = if opens_quote { self.quoted_field()? } else { self.plain_field() };
            let Some(field) = field else { return Ok(false) };
            fields.push(field);
            if !self.skip_delimiter() {
                self.skip_line_end();
                return Ok(true);
            }
        }
    }

    /// Up to the next delimiter or line end, which stay; `None` where the field is cut short.
    fn plain_field(&mut self) -> Option<Cow<'a, str>> {
        let delimiter = self.dialect.delimiter();
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| byte == delimiter || byte == b'\n');
        let length = length.or(self.is_last.then_some(rest.len()))?;
        let field = &rest[..length];
        // A `\r` before the line end belongs to the line end.
        let field = if rest.as_bytes().get(length) == Some(&delimiter) { field } else { without_return(field) };
        self.at += field.len();
        Some(Cow::Borrowed(field))
    }

    /// From the opening quote to the closing one, both consumed; doubled quotes become one. `None` where the field is
    /// cut short, or what follows it.
    fn quoted_field(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        let opening_line = self.line;
        let start = self.at + 1;
        let mut end = start;
        let mut has_doubled = false;
        loop {
            let rest = &self.text.as_bytes()[end..];
            let Some(quote) = rest.iter().position(|&byte| byte == b'"') else {
                return if self.is_last { Err(Fault::UnclosedQuote { line: opening_line }) } else { Ok(None) };
            };
            end += quote;
            if rest.get(quote + 1) != Some(&b'"') {
                break;
            }
            has_doubled = true;
            end += 2;
        }
        let field = &self.text[start..end];
        self.line += field.bytes().filter(|&byte| byte == b'\n').count() as u64;
        self.at = end + 1;
        let rest = &self.text[self.at..];
        if !self.is_last && matches!(rest, "" | "\r") {
            return Ok(None);
        }
        let ends = rest.is_empty() || rest == "\r" || rest.starts_with('\n') || rest.starts_with("\r\n");
        if !ends && rest.as_bytes()[0] != self.dialect.delimiter() {
            return Err(Fault::TextAfterQuote { line: self.line });
        }
        Ok(Some(if has_doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) }))
    }

    fn skip_delimiter(&mut self) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&self.dialect.delimiter());
        self.at += usize::from(found);
        found
    }

    fn skip_line_end(&mut self) {
        let rest = &self.text[self.at..];
        self.at += usize::from(rest.starts_with('\r'));
        if self.text[self.at..].starts_with('\n') {
            self.at += 1;
            self.line += 1;
        }
    }
}

fn without_return(field: &str) -> &str {
    field.strip_suffix('\r').unwrap_or(field)
}

#[cfg(test)]
mod tests;
