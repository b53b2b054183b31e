//! `evaluate`: a finished model on a labelled file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;
use retune_data::write_table;
use retune_metrics::Bootstrap;
use retune_recipe::TaskKind;
use retune_train::{Event, Examples, RunDirectory, Task, with_task};

use super::inference::{Inference, check_table, run_of};
use crate::datasets::locate_file;
use crate::summary;
use crate::terminal::Terminal;

/// Evaluates.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if let Some(out) = matches.get_one::<PathBuf>("out") {
        check_table(out)?;
    }
    let kind = RunDirectory::plan_of(run_of(matches)?)?.task.kind;
    with_task!(kind, evaluate(matches))
}

fn evaluate<T: Task>(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let inference = Inference::<T>::open(matches)?;
    if let Some(advice) = inference.computation.advice() {
        terminal.note(&advice);
    }
    let (plan, predictor) = (&inference.plan, &inference.predictor);
    let file: &PathBuf = matches.get_one("file").context("--file is required")?;
    let local = locate_file(file, "test", plan, &terminal)?;
    let examples = predictor.task().read_labelled(&local, &plan.data)?;
    let total = examples.len();
    let mut progress = |done| terminal.event(Event::Evaluating { done, total });
    let predicted = predictor.run(&examples, &inference.computation, &mut progress)?;
    terminal.notes(&predicted.encoded.notes);
    let samples = plan.evaluation.bootstrap_samples;
    let bootstrap = (samples > 0).then(|| Bootstrap::new(samples, plan.run.seed)).transpose()?;
    let evaluation = predictor.task().score(&examples, &predicted.encoded, &predicted.outputs, bootstrap.as_ref())?;
    if let Some(out) = matches.get_one::<PathBuf>("out") {
        anyhow::ensure!(
            plan.task.kind != TaskKind::MaskedLm,
            "there is no table of masks that are drawn: leave --out away, or use predict on texts with masks in them"
        );
        let predictions = predictor.task().predict(&examples, &predicted.encoded, &predicted.outputs, false)?;
        write_table(out, predictor.table(&examples, &predictions))?;
    }
    if matches.get_flag("json") {
        println!("{:#}", evaluation.to_json());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}, {total} examples:\n", file.display());
    print!("{}", summary::scores(&evaluation));
    print!("{}", summary::classes(&evaluation));
    print!("{}", summary::confused(&evaluation));
    Ok(ExitCode::SUCCESS)
}
