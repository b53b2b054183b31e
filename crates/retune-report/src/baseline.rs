//! What is easily had: other models' answers, and the best answer that is always the same.

use std::collections::BTreeMap;

use crate::answers::{Answers, Classes, Sets};
use crate::error::ReportError;
use crate::measures::{Measure, Scorer};
use crate::run::Run;

/// Another model's answers to the rows of a run's predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// What it is called: `TF-IDF and logistic regression`.
    pub name: String,
    /// What it does, in a few words that can stand in brackets.
    pub description: String,
    /// What it said.
    pub answers: BaselineAnswers,
}

/// What a baseline said of the rows, in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum BaselineAnswers {
    /// A class of each.
    Classes(Vec<String>),
    /// The labels of each.
    Sets(Vec<Vec<String>>),
    /// A number of each.
    Numbers(Vec<f64>),
    /// The tags of each.
    Tags(Vec<Vec<String>>),
    /// Nothing but its measures by their names in `metrics.jsonl`.
    Scores(Vec<(String, f64)>),
}

/// A baseline as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// Its name.
    pub name: String,
    /// What it does, in a few words that can stand in brackets.
    pub description: String,
    /// Its answers, where they are known.
    pub answers: Option<Answers>,
    /// Its measures, where they alone are known.
    pub scores: Vec<(String, f64)>,
}

impl Rival {
    /// All of a run: the constant answer first.
    ///
    /// # Errors
    /// A baseline does not answer the run's rows.
    pub fn of(run: &Run, answers: &Answers) -> Result<Vec<Self>, ReportError> {
        let mut rivals: Vec<Self> = constant(run, answers)?.into_iter().collect();
        for baseline in &run.baselines {
            let problem = |problem| ReportError::Baseline { baseline: baseline.name.clone(), problem };
            let scores = match &baseline.answers {
                BaselineAnswers::Scores(scores) => scores.clone(),
                _ => Vec::new(),
            };
            rivals.push(Self {
                name: baseline.name.clone(),
                description: baseline.description.clone(),
                answers: answered(answers, &baseline.answers).map_err(problem)?,
                scores,
            });
        }
        Ok(rivals)
    }
}

/// A run's rows with another model's answers.
fn answered(answers: &Answers, said: &BaselineAnswers) -> Result<Option<Answers>, String> {
    let same = |count: usize| match count == answers.len() {
        true => Ok(()),
        false => Err(format!("answers {count} rows, and the run {}", answers.len())),
    };
    let place = |names: &[String], name: &String| {
        names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("says '{name}', which is no class of the run"))
    };
    Ok(Some(match (answers, said) {
        (_, BaselineAnswers::Scores(_)) => return Ok(None),
        (Answers::Classes(known), BaselineAnswers::Classes(said)) => {
            same(said.len())?;
            let predicted = said.iter().map(|name| place(&known.names, name)).collect::<Result<_, _>>()?;
            Answers::Classes(Classes { predicted, probabilities: Vec::new(), ..known.clone() })
        }
        (Answers::Sets(known), BaselineAnswers::Sets(said)) => {
            same(said.len())?;
            let set = |labels: &Vec<String>| -> Result<Vec<bool>, String> {
                let mut set = vec![false; known.names.len()];
                labels.iter().try_for_each(|name| place(&known.names, name).map(|place| set[place] = true))?;
                Ok(set)
            };
            let predicted = said.iter().map(set).collect::<Result<_, _>>()?;
            Answers::Sets(Sets { predicted, probabilities: Vec::new(), ..known.clone() })
        }
        (Answers::Numbers(known), BaselineAnswers::Numbers(said)) => {
            same(said.len())?;
            let mut numbers = known.clone();
            numbers.predicted.clone_from(said);
            Answers::Numbers(numbers)
        }
        (Answers::Tags(known), BaselineAnswers::Tags(said)) => {
            same(said.len())?;
            if known.labels.iter().zip(said).any(|(labels, said)| labels.len() != said.len()) {
                return Err("has not as many tags as words in a row".to_owned());
            }
            let mut tags = known.clone();
            tags.predicted.clone_from(said);
            Answers::Tags(tags)
        }
        _ => return Err("answers another task".to_owned()),
    }))
}

/// The best answer that is always the same: what a model must beat to have learnt anything.
fn constant(run: &Run, answers: &Answers) -> Result<Option<Rival>, ReportError> {
    if answers.is_empty() {
        return Ok(None);
    }
    let n = answers.len();
    let (description, said) = match answers {
        Answers::Classes(classes) => {
            let (class, whose) = majority(run, classes);
            let name = classes.names[class].clone();
            (
                format!("always says “{name}”, the most frequent class of the {whose}"),
                BaselineAnswers::Classes(vec![name; n]),
            )
        }
        Answers::Sets(sets) => {
            let set = best_set(answers, sets)?;
            let names: Vec<String> = set.iter().map(|label| sets.names[*label].clone()).collect();
            let shown = names.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
            (
                format!("always gives {shown}, the frequent labels that make the best fixed set here"),
                BaselineAnswers::Sets(vec![names; n]),
            )
        }
        Answers::Numbers(numbers) => {
            let mean = numbers.labels.iter().sum::<f64>() / n as f64;
            (format!("always says {mean:.4}, the mean of the right numbers"), BaselineAnswers::Numbers(vec![mean; n]))
        }
        Answers::Tags(tags) => {
            let tag = most_frequent(tags.labels.iter().flatten()).unwrap_or("O");
            let said = tags.labels.iter().map(|labels| vec![tag.to_owned(); labels.len()]).collect();
            (format!("always says “{tag}”, the most frequent tag"), BaselineAnswers::Tags(said))
        }
    };
    let problem = |problem| ReportError::Baseline { baseline: "constant".to_owned(), problem };
    let answers = answered(answers, &said).map_err(problem)?;
    let name = match said {
        BaselineAnswers::Numbers(_) => "the mean",
        BaselineAnswers::Sets(_) => "the best fixed set",
        _ => "the most frequent answer",
    };
    Ok(Some(Rival { name: name.to_owned(), description, answers, scores: Vec::new() }))
}

/// The most frequent class of the training rows where they are known, else of the evaluated ones; the first of equals.
fn majority(run: &Run, classes: &Classes) -> (usize, &'static str) {
    let known = run.evaluation.as_ref().and_then(|evaluation| evaluation.training_classes.as_ref());
    let trained = known.map(|counts| {
        classes.names.iter().map(|name| counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0)).collect()
    });
    let (counts, whose): (Vec<u64>, _) = match trained {
        Some(counts) => (counts, "training data"),
        None => {
            let mut counts = vec![0; classes.names.len()];
            classes.labels.iter().for_each(|label| counts[*label] += 1);
            (counts, "evaluated rows")
        }
    };
    let most = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count);
    (most.map_or(0, |(class, _)| class), whose)
}

/// So many of the most frequent labels as give the best micro F1.
fn best_set(answers: &Answers, sets: &Sets) -> Result<Vec<usize>, ReportError> {
    let count = |label: usize| sets.labels.iter().filter(|row| row[label]).count();
    let mut order: Vec<(usize, usize)> = (0..sets.names.len()).map(|label| (count(label), label)).collect();
    order.sort_by_key(|(count, label)| (usize::MAX - count, *label));
    let mut best = (f64::NEG_INFINITY, Vec::new());
    // More labels than rows have on the average never help.
    for most in 1..=order.len().min(8) {
        let set: Vec<usize> = order[..most].iter().map(|(_, label)| *label).collect();
        let row: Vec<bool> = (0..sets.names.len()).map(|label| set.contains(&label)).collect();
        let said = Sets { predicted: vec![row; answers.len()], probabilities: Vec::new(), ..sets.clone() };
        let value = Scorer::new(&Answers::Sets(said), Measure::MicroF1)?.all()?;
        if value > best.0 {
            best = (value, set);
        }
    }
    Ok(best.1)
}

fn most_frequent<'a>(values: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value.as_str()).or_insert(0u64) += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}
