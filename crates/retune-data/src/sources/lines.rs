//! The lines of a text of which more may follow.

/// The whole lines at the front of a text, ended by `\n` or `\r\n`; and the rest, where nothing follows the text.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    is_last: bool,
}

impl<'a> Lines<'a> {
    /// `line` is the number of the first.
    pub(super) fn new(text: &'a str, line: u64, is_last: bool) -> Self {
        Self { text, at: 0, line, is_last }
    }

    /// How many bytes the lines so far are, with their ends.
    pub(super) fn at(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let (line, length) = match rest.find('\n') {
            Some(end) => (rest[..end].strip_suffix('\r').unwrap_or(&rest[..end]), end + 1),
            None if self.is_last && !rest.is_empty() => (rest, rest.len()),
            None => return None,
        };
        self.at += length;
        self.line += 1;
        Some((self.line - 1, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(text in "[a\r\n]{0,20}", cut in 0..20_usize) {
            let cut = cut.min(text.len());
            let mut before = Lines::new(&text[..cut], 1, false);
            let mut lines: Vec<_> = before.by_ref().collect();
            let (at, line) = (before.at(), before.line);
            lines.extend(Lines::new(&text[at..], line, true));
            prop_assert_eq!(lines, (1..).zip(text.lines()).collect::<Vec<_>>());
        }
    }
}
