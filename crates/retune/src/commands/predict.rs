//! `predict`: what a finished model says of texts.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ArgMatches;
use retune_data::write_table;
use retune_train::{Event, Examples, RunDirectory, Task, with_task};

use super::inference::{Inference, check_table, run_of};
use crate::datasets::locate_file;
use crate::terminal::Terminal;

/// Predicts.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if let Some(out) = matches.get_one::<PathBuf>("out") {
        check_table(out)?;
    }
    let given = matches.get_many::<String>("texts").is_some();
    let file = matches.get_one::<PathBuf>("file").is_some();
    ensure!(!(given && file), "give texts or --file, not both");
    if !given && !file && std::io::stdin().is_terminal() {
        bail!("nothing to predict: give texts, or a file with --file, or texts on standard input, one a line");
    }
    let kind = RunDirectory::plan_of(run_of(matches)?)?.task.kind;
    with_task!(kind, predict(matches))
}

fn predict<T: Task>(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let inference = Inference::<T>::open(matches)?;
    let predictor = &inference.predictor;
    let task = predictor.task();
    let given: Vec<String> = matches.get_many("texts").into_iter().flatten().cloned().collect();
    let examples = match matches.get_one::<PathBuf>("file") {
        Some(file) => {
            let local = locate_file(file, "test", &inference.plan, &terminal)?;
            task.read_file(&local, &inference.plan.data.unfiltered(), false)?
        }
        None if given.is_empty() => task.examples_of(lines(task)?)?,
        None => task.examples_of(groups(given, &task.texts_per_example())?)?,
    };
    let total = examples.len();
    let mut progress = |done| terminal.event(Event::Evaluating { done, total });
    let raw = matches.get_flag("logits");
    let (predictions, notes) = predictor.predict(&examples, &inference.computation, raw, &mut progress)?;
    for note in &notes {
        terminal.note(note);
    }
    match matches.get_one::<PathBuf>("out") {
        Some(out) => {
            write_table(out, predictor.table(&examples, &predictions, false))?;
            terminal.note(&format!("{} predictions are in {}", predictions.len(), out.display()));
        }
        None if matches.get_flag("json") => {
            for prediction in &predictions {
                println!("{}", prediction.to_json());
            }
        }
        None => {
            for prediction in &predictions {
                println!("{}", prediction.line);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The examples of standard input: one a line, its texts apart by tabs where there are several.
fn lines<T: Task>(task: &T) -> anyhow::Result<Vec<Vec<String>>> {
    let names = task.texts_per_example();
    let mut examples = Vec::new();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.with_context(|| format!("standard input, line {}", number + 1))?;
        let texts: Vec<String> =
            if names.len() > 1 { line.split('\t').map(str::to_owned).collect() } else { vec![line.clone()] };
        ensure!(
            texts.len() == names.len() && texts.iter().all(|text| !text.trim().is_empty()),
            "standard input, line {}: expected {} with a tab between, found '{line}'",
            number + 1,
            names.join(", ")
        );
        examples.push(texts);
    }
    ensure!(!examples.is_empty(), "standard input is empty; give one text a line");
    Ok(examples)
}

/// The examples of the command line.
fn groups(given: Vec<String>, names: &[&str]) -> anyhow::Result<Vec<Vec<String>>> {
    if let Some(place) = given.iter().position(|text| text.trim().is_empty()) {
        bail!("text {} is empty", place + 1);
    }
    let size = names.len().max(1);
    ensure!(
        given.len().is_multiple_of(size),
        "the model reads {} together: give a multiple of {size} texts, found {}",
        names.join(" and "),
        given.len()
    );
    Ok(given.chunks(size).map(<[String]>::to_vec).collect())
}
