//! Questions on paragraphs, as SQuAD 1.1 and 2.0 are published, and the shorter form of data sets made after them: a
//! list of paragraphs, each question with an answer of which only the text is given.
//!
//! Each question is a row: the texts `id`, `title`, `context`, `question` and `is_impossible`, and the lists
//! `answers.text` and `answers.answer_start`. A question without answer has two empty lists. Where a file gives no
//! starts, the second list is empty and the first is not; `find_answers` finds them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{CUT_DOCUMENT, Cursor, Start, json_error, scalar_text};
use super::load::message_without_position;
use super::{Holds, Request, check_columns};
use crate::error::{DataError, Place};
use crate::table::{ColumnBuilder, Positions, Table};

const COLUMNS: [(&str, Holds); 7] = [
    ("id", Holds::Texts),
    ("title", Holds::Texts),
    ("context", Holds::Texts),
    ("question", Holds::Texts),
    ("answers.text", Holds::Lists),
    ("answers.answer_start", Holds::Lists),
    ("is_impossible", Holds::Texts),
];

/// Reads every question as a row.
pub(super) fn read(path: &Path, text: &str, request: &Request<'_>) -> Result<Table, DataError> {
    let shape = |start: Start, error: serde_json::Error| shape_error(path, start, &error);
    check_columns(request, &Start::of_file().place(path), &COLUMNS)?;
    let articles = if text.trim_start().starts_with('[') {
        let paragraphs = serde_json::from_str(text).map_err(|error| shape(Start::of_file(), error))?;
        vec![Article { title: None, paragraphs }]
    } else {
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| shape(Start::of_file(), error))?;
        document.data
    };

    let mut builders = request.builders();
    let mut places = Vec::new();
    let mut cursor = Cursor::new(text);
    for article in &articles {
        for paragraph in &article.paragraphs {
            for json in &paragraph.qas {
                let start = cursor.advance_to(json.get());
                let question = serde_json::from_str(json.get()).map_err(|error| shape(start, error))?;
                let row = Row { title: article.title.as_deref(), context: &paragraph.context, question };
                row.check(start.place(path))?;
                builders.iter_mut().for_each(|builder| row.push_into(builder));
                places.push(start.character());
            }
        }
    }
    Table::new(path, builders.into_iter().map(ColumnBuilder::finish).collect(), Positions::Characters(places))
}

/// Whether a JSON document's first element is an article, or a paragraph with questions.
pub(super) fn looks_like_it(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    type Fields = BTreeMap<String, IgnoredAny>;
    let has = |element: &RawValue, names: &[&str]| {
        let fields: Fields = serde_json::from_str(element.get()).unwrap_or_default();
        names.iter().all(|name| fields.contains_key(*name))
    };
    if text.trim_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        elements.first().is_some_and(|first| has(first, &["context", "qas"]))
    } else {
        let probe: Option<Probe<'_>> = serde_json::from_str(text).ok();
        probe.is_some_and(|probe| probe.data.first().is_some_and(|first| has(first, &["paragraphs"])))
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    data: Vec<Article<'a>>,
}

#[derive(Deserialize)]
struct Article<'a> {
    title: Option<String>,
    #[serde(borrow)]
    paragraphs: Vec<Paragraph<'a>>,
}

#[derive(Deserialize)]
struct Paragraph<'a> {
    context: String,
    /// Kept as text, so that each question knows where it stands.
    #[serde(borrow)]
    qas: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Question {
    id: Option<Value>,
    question: String,
    answers: Option<Vec<Answer>>,
    answer: Option<Answer>,
    is_impossible: Option<bool>,
}

/// An answer, written as a text or as an object.
struct Answer {
    text: String,
    start: Option<u64>,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            text: String,
            answer_start: Option<u64>,
        }

        struct TextOrFields;

        impl<'de> Visitor<'de> for TextOrFields {
            type Value = Answer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of an answer, or an object with `text` and `answer_start`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Answer, E> {
                Ok(Answer { text: text.to_owned(), start: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answer, A::Error> {
                let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Answer { text: fields.text, start: fields.answer_start })
            }
        }

        deserializer.deserialize_any(TextOrFields)
    }
}

/// A question with what stands above it.
struct Row<'a> {
    title: Option<&'a str>,
    context: &'a str,
    question: Question,
}

impl Row<'_> {
    /// That either every answer has a start or none: two lists of unequal length could not be matched.
    fn check(&self, place: Place) -> Result<(), DataError> {
        let with_start = self.answers().filter(|answer| answer.start.is_some()).count();
        if with_start == 0 || with_start == self.answers().count() {
            return Ok(());
        }
        let expected = "an `answer_start` for each of the answers, or for none";
        Err(DataError::NotRecords { place, expected, found: "one for some of them" })
    }

    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.question.answers.iter().flatten().chain(&self.question.answer)
    }

    /// That each column is of the kind that is wanted was checked.
    fn push_into(&self, builder: &mut ColumnBuilder<'_>) {
        let question = &self.question;
        let _ = match builder.name() {
            "id" => builder.push_text(question.id.as_ref().and_then(|id| scalar_text(id).flatten()).as_deref()),
            "title" => builder.push_text(self.title),
            "context" => builder.push_text(Some(self.context)),
            "question" => builder.push_text(Some(&question.question)),
            "answers.text" => builder.push_list(self.answers().map(|answer| answer.text.as_str())),
            "answers.answer_start" => {
                let starts: Vec<String> = self.answers().filter_map(|answer| Some(answer.start?.to_string())).collect();
                builder.push_list(starts.iter().map(String::as_str))
            }
            _ => {
                let is_impossible = question.is_impossible.unwrap_or_else(|| self.answers().next().is_none());
                builder.push_text(Some(if is_impossible { "true" } else { "false" }))
            }
        };
    }
}

/// What serde says, as of text that is no JSON or of JSON that is no SQuAD.
fn shape_error(path: &Path, start: Start, error: &serde_json::Error) -> DataError {
    if !error.is_data() {
        return json_error(path, start, error, CUT_DOCUMENT);
    }
    let (line, column) = start.moved_by(error);
    DataError::JsonShape {
        path: path.to_owned(),
        line,
        column,
        form: "SQuAD",
        message: message_without_position(error),
    }
}
