//! What a model said of rows whose right answers are known, in the form of its task.

use retune_metrics::{Decoding, Scheme};
use retune_recipe::TaskKind;

use crate::error::ReportError;
use crate::run::Run;
use crate::table::Table;

/// The answers to `n` rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Answers {
    /// One class of each row.
    Classes(Classes),
    /// Any number of labels of each row.
    Sets(Sets),
    /// A number of each row.
    Numbers(Numbers),
    /// A tag of each word.
    Tags(Tags),
}

/// One class of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// The names of the `c` classes.
    pub names: Vec<String>,
    /// The right class: `[n]`.
    pub labels: Vec<usize>,
    /// The predicted class: `[n]`.
    pub predicted: Vec<usize>,
    /// The probability of each class: `[n, c]`; empty where it is not known.
    pub probabilities: Vec<Vec<f64>>,
}

/// Any number of labels of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Sets {
    /// The names of the `l` labels.
    pub names: Vec<String>,
    /// Whether each is right: `[n, l]`.
    pub labels: Vec<Vec<bool>>,
    /// Whether each was given: `[n, l]`.
    pub predicted: Vec<Vec<bool>>,
    /// The probability of each: `[n, l]`; empty where it is not known.
    pub probabilities: Vec<Vec<f64>>,
}

/// A number of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The right ones: `[n]`.
    pub labels: Vec<f64>,
    /// The predicted ones: `[n]`.
    pub predicted: Vec<f64>,
}

/// A tag of each word.
#[derive(Debug, Clone, PartialEq)]
pub struct Tags {
    /// The words of each row.
    pub words: Vec<Vec<String>>,
    /// Their right tags.
    pub labels: Vec<Vec<String>>,
    /// Their predicted tags.
    pub predicted: Vec<Vec<String>>,
}

/// What the rows said: one text each, or two.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    /// The text, or the first of two: `[n]`.
    pub first: Vec<String>,
    /// The second: `[n]`.
    pub second: Option<Vec<String>>,
}

impl Answers {
    /// The answers that a run's table holds; `None` where it has none, or its task has none that are measured row by
    /// row.
    ///
    /// # Errors
    /// The table lacks a column of its task, or holds a label that is none.
    pub fn of(run: &Run) -> Result<Option<Self>, ReportError> {
        let Some(table) = &run.predictions else { return Ok(None) };
        let answers = match run.plan.task.kind {
            TaskKind::Classification | TaskKind::MultipleChoice => classes(table).map(Self::Classes),
            TaskKind::MultiLabel => sets(table).map(Self::Sets),
            TaskKind::Regression => numbers(table).map(Self::Numbers),
            TaskKind::TokenClassification => tags(table).map(Self::Tags),
            TaskKind::QuestionAnswering | TaskKind::MaskedLm | TaskKind::Embeddings => return Ok(None),
        };
        answers.map(Some).map_err(|problem| ReportError::Predictions { run: run.name.clone(), problem })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(answers) => answers.labels.len(),
            Self::Sets(answers) => answers.labels.len(),
            Self::Numbers(answers) => answers.labels.len(),
            Self::Tags(answers) => answers.labels.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the right answers are the same, row by row.
    pub fn has_labels_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Classes(a), Self::Classes(b)) => a.names == b.names && a.labels == b.labels,
            (Self::Sets(a), Self::Sets(b)) => a.names == b.names && a.labels == b.labels,
            (Self::Numbers(a), Self::Numbers(b)) => a.labels == b.labels,
            (Self::Tags(a), Self::Tags(b)) => a.words == b.words && a.labels == b.labels,
            _ => false,
        }
    }

    /// Whether all of a row is right; `None` where an answer is nearer or farther, and not right or wrong.
    pub fn is_right(&self, row: usize) -> Option<bool> {
        match self {
            Self::Classes(answers) => Some(answers.labels[row] == answers.predicted[row]),
            Self::Sets(answers) => Some(answers.labels[row] == answers.predicted[row]),
            Self::Tags(answers) => Some(answers.labels[row] == answers.predicted[row]),
            Self::Numbers(_) => None,
        }
    }
}

impl Tags {
    /// Whether the tags mark spans, as `B-PER` does, and not kinds of words, as `NOUN`.
    pub fn mark_spans(&self) -> bool {
        let is_span = |tag: &String| {
            tag == "O"
                || matches!(tag.split_once('-'), Some(("B" | "I" | "E" | "S" | "L" | "U", kind)) if !kind.is_empty())
        };
        let mut all = self.labels.iter().chain(&self.predicted).flatten();
        all.all(is_span) && self.labels.iter().flatten().any(|tag| tag != "O")
    }

    /// How entities are read, as an evaluation reads them: leniently, but for BILOU.
    pub fn decoding(&self) -> Decoding {
        let is_bilou = |tag: &String| tag.starts_with("L-") || tag.starts_with("U-");
        match self.labels.iter().chain(&self.predicted).flatten().any(is_bilou) {
            true => Decoding::Strict(Scheme::Bilou),
            false => Decoding::Lenient,
        }
    }
}

impl Texts {
    /// Those of a run's table; none where it has none.
    pub fn of(table: Option<&Table>) -> Self {
        let column = |name| table.and_then(|table| table.texts(name)).map(<[String]>::to_vec);
        Self { first: column("text").unwrap_or_default(), second: column("text_pair") }
    }

    /// Words of a row, white space between them.
    pub fn words(&self, row: usize) -> usize {
        let count = |texts: &Vec<String>| texts.get(row).map_or(0, |text| text.split_whitespace().count());
        count(&self.first) + self.second.as_ref().map_or(0, count)
    }
}

fn column<'a>(table: &'a Table, name: &str) -> Result<&'a [String], String> {
    table.texts(name).ok_or_else(|| format!("have no column '{name}' of texts"))
}

fn place(names: &[String], name: &str) -> Result<usize, String> {
    let found = names.iter().position(|known| known == name);
    found.ok_or_else(|| format!("hold the label '{name}', which has no column 'probability_{name}'"))
}

/// The names after `probability_`, and the probabilities of each row: `[n, c]`.
fn probabilities(table: &Table) -> (Vec<String>, Vec<Vec<f64>>) {
    let (names, columns): (Vec<String>, Vec<&[f64]>) =
        table.numbers_after("probability_").map(|(name, values)| (name.to_owned(), values)).unzip();
    let rows = (0..table.rows()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    (names, rows)
}

fn classes(table: &Table) -> Result<Classes, String> {
    let (names, probabilities) = probabilities(table);
    let places = |values: &[String]| values.iter().map(|name| place(&names, name)).collect::<Result<Vec<_>, _>>();
    let (labels, predicted) = (places(column(table, "label")?)?, places(column(table, "predicted")?)?);
    Ok(Classes { names, labels, predicted, probabilities })
}

fn sets(table: &Table) -> Result<Sets, String> {
    let (names, probabilities) = probabilities(table);
    let set = |text: &String| -> Result<Vec<bool>, String> {
        let mut set = vec![false; names.len()];
        for name in list(text)? {
            set[place(&names, &name)?] = true;
        }
        Ok(set)
    };
    let labels = column(table, "label")?.iter().map(set).collect::<Result<_, _>>()?;
    let predicted = column(table, "predicted")?.iter().map(set).collect::<Result<_, _>>()?;
    Ok(Sets { names, labels, predicted, probabilities })
}

fn numbers(table: &Table) -> Result<Numbers, String> {
    let column = |name: &str| table.numbers(name).ok_or_else(|| format!("have no column '{name}' of numbers"));
    Ok(Numbers { labels: column("label")?, predicted: column("predicted")? })
}

fn tags(table: &Table) -> Result<Tags, String> {
    let lists = |name| column(table, name)?.iter().map(list).collect::<Result<Vec<_>, _>>();
    let tags = Tags { words: lists("words")?, labels: lists("label")?, predicted: lists("tags")? };
    let lengths = tags.words.iter().zip(&tags.labels).zip(&tags.predicted);
    match lengths.into_iter().position(|((words, a), b)| words.len() != a.len() || words.len() != b.len()) {
        Some(row) => Err(format!("have not as many words as tags in row {row}")),
        None => Ok(tags),
    }
}

/// A list of texts, as JSON.
fn list(text: &String) -> Result<Vec<String>, String> {
    serde_json::from_str(text).map_err(|_| format!("hold '{text}', where a JSON list of texts is wanted"))
}
