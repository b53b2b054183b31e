//! In which script a text is written.

use serde::Serialize;

/// Scripts that are told apart; those of few texts are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Script {
    /// English, German, Vietnamese …
    Latin,
    /// Greek.
    Greek,
    /// Russian, Ukrainian, Bulgarian …
    Cyrillic,
    /// Arabic, Persian, Urdu.
    Arabic,
    /// Hebrew.
    Hebrew,
    /// Hindi, Bengali, Tamil and other scripts of India.
    Indic,
    /// Thai, Lao, Khmer and Burmese.
    SoutheastAsian,
    /// Chinese characters.
    Han,
    /// Hiragana and katakana.
    Kana,
    /// Korean.
    Hangul,
    /// Any other letters.
    Other,
    /// No letters at all.
    None,
}

impl Script {
    /// How many scripts there are.
    pub const COUNT: usize = 12;

    /// The script of a letter; [`Script::None`] of what is none. By blocks of Unicode.
    pub fn of(c: char) -> Self {
        match c {
            c if !c.is_alphabetic() => Self::None,
            '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}' => {
                Self::Latin
            }
            '\u{ff21}'..='\u{ff5a}' | '\u{250}'..='\u{2af}' => Self::Latin,
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Self::Greek,
            '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => {
                Self::Cyrillic
            }
            '\u{590}'..='\u{5ff}' | '\u{fb1d}'..='\u{fb4f}' => Self::Hebrew,
            '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' => Self::Arabic,
            '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => Self::Arabic,
            '\u{900}'..='\u{dff}' => Self::Indic,
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Self::SoutheastAsian,
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}' => Self::Hangul,
            '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => Self::Kana,
            '\u{2e80}'..='\u{2fdf}' | '\u{3005}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => Self::Han,
            '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' => Self::Han,
            _ => Self::Other,
        }
    }

    /// The script of most letters of a text, the first of several.
    pub fn of_text(text: &str) -> Self {
        let mut counts = [0_usize; Self::COUNT];
        text.chars().for_each(|c| counts[Self::of(c) as usize] += 1);
        counts[Self::None as usize] = 0;
        let best = Self::ALL.iter().rev().max_by_key(|script| counts[**script as usize]);
        best.copied().filter(|script| counts[*script as usize] > 0).unwrap_or(Self::None)
    }

    /// Whether words are written with spaces between them.
    pub fn has_spaces(self) -> bool {
        !matches!(self, Self::Han | Self::Kana | Self::SoutheastAsian)
    }

    /// All scripts, in their order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Latin,
        Self::Greek,
        Self::Cyrillic,
        Self::Arabic,
        Self::Hebrew,
        Self::Indic,
        Self::SoutheastAsian,
        Self::Han,
        Self::Kana,
        Self::Hangul,
        Self::Other,
        Self::None,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latin => "Latin",
            Self::Greek => "Greek",
            Self::Cyrillic => "Cyrillic",
            Self::Arabic => "Arabic",
            Self::Hebrew => "Hebrew",
            Self::Indic => "Indic",
            Self::SoutheastAsian => "Southeast Asian",
            Self::Han => "Han",
            Self::Kana => "Kana",
            Self::Hangul => "Hangul",
            Self::Other => "another script",
            Self::None => "no letters",
        }
    }
}

/// How many words a text has: runs without white space that hold a letter or a digit, and of scripts without spaces
/// every letter.
pub fn words(text: &str) -> usize {
    let of_run = |run: &str| {
        let apart = run.chars().filter(|c| !Script::of(*c).has_spaces()).count();
        let spaced = run.chars().any(|c| c.is_alphanumeric() && Script::of(c).has_spaces());
        apart + usize::from(spaced)
    };
    text.split_whitespace().map(of_run).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_words() {
        for (text, script, count) in [
            ("Straße, 7 km", Script::Latin, 3),
            ("не работает!", Script::Cyrillic, 2),
            ("订单在哪里", Script::Han, 5),
            ("ありがとう", Script::Kana, 5),
            ("주문이 왔어요", Script::Hangul, 2),
            ("أين الطلب", Script::Arabic, 2),
            ("कहाँ है", Script::Indic, 2),
            ("ที่ไหน", Script::SoutheastAsian, 4),
            ("12 - ?", Script::None, 1),
            ("", Script::None, 0),
        ] {
            assert_eq!(Script::of_text(text), script, "{text}");
            if script != Script::SoutheastAsian {
                assert_eq!(words(text), count, "{text}");
            }
        }
        assert!(Script::ALL.iter().enumerate().all(|(place, script)| *script as usize == place));
    }
}
