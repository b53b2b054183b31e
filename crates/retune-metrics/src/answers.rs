//! Agreement of an answer's text with the answers that people gave, as SQuAD counts it.
//!
//! Both texts are normalised: lower case, then without ASCII punctuation, then without the words a, an and the, then
//! with one space between words. The exact match is 1 where the texts are then equal; F1 is that of the words as bags,
//! 2 · |common| / (|words of one| + |words of the other|). Of several answers the best counts. The rules are those of
//! the scripts `evaluate-v1.1.py` and `evaluate-v2.0.py` beside the data of P. Rajpurkar, J. Zhang, K. Lopyrev and P.
//! Liang, "SQuAD: 100,000+ questions for machine comprehension of text" (2016). One deviation: an article that a
//! combining vowel sign or a circled letter touches is part of a longer word here, and stands alone there.
//!
//! Measures here are shares from 0 to 1; the scripts print a hundred times as much.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// The text in lower case, without ASCII punctuation, articles and surplus white space.
pub fn normalize_answer(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower.chars().filter(|letter| !letter.is_ascii_punctuation()).collect();
    let mut without_articles = String::with_capacity(kept.len());
    let mut word = String::new();
    // The last space ends the last word.
    for letter in kept.chars().chain([' ']) {
        if letter.is_alphanumeric() {
            word.push(letter);
            continue;
        }
        without_articles.push_str(if matches!(word.as_str(), "a" | "an" | "the") { " " } else { &word });
        word.clear();
        without_articles.push(letter);
    }
    let words: Vec<&str> = without_articles.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// White space as Python has it: Unicode's, and the four separators of ASCII.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// What F1 is where a text has no words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoWords {
    /// 0, as in version 1.1.
    NeverAgree,
    /// 1 where neither has any and 0 otherwise, as in version 2.
    AgreeWithEachOther,
}

/// The best exact match and the best F1 of a prediction among the answers; zeros where there are none.
pub(crate) fn best_scores(answers: &[String], prediction: &str, no_words: NoWords) -> (f64, f64) {
    let prediction = normalize_answer(prediction);
    let scores = answers
        .iter()
        .map(|answer| (if *answer == prediction { 1.0 } else { 0.0 }, words_f1(answer, &prediction, no_words)));
    scores.fold((0.0, 0.0), |(exact, f1): (f64, f64), more| (exact.max(more.0), f1.max(more.1)))
}

/// F1 of the words of two texts that are normalised.
fn words_f1(answer: &str, prediction: &str, no_words: NoWords) -> f64 {
    if answer.is_empty() || prediction.is_empty() {
        let agree = no_words == NoWords::AgreeWithEachOther && answer == prediction;
        return if agree { 1.0 } else { 0.0 };
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    let (mut common, mut answer_words, mut prediction_words) = (0, 0, 0);
    for word in answer.split(' ') {
        *left.entry(word).or_default() += 1;
        answer_words += 1;
    }
    for word in prediction.split(' ') {
        prediction_words += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    // The order of operations is the scripts', whose search for a threshold compares sums of these exactly.
    let precision = f64::from(common) / f64::from(prediction_words);
    let recall = f64::from(common) / f64::from(answer_words);
    2.0 * precision * recall / (precision + recall)
}

/// Exact match and F1 of SQuAD 1.1, where every question has an answer. Of constant size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerScores {
    questions: u64,
    exact: u64,
    f1: CompensatedSum,
}

impl AnswerScores {
    /// Scores of nothing yet.
    pub fn new() -> Self {
        AnswerScores::default()
    }

    /// Adds the prediction for one question that has these answers.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there are no answers; nothing is added then.
    pub fn update<T: AsRef<str>>(&mut self, answers: &[T], prediction: &str) -> Result<(), MetricError> {
        if answers.is_empty() {
            return Err(MetricError::OutOfRange {
                quantity: "the number of answers to a question",
                value: 0.0,
                expected: "at least 1",
            });
        }
        let answers: Vec<String> = answers.iter().map(|answer| normalize_answer(answer.as_ref())).collect();
        let (exact, f1) = best_scores(&answers, prediction, NoWords::NeverAgree);
        self.questions += 1;
        self.exact += u64::from(exact == 1.0);
        self.f1.add(f1);
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &AnswerScores) {
        self.questions += other.questions;
        self.exact += other.exact;
        self.f1.merge(&other.f1);
    }

    /// The number of questions seen.
    pub fn questions(&self) -> u64 {
        self.questions
    }

    /// The share of questions whose prediction is an answer.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn exact_match(&self) -> Result<f64, MetricError> {
        Ok(self.exact as f64 / self.count("exact match")?)
    }

    /// F1 of the words, averaged over questions.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn f1(&self) -> Result<f64, MetricError> {
        Ok(self.f1.value() / self.count("F1 of answers")?)
    }

    fn count(&self, measure: &'static str) -> Result<f64, MetricError> {
        match self.questions {
            0 => Err(MetricError::Empty { measure }),
            questions => Ok(questions as f64),
        }
    }
}
