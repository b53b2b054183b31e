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
pub(super) struct Records<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    dialect: Dialect,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, line: 1, dialect }
    }

    /// Puts the fields of the next record into `fields` and returns the line on which it starts, or `None` at the end.
    /// An empty line is a record of one empty field.
    pub(super) fn next_into(&mut self, fields: &mut Vec<Cow<'a, str>>) -> Result<Option<u64>, Fault> {
        fields.clear();
        if self.at == self.text.len() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            let opens_quote = self.dialect.has_quotes() && self.text.as_bytes().get(self.at) == Some(&b'"');
            fields.push(if opens_quote { self.quoted_field()? } else { self.plain_field() });
            if !self.skip_delimiter() {
                break;
            }
        }
        self.skip_line_end();
        Ok(Some(line))
    }

    /// Up to the next delimiter or line end, which stay.
    fn plain_field(&mut self) -> Cow<'a, str> {
        let delimiter = self.dialect.delimiter();
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| byte == delimiter || byte == b'\n').unwrap_or(rest.len());
        let field = &rest[..length];
        // A `\r` before the line end belongs to the line end.
        let field = if rest.as_bytes().get(length) == Some(&delimiter) { field } else { without_return(field) };
        self.at += field.len();
        Cow::Borrowed(field)
    }

    /// From the opening quote to the closing one, both consumed; doubled quotes become one.
    fn quoted_field(&mut self) -> Result<Cow<'a, str>, Fault> {
        let opening_line = self.line;
        let start = self.at + 1;
        let mut end = start;
        let mut has_doubled = false;
        loop {
            let rest = &self.text.as_bytes()[end..];
            let Some(quote) = rest.iter().position(|&byte| byte == b'"') else {
                return Err(Fault::UnclosedQuote { line: opening_line });
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
        let ends = rest.is_empty() || rest == "\r" || rest.starts_with('\n') || rest.starts_with("\r\n");
        if !ends && rest.as_bytes()[0] != self.dialect.delimiter() {
            return Err(Fault::TextAfterQuote { line: self.line });
        }
        Ok(if has_doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) })
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<(u64, Vec<String>)>;

    fn parse(text: &str, dialect: Dialect) -> Result<Rows, Fault> {
        let mut records = Records::new(text, dialect);
        let (mut rows, mut fields) = (Vec::new(), Vec::new());
        while let Some(line) = records.next_into(&mut fields)? {
            rows.push((line, fields.iter().map(ToString::to_string).collect()));
        }
        Ok(rows)
    }

    /// The plain twin: lenient, so it is asked only about texts in which strict and lenient agree.
    fn parse_with_csv_crate(text: &str, delimiter: u8) -> Rows {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text.as_bytes());
        reader
            .records()
            .map(|record| {
                let record = record.expect("a record");
                (record.position().expect("a position").line(), record.iter().map(ToOwned::to_owned).collect())
            })
            .collect()
    }

    #[test]
    fn lines_are_those_on_which_records_start() {
        let text = "a,b\r\n\"x\ny\",1\n\n\"say \"\"hi\"\"\",\"\"";
        let expected = [(1, vec!["a", "b"]), (2, vec!["x\ny", "1"]), (4, vec![""]), (5, vec!["say \"hi\"", ""])];
        let expected: Rows = expected.map(|(line, f)| (line, f.into_iter().map(String::from).collect())).into();
        assert_eq!(parse(text, Dialect::Csv), Ok(expected));
    }

    #[test]
    fn faults_name_their_lines() {
        assert_eq!(parse("a,b\n1,\"x\ny\n", Dialect::Csv), Err(Fault::UnclosedQuote { line: 2 }));
        assert_eq!(parse("a\tb\n\"1\n2\"x\t3\n", Dialect::Tsv), Err(Fault::TextAfterQuote { line: 3 }));
        assert!(parse("a\tb\n\"1\t\"\"2\"x\n", Dialect::TsvUnquoted).is_ok());
    }

    proptest! {
        #[test]
        fn equals_the_csv_crate_where_both_understand(text in "[ab\",\n]{0,40}") {
            if let Ok(mut rows) = parse(&text, Dialect::Csv) {
                let mut twin = parse_with_csv_crate(&text, b',');
                // The crate drops empty lines, and counts a record after them from the line where it began to look.
                rows.retain(|(_, fields)| fields != &[""]);
                twin.retain(|(_, fields)| fields != &[""]);
                let fields = |rows: Rows| rows.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>();
                prop_assert_eq!(fields(rows), fields(twin));
            }
        }

        #[test]
        fn reads_back_what_was_written(
            rows in prop::collection::vec(prop::collection::vec("[a é\",\t\r\n]{0,6}", 3), 1..8),
            windows in any::<bool>(),
            tabs in any::<bool>(),
        ) {
            let (dialect, delimiter) = if tabs { (Dialect::Tsv, b'\t') } else { (Dialect::Csv, b',') };
            let end = if windows { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(end).from_writer(Vec::new());
            let mut lines = Vec::new();
            let mut line = 1;
            for row in &rows {
                writer.write_record(row).expect("a record");
                lines.push(line);
                line += 1 + row.iter().map(|field| field.matches('\n').count() as u64).sum::<u64>();
            }
            let text = String::from_utf8(writer.into_inner().expect("a buffer")).expect("UTF-8");
            let expected: Rows = lines.into_iter().zip(rows).collect();
            prop_assert_eq!(parse(&text, dialect), Ok(expected));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "[a\",\t\r\n]{0,30}") {
            for dialect in [Dialect::Csv, Dialect::Tsv, Dialect::TsvUnquoted] {
                let lines = text.matches('\n').count() as u64 + 1;
                match parse(&text, dialect) {
                    Ok(rows) => prop_assert!(rows.iter().all(|(line, _)| *line <= lines)),
                    Err(Fault::UnclosedQuote { line } | Fault::TextAfterQuote { line }) => {
                        prop_assert!(dialect.has_quotes() && line <= lines);
                    }
                }
            }
        }
    }
}
