//! Questions on contexts → windows over the contexts, for extractive question answering.
//!
//! As `run_qa.py` of Transformers: the white space before a question is dropped, a context that does not fit is cut
//! into windows, each with the whole question before it, and neighbours share `stride` tokens. Offsets count characters
//! (Unicode code points).
//!
//! One deviation: where an answer begins in the last token of its window, the search of `run_qa.py` runs on over the
//! special token behind it, whose offsets are 0, and calls that the start. Here it is the token in which the answer
//! begins.

use std::ops::Range;

use tokenizers::Encoding;

use super::{append, bare, encode_each, part, special_tokens, strip_start, surround};
use crate::error::DataError;
use crate::tokenize::{TextTokenizer, Tokenized};

/// Windows over the contexts of many examples. `n` windows, `t` tokens.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// `n` sequences, at least one of each example, in the order of the examples and of the contexts. `truncated`
    /// counts the examples of more than one window: nothing is lost.
    pub tokenized: Tokenized,
    /// The example of each window, from 0, `[n]`.
    pub examples: Vec<usize>,
    /// Which characters of its context a token stands for; `None` for those of the question and special ones, `[t]`.
    pub offsets: Vec<Option<(u32, u32)>>,
}

impl TextTokenizer {
    /// Encodes each question with windows over its context, on all cores. A window has at most `max_length` tokens with
    /// the question and the special ones, whatever the tokenizer's own maximal length is.
    ///
    /// # Errors
    ///
    /// [`DataError::WindowTooShort`] where a context does not fit and the question leaves no more than `stride` tokens
    /// for it, so that windows would not advance; [`DataError::Tokenize`] where the tokenizer has no way to write a
    /// text.
    ///
    /// # Panics
    ///
    /// If there are not as many questions as contexts: they are columns of one table.
    pub fn encode_windows(
        &self,
        questions: &[String],
        contexts: &[String],
        max_length: usize,
        stride: usize,
    ) -> Result<Windows, DataError> {
        assert_eq!(questions.len(), contexts.len(), "questions and contexts");
        let bare = bare(&self.tokenizer)?;
        let special = special_tokens(&self.tokenizer, true);
        let mut encoded_questions = Vec::with_capacity(questions.len());
        encode_each(
            &bare,
            questions,
            |question| strip_start(question).into(),
            |_, question| {
                encoded_questions.push(question);
                Ok(())
            },
        )?;

        let mut windows = Windows { ..Windows::default() };
        // The first example whose question is too long, and how many more there are.
        let mut too_long: Option<(usize, usize)> = None;
        encode_each(
            &bare,
            contexts,
            |context| context.as_str().into(),
            |example, context| {
                let question = &encoded_questions[example];
                let room = max_length.saturating_sub(special + question.len());
                if context.len() > room && room <= stride {
                    too_long = Some(too_long.map_or((example, 0), |(first, more)| (first, more + 1)));
                    return Ok(());
                }
                let ranges = window_ranges(context.len(), room, stride);
                windows.tokenized.truncated += usize::from(ranges.len() > 1);
                for range in ranges {
                    let mut context = part(&context, range);
                    context.set_type_ids(vec![1; context.len()]);
                    let window = surround(&self.tokenizer, example, question.clone(), Some(context))?;
                    windows.push(example, &window);
                }
                Ok(())
            },
        )?;
        match too_long {
            None => Ok(windows),
            Some((example, more)) => Err(DataError::WindowTooShort {
                example,
                question: encoded_questions[example].len(),
                special,
                max_length,
                stride,
                more,
            }),
        }
    }
}

impl Windows {
    /// The first and the last token of the answer, within each window (from 0), `[n]`. `answers` has for each example
    /// the characters of its context that are the answer, or `None`. Where a window does not hold the whole answer, and
    /// where there is none, both are 0, which is the token that stands for "no answer".
    ///
    /// # Panics
    ///
    /// If there are fewer answers than examples.
    pub fn answer_positions(&self, answers: &[Option<Range<usize>>]) -> Vec<(usize, usize)> {
        let windows = (0..self.examples.len()).map(|window| (self.offsets_of(window), self.examples[window]));
        windows.map(|(offsets, example)| answer_position(offsets, answers[example].as_ref())).collect()
    }

    /// The offsets of the tokens of one window.
    pub fn offsets_of(&self, window: usize) -> &[Option<(u32, u32)>] {
        &self.offsets[self.tokenized.range(window)]
    }

    fn push(&mut self, example: usize, window: &Encoding) {
        append(&mut self.tokenized, window);
        self.examples.push(example);
        let tokens = window.get_sequence_ids().into_iter().zip(window.get_offsets());
        self.offsets.extend(tokens.map(|(sequence, &(start, end))| {
            let of_context = sequence == Some(1);
            of_context.then(|| (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)))
        }));
    }
}

fn answer_position(offsets: &[Option<(u32, u32)>], answer: Option<&Range<usize>>) -> (usize, usize) {
    const NO_ANSWER: (usize, usize) = (0, 0);
    let Some(answer) = answer.filter(|answer| !answer.is_empty()) else { return NO_ANSWER };
    let context = || offsets.iter().enumerate().filter_map(|(position, offsets)| Some((position, (*offsets)?)));
    let (Some((_, (start, _))), Some((_, (_, end)))) = (context().next(), context().next_back()) else {
        return NO_ANSWER;
    };
    if start as usize > answer.start || (end as usize) < answer.end {
        return NO_ANSWER;
    }
    // The last token that begins no later than the answer, and from behind the first that ends no earlier, each as far
    // as that holds without a gap.
    let first = context().take_while(|(_, (start, _))| *start as usize <= answer.start).last();
    let last = context().rev().take_while(|(_, (_, end))| *end as usize >= answer.end).last();
    match (first, last) {
        (Some((first, _)), Some((last, _))) => (first, last),
        _ => NO_ANSWER,
    }
}

/// The tokens of each window; one window, if of nothing, where all fits.
fn window_ranges(tokens: usize, room: usize, stride: usize) -> Vec<Range<usize>> {
    // Where all fits, `room` may be no more than `stride`.
    let advance = room.saturating_sub(stride).max(1);
    let last = tokens.saturating_sub(room).div_ceil(advance);
    (0..=last).map(|window| window * advance).map(|start| start..(start + room).min(tokens)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_advance_by_room_less_stride_and_end_at_the_end() {
        let ranges = |tokens, room, stride| format!("{:?}", window_ranges(tokens, room, stride));
        assert_eq!(ranges(0, 5, 2), "[0..0]");
        assert_eq!(ranges(5, 5, 2), "[0..5]");
        assert_eq!(ranges(2, 2, 2), "[0..2]");
        assert_eq!(ranges(6, 5, 2), "[0..5, 3..6]");
        assert_eq!(ranges(8, 5, 2), "[0..5, 3..8]");
        assert_eq!(ranges(9, 5, 2), "[0..5, 3..8, 6..9]");
        assert_eq!(ranges(4, 2, 0), "[0..2, 2..4]");
    }

    #[test]
    fn an_answer_that_begins_or_ends_inside_a_token() {
        let offsets = [None, None, Some((0, 2)), Some((3, 6)), Some((7, 9)), None];
        let position = |answer: Range<usize>| answer_position(&offsets, Some(&answer));
        assert_eq!(position(0..2), (2, 2));
        assert_eq!(position(4..8), (3, 4));
        assert_eq!(position(7..9), (4, 4));
        assert_eq!(position(2..3), (2, 3));
        assert_eq!(position(7..10), (0, 0));
        assert_eq!(position(3..3), (0, 0));
        assert_eq!(answer_position(&offsets, None), (0, 0));
        assert_eq!(answer_position(&[None, None], Some(&(0..1))), (0, 0));
    }
}
