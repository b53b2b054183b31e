//! `predict`: what a finished model says of texts.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ArgMatches;
use retune_data::TableWriter;
use retune_train::{Event, Examples, Prediction, RunDirectory, Task, TrainError, Unlabelled, table, with_task};

use super::inference::{Inference, check_table, run_of};
use crate::datasets::locate_file;
use crate::interrupt;
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
    if let Some(advice) = inference.computation.advice() {
        terminal.note(&advice);
    }
    let predictor = &inference.predictor;
    let task = predictor.task();
    let (computation, raw) = (&inference.computation, matches.get_flag("logits"));
    let mut answers = Answers::of(matches)?;
    let notes = match matches.get_one::<PathBuf>("file") {
        Some(file) => {
            let local = locate_file(file, "test", &inference.plan, &terminal)?;
            let data = inference.plan.data.unfiltered();
            let file = Unlabelled::open(task, &local, &data)?;
            let total = file.len();
            let mut progress = |done| terminal.event(Event::Evaluating { done, total });
            predictor.predict_file(&file, computation, raw, &mut progress, &mut |some| answers.give(&some))?
        }
        None => {
            let given: Vec<String> = matches.get_many("texts").into_iter().flatten().cloned().collect();
            let texts = match given.is_empty() {
                true => lines(task)?,
                false => groups(given, &task.texts_per_example())?,
            };
            let examples = task.examples_of(texts)?;
            let total = examples.len();
            let mut progress = |done| terminal.event(Event::Evaluating { done, total });
            let (predictions, notes) = predictor.predict(&examples, computation, raw, &mut progress)?;
            answers.give(&predictions)?;
            notes
        }
    };
    terminal.notes(&notes);
    if let Some(written) = answers.finish()? {
        terminal.note(&written);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where predictions go.
enum Answers {
    /// Into a table, of which so many are written.
    Table { out: PathBuf, writer: Box<TableWriter>, count: usize },
    /// To standard output, an object of JSON each.
    Json,
    /// To standard output, a line each.
    Lines,
}

impl Answers {
    fn of(matches: &ArgMatches) -> anyhow::Result<Self> {
        Ok(match matches.get_one::<PathBuf>("out") {
            Some(out) => {
                let writer = Box::new(TableWriter::create(out)?);
                interrupt::remove(writer.partial().to_owned())?;
                Self::Table { out: out.clone(), writer, count: 0 }
            }
            None if matches.get_flag("json") => Self::Json,
            None => Self::Lines,
        })
    }

    fn give(&mut self, predictions: &[Prediction]) -> Result<(), TrainError> {
        match self {
            Self::Table { writer, count, .. } => {
                writer.write(table(predictions))?;
                *count += predictions.len();
            }
            Self::Json => predictions.iter().for_each(|prediction| println!("{}", prediction.to_json())),
            Self::Lines => predictions.iter().for_each(|prediction| println!("{}", prediction.line)),
        }
        Ok(())
    }

    /// What there is to say at the end.
    fn finish(self) -> anyhow::Result<Option<String>> {
        let Self::Table { out, writer, count } = self else { return Ok(None) };
        writer.finish()?;
        Ok(Some(format!("{count} predictions are in {}", out.display())))
    }
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
