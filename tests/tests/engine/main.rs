//! The engine of training, through the built binary: what must make no difference to a run (being killed, being paused,
//! in how many parts a batch is computed), and what must end it in words.

mod adapter_path;
mod cutting;
mod damage;
mod data_changes;
mod determinism;
mod float16;
mod groups;
mod kills;
mod late;
mod memory;
mod parts;
mod rates;
mod rows;
mod stopping;
mod wrong_numbers;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::job::{fails, succeeds};
use tests::{Golden, Job, Result, golden};

/// The command that fine-tunes into `output` under these assignments, with a line of the log for each step.
fn finetune(job: &Job, output: &str, assignments: &[&str]) -> Command {
    let mut command = job.finetune(&["--output", output, "--set", "train.log_every=1"]);
    command.args(["--set", "evaluation.bootstrap_samples=20"]);
    command.args(assignments.iter().flat_map(|assignment| ["--set", assignment]));
    command
}

/// The command that goes on with a run.
fn resume(job: &Job, run: &str) -> Command {
    job.command(&["finetune", "--resume", run])
}

/// The lines of a run's log, without speeds.
fn log(job: &Job, run: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(job.path(run).join("metrics.jsonl"))?;
    let mut records = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    for record in &mut records {
        for speed in ["tokens_per_second", "examples_per_second", "training_seconds"] {
            record.as_object_mut().ok_or("a line is no object")?.remove(speed);
        }
    }
    Ok(records)
}

/// The lines about one event.
fn records(job: &Job, run: &str, event: &str) -> Result<Vec<Value>> {
    Ok(log(job, run)?.into_iter().filter(|record| record["event"] == event).collect())
}

/// A number of each line about one event.
fn numbers(job: &Job, run: &str, event: &str, name: &str) -> Result<Vec<f64>> {
    let number = |record: &Value| record[name].as_f64().ok_or_else(|| format!("no {name} in {record}").into());
    records(job, run, event)?.iter().map(number).collect()
}

/// Fails unless two finished runs have left the same: models and predictions to the bit, and logs but for speeds.
#[track_caller]
fn assert_same(job: &Job, found: &str, expected: &str, when: &str) -> Result<()> {
    for file in ["model/model.safetensors", "model/config.json", "predictions.parquet"] {
        let [found, expected] = [found, expected].map(|run| fs::read(job.path(run).join(file)));
        assert!(found? == expected?, "{when}: {file} differs");
    }
    // What few-shot classification leaves besides.
    for file in ["contrastive/model/model.safetensors", "contrastive/pairs.jsonl", "model/2_Dense/model.safetensors"] {
        let [found, expected] = [found, expected].map(|run| fs::read(job.path(run).join(file)).ok());
        assert!(found == expected, "{when}: {file} differs");
    }
    let [found, expected] = [log(job, found)?, log(job, expected)?];
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{when}");
    }
    assert_eq!(found.len(), expected.len(), "{when}: lines of the log");
    Ok(())
}

/// Takes dropout from a job's model.
fn without_dropout(job: &Job) -> Result<()> {
    let path = job.model().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    config["hidden_dropout_prob"] = json!(0.0);
    config["attention_probs_dropout_prob"] = json!(0.0);
    Ok(fs::write(path, config.to_string())?)
}

/// Fills a weight of a job's model with one number.
fn poison(job: &Job, name: &str, value: f64) -> Result<()> {
    poison_each(job, &[(name, value)])
}

/// Fills weights of a job's model with one number each.
fn poison_each(job: &Job, fillings: &[(&str, f64)]) -> Result<()> {
    let weights = Golden::read("bert_tiny_gelu")?.weights()?;
    for (name, value) in fillings {
        let (_, weight) = weights.iter().find(|(found, _)| found == name).ok_or("no such weight")?;
        let _ = weight.shallow_clone().fill_(*value);
    }
    golden::save(&job.model().join("model.safetensors"), &weights)
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(from, to).map(|_| ())? }
    }
    Ok(())
}
