//! The rows of a study: what the models of runs say of a file, as plain records.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ArgMatches;
use retune_data::DataError;
use retune_judge::{Item, StudySettings};
use retune_recipe::{DataPlan, TaskKind};
use retune_train::{Event, Examples, Field, Prediction, Task, TrainError, Unlabelled};

use super::Chosen;
use crate::cli;
use crate::commands::inference::{Inference, run_of};
use crate::datasets::locate_file;
use crate::terminal::Terminal;

/// The rows that are drawn where nothing else is said, if there are so many.
const ROWS: usize = 100;

/// What the study is of, with all rows and what the models say of them.
pub(super) fn asked<T: Task>(
    matches: &ArgMatches,
    kind: TaskKind,
    chosen: Chosen,
    begun: Option<&StudySettings>,
) -> anyhow::Result<(StudySettings, Vec<Item>)> {
    let run = run_of(matches)?;
    let inference = Inference::<T>::of_run(run, matches)?;
    let (plan, file) = (&inference.plan, matches.get_one::<PathBuf>("data").context("--data is required")?);
    let (predictions, labels) = predicted(&inference, file, kind, matches)?;
    let classes = match kind {
        TaskKind::Classification => {
            predictions.first().map(|first| by_class(first).map(|(name, _)| name.clone()).collect())
        }
        _ => None,
    };
    let mut items: Vec<Item> = predictions
        .iter()
        .enumerate()
        .map(|(row, prediction)| Item {
            row: row as u64,
            texts: texts(prediction),
            label: labels.as_ref().map(|labels| labels[row].clone()),
            prediction: says(prediction),
            confidences: match kind {
                TaskKind::Classification => by_class(prediction).map(|(_, confidence)| *confidence).collect(),
                _ => Vec::new(),
            },
            against: None,
        })
        .collect();
    let against = matches.get_one::<PathBuf>("against");
    if let Some(other) = against {
        let (others, _) = predicted(&Inference::<T>::of_run(other, matches)?, file, kind, matches)?;
        ensure!(
            others.len() == items.len(),
            "the two runs read {} and {} rows of {}",
            items.len(),
            others.len(),
            file.display()
        );
        items.iter_mut().zip(&others).for_each(|(item, other)| item.against = Some(says(other)));
    }
    let (run, against) = names(run, against);
    let mut settings = StudySettings {
        mode: chosen.mode,
        sampling: chosen.sampling,
        rows: 0,
        seed: chosen.seed.unwrap_or(plan.run.seed),
        classes: classes.unwrap_or_default(),
        columns: columns(&plan.data, items.first().map_or(1, |item| item.texts.len())),
        label_column: plan.data.label.clone().unwrap_or_else(|| "label".to_owned()),
        run,
        against,
        data: file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(),
    };
    let population = settings.population(&items)?.len();
    settings.rows = chosen.rows.unwrap_or(ROWS.min(population));
    // Where a run lies has no part in what it says of a row; the rows are compared one by one.
    if let Some(begun) = begun {
        (settings.run, settings.data) = (begun.run.clone(), begun.data.clone());
        settings.against = settings.against.and(begun.against.clone());
    }
    Ok((settings, items))
}

/// What a run's model says of all rows, and their labels where the file has them.
fn predicted<T: Task>(
    inference: &Inference<T>,
    file: &Path,
    kind: TaskKind,
    matches: &ArgMatches,
) -> anyhow::Result<(Vec<Prediction>, Option<Vec<String>>)> {
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let local = locate_file(file, "test", &inference.plan, &terminal)?;
    let (task, data) = (inference.predictor.task(), &inference.plan.data.unfiltered());
    let wanted = data.label.as_deref().unwrap_or("label");
    let labelled = match kind {
        TaskKind::Classification => match task.read_labelled(&local, data) {
            // Without labels there is one thing less to compare with, and no more.
            Err(TrainError::Data(DataError::MissingColumn { column, .. }))
                if column == wanted && !cli::said(matches, "label") =>
            {
                terminal
                    .note(&format!("{} has no column `{column}`: there are no labels to compare with", file.display()));
                None
            }
            read => Some(read?),
        },
        _ => None,
    };
    let labels = labelled.as_ref().and_then(|examples| task.label_column(examples));
    let (predictor, computation) = (&inference.predictor, &inference.computation);
    let (predictions, notes) = match labelled {
        Some(examples) => {
            let total = examples.len();
            let mut progress = |done| terminal.event(Event::Evaluating { done, total });
            predictor.predict(&examples, computation, false, &mut progress)?
        }
        None => {
            let rows = Unlabelled::open(task, &local, data)?;
            let total = rows.len();
            let mut progress = |done| terminal.event(Event::Evaluating { done, total });
            let mut predictions = Vec::new();
            let notes = predictor.predict_file(&rows, computation, false, &mut progress, &mut |more| {
                predictions.extend(more);
                Ok(())
            })?;
            (predictions, notes)
        }
    };
    terminal.notes(&notes);
    Ok((predictions, labels))
}

/// The texts that a model has read.
fn texts(prediction: &Prediction) -> Vec<String> {
    let text = |(name, field): &(&str, Field)| match field {
        Field::Text(text) if ["text", "text_pair"].contains(name) => Some(text.clone()),
        _ => None,
    };
    prediction.fields.iter().filter_map(text).collect()
}

/// What a model says, on a line: a class, labels, a number, entities.
fn says(prediction: &Prediction) -> String {
    let field = |wanted: &str| prediction.fields.iter().find(|(name, _)| *name == wanted).map(|(_, field)| field);
    let list = |values: &serde_json::Value, say: &dyn Fn(&serde_json::Value) -> String| match values.as_array() {
        Some(values) if !values.is_empty() => values.iter().map(say).collect::<Vec<_>>().join(", "),
        _ => "none".to_owned(),
    };
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (field("predicted"), field("entities")) {
        (Some(Field::Text(class)), _) => class.clone(),
        (Some(Field::Number(number)), _) => format!("{number:.3}"),
        (Some(Field::Json(labels)), _) => list(labels, &word),
        (_, Some(Field::Json(entities))) => {
            list(entities, &|entity| format!("{} ({})", word(&entity["text"]), word(&entity["label"])))
        }
        _ => prediction.line.split('\t').next().unwrap_or_default().to_owned(),
    }
}

/// How sure a model is of each class.
fn by_class(prediction: &Prediction) -> impl Iterator<Item = &(String, f64)> {
    prediction.fields.iter().flat_map(|(_, field)| match field {
        Field::ByName("probability", classes) => classes.as_slice(),
        _ => &[],
    })
}

/// The names of the texts: the columns of the file, where there are as many.
fn columns(data: &DataPlan, texts: usize) -> Vec<String> {
    match data.text.len() == texts {
        true => data.text.clone(),
        false => (1..=texts).map(|number| format!("text {number}")).collect(),
    }
}

/// The runs by the names of their folders, or by their paths where these are the same.
fn names(run: &Path, against: Option<&PathBuf>) -> (String, Option<String>) {
    let path = |run: &Path| run.display().to_string();
    let name = |run: &Path| {
        let whole = run.canonicalize().unwrap_or_else(|_| run.to_owned());
        whole.file_name().map_or_else(|| path(run), |name| name.to_string_lossy().into_owned())
    };
    match against {
        Some(other) if name(run) == name(other) => (path(run), Some(path(other))),
        other => (name(run), other.map(|other| name(other))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_model_says_stands_on_a_line() {
        let said = |fields: Vec<(&'static str, Field)>| {
            let text = ("text", Field::Text("Ada in Paris".to_owned()));
            says(&Prediction { line: "the line\tAda in Paris".to_owned(), fields: [vec![text], fields].concat() })
        };
        assert_eq!(said(vec![("predicted", Field::Text("spam".to_owned()))]), "spam");
        assert_eq!(said(vec![("predicted", Field::Number(2.0 / 3.0))]), "0.667");
        assert_eq!(said(vec![("predicted", Field::Json(json!(["joy", "relief"])))]), "joy, relief");
        assert_eq!(said(vec![("predicted", Field::Json(json!([])))]), "none");
        let entities = json!([{ "label": "PER", "text": "Ada", "score": 0.9 }, { "label": "LOC", "text": "Paris" }]);
        assert_eq!(said(vec![("entities", Field::Json(entities))]), "Ada (PER), Paris (LOC)");
        assert_eq!(said(Vec::new()), "the line");
    }
}
