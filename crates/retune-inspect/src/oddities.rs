//! Texts that are damaged, or no texts.

use serde::Serialize;

use crate::finding::{Finding, FoundRow, Kind, Severity, Split, percent, rows};

/// What is odd about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// U+FFFD: what a reader put where it could not decode.
    ReplacementCharacter,
    /// UTF-8 that was read as Windows-1252 or Latin-1: `Ã¼` for `ü`, `â€™` for `’`.
    Mojibake,
    /// Control characters other than tabs and line ends; characters for private use.
    ControlCharacters,
    /// Tags or entities of HTML.
    Html,
    /// Neither a letter nor a digit.
    OnlyPunctuation,
    /// One character over and over, twenty times or more.
    Repetition,
    /// Far longer than the rest: more than a hundred times as many characters as half of the texts.
    Long,
}

/// How often what is odd is seen, and where.
#[derive(Clone, Debug, Default)]
pub struct Oddities {
    found: Vec<(usize, Oddity)>,
    lengths: Vec<u32>,
}

impl Oddities {
    /// Looks at the next row's text.
    pub fn add(&mut self, text: &str) {
        let row = self.lengths.len();
        self.lengths.push(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        self.found.extend(oddities(text).into_iter().map(|oddity| (row, oddity)));
    }

    /// What is odd, a finding for each kind of oddity.
    pub fn findings(&self, split: Split) -> Vec<Finding> {
        let total = self.lengths.len();
        let mut found = self.found.clone();
        let mut sorted = self.lengths.clone();
        sorted.sort_unstable();
        let median = sorted.get(total / 2).copied().unwrap_or(0).max(1);
        let is_long = |length: &u32| u64::from(*length) > 100 * u64::from(median);
        let long = self.lengths.iter().enumerate().filter(|(_, length)| is_long(length));
        found.extend(long.map(|(row, _)| (row, Oddity::Long)));
        let of_kind = |oddity: Oddity| {
            let rows_of = |found: &[(usize, Oddity)]| -> Vec<FoundRow> {
                let of_kind = found.iter().filter(|(_, found)| *found == oddity);
                of_kind.map(|(row, _)| FoundRow::new(split, *row, oddity.what())).collect()
            };
            let found = rows_of(&found);
            let (count, share) = (found.len(), found.len() as f64 / total.max(1) as f64);
            let severity = if share >= 0.01 && oddity.is_damage() { Severity::Warning } else { Severity::Note };
            (count > 0).then(|| {
                let title = format!("{} ({}) with {}", rows(count), percent(count, total), oddity.what());
                Finding::new(Kind::OddRows, severity, split, title, oddity.advice())
                    .with("rows", count as f64)
                    .with("share", share)
                    .with_rows(found)
            })
        };
        Oddity::ALL.into_iter().filter_map(of_kind).collect()
    }
}

/// What is odd about a text, as far as it can be told without the others.
pub fn oddities(text: &str) -> Vec<Oddity> {
    let mut found = Vec::new();
    let mut add = |is: bool, oddity| {
        if is {
            found.push(oddity);
        }
    };
    add(text.contains('\u{fffd}'), Oddity::ReplacementCharacter);
    add(is_mojibake(text), Oddity::Mojibake);
    add(text.chars().any(is_control), Oddity::ControlCharacters);
    add(has_html(text), Oddity::Html);
    add(!text.trim().is_empty() && !text.chars().any(char::is_alphanumeric), Oddity::OnlyPunctuation);
    add(longest_run(text) >= 20, Oddity::Repetition);
    found
}

impl Oddity {
    const ALL: [Self; 7] = [
        Self::ReplacementCharacter,
        Self::Mojibake,
        Self::ControlCharacters,
        Self::Html,
        Self::OnlyPunctuation,
        Self::Repetition,
        Self::Long,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::ReplacementCharacter => "U+FFFD, a character that could not be decoded",
            Self::Mojibake => "UTF-8 that was read as another encoding (mojibake)",
            Self::ControlCharacters => "control characters",
            Self::Html => "tags or entities of HTML",
            Self::OnlyPunctuation => "neither a letter nor a digit",
            Self::Repetition => "one character twenty times or more",
            Self::Long => "more than a hundred times as many characters as half of the texts",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::ReplacementCharacter => "what stood there is lost: export again from the source, as UTF-8",
            Self::Mojibake => "decode again (Python's ftfy repairs it), or the model learns words that nobody writes",
            Self::ControlCharacters => "remove them, unless what the model will read has them too",
            Self::Html => "take the markup out, unless what the model will read has it too",
            Self::OnlyPunctuation => "look whether these rows mean anything; remove those that do not",
            Self::Repetition => "look whether these rows mean anything; shorten the run",
            Self::Long => "see that a quote was closed: often one row has swallowed those after it",
        }
    }

    /// Whether something of the text is lost or wrong.
    fn is_damage(self) -> bool {
        matches!(self, Self::ReplacementCharacter | Self::Mojibake | Self::ControlCharacters | Self::Long)
    }
}

fn is_control(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffc}')
}

/// Two or three characters that stand for the bytes of one in UTF-8, read as Windows-1252: a lead byte's character, and
/// then those of bytes from 80 to BF. In texts of people such pairs are next to none, since the second is a sign and
/// not a letter.
fn is_mojibake(text: &str) -> bool {
    let mut before = ' ';
    let mut letters_before = false;
    for c in text.chars() {
        let pair = match before {
            // `Â` stands before a sign of Latin-1, and `Ã` before the second byte of a letter of it.
            'Â' => matches!(c, '\u{a0}'..='\u{bf}'),
            'Ã' => is_continuation(c),
            'â' => matches!(c, '€' | '\u{80}' | '‚' | '„' | 'œ'),
            // Cyrillic: bytes D0 and D1.
            'Ð' | 'Ñ' => is_continuation(c) && letters_before,
            'ð' => matches!(c, 'Ÿ' | '\u{9f}'),
            _ => false,
        };
        if pair {
            return true;
        }
        letters_before = matches!(before, 'Ð' | 'Ñ') || is_continuation(before);
        before = c;
    }
    false
}

/// The character of a byte from 80 to BF in Windows-1252 or Latin-1.
fn is_continuation(c: char) -> bool {
    const WINDOWS: &str = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";
    matches!(c, '\u{80}'..='\u{bf}') || WINDOWS.contains(c)
}

/// A tag (`<br/>`, `</p>`, `<a href=`) or an entity (`&amp;`, `&#39;`).
fn has_html(text: &str) -> bool {
    let tag = |rest: &str| {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let name: usize = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let is_known = TAGS.contains(&rest[..name].to_ascii_lowercase().as_str());
        let closes = |rest: &str| rest.find('>').is_some_and(|end| !rest[..end].contains('<'));
        is_known
            && match rest.as_bytes().get(name) {
                Some(b'>') => true,
                Some(b' ' | b'/' | b'\n' | b'\t') => closes(&rest[name..]),
                _ => false,
            }
    };
    let entity = |rest: &str| {
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        end.is_some_and(|end| {
            let name = &rest[..end];
            let number = name.strip_prefix('#').map(|number| number.trim_start_matches(['x', 'X']));
            match number {
                Some(number) => !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_hexdigit()),
                None => ENTITIES.contains(&name),
            }
        })
    };
    text.match_indices('<').any(|(place, _)| tag(&text[place + 1..]))
        || text.match_indices('&').any(|(place, _)| entity(&text[place + 1..]))
}

const TAGS: [&str; 32] = [
    "a",
    "b",
    "blockquote",
    "body",
    "br",
    "code",
    "div",
    "em",
    "font",
    "form",
    "h1",
    "h2",
    "h3",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "li",
    "meta",
    "ol",
    "p",
    "pre",
    "script",
    "span",
    "strong",
    "style",
    "table",
    "td",
    "tr",
    "ul",
];

const ENTITIES: [&str; 14] =
    ["amp", "lt", "gt", "quot", "apos", "nbsp", "hellip", "mdash", "ndash", "rsquo", "lsquo", "ldquo", "rdquo", "euro"];

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut before) = (0, 0, None);
    for c in text.chars() {
        run = if before == Some(c) { run + 1 } else { 1 };
        if !c.is_whitespace() {
            longest = longest.max(run);
        }
        before = Some(c);
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_oddity_is_seen_and_plain_texts_are_not() {
        for (text, expected) in [
            ("caf\u{fffd}", Oddity::ReplacementCharacter),
            ("cafÃ©", Oddity::Mojibake),
            ("itâ€™s late", Oddity::Mojibake),
            ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", Oddity::Mojibake),
            ("5Â\u{a0}km", Oddity::Mojibake),
            ("a\u{0}b", Oddity::ControlCharacters),
            ("a<br/>b", Oddity::Html),
            ("see <a href=\"x\">this</a>", Oddity::Html),
            ("fish &amp; chips", Oddity::Html),
            ("it&#39;s", Oddity::Html),
            ("?!… —", Oddity::OnlyPunctuation),
            ("noooooooooooooooooooooo", Oddity::Repetition),
        ] {
            assert_eq!(oddities(text), [expected], "{text}");
        }
        for text in [
            "São Paulo, Ångström, naïve café – “quoted” it’s 5 €",
            "a < b and c > d & e; <3",
            "if x<a then y&z;",
            "tab\tand\nline",
            "привет, как дела?",
            "GARÇON À LA PÂTE",
            "الطلب لم يصل",
        ] {
            assert_eq!(oddities(text), [], "{text}");
        }
    }

    #[test]
    fn lengths_are_judged_by_the_others() {
        let mut seen = Oddities::default();
        (0..9).for_each(|_| seen.add("ten chars."));
        seen.add(&"a b ".repeat(300));
        let findings = seen.findings(Split::Train);
        assert_eq!((findings.len(), findings[0].rows[0].row.row), (1, 9));
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    proptest! {
        #[test]
        fn any_text_can_be_looked_at(text in "\\PC{0,30}|[<&;#/a-f Ââ€]{0,20}") {
            oddities(&text);
        }

        #[test]
        fn utf8_read_as_latin_1_is_seen(text in "[a-z ]{0,5}[à-ü][a-z ]{0,5}") {
            let read: String = text.bytes().map(char::from).collect();
            prop_assert!(oddities(&read).contains(&Oddity::Mojibake), "{}", read);
        }
    }
}
