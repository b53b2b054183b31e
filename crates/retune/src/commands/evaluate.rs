//! `evaluate`: a finished model on a labelled file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;
use retune_data::write_table;
use retune_train::tasks::sequence_classification::{Intervals, LabelledTexts};
use retune_train::{Event, text_column};
use serde_json::json;

use super::inference::{Inference, check_table};
use super::predict::columns;
use crate::summary;
use crate::terminal::Terminal;

/// Evaluates.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let out = matches.get_one::<PathBuf>("out");
    if let Some(out) = out {
        check_table(out)?;
    }
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let mut inference = Inference::open(matches)?;
    if let Some(label) = matches.get_one::<String>("label") {
        inference.plan.data.label = label.clone();
    }
    let file: &PathBuf = matches.get_one("file").context("--file is required")?;
    let labels = inference.predictor.labels();
    let data = LabelledTexts::read(file, &inference.plan.data, labels)?;
    let total = data.examples.len();
    let mut progress = |done| terminal.event(Event::Evaluating { done, total });
    let predictions = inference.predictor.predict(&data.examples.texts, &inference.computation, &mut progress)?;
    let (matrix, scores) = predictions.score(&data.examples.labels)?;
    let samples = inference.plan.evaluation.bootstrap_samples;
    let intervals = Intervals::new(&matrix, samples, inference.plan.run.seed)?;
    if let Some(out) = out {
        let mut table = columns(&data.examples.texts, &predictions, labels.names(), false);
        let names = data.examples.labels.iter().map(|label| labels.names()[*label as usize].clone());
        table.insert(1, text_column("label", names));
        write_table(out, table)?;
    }
    let classes = matrix.class_scores();
    if matches.get_flag("json") {
        let classes: serde_json::Map<_, _> =
            labels.names().iter().cloned().zip(classes.iter().map(|class| json!(class))).collect();
        println!("{:#}", json!({ "scores": scores, "intervals": intervals, "classes": classes, "confusion": matrix }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}, {total} examples:\n", file.display());
    print!("{}", summary::scores(&scores, intervals.as_ref()));
    let width = labels.names().iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    println!("\n  {:<width$}  precision  recall      F1  examples", "class");
    for (name, class) in labels.names().iter().zip(&classes) {
        let precision = class.precision;
        println!("  {name:<width$}  {precision:>9.4}  {:>6.4}  {:>6.4}  {:>8}", class.recall, class.f1, class.support);
    }
    let confused: Vec<_> = matrix
        .most_confused(5)
        .into_iter()
        .map(|pair| {
            (labels.names()[pair.label].clone(), labels.names()[pair.predicted].clone(), pair.count, pair.support)
        })
        .collect();
    print!("{}", summary::confused(&confused));
    Ok(ExitCode::SUCCESS)
}
