//! A raw text → its words, for prediction by models that were trained on files of words.
//!
//! Such files follow the tokenisation of the CoNLL shared tasks and their kin, not that of any model, so the rule is one
//! for all tokenizers. White space ends a word, and so does punctuation, which stands alone, except:
//!
//! - an address (`https://…`, `www.…`, `name@host.org`) is one word, without the punctuation after it;
//! - `@user` and `#tag` are one word, and so are `3.14`, `1,000`, `10:30` and `1996/97`, and abbreviations of single
//!   letters with their last period, `U.S.`;
//! - `-`, `–`, `'`, `’`, `.`, `&`, `_` and `·` between letters or digits join: `New-York`, `O'Brien`, `don't`, `AT&T`;
//! - but the `'s` at the end of a word is a word of its own, as entities end before it;
//! - the same sign repeated is one word: `...`, `--`, `!!!`.
//!
//! Chinese characters are words one by one, as BERT has them; what other scripts write without spaces is one word.
//! Combining marks stay with their letters, and an emoji is whole with all that modifies it. Control and format
//! characters between words belong to none.

use std::ops::Range;
use std::sync::LazyLock;

use tokenizers::utils::SysRegex;

/// The alternatives, of which the first that fits is taken. Repetitions do not give back what they took (`++`, `*+`)
/// where they could, so that a text of one endless word costs no more than its length.
const WORD: &str = r"(?x)
    (?i: https?:// | ftp:// | www\. ) [^\s]* [^\s\p{P}] /?
  | [\p{L}\p{M}\p{N}_]++ (?: [.+\-] [\p{L}\p{M}\p{N}_]++ )*+ @ [\p{L}\p{N}]++ (?: [.\-] [\p{L}\p{N}]++ )*+
  | [@\#] [\p{L}\p{M}\p{N}_]++
  | (?> (?: \p{L} \. ){2,} ) (?! [\p{L}\p{N}] )
  | \p{Han} \p{M}*+
  | ['’] s (?! [\p{L}\p{M}\p{N}_] )
  | (?<part> [[\p{L}\p{M}\p{N}_\u200C\u200D]&&[^\p{Han}]]++ )
    (?: (?! ['’] s (?! [\p{L}\p{M}\p{N}_] ) )
        (?: [\-–'’.&·] | (?<= \p{N} ) [,:/] (?= \p{N} ) ) \g<part> )*+
  | (?<sign> [\p{P}\p{S}] ) \k<sign>++ (?! [\p{M}\u200D] )
  | (?! [\s\p{Cc}\p{Cf}] ) \X
";

static WORDS: LazyLock<SysRegex> = LazyLock::new(|| SysRegex::new(WORD).expect("the pattern is a constant"));

/// The words of a text in their order, each with the characters (Unicode code points, from 0) that it takes up.
pub fn words_of_text(text: &str) -> Vec<(Range<usize>, String)> {
    let (mut bytes, mut characters) = (0, 0);
    WORDS
        .find_iter(text)
        .map(|(start, end)| {
            let word = &text[start..end];
            let first = characters + text[bytes..start].chars().count();
            (bytes, characters) = (end, first + word.chars().count());
            (first..characters, word.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> String {
        words_of_text(text).into_iter().map(|(_, word)| word).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_rule() {
        assert_eq!(words("Peter lives, in New-York (U.S.)."), "Peter|lives|,|in|New-York|(|U.S.|)|.");
        assert_eq!(words("Germany's O'Brien don't: AT&T's"), "Germany|'s|O'Brien|don't|:|AT&T|'s");
        assert_eq!(words("@user_1 said #tag! see https://a.b/c?d=e."), "@user_1|said|#tag|!|see|https://a.b/c?d=e|.");
        assert_eq!(words("(www.a.org/b/), mail a.b@c.org;"), "(|www.a.org/b/|)|,|mail|a.b@c.org|;");
        assert_eq!(words("3.14 1,000 10:30, 1996-08-22 and/or -5%"), "3.14|1,000|10:30|,|1996-08-22|and|/|or|-|5|%");
        assert_eq!(words("wait... what?!! -- 'no'"), "wait|...|what|?|!!|--|'|no|'");
        assert_eq!(words("東京 tower、ひらがな"), "東|京|tower|、|ひらがな");
        assert_eq!(words("cafe\u{301}s हिन्दी มาก"), "cafe\u{301}s|हिन्दी|มาก");
        assert_eq!(words("ok👍🏽👩‍👩‍👧 🇫🇷"), "ok|👍🏽|👩‍👩‍👧|🇫🇷");
        assert_eq!(words("a\u{200B}b\u{0}"), "a|b");
        assert_eq!((words(""), words(" \u{A0}\u{3000}\n")), (String::new(), String::new()));
    }

    #[test]
    fn ranges_count_characters() {
        let found = words_of_text(" Zoë était\u{200B}là👍🏽!");
        let ranges: Vec<_> = found.iter().map(|(range, _)| range.clone()).collect();
        assert_eq!(ranges, [1..4, 5..10, 11..13, 13..15, 15..16]);
    }

    #[test]
    fn an_endless_word_is_one_word() {
        assert_eq!(words_of_text(&"a".repeat(2_000_000)).len(), 1);
        assert_eq!(words_of_text(&"a.".repeat(200_000)).len(), 1);
        assert_eq!(words_of_text(&format!("http://{}", ".".repeat(100_000))).len(), 4);
    }

    proptest! {
        #[test]
        fn words_are_what_stands_in_their_range(text in "[a-zé@#'’.,:/ \\-0-9東👍\u{301}\u{200D}\n]{0,40}") {
            let letters: Vec<char> = text.chars().collect();
            let belongs_to_none = |letters: &[char]| letters.iter().all(|c| c.is_whitespace() || *c == '\u{200D}');
            let mut end = 0;
            for (range, word) in words_of_text(&text) {
                prop_assert!(range.start >= end && !range.is_empty());
                prop_assert_eq!(letters[range.clone()].iter().collect::<String>(), word);
                prop_assert!(belongs_to_none(&letters[end..range.start]));
                end = range.end;
            }
            prop_assert!(belongs_to_none(&letters[end..]));
        }
    }
}
