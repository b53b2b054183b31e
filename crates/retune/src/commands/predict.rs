//! `predict`: texts to classes with probabilities.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::ArgMatches;
use retune_data::{OutputColumn, OutputValues, Text, write_table};
use retune_train::tasks::sequence_classification::read_texts;
use retune_train::{Event, Predictions, prediction_columns, text_column};
use serde_json::{Value, json};

use super::inference::{Inference, check_table};
use crate::terminal::Terminal;

/// Classifies.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let out = matches.get_one::<PathBuf>("out");
    if let Some(out) = out {
        check_table(out)?;
    }
    let given: Vec<&String> = matches.get_many("texts").into_iter().flatten().collect();
    let file = matches.get_one::<PathBuf>("file");
    ensure!(given.is_empty() || file.is_none(), "give texts or --file, not both");
    if given.is_empty() && file.is_none() {
        bail!("nothing to classify: give texts, or a file with --file");
    }
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let inference = Inference::open(matches)?;
    let texts = match file {
        Some(file) => read_texts(file, &inference.plan.data)?.0,
        None => texts_of(&given, inference.plan.data.text.len() == 2)?,
    };
    let total = texts.len();
    let mut progress = |done| terminal.event(Event::Evaluating { done, total });
    let predictions = inference.predictor.predict(&texts, &inference.computation, &mut progress)?;
    let names = inference.predictor.labels().names();
    let logits = matches.get_flag("logits");
    match out {
        Some(out) => {
            write_table(out, columns(&texts, &predictions, names, logits))?;
            terminal.note(&format!("{} predictions are in {}", texts.len(), out.display()));
        }
        None if matches.get_flag("json") => {
            for (row, text) in texts.iter().enumerate() {
                println!("{}", as_json(text, &predictions, row, names, logits));
            }
        }
        None => {
            for (row, text) in texts.iter().enumerate() {
                println!("{}", as_line(text, &predictions, row, names, logits));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn texts_of(given: &[&String], pairs: bool) -> anyhow::Result<Vec<Text>> {
    if let Some(place) = given.iter().position(|text| text.trim().is_empty()) {
        bail!("text {} is empty", place + 1);
    }
    if !pairs {
        return Ok(given.iter().map(|text| Text::single(text.as_str())).collect());
    }
    ensure!(
        given.len().is_multiple_of(2),
        "the model reads pairs of texts: give an even number, found {}",
        given.len()
    );
    let pair = |pair: &[&String]| Text { first: pair[0].clone(), second: Some(pair[1].clone()) };
    Ok(given.chunks(2).map(pair).collect())
}

/// The three likeliest classes, and the text.
fn as_line(text: &Text, predictions: &Predictions, row: usize, names: &[String], logits: bool) -> String {
    let probabilities = predictions.probabilities(row);
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    let likeliest: Vec<String> =
        order.iter().take(3).map(|class| format!("{} {:.3}", names[*class], probabilities[*class])).collect();
    let mut line = format!("{}\t{}", likeliest.join(", "), text.first);
    if let Some(second) = &text.second {
        line.push_str(&format!("\t{second}"));
    }
    if logits {
        line.push_str(&format!("\tlogits {:?}", predictions.logits(row)));
    }
    line
}

fn as_json(text: &Text, predictions: &Predictions, row: usize, names: &[String], logits: bool) -> Value {
    let probabilities = predictions.probabilities(row);
    let predicted = predictions.predicted(row);
    let by_name = |values: &mut dyn Iterator<Item = Value>| -> Value {
        names.iter().cloned().zip(values).collect::<serde_json::Map<_, _>>().into()
    };
    let mut object = json!({
        "text": text.first,
        "predicted": names[predicted],
        "confidence": probabilities[predicted],
        "probabilities": by_name(&mut probabilities.iter().map(|value| json!(value))),
    });
    if let Some(second) = &text.second {
        object["text_pair"] = json!(second);
    }
    if logits {
        object["logits"] = by_name(&mut predictions.logits(row).iter().map(|value| json!(value)));
    }
    object
}

/// The table of predictions: texts, predictions, probabilities and, where asked for, logits.
pub fn columns(texts: &[Text], predictions: &Predictions, names: &[String], logits: bool) -> Vec<OutputColumn> {
    let mut columns = vec![text_column("text", texts.iter().map(|text| text.first.clone()))];
    if texts.iter().any(|text| text.second.is_some()) {
        columns.push(text_column("text_pair", texts.iter().map(|text| text.second.clone().unwrap_or_default())));
    }
    columns.extend(prediction_columns(predictions, names));
    if logits {
        for (class, name) in names.iter().enumerate() {
            let values = (0..texts.len()).map(|row| f64::from(predictions.logits(row)[class])).collect();
            columns.push(OutputColumn { name: format!("logit_{name}"), values: OutputValues::Float(values) });
        }
    }
    columns
}
