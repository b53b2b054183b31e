//! What the user should know of a data set.

use std::fmt;

/// Something that the user should know, with the numbers that it is about. Of the pieces of a data set they add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A sentence in which `{}` stands for each number.
    words: &'static str,
    numbers: Vec<usize>,
}

impl Note {
    /// A sentence and, in order, the numbers in it, of which the first says how often it is the case.
    pub fn new(words: &'static str, numbers: impl Into<Vec<usize>>) -> Self {
        Self { words, numbers: numbers.into() }
    }

    /// Whether it is ever the case.
    pub fn is_due(&self) -> bool {
        self.numbers.first().is_some_and(|count| *count > 0)
    }

    /// Adds what is known of a further piece of the same data set.
    pub fn add(notes: &mut Vec<Self>, more: Vec<Self>) {
        for note in more {
            match notes.iter_mut().find(|known| known.words == note.words) {
                Some(known) => known.numbers.iter_mut().zip(note.numbers).for_each(|(sum, number)| *sum += number),
                None => notes.push(note),
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.numbers.iter();
        for (place, words) in self.words.split("{}").enumerate() {
            if place > 0 {
                numbers.next().map_or(Ok(()), |number| number.fmt(f))?;
            }
            f.write_str(words)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up() {
        let cut = |cut, all| Note::new("{} of {} texts are cut", [cut, all]);
        let mut notes = Vec::new();
        Note::add(&mut notes, vec![cut(0, 10), Note::new("{} are odd", [3])]);
        assert_eq!(notes.iter().map(Note::is_due).collect::<Vec<_>>(), [false, true]);
        Note::add(&mut notes, vec![cut(2, 10), Note::new("{} are even", [1])]);
        let said: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["2 of 20 texts are cut", "3 are odd", "1 are even"]);
    }
}
