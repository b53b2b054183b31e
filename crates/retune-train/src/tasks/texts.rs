//! What tasks on whole texts have in common: reading, splitting, tokenising.

use std::path::{Path, PathBuf};

use retune_data::sources::Wanted;
use retune_data::{DataError, LabelMap, Table, Text, TextColumns, TextTokenizer, stratified_split};
use retune_recipe::{DataPlan, LossChoice, Plan, TaskPlan, Weights};
use tch::Tensor;

use super::file_texts::Texts;
use super::kept::{FileRows, Kept};
use super::tables::Tables;
use crate::TrainError;
use crate::losses::CrossEntropy;
use crate::note::Note;
use crate::task::{Encoded, Examples, Splits};

/// Texts, each with what stands beside it.
#[derive(Debug, Clone)]
pub struct TextExamples<Y> {
    /// The file that they come from.
    pub path: PathBuf,
    /// What the model reads.
    pub texts: Texts,
    /// The right answers, as many; none where they are not known.
    pub labels: Vec<Y>,
}

impl<Y: std::fmt::Debug> Examples for TextExamples<Y> {
    fn len(&self) -> usize {
        self.texts.len()
    }
}

impl<Y: Clone> TextExamples<Y> {
    /// Those of these rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            path: self.path.clone(),
            texts: self.texts.of_rows(rows),
            labels: rows.iter().map(|row| self.labels[*row].clone()).collect(),
        }
    }

    /// Examples of the command line: one text each, or two.
    pub(super) fn given(texts: Vec<Vec<String>>) -> Self {
        let text = |texts: Vec<String>| {
            let mut texts = texts.into_iter();
            Text { first: texts.next().unwrap_or_default(), second: texts.next() }
        };
        let texts = Kept::Held(texts.into_iter().map(text).collect());
        Self { path: PathBuf::new(), texts, labels: Vec::new() }
    }

    /// The examples of a table without labels.
    pub(super) fn unlabelled(table: &Table, plan: &DataPlan) -> Result<Self, TrainError> {
        let texts = Kept::Held(retune_data::texts(table, &text_columns(&plan.text))?);
        Ok(Self { path: table.path().to_owned(), texts, labels: Vec::new() })
    }

    /// Checks a file's texts and gathers, table by table, what `labels` finds beside them; the texts stay in the file.
    pub(super) fn read(
        path: &Path,
        plan: &DataPlan,
        label: Wanted<'_>,
        labels: impl FnMut(&Table) -> Result<Vec<Y>, DataError>,
    ) -> Result<Self, TrainError> {
        Self::of_tables(&text_tables(path, plan, label)?, plan, labels)
    }

    /// The same of a file that is read already, or can be read again.
    pub(super) fn of_tables(
        tables: &Tables<'_>,
        plan: &DataPlan,
        mut labels: impl FnMut(&Table) -> Result<Vec<Y>, DataError>,
    ) -> Result<Self, TrainError> {
        let path = tables.path;
        let columns = text_columns(&plan.text);
        let (mut kept, mut all_labels, mut count) = (Vec::new(), Vec::new(), 0);
        let in_memory = tables.is_held();
        tables.each(|table| {
            // Both kinds of problem are named at once.
            let (texts, found) = match (retune_data::texts(table, &columns), labels(table)) {
                (Ok(texts), Ok(labels)) => (texts, labels),
                (Err(text), Err(label)) => return Err(DataError::Several(vec![text, label]).into()),
                (Err(problem), _) | (_, Err(problem)) => return Err(problem.into()),
            };
            count += texts.len();
            all_labels.extend(found);
            if in_memory {
                kept.extend(texts);
            }
            Ok(())
        })?;
        let texts = match in_memory {
            true => Kept::Held(kept),
            false => Kept::File(FileRows::all(tables, columns, count)),
        };
        Ok(Self { path: path.to_owned(), texts, labels: all_labels })
    }

    /// Tokenises the texts, one sequence each; `targets` stand beside them.
    pub(super) fn encode<T>(&self, tokenizer: &TextTokenizer, targets: T) -> Result<Encoded<T>, TrainError> {
        let tokenized = self.texts.encode(tokenizer)?;
        let notes = vec![cut_note(tokenized.truncated, self.texts.len_of_file())];
        Ok(Encoded { tokenized, per_row: 1, targets, notes })
    }
}

/// The columns of text of a file, and of labels.
pub(super) fn text_tables<'a>(path: &'a Path, plan: &'a DataPlan, label: Wanted<'a>) -> Result<Tables<'a>, TrainError> {
    let wanted = plan.text.iter().take(2).map(|name| Wanted::Text(name)).chain([label]).collect();
    Tables::of(path, plan, wanted)
}

/// What an example on the command line has, in words.
pub(super) fn words_for(pair: bool) -> Vec<&'static str> {
    if pair { vec!["first text", "second text"] } else { vec!["a text"] }
}

/// That texts were cut.
pub(super) fn cut_note(cut: usize, all: usize) -> Note {
    Note::new("{} of {} texts are longer than data.max_length and are cut", [cut, all])
}

/// A checked plan names one column or two.
fn text_columns(names: &[String]) -> TextColumns {
    match names {
        [first, second, ..] => TextColumns::Pair(first.clone(), second.clone()),
        [only] => TextColumns::Single(only.clone()),
        [] => TextColumns::Single("text".to_owned()),
    }
}

/// The column of labels of a task that has one.
pub(super) fn label_column(plan: &DataPlan) -> &str {
    plan.label.as_deref().unwrap_or("label")
}

/// The data sets of a plan: `train` is read already, the others are read by `read`; where no validation file is named,
/// one is split off, by the classes that `strata` gives each example.
pub(super) fn splits<E: Examples>(
    plan: &Plan,
    train: E,
    strata: &[u32],
    select: impl Fn(&E, &[usize]) -> E,
    read: impl Fn(&Path) -> Result<E, TrainError>,
) -> Result<Splits<E>, TrainError> {
    let (train, validation) = match &plan.data.validation {
        Some(path) => (train, read(path)?),
        None => {
            let split = stratified_split(strata, plan.data.validation_fraction, plan.run.seed)?;
            (select(&train, &split.train), select(&train, &split.eval))
        }
    };
    let test = plan.data.test.as_deref().map(read).transpose()?;
    Ok(Splits { train, validation, test, validation_is_split: plan.data.validation.is_none() })
}

/// The classes: of the file that names them, or else what `found` finds in the training data.
pub(super) fn classes(
    plan: &DataPlan,
    found: impl FnOnce() -> Result<LabelMap, TrainError>,
) -> Result<LabelMap, TrainError> {
    Ok(match &plan.label_names {
        Some(path) => LabelMap::from_names_file(path)?,
        None => return found(),
    })
}

/// The classes of a finished model, which the data may give by number where those of the run did.
pub(super) fn classes_of_model(plan: &DataPlan, names: Vec<String>) -> Result<LabelMap, TrainError> {
    let labels = LabelMap::from_names(names)?;
    Ok(if plan.label_names.is_some() { labels.with_numbers() } else { labels })
}

/// The weights of the classes for a loss; `balanced` gives them where the plan says so.
///
/// # Errors
/// A weight is given to a class that there is not.
pub(super) fn class_weights(
    key: &'static str,
    weights: &Weights,
    labels: &LabelMap,
    balanced: impl FnOnce() -> Vec<f64>,
) -> Result<Option<Tensor>, TrainError> {
    let values = match weights {
        Weights::None => return Ok(None),
        Weights::Balanced => balanced(),
        Weights::Given(given) => {
            let mut values = vec![1.0; labels.len()];
            for (name, weight) in given {
                let id = labels.id(name).ok_or_else(|| TrainError::UnknownClass {
                    key,
                    class: name.clone(),
                    known: labels.names().to_vec(),
                })?;
                values[id as usize] = *weight;
            }
            values
        }
    };
    Ok(Some(Tensor::from_slice(&values.iter().map(|value| *value as f32).collect::<Vec<_>>())))
}

/// The cross-entropy that a plan asks for; `counts` says how often the training data have each class, for balanced
/// weights.
///
/// # Errors
/// A weight is given to a class that there is not.
pub(super) fn cross_entropy(plan: &TaskPlan, labels: &LabelMap, counts: &[u64]) -> Result<CrossEntropy, TrainError> {
    let balanced = || balanced(counts);
    Ok(CrossEntropy {
        weights: class_weights("task.class_weights", &plan.class_weights, labels, balanced)?,
        smoothing: plan.label_smoothing,
        focal_gamma: (plan.loss == LossChoice::Focal).then_some(plan.focal_gamma),
    })
}

/// n / (classes · n of the class), as scikit-learn's `compute_class_weight("balanced")`; 1 for a class without examples.
fn balanced(counts: &[u64]) -> Vec<f64> {
    let all: u64 = counts.iter().sum();
    let weight = |count: &u64| if *count == 0 { 1.0 } else { all as f64 / (counts.len() as f64 * *count as f64) };
    counts.iter().map(weight).collect()
}
