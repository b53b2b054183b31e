//! Questions on contexts, as files have them: those to learn from stay in their file, which may be larger than memory.

use std::path::Path;

use retune_data::{Beside, DataError, Table, TextTokenizer, Tokenized, Wanted, Windows, find_answer};
use retune_recipe::DataPlan;

use super::super::groups::column;
use super::super::kept::{Columns, FileRows, Held, Kept};
use super::super::tables::{self, Tables};
use super::super::texts::label_column;
use crate::TrainError;
use crate::note::Note;
use crate::task::Examples;

/// Questions to learn from, or to be looked at.
#[derive(Debug, Clone)]
pub struct QuestionExamples {
    pub(super) questions: Kept<QuestionsOnContexts, QuestionColumns>,
    /// What the user should know: answers that are not in their contexts.
    pub(super) notes: Vec<Note>,
}

/// Questions on contexts.
#[derive(Debug, Clone, Default)]
pub struct QuestionsOnContexts {
    /// The questions.
    pub questions: Vec<String>,
    /// The context of each.
    pub contexts: Vec<String>,
    /// The right answers of each, none where there is no answer; empty where answers are not known.
    pub answers: Vec<Vec<Answer>>,
}

/// A right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its words.
    pub text: String,
    /// Where in the context it begins, in Unicode code points; `None` where it does not stand there.
    pub start: Option<usize>,
}

/// What is known of a question's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Where it stands.
    Place,
    /// That it is not in the context, as a right answer would be.
    Words,
    /// That there is none.
    None,
}

/// How windows over the contexts are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) max_length: usize,
    pub(super) stride: usize,
}

/// Where the questions, contexts and answers are.
#[derive(Debug, Clone)]
pub struct QuestionColumns {
    question: String,
    context: String,
    answers: AnswerColumns,
}

#[derive(Debug, Clone)]
enum AnswerColumns {
    /// Lists, as SQuAD has them.
    Listed { texts: String, starts: String },
    /// The words of the only answer.
    Words(String),
}

/// Answers that were given by their words alone.
#[derive(Debug, Clone, Copy, Default)]
struct Placing {
    missing: usize,
    several: usize,
}

impl Examples for QuestionExamples {
    fn len(&self) -> usize {
        self.questions.count()
    }
}

impl Columns for QuestionColumns {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut wanted = vec![Wanted::Text(&self.question), Wanted::Text(&self.context)];
        match &self.answers {
            AnswerColumns::Listed { texts, starts } => wanted.extend([Wanted::List(texts), Wanted::List(starts)]),
            AnswerColumns::Words(label) => wanted.push(Wanted::Text(label)),
        }
        wanted
    }
}

impl Held for QuestionsOnContexts {
    fn count(&self) -> usize {
        self.questions.len()
    }

    fn of_rows(&self, rows: &[usize]) -> Self {
        Self {
            questions: self.questions.of_rows(rows),
            contexts: self.contexts.of_rows(rows),
            answers: self.answers.of_rows(rows),
        }
    }
}

impl QuestionExamples {
    /// Those of a file to learn from, with what is known of each.
    pub(super) fn to_learn_from(path: &Path, plan: &DataPlan) -> Result<(Self, Vec<Known>), TrainError> {
        QuestionColumns::of_labelled(plan, |columns| {
            let tables = Tables::of(path, plan, columns.wanted())?;
            let (mut known, mut placing, mut kept) = (Vec::new(), Placing::default(), QuestionsOnContexts::default());
            tables.each(|table| {
                let found = columns.questions(table, &mut placing)?;
                known.extend(found.answers.iter().map(|answers| Known::of(answers)));
                if tables.is_held() {
                    kept.extend(found);
                }
                Ok(())
            })?;
            let questions = match tables.is_held() {
                true => Kept::Held(kept),
                false => Kept::File(FileRows::all(&tables, columns.clone(), known.len())),
            };
            Ok((Self { questions, notes: placing.notes() }, known))
        })
    }

    /// Those of a file to be looked at, with their answers.
    pub(super) fn labelled(path: &Path, plan: &DataPlan) -> Result<Self, TrainError> {
        QuestionColumns::of_labelled(plan, |columns| {
            let mut placing = Placing::default();
            let table = tables::read_table(path, plan, &columns.wanted())?;
            let questions = Kept::Held(columns.questions(&table, &mut placing)?);
            Ok(Self { questions, notes: placing.notes() })
        })
    }

    /// Those of a table without answers.
    pub(super) fn unlabelled(table: &Table, plan: &DataPlan) -> Result<Self, TrainError> {
        let (questions, contexts) = (column(table, &plan.text[0])?, column(table, &plan.text[1])?);
        Ok(Self::held(QuestionsOnContexts { questions, contexts, answers: Vec::new() }))
    }

    /// Pairs of a question and its context, without answers.
    pub(super) fn given(texts: Vec<Vec<String>>) -> Self {
        let mut given = QuestionsOnContexts::default();
        for mut pair in texts {
            given.contexts.extend(pair.pop());
            given.questions.extend(pair.pop());
        }
        Self::held(given)
    }

    fn held(questions: QuestionsOnContexts) -> Self {
        Self { questions: Kept::Held(questions), notes: Vec::new() }
    }

    /// Those of these rows, which ascend.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self { questions: self.questions.of_rows(rows), notes: self.notes.clone() }
    }

    /// The same with their texts here, so that they can be looked at.
    pub(super) fn hold(self) -> Result<Self, TrainError> {
        let file = match self.questions {
            Kept::Held(_) => return Ok(self),
            Kept::File(file) => file,
        };
        let rows = file.read(|table| {
            let found = file.columns.questions(table, &mut Placing::default())?;
            Ok(found.questions.into_iter().zip(found.contexts).zip(found.answers).collect())
        })?;
        let mut held = QuestionsOnContexts::default();
        for ((question, context), answers) in rows {
            held.questions.push(question);
            held.contexts.push(context);
            held.answers.push(answers);
        }
        Ok(Self { questions: Kept::Held(held), notes: self.notes })
    }
}

impl QuestionsOnContexts {
    fn extend(&mut self, more: Self) {
        self.questions.extend(more.questions);
        self.contexts.extend(more.contexts);
        self.answers.extend(more.answers);
    }

    pub(super) fn texts_of(&self, example: usize) -> Vec<&str> {
        self.answers[example].iter().map(|answer| answer.text.as_str()).collect()
    }

    /// The windows, and beside each the first and the last token of the answer in it; `truncated` counts the contexts of
    /// several.
    pub(super) fn encode(&self, tokenizer: &TextTokenizer, cut: Cut) -> Result<(Windows, Beside), DataError> {
        let windows = tokenizer.encode_windows(&self.questions, &self.contexts, cut.max_length, cut.stride)?;
        if self.answers.is_empty() {
            return Ok((windows, Beside::default()));
        }
        let first = |answers: &Vec<Answer>| {
            let answer = answers.iter().find(|answer| answer.start.is_some())?;
            answer.start.map(|start| start..start + answer.text.chars().count())
        };
        let positions = windows.answer_positions(&self.answers.iter().map(first).collect::<Vec<_>>());
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let beside = Beside::from_rows(positions.into_iter().map(|(start, end)| [number(start), number(end)]));
        Ok((windows, beside))
    }
}

/// As [`QuestionsOnContexts::encode`], without the characters of each token.
pub(super) fn encode(
    file: &FileRows<QuestionColumns>,
    tokenizer: &TextTokenizer,
    cut: Cut,
) -> Result<(Tokenized, Beside), TrainError> {
    let key = format!("{:?} {cut:?}", file.columns);
    Ok(file.encode_beside(tokenizer, &key, |table, here| {
        let found = file.columns.questions(table, &mut Placing::default())?;
        let (windows, beside) = found.of_rows(here).encode(tokenizer, cut)?;
        Ok((windows.tokenized, beside))
    })?)
}

impl Known {
    fn of(answers: &[Answer]) -> Self {
        match answers {
            [] => Self::None,
            answers if answers.iter().any(|answer| answer.start.is_some()) => Self::Place,
            _ => Self::Words,
        }
    }
}

impl QuestionColumns {
    /// What `read` gives with answers in SQuAD's form, `answers.text` with `answers.answer_start`; or in a column of
    /// their words.
    fn of_labelled<T>(plan: &DataPlan, read: impl Fn(&Self) -> Result<T, TrainError>) -> Result<T, TrainError> {
        let label = label_column(plan);
        let of = |answers| Self { question: plan.text[0].clone(), context: plan.text[1].clone(), answers };
        let (texts, starts) = (format!("{label}.text"), format!("{label}.answer_start"));
        match read(&of(AnswerColumns::Listed { texts, starts })) {
            // Not in that form: the label is a column of its own.
            Err(TrainError::Data(
                DataError::MissingColumn { .. } | DataError::Several(_) | DataError::MissingField { .. },
            )) => read(&of(AnswerColumns::Words(label.to_owned()))),
            result => result,
        }
    }

    /// The questions of a table, and where their answers are.
    fn questions(&self, table: &Table, placing: &mut Placing) -> Result<QuestionsOnContexts, DataError> {
        let mut answers = match &self.answers {
            AnswerColumns::Listed { texts, starts } => listed(table, texts, starts)?,
            AnswerColumns::Words(label) => {
                let answer = |text: Option<&str>| {
                    text.filter(|text| !text.is_empty()).map(|text| Answer { text: text.to_owned(), start: None })
                };
                table.column(label)?.iter().map(|text| answer(text).into_iter().collect()).collect()
            }
        };
        let (questions, contexts) = (column(table, &self.question)?, column(table, &self.context)?);
        placing.place(&mut answers, &contexts);
        Ok(QuestionsOnContexts { questions, contexts, answers })
    }
}

impl Placing {
    /// Finds the places of answers that were given by their words alone, and counts those that are not there.
    fn place(&mut self, answers: &mut [Vec<Answer>], contexts: &[String]) {
        for (answers, context) in answers.iter_mut().zip(contexts) {
            for answer in answers.iter_mut().filter(|answer| answer.start.is_none()) {
                let found = find_answer(context, &answer.text);
                answer.start = found.first();
                self.missing += usize::from(found.first().is_none());
                self.several += usize::from(found.first().is_some() && found.unique().is_none());
            }
        }
    }

    fn notes(self) -> Vec<Note> {
        let missing = "{} answer(s) do not stand in their contexts letter by letter; nothing is learnt of them";
        let several = "{} answer(s) stand in their contexts several times; the first place is taken";
        vec![Note::new(missing, [self.missing]), Note::new(several, [self.several])]
    }
}

fn listed(table: &Table, texts: &str, starts: &str) -> Result<Vec<Vec<Answer>>, DataError> {
    let (text_rows, start_rows) = (table.lists(texts)?, table.lists(starts)?);
    type Listed<'a> = Option<Vec<&'a str>>;
    let row = |(row, (texts, starts)): (usize, (&Listed<'_>, &Listed<'_>))| {
        let (texts, starts) = (texts.as_deref().unwrap_or_default(), starts.as_deref().unwrap_or_default());
        let answer = |(place, text): (usize, &&str)| {
            let start = starts.get(place).map(|start| start.parse::<usize>()).transpose();
            let start = start.map_err(|_| DataError::WrongType {
                place: table.place(row),
                column: "answer_start".to_owned(),
                found: format!("'{}'", starts[place]),
                expected: "the place of the answer's first character is wanted, from 0",
            })?;
            Ok(Answer { text: (*text).to_owned(), start })
        };
        texts.iter().enumerate().map(answer).collect::<Result<Vec<_>, DataError>>()
    };
    text_rows.iter().zip(&start_rows).enumerate().map(row).collect()
}
