//! `finetune` in two stages (SetFit): the contrastive one is a run of its own below the run's folder, and the run
//! itself starts from the model that it leaves.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use retune_recipe::Plan;
use retune_train::few_shot::Stage;
use retune_train::tasks::Classification;
use retune_train::{DataRecord, Outcome, RunDirectory, Source, Task, TrainError, Trainer};
use serde_json::Value;
use tch::Device;

use super::finetune::{Reading, Start, prepare, report, source};
use crate::terminal::{Terminal, thousands};
use crate::{environment, interrupt};

/// Trains both stages, or what is left of them.
pub fn train(plan: Plan, start: Start, pause: Option<u64>, mut terminal: Terminal) -> anyhow::Result<ExitCode> {
    let output = start.output(&plan);
    let reading = Reading::new(plan, &start, &terminal)?;
    // The whole second stage is prepared first, and let go: what is wrong with it is found before the first is trained.
    let (trainer, files) = prepare::<Classification>(&reading.located, &terminal)?;
    reading.unchanged()?;
    let (device, example) = (trainer.computation().device, trainer.task().example());
    let (task, data, rows) = trainer.into_data();
    let plan = &reading.located.local;
    let source = source(plan, &files, &terminal);
    let environment = environment::record(&files, device);
    let folder = RunDirectory::contrastive_of(&output);
    let stop = interrupt::on_request()?;
    if !RunDirectory::is_finished(&folder) {
        let stage = Stage::new(plan, &data, &rows, &folder)?;
        let pairs = thousands(stage.data.train.labels.len() as u64);
        terminal.note(&format!("run folder {}", output.display()));
        terminal.note(&format!("contrastive stage: {pairs} pairs of {} texts, in {}", rows.len(), folder.display()));
        let directory = reading.directory(&start, &environment, &terminal)?;
        let outcome = contrast(stage, source.clone(), device, &environment, &mut terminal, &stop);
        terminal.close();
        match outcome {
            Ok(Outcome::Finished(summary)) => {
                let score = summary.evaluation.scores.iter().find(|score| score.name == "squared_error");
                let score = score.map_or(f64::NAN, |score| score.value);
                terminal
                    .note(&format!("contrastive stage done: squared error of the cosine on held-out pairs {score:.4}"));
            }
            Ok(interrupted) => return report(&output, interrupted, &example),
            Err(error) => {
                if matches!(start, Start::New) {
                    directory.discard();
                }
                return Err(error.into());
            }
        }
    }
    let source = Source { directory: folder.join("model"), ..source };
    let trainer = Trainer::new(plan.clone(), source, task, data, device)?;
    let trainer = match pause {
        Some(epoch) => trainer.pausing_after(epoch),
        None => trainer,
    };
    let directory = RunDirectory::open(&output)?.0;
    let outcome = trainer.run(directory, &mut |event| terminal.event(event), &stop);
    terminal.close();
    report(&output, outcome?, &example)
}

/// Trains the contrastive stage from its first step, or from where it was stopped.
fn contrast(
    stage: Stage,
    source: Source,
    device: Device,
    environment: &Value,
    terminal: &mut Terminal,
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let folder = stage.plan.run.output.clone();
    let (directory, is_new) = match RunDirectory::open(&folder) {
        Ok((directory, _)) => (directory, false),
        Err(TrainError::NotARun { .. }) => {
            (RunDirectory::create(&folder, &stage.plan, environment, &DataRecord::default())?, true)
        }
        Err(error) => return Err(error),
    };
    // Again where it goes on: they are the same, and may not have been written to their end.
    let written = stage.write_pairs();
    let Stage { plan, task, data } = stage;
    match written.and_then(|()| Trainer::new(plan, source, task, data, device)) {
        Ok(trainer) => trainer.run(directory, &mut |event| terminal.event(event), stop),
        Err(error) => {
            if is_new {
                directory.discard();
            }
            Err(error)
        }
    }
}
