//! Agreement of answers where some questions have none, as SQuAD 2.0 counts it.
//!
//! A model gives each question a text, and a probability (or any number that grows with one) that it has no answer.
//! Above a threshold the question counts as called unanswerable, which is right or wrong; else its text is compared as
//! in [`AnswerScores`](crate::AnswerScores), where the only answer to an unanswerable question is the empty text. From
//! P. Rajpurkar, R. Jia and P. Liang, "Know what you don't know: unanswerable questions for SQuAD" (2018), and its
//! script `evaluate-v2.0.py`.

use serde::{Deserialize, Serialize};

use crate::answers::{NoWords, best_scores, normalize_answer};
use crate::checks::finite;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// One record for each question, as the best threshold depends on them all: the state is of the order of n.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UnanswerableScores {
    questions: Vec<Question>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Question {
    has_answer: bool,
    empty_prediction: bool,
    no_answer: f64,
    exact: f64,
    f1: f64,
}

/// Which questions are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Questions {
    /// All.
    All,
    /// Those that have an answer.
    Answerable,
    /// Those that have none.
    Unanswerable,
}

/// What is measured of some questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AnswerMeasures {
    /// The share of questions that are right.
    pub exact_match: f64,
    /// F1 of the words, averaged over questions.
    pub f1: f64,
    /// The number of questions.
    pub questions: usize,
}

/// A threshold, and the measure with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoAnswerThreshold {
    /// Questions above it count as called unanswerable.
    pub threshold: f64,
    /// The measure.
    pub value: f64,
}

impl UnanswerableScores {
    /// Scores of nothing yet.
    pub fn new() -> Self {
        UnanswerableScores::default()
    }

    /// Adds the prediction for one question. A question without answers is unanswerable; an answer that is empty once
    /// normalised is ignored where there are others.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotFinite`]; nothing is added then.
    pub fn update<T: AsRef<str>>(
        &mut self,
        answers: &[T],
        prediction: &str,
        no_answer: f64,
    ) -> Result<(), MetricError> {
        finite("the probability of no answer", no_answer)?;
        let normalized = answers.iter().map(|answer| normalize_answer(answer.as_ref()));
        let mut texts: Vec<String> = normalized.filter(|answer| !answer.is_empty()).collect();
        if texts.is_empty() {
            texts.push(String::new());
        }
        let (exact, f1) = best_scores(&texts, prediction, NoWords::AgreeWithEachOther);
        let has_answer = !answers.is_empty();
        let empty_prediction = prediction.is_empty();
        self.questions.push(Question { has_answer, empty_prediction, no_answer, exact, f1 });
        Ok(())
    }

    /// Adds what another has seen, after what this has.
    pub fn merge(&mut self, other: &UnanswerableScores) {
        self.questions.extend_from_slice(&other.questions);
    }

    /// Those of these questions alone, in the order in which they were added, each as often as it is named: for
    /// resamples.
    ///
    /// # Panics
    ///
    /// If there is no such question.
    pub fn select(&self, questions: &[usize]) -> Self {
        Self { questions: questions.iter().map(|question| self.questions[*question]).collect() }
    }

    /// The number of questions seen.
    pub fn questions(&self) -> usize {
        self.questions.len()
    }

    /// The measures with a threshold. (The script's is 1, which calls nothing unanswerable where probabilities are
    /// given.)
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] where there are no such questions; [`MetricError::NotFinite`] of the threshold.
    pub fn measures(&self, which: Questions, threshold: f64) -> Result<AnswerMeasures, MetricError> {
        finite("the threshold", threshold)?;
        let (mut exact, mut f1, mut questions) = (CompensatedSum::default(), CompensatedSum::default(), 0);
        for question in &self.questions {
            match (which, question.has_answer) {
                (Questions::Answerable, false) | (Questions::Unanswerable, true) => continue,
                _ => questions += 1,
            }
            let called_unanswerable = question.no_answer > threshold;
            let right = if question.has_answer { 0.0 } else { 1.0 };
            exact.add(if called_unanswerable { right } else { question.exact });
            f1.add(if called_unanswerable { right } else { question.f1 });
        }
        match questions {
            0 => Err(MetricError::Empty { measure: "agreement of answers" }),
            _ => Ok(AnswerMeasures {
                exact_match: exact.value() / questions as f64,
                f1: f1.value() / questions as f64,
                questions,
            }),
        }
    }

    /// The threshold with the best exact match.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn best_exact_match(&self) -> Result<NoAnswerThreshold, MetricError> {
        self.best("the best exact match", |question| question.exact)
    }

    /// The threshold with the best F1.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`].
    pub fn best_f1(&self) -> Result<NoAnswerThreshold, MetricError> {
        self.best("the best F1", |question| question.f1)
    }

    /// The search of the script. It begins with every question called unanswerable and takes them back one by one, the
    /// least probable first, and among equals in the order in which they were added: the value is that between two of
    /// these steps, so equals may be divided as no threshold can. A text that is not empty counts as wrong for an
    /// unanswerable question even where nothing of it is left once normalised. The threshold is 0 where no step is
    /// better than the start.
    fn best(&self, measure: &'static str, score: impl Fn(&Question) -> f64) -> Result<NoAnswerThreshold, MetricError> {
        if self.questions.is_empty() {
            return Err(MetricError::Empty { measure });
        }
        let mut sorted: Vec<&Question> = self.questions.iter().collect(); // [n]
        // No number here is NaN, and −0 equals 0.
        sorted.sort_by(|a, b| (a.no_answer + 0.0).total_cmp(&(b.no_answer + 0.0)));
        // A plain sum: which of two steps that are equal but for rounding is the better is then the script's choice.
        let mut now = self.questions.iter().filter(|question| !question.has_answer).count() as f64;
        let mut best = NoAnswerThreshold { threshold: 0.0, value: now };
        for question in sorted {
            now += match (question.has_answer, question.empty_prediction) {
                (true, _) => score(question),
                (false, true) => 0.0,
                (false, false) => -1.0,
            };
            if now > best.value {
                best = NoAnswerThreshold { threshold: question.no_answer, value: now };
            }
        }
        best.value /= self.questions.len() as f64;
        Ok(best)
    }
}
