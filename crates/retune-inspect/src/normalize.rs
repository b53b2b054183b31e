//! What is left of a text where its writing does not matter.

use unicode_normalization::UnicodeNormalization;

/// The text in Unicode's form NFKC and in lower case, of its letters and digits with single spaces between words: case,
/// widths of characters, white space and punctuation do not count. A text of punctuation alone stays as it is, trimmed,
/// since nothing would be left of it.
pub fn normalized(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut push = |c: char| {
        if c.is_alphanumeric() || is_mark(c) {
            normal.push(c);
        } else if !normal.is_empty() && !normal.ends_with(' ') && !is_apostrophe(c) {
            normal.push(' ');
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|c| push(c.to_ascii_lowercase()));
    } else {
        // Lower case may undo the form (İ), so it is made once more.
        text.nfkc().flat_map(char::to_lowercase).nfkc().for_each(&mut push);
    }
    normal.truncate(normal.trim_end().len());
    if normal.is_empty() { text.trim().to_owned() } else { normal }
}

/// `don't` and `dont` are one word.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | 'ʼ' | '`')
}

/// A mark on the letter before it, which NFKC could not join with it.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writing_does_not_matter() {
        for text in ["Don't  panic!", "don’t panic", " DONT\tPANIC. ", "ｄｏｎ’ｔ ｐａｎｉｃ", "«dont» — panic…"]
        {
            assert_eq!(normalized(text), "dont panic", "{text}");
        }
        assert_eq!(normalized("Cafe\u{301}"), normalized("CAFÉ"));
        assert_eq!(normalized("ﬁne"), "fine");
        assert_eq!(normalized(" ?! "), "?!");
        assert_ne!(normalized("?!"), normalized("..."));
        assert_eq!(normalized("नमस्ते"), "नमस्ते");
    }

    proptest! {
        #[test]
        fn normal_texts_stay(text in "\\PC{0,20}") {
            let once = normalized(&text);
            prop_assert_eq!(normalized(&once), once);
        }
    }
}
