//! Candidates and answers from logits.

use retune_data::{AnswerOptions, WindowAnswers, decode_answer};
use serde::Deserialize;

use crate::windows::{Case, Question};
use crate::*;

#[derive(Deserialize)]
struct Answers {
    seed: usize,
    options: (bool, usize, usize, f32),
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
    null_score_diff: Option<f32>,
    texts: Vec<String>,
    scores: Vec<f32>,
    probabilities: Vec<f64>,
}

/// The formula of `generate.py`.
fn logits(length: usize, seed: usize) -> Vec<f32> {
    (0..length).map(|place| ((place * 37 + seed * 101) % 23) as f32 / 4.0 - 2.75).collect()
}

#[test]
fn candidates_and_answers_equal_the_reference() {
    let asked: Vec<Question> = golden("questions");
    let windows = &golden::<Vec<Case>>("windows")[0].windows;
    let (mut unanswered, mut empty) = (0, 0);
    for case in golden::<Vec<Answers>>("answers") {
        let (version_2_with_negative, n_best_size, max_answer_length, null_score_diff_threshold) = case.options;
        let options =
            AnswerOptions { n_best_size, max_answer_length, version_2_with_negative, null_score_diff_threshold };
        for (index, expected) in case.answers.iter().enumerate() {
            let of_example = windows.iter().filter(|window| window.example == index).enumerate();
            let candidates: Vec<WindowAnswers> = of_example
                .map(|(row, window)| {
                    let length = window.offsets.len();
                    let (starts, ends) = (logits(length, case.seed + row), logits(length, 3 * case.seed + 7 + row));
                    WindowAnswers::new(&window.offsets, &starts, &ends, &options)
                })
                .collect();
            let found = decode_answer(&asked[index].context, &candidates, &options);
            let name = format!("{options:?}, example {index}");
            assert_eq!(found.text, expected.answer, "{name}");
            assert_eq!(found.null_score_diff, expected.null_score_diff, "{name}");
            let texts: Vec<&str> = found.n_best.iter().map(|candidate| candidate.text.as_str()).collect();
            assert_eq!(texts, expected.texts, "{name}");
            let scores: Vec<f32> = found.n_best.iter().map(|candidate| candidate.score).collect();
            assert_eq!(scores, expected.scores, "{name}");
            for (candidate, probability) in found.n_best.iter().zip(&expected.probabilities) {
                assert!((candidate.probability - probability).abs() < 1e-6, "{name}");
            }
            let letters: Vec<char> = asked[index].context.chars().collect();
            for (text, span) in found.n_best.iter().map(|candidate| (&candidate.text, &candidate.span)) {
                let of_span = span.clone().map(|span| letters[span].iter().collect::<String>());
                assert!(of_span.as_ref() == Some(text) || ["", "empty"].contains(&text.as_str()), "{name}");
            }
            unanswered += usize::from(expected.answer.is_empty());
            empty += usize::from(expected.answer == "empty");
        }
    }
    assert!(unanswered > 3 && empty > 3, "{unanswered} {empty}");
}

#[test]
fn not_a_number_and_no_logits_do_no_harm() {
    let options = AnswerOptions { version_2_with_negative: true, ..AnswerOptions::default() };
    let offsets = [None, Some((0, 1)), Some((2, 3))];
    let window = WindowAnswers::new(&offsets, &[f32::NAN; 3], &[f32::NAN; 3], &options);
    assert_eq!(decode_answer("a b", &[window], &options).n_best.len(), 4);
    let window = WindowAnswers::new(&[], &[], &[], &options);
    assert_eq!(decode_answer("", &[window], &options).n_best.len(), 2);
    assert_eq!(decode_answer("", &[], &options).text, "empty");
}
