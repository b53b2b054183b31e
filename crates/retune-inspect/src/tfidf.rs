//! Counts of words weighed by how rare they are, as scikit-learn's `TfidfVectorizer` with its defaults.
//!
//! A word is two or more word characters (`\b\w\w+\b`), in lower case. A row's value for a term t that occurs f times
//! in it is f · (log((1 + n) / (1 + n_t)) + 1), with n rows of which n_t have the term, and then the row is divided by
//! its Euclidean length.
//!
//! One deviation: a combining mark that Unicode calls alphabetic (vowel signs of Indic scripts) is a word character
//! here, as in every other tool, and not in Python's `re`.

use std::collections::HashMap;

use crate::features::SparseRows;
use crate::threads;

/// Which terms are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Single words.
    #[default]
    Words,
    /// Single words, and two words that follow each other.
    WordsAndPairs,
}

/// A vocabulary with the weight of each term.
#[derive(Clone, Debug)]
pub struct Tfidf {
    terms: Terms,
    /// In the order of their code points.
    vocabulary: Vec<String>,
    columns: HashMap<String, u32>,
    weights: Vec<f64>,
}

impl Tfidf {
    /// The terms that at least `minimum_rows` of the texts have.
    pub fn fit<S: AsRef<str> + Sync>(texts: &[S], terms: Terms, minimum_rows: usize) -> Self {
        let mut rows_with: HashMap<String, u32> = HashMap::new();
        for counts in threads::map_items(texts, |text| counts(text.as_ref(), terms)) {
            for term in counts.into_keys() {
                *rows_with.entry(term).or_insert(0) += 1;
            }
        }
        let mut kept: Vec<(String, u32)> =
            rows_with.into_iter().filter(|(_, rows)| *rows as usize >= minimum_rows).collect();
        kept.sort_unstable();
        let n = texts.len() as f64;
        let weights = kept.iter().map(|(_, rows)| libm::log((1.0 + n) / (1.0 + f64::from(*rows))) + 1.0).collect();
        let vocabulary: Vec<String> = kept.into_iter().map(|(term, _)| term).collect();
        let columns = vocabulary.iter().cloned().zip(0..).collect();
        Self { terms, vocabulary, columns, weights }
    }

    /// The texts as rows of weighed counts, each of length 1, or 0 where a text has none of the terms: `[n, terms]`.
    pub fn transform<S: AsRef<str> + Sync>(&self, texts: &[S]) -> SparseRows {
        let mut rows = SparseRows::of_width(self.vocabulary.len());
        threads::map_items(texts, |text| self.row(text.as_ref())).into_iter().for_each(|row| rows.push(row));
        rows
    }

    /// The terms, a column each.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    fn row(&self, text: &str) -> Vec<(u32, f64)> {
        let known = |(term, count): (String, u32)| {
            let column = *self.columns.get(&term)?;
            Some((column, f64::from(count) * self.weights[column as usize]))
        };
        let mut row: Vec<(u32, f64)> = counts(text, self.terms).into_iter().filter_map(known).collect();
        row.sort_unstable_by_key(|(column, _)| *column);
        let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        row.iter_mut().for_each(|(_, value)| *value /= length);
        row
    }
}

/// How often each term occurs in a text.
fn counts(text: &str, terms: Terms) -> HashMap<String, u32> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let mut counts = HashMap::new();
    let mut count = |term: String| *counts.entry(term).or_insert(0) += 1;
    if terms == Terms::WordsAndPairs {
        words.windows(2).for_each(|pair| count(format!("{} {}", pair[0], pair[1])));
    }
    words.into_iter().for_each(|word| count(word.to_owned()));
    counts
}

/// Runs of two or more word characters.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| word.chars().nth(1).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_characters_are_no_words() {
        let tfidf = Tfidf::fit(&["I am A_1, x-ray", "am I?"], Terms::WordsAndPairs, 1);
        assert_eq!(tfidf.vocabulary(), ["a_1", "a_1 ray", "am", "am a_1", "ray"]);
        assert_eq!(tfidf.transform(&["x y z"]).row(0).count(), 0);
        assert_eq!(Tfidf::fit(&["I am A_1, x-ray", "am I?"], Terms::Words, 2).vocabulary(), ["am"]);
    }
}
