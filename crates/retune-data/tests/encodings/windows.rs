//! Windows over contexts, their offsets and the positions of answers.

use std::ops::Range;

use serde::Deserialize;

use crate::*;

#[derive(Deserialize)]
pub struct Question {
    pub question: String,
    pub context: String,
    pub answer: Option<(usize, usize)>,
}

#[derive(Deserialize)]
pub struct Case {
    pub tokenizer: String,
    pub max_length: usize,
    pub stride: usize,
    pub windows: Vec<Window>,
}

#[derive(Deserialize)]
pub struct Window {
    pub example: usize,
    pub input_ids: Vec<u32>,
    pub offsets: Vec<Option<(u32, u32)>>,
    pub positions: (usize, usize),
}

#[test]
fn windows_offsets_and_positions_equal_the_reference() {
    let asked: Vec<Question> = golden("questions");
    let cases: Vec<Case> = golden("windows");
    let (mut answered, mut far) = (0, 0);
    for case in &cases {
        let count = case.windows.last().expect("a window").example + 1;
        let asked = &asked[..count];
        let questions: Vec<String> = asked.iter().map(|asked| asked.question.clone()).collect();
        let contexts: Vec<String> = asked.iter().map(|asked| asked.context.clone()).collect();
        let answers: Vec<Option<Range<usize>>> =
            asked.iter().map(|asked| asked.answer.map(|(start, end)| start..end)).collect();
        // A maximal length of its own, which must not count.
        let tokenizer = tokenizer(&case.tokenizer, 16);
        let found = tokenizer.encode_windows(&questions, &contexts, case.max_length, case.stride).unwrap();
        let examples: Vec<usize> = case.windows.iter().map(|window| window.example).collect();
        assert_eq!(found.examples, examples);
        let positions = found.answer_positions(&answers);
        for (row, window) in case.windows.iter().enumerate() {
            let name = format!("{} of {}, window {row}", case.tokenizer, case.max_length);
            assert_eq!(sequence(&found.tokenized, row), window.input_ids, "{name}");
            assert_eq!(found.offsets_of(row), window.offsets, "{name}");
            assert_eq!(positions[row], window.positions, "{name}");
            answered += usize::from(window.positions != (0, 0));
            far += usize::from(row > 0 && examples[row - 1] == window.example && window.positions != (0, 0));
        }
    }
    // The fixture is worth something only where answers stand in windows, and not all in the first.
    assert!(answered > 20 && far > 5, "{answered} {far}");
}

#[test]
fn every_question_without_room_is_counted() {
    let text = |text: &str| vec!["ba".to_owned(), text.to_owned(), text.to_owned()];
    let tokenizer = tokenizer("word_piece", 512);
    let (questions, contexts) = (text("ba lo ta ke"), text("ba lo ta ke ba lo"));
    let encoded = tokenizer.encode_windows(&questions, &contexts, 10, 2).unwrap();
    assert_eq!(encoded.examples, [0, 1, 1, 1, 1, 2, 2, 2, 2]);
    let error = tokenizer.encode_windows(&questions, &contexts, 9, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "example 1 (from 0): the question of 4 tokens and 3 special ones leave 2 of 9 tokens for the context, and \
         neighbouring windows share 2 (and 1 more row); raise the maximal length to at least 10, lower the stride, \
         or shorten the question"
    );
}
