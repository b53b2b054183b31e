//! Questions on contexts, as files have them.

use std::path::{Path, PathBuf};

use retune_data::{DataError, Table, Wanted, find_answer};
use retune_recipe::DataPlan;

use super::super::groups::column;
use super::super::texts::{self, label_column};
use crate::TrainError;
use crate::task::Examples;

/// Questions on contexts.
#[derive(Debug, Clone)]
pub struct QuestionsOnContexts {
    /// The file that they come from.
    pub path: PathBuf,
    /// The questions.
    pub questions: Vec<String>,
    /// The context of each.
    pub contexts: Vec<String>,
    /// The right answers of each, none where there is no answer; empty where answers are not known.
    pub answers: Vec<Vec<Answer>>,
    /// What the user should know: answers that are not in their contexts.
    pub(super) notes: Vec<String>,
}

/// A right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its words.
    pub text: String,
    /// Where in the context it begins, in Unicode code points; `None` where it does not stand there.
    pub start: Option<usize>,
}

impl Examples for QuestionsOnContexts {
    fn len(&self) -> usize {
        self.questions.len()
    }
}

impl QuestionsOnContexts {
    /// Reads a file, with its answers where it is labelled.
    pub(super) fn read(path: &Path, plan: &DataPlan, labelled: bool) -> Result<Self, TrainError> {
        let (table, mut answers) = match labelled {
            true => answers(path, plan)?,
            false => {
                let wanted: Vec<Wanted<'_>> = plan.text.iter().map(|name| Wanted::Text(name)).collect();
                (texts::read_table(path, plan, &wanted)?, Vec::new())
            }
        };
        let (questions, contexts) = (column(&table, &plan.text[0])?, column(&table, &plan.text[1])?);
        let notes = place(&mut answers, &contexts);
        Ok(Self { path: path.to_owned(), questions, contexts, answers, notes })
    }

    /// Pairs of a question and its context, without answers.
    pub(super) fn given(texts: Vec<Vec<String>>) -> Self {
        let (mut questions, mut contexts) = (Vec::new(), Vec::new());
        for mut pair in texts {
            contexts.extend(pair.pop());
            questions.extend(pair.pop());
        }
        Self { path: PathBuf::new(), questions, contexts, answers: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            questions: rows.iter().map(|row| self.questions[*row].clone()).collect(),
            contexts: rows.iter().map(|row| self.contexts[*row].clone()).collect(),
            answers: rows.iter().map(|row| self.answers[*row].clone()).collect(),
            notes: self.notes.clone(),
        }
    }

    pub(super) fn texts_of(&self, example: usize) -> Vec<&str> {
        self.answers[example].iter().map(|answer| answer.text.as_str()).collect()
    }
}

/// The answers of a table in SQuAD's form, `answers.text` with `answers.answer_start`; or of a column of texts.
fn answers(path: &Path, plan: &DataPlan) -> Result<(Table, Vec<Vec<Answer>>), TrainError> {
    let label = label_column(plan);
    let (texts, starts) = (format!("{label}.text"), format!("{label}.answer_start"));
    let [question, context] = [&plan.text[0], &plan.text[1]].map(|name| Wanted::Text(name));
    match texts::read_table(path, plan, &[question, context, Wanted::List(&texts), Wanted::List(&starts)]) {
        Ok(table) => {
            let answers = listed(&table, &texts, &starts)?;
            Ok((table, answers))
        }
        // Not in that form: the label is a column of its own.
        Err(TrainError::Data(
            DataError::MissingColumn { .. } | DataError::Several(_) | DataError::MissingField { .. },
        )) => {
            let table = texts::read_table(path, plan, &[question, context, Wanted::Text(label)])?;
            let answer = |text: Option<&str>| {
                text.filter(|text| !text.is_empty()).map(|text| Answer { text: text.to_owned(), start: None })
            };
            let answers = table.column(label)?.iter().map(|text| answer(text).into_iter().collect()).collect();
            Ok((table, answers))
        }
        Err(error) => Err(error),
    }
}

fn listed(table: &Table, texts: &str, starts: &str) -> Result<Vec<Vec<Answer>>, TrainError> {
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
    Ok(text_rows.iter().zip(&start_rows).enumerate().map(row).collect::<Result<_, _>>()?)
}

/// Finds the places of answers that were given by their words alone, and says how many are not there.
fn place(answers: &mut [Vec<Answer>], contexts: &[String]) -> Vec<String> {
    let (mut missing, mut several) = (0, 0);
    for (answers, context) in answers.iter_mut().zip(contexts) {
        for answer in answers.iter_mut().filter(|answer| answer.start.is_none()) {
            let found = find_answer(context, &answer.text);
            answer.start = found.first();
            missing += usize::from(found.first().is_none());
            several += usize::from(found.first().is_some() && found.unique().is_none());
        }
    }
    let mut notes = Vec::new();
    if missing > 0 {
        notes.push(format!(
            "{missing} answer(s) do not stand in their contexts letter by letter; nothing is learnt of them"
        ));
    }
    if several > 0 {
        notes.push(format!("{several} answer(s) stand in their contexts several times; the first place is taken"));
    }
    notes
}
