//! Damaged checkpoints: the one before is taken, or the run ends in words.

use std::fs;
use std::path::Path;

use tests::{Job, Result};

use crate::{assert_same, copy, fails, finetune, names, resume, succeeds};

const PLAN: [&str; 3] = ["train.epochs=4", "checkpoint.every=1", "checkpoint.keep=2"];
const NEWEST: &str = "checkpoints/step-00000012";

/// A way to damage a checkpoint's file.
type Damage = fn(&Path) -> std::io::Result<()>;

fn flip(path: &Path) -> std::io::Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes)
}

fn cut(path: &Path) -> std::io::Result<()> {
    let bytes = fs::read(path)?;
    fs::write(path, &bytes[..bytes.len() / 2])
}

fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_file(path)
}

/// A run that was paused after 12 steps, under the name `paused`, beside one that never was, `whole`.
fn paused(job: &Job) -> Result<()> {
    succeeds(finetune(job, "whole", &PLAN))?;
    let mut command = finetune(job, "paused", &PLAN);
    command.args(["--pause-after-epoch", "2"]);
    succeeds(command)?;
    Ok(())
}

#[test]
fn of_a_damaged_checkpoint_the_one_before_is_taken() -> Result<()> {
    let job = Job::new()?;
    paused(&job)?;
    let damages: [(&str, Damage); 6] = [
        ("parameters.safetensors", flip),
        ("optimizer.safetensors", cut),
        ("random.safetensors", flip),
        ("state.json", remove),
        ("manifest.json", remove),
        ("manifest.json", cut),
    ];
    for (place, (file, damage)) in damages.into_iter().enumerate() {
        let run = format!("damaged-{place}");
        copy(&job.path("paused"), &job.path(&run))?;
        damage(&job.path(&run).join(NEWEST).join(file))?;
        let said = succeeds(resume(&job, &run))?;
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("is damaged")).collect();
        assert_eq!(lines.len(), 1, "{said}");
        for words in ["step-00000012", file, "the one before it is taken"] {
            assert!(lines[0].contains(words), "{}", lines[0]);
        }
        assert_same(&job, &run, "whole", file)?;
    }
    Ok(())
}

#[test]
fn without_a_whole_checkpoint_the_run_ends_in_words() -> Result<()> {
    let job = Job::new()?;
    paused(&job)?;
    for step in ["step-00000011", "step-00000012"] {
        flip(&job.path("paused/checkpoints").join(step).join("optimizer.safetensors"))?;
    }
    let before = fs::read(job.path("paused/metrics.jsonl"))?;
    let said = fails(resume(&job, "paused"))?;
    for words in ["step-00000012", "optimizer.safetensors", "SHA-256", "To begin again, remove", "checkpoints"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(fs::read(job.path("paused/metrics.jsonl"))? == before, "the log of a run that cannot go on was changed");
    // As it says.
    fs::remove_dir_all(job.path("paused/checkpoints"))?;
    succeeds(resume(&job, "paused"))?;
    assert_same(&job, "paused", "whole", "begun again")
}

#[test]
fn the_best_model_is_part_of_what_must_be_whole() -> Result<()> {
    let job = Job::new()?;
    paused(&job)?;
    let folder = job.path("paused/checkpoints");
    let best = names(&folder)?.into_iter().find(|name| name.starts_with("best-")).ok_or("no best model")?;
    cut(&folder.join(&best))?;
    let said = fails(resume(&job, "paused"))?;
    assert!(said.contains(&best) && said.contains("bytes, expected"), "{said}");
    Ok(())
}

#[test]
fn as_many_checkpoints_stay_as_are_asked_for() -> Result<()> {
    let job = Job::new()?;
    for (keep, expected) in [(1, vec![12]), (3, vec![5, 10, 12]), (9, vec![5, 10, 12])] {
        let run = format!("keep-{keep}");
        let assignments = ["train.epochs=4", "checkpoint.every=5", &format!("checkpoint.keep={keep}")];
        let mut command = finetune(&job, &run, &assignments);
        command.args(["--pause-after-epoch", "2"]);
        succeeds(command)?;
        let names = names(&job.path(&run).join("checkpoints"))?;
        let steps: Vec<u64> = names.iter().filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
        assert_eq!(steps, expected, "{names:?}");
    }
    Ok(())
}
