//! Where the answers of extractive question answering stand in their contexts, for files that give only their texts.

/// Where a text stands in another. Starts count characters (Unicode code points) from 0, as `answer_start` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// In one place.
    Once {
        /// Where it begins.
        start: usize,
    },
    /// In several places, of which the right one is not known.
    Several {
        /// Where the first begins.
        first: usize,
        /// How many there are; they may overlap.
        times: usize,
    },
    /// Nowhere.
    Never,
}

impl Occurrence {
    /// Where the first begins, if there is any.
    pub fn first(self) -> Option<usize> {
        match self {
            Occurrence::Once { start } => Some(start),
            Occurrence::Several { first, .. } => Some(first),
            Occurrence::Never => None,
        }
    }

    /// Where the only one begins, if there is one only.
    pub fn unique(self) -> Option<usize> {
        match self {
            Occurrence::Once { start } => Some(start),
            Occurrence::Several { .. } | Occurrence::Never => None,
        }
    }
}

/// Finds `answer` in `context`, letter by letter. The empty answer occurs nowhere.
pub fn find_answer(context: &str, answer: &str) -> Occurrence {
    let Some(letter) = answer.chars().next() else { return Occurrence::Never };
    let mut times = 0;
    let mut first = 0;
    let mut from = 0;
    while let Some(found) = context[from..].find(answer) {
        if times == 0 {
            first = from + found;
        }
        times += 1;
        from += found + letter.len_utf8();
    }
    // Only the first one's letters are counted, so that many occurrences cost one pass.
    let start = context[..first].chars().count();
    match times {
        0 => Occurrence::Never,
        1 => Occurrence::Once { start },
        times => Occurrence::Several { first: start, times },
    }
}

/// The answers of a data set, found in their contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundAnswers {
    /// Where each stands, in the order in which they were asked for.
    pub occurrences: Vec<Occurrence>,
    /// Answers that occur in one place.
    pub once: usize,
    /// Answers that occur in several places.
    pub several: usize,
    /// Answers that occur nowhere.
    pub never: usize,
}

/// Finds each answer in its context, as [`find_answer`] does, and counts.
pub fn find_answers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> FoundAnswers {
    let mut found = FoundAnswers::default();
    for (context, answer) in pairs {
        let occurrence = find_answer(context, answer);
        match occurrence {
            Occurrence::Once { .. } => found.once += 1,
            Occurrence::Several { .. } => found.several += 1,
            Occurrence::Never => found.never += 1,
        }
        found.occurrences.push(occurrence);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn starts_count_characters_and_overlaps_count() {
        assert_eq!(find_answer("Zoë était là", "là"), Occurrence::Once { start: 10 });
        assert_eq!(find_answer("banana", "ana"), Occurrence::Several { first: 1, times: 2 });
        assert_eq!(find_answer("éééé", "éé"), Occurrence::Several { first: 0, times: 3 });
        assert_eq!(find_answer("Denver", "denver"), Occurrence::Never);
        assert_eq!((find_answer("a", ""), find_answer("", "a")), (Occurrence::Never, Occurrence::Never));
        let found = find_answers([("a b", "b"), ("aa", "a"), ("a", "b"), ("b", "b")]);
        assert_eq!((found.once, found.several, found.never), (2, 1, 1));
        let firsts: Vec<_> = found.occurrences.iter().map(|occurrence| occurrence.first()).collect();
        assert_eq!(firsts, [Some(2), Some(0), None, Some(0)]);
        assert_eq!((found.occurrences[0].unique(), found.occurrences[1].unique()), (Some(2), None));
    }

    proptest! {
        #[test]
        fn equals_looking_at_every_place(context in "[aé]{0,12}", answer in "[aé]{1,3}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let (place, wanted) = (letters(&context), letters(&answer));
            let starts: Vec<usize> = (0..place.len()).filter(|&start| place[start..].starts_with(&wanted)).collect();
            let expected = match starts[..] {
                [] => Occurrence::Never,
                [start] => Occurrence::Once { start },
                [first, ..] => Occurrence::Several { first, times: starts.len() },
            };
            prop_assert_eq!(find_answer(&context, &answer), expected);
        }
    }
}
