//! Logits of windows → the answer of an example, for extractive question answering.
//!
//! Equals `postprocess_qa_predictions` of Transformers' `utils_qa.py`, in two steps, so that an evaluation need not keep
//! logits: [`WindowAnswers`] keeps the best candidates of a window, [`decode_answer`] chooses among those of an example.
//!
//! A candidate begins at one of the `n_best_size` tokens of greatest start logit and ends at one of as many of greatest
//! end logit; both are of the context, the end is not before the start, and it has at most `max_answer_length` tokens.
//! Its score is the sum of the two, in float32. The score of no answer is that of the first token of a window, and of an
//! example the least over its windows. Probabilities are the softmax over the candidates that are kept.
//!
//! Of equal logits the later token comes first, and of equal scores the candidate that came first: as NumPy's `argsort`
//! read from the end, where it is stable (it need not be in arrays of more than 16), and as Python's `sorted`.

use std::cmp::Ordering;
use std::ops::Range;

/// How answers are chosen. The names and the defaults are those of `run_qa.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerOptions {
    /// How many starts and ends are tried, and how many candidates of an example are kept.
    pub n_best_size: usize,
    /// The most tokens that an answer may have.
    pub max_answer_length: usize,
    /// Whether there may be no answer, as in SQuAD 2.0.
    pub version_2_with_negative: bool,
    /// There is no answer where its score exceeds that of the best answer by more than this.
    pub null_score_diff_threshold: f32,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { n_best_size: 20, max_answer_length: 30, version_2_with_negative: false, null_score_diff_threshold: 0.0 }
    }
}

/// The best candidates of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowAnswers {
    candidates: Vec<Scored>,
    null: Scored,
}

/// A candidate before its text is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scored {
    /// Characters of the context; `(0, 0)` is no answer.
    offsets: (u32, u32),
    start_logit: f32,
    end_logit: f32,
}

/// An answer that was considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The text; empty where it is no answer.
    pub text: String,
    /// The characters (Unicode code points) of the context that it is. `None` for no answer, and for the `empty` of
    /// [`decode_answer`].
    pub span: Option<Range<usize>>,
    /// The sum of the two logits.
    pub score: f32,
    /// The logit of the first token as start.
    pub start_logit: f32,
    /// The logit of the last token as end.
    pub end_logit: f32,
    /// The share of this candidate among those that were kept, from 0 to 1.
    pub probability: f64,
}

/// The answer of one example.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedAnswer {
    /// What is answered: one of `n_best`, or the empty text.
    pub text: String,
    /// The characters (Unicode code points) of the context that it is; `None` where there is no answer.
    pub span: Option<Range<usize>>,
    /// The candidates, the best first. The answer that there is none stands last where its score is not among the best.
    pub n_best: Vec<Candidate>,
    /// The score of no answer less that of the best answer, with `version_2_with_negative`.
    pub null_score_diff: Option<f32>,
}

impl WindowAnswers {
    /// From the offsets of a window's tokens (see `Windows::offsets_of`) and the logits of each, `[t]` each. Logits
    /// beyond the offsets, of padding, count among the greatest but give no candidate.
    pub fn new(
        offsets: &[Option<(u32, u32)>],
        start_logits: &[f32],
        end_logits: &[f32],
        options: &AnswerOptions,
    ) -> Self {
        let place = |position: usize| offsets.get(position).copied().flatten();
        let ends = greatest(end_logits, options.n_best_size);
        let mut candidates = Vec::new();
        for start in greatest(start_logits, options.n_best_size) {
            let Some((first, _)) = place(start) else { continue };
            for &end in &ends {
                let Some((_, last)) = place(end) else { continue };
                if end >= start && end - start < options.max_answer_length {
                    let (start_logit, end_logit) = (start_logits[start], end_logits[end]);
                    candidates.push(Scored { offsets: (first, last), start_logit, end_logit });
                }
            }
        }
        keep_best(&mut candidates, options.n_best_size);
        let first = |logits: &[f32]| logits.first().copied().unwrap_or(f32::NEG_INFINITY);
        let null = Scored { offsets: (0, 0), start_logit: first(start_logits), end_logit: first(end_logits) };
        Self { candidates, null }
    }
}

impl Scored {
    fn score(&self) -> f32 {
        self.start_logit + self.end_logit
    }
}

/// Chooses the answer of one example from all of its windows, in their order.
///
/// Where no window has a candidate, or there is but one and it is empty, a candidate of the text `empty` and the scores
/// 0 stands before it, as in `utils_qa.py`, so that there is always one to compare with no answer. Where there are
/// several and all are empty, which fails there, it stands behind them.
pub fn decode_answer(context: &str, windows: &[WindowAnswers], options: &AnswerOptions) -> DecodedAnswer {
    let mut kept: Vec<Scored> = windows.iter().flat_map(|window| &window.candidates).copied().collect();
    // The first of the least.
    let null = windows.iter().map(|window| window.null).reduce(|least, null| match least.score() > null.score() {
        true => null,
        false => least,
    });
    let null = null.filter(|_| options.version_2_with_negative);
    kept.extend(null);
    keep_best(&mut kept, options.n_best_size);
    if let Some(null) = null.filter(|_| !kept.iter().any(|candidate| candidate.offsets == (0, 0))) {
        kept.push(null);
    }

    let mut n_best = with_texts(context, &kept);
    if n_best.iter().all(|candidate| candidate.text.is_empty()) {
        let at = if n_best.len() < 2 { 0 } else { n_best.len() };
        n_best.insert(at, Candidate::empty());
    }
    set_probabilities(&mut n_best);

    let best = match options.version_2_with_negative {
        true => n_best.iter().find(|candidate| !candidate.text.is_empty()),
        false => n_best.first(),
    };
    let null_score_diff = null.zip(best).map(|(null, best)| null.score() - best.start_logit - best.end_logit);
    let is_unanswerable = null_score_diff.is_some_and(|diff| diff > options.null_score_diff_threshold);
    let answer = best.filter(|_| !is_unanswerable);
    DecodedAnswer {
        text: answer.map(|answer| answer.text.clone()).unwrap_or_default(),
        span: answer.and_then(|answer| answer.span.clone()),
        null_score_diff,
        n_best,
    }
}

impl Candidate {
    fn empty() -> Self {
        Self { text: "empty".into(), span: None, score: 0.0, start_logit: 0.0, end_logit: 0.0, probability: 0.0 }
    }
}

/// The positions of the greatest numbers, the greatest first; NaN counts as the greatest, as for NumPy.
fn greatest(numbers: &[f32], count: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..numbers.len()).rev().collect();
    positions.sort_by(|&left, &right| descending(numbers[left], numbers[right]));
    positions.truncate(count);
    positions
}

fn keep_best(candidates: &mut Vec<Scored>, count: usize) {
    candidates.sort_by(|left, right| descending(left.score(), right.score()));
    candidates.truncate(count);
}

fn descending(left: f32, right: f32) -> Ordering {
    right.partial_cmp(&left).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

/// Looks the texts up, with one pass over the context.
fn with_texts(context: &str, kept: &[Scored]) -> Vec<Candidate> {
    let mut bytes: Vec<usize> = context.char_indices().map(|(byte, _)| byte).collect();
    bytes.push(context.len());
    let letters = bytes.len() - 1;
    let candidate = |scored: &Scored| {
        let (start, end) = (scored.offsets.0 as usize, (scored.offsets.1 as usize).min(letters));
        let span = (start < end).then_some(start..end);
        let text = span.as_ref().map_or("", |span| &context[bytes[span.start]..bytes[span.end]]);
        let (start_logit, end_logit) = (scored.start_logit, scored.end_logit);
        Candidate { text: text.to_owned(), span, score: scored.score(), start_logit, end_logit, probability: 0.0 }
    };
    kept.iter().map(candidate).collect()
}

/// Softmax of the scores.
fn set_probabilities(candidates: &mut [Candidate]) {
    let greatest = candidates.iter().map(|candidate| candidate.score).fold(f32::NEG_INFINITY, f32::max);
    for candidate in &mut *candidates {
        candidate.probability = f64::from(candidate.score - greatest).exp();
    }
    let sum: f64 = candidates.iter().map(|candidate| candidate.probability).sum();
    for candidate in candidates {
        candidate.probability /= sum;
    }
}
