//! Data that changed since a run began: the run is not resumed, says what changed, and is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{Job, Result};

use crate::{assert_same, copy, fails, finetune, names, resume, succeeds};

const PLAN: [&str; 2] = ["train.epochs=3", "checkpoint.every=2"];

/// A run that was paused after its first epoch.
fn paused(job: &Job, run: &str, more: &[&str]) -> Result<()> {
    let mut command = finetune(job, run, &PLAN);
    command.args(["--pause-after-epoch", "1"]).args(more);
    succeeds(command)?;
    Ok(())
}

/// Every file below a folder with its bytes.
fn everything(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in names(folder)? {
        let path = folder.join(name);
        match path.is_dir() {
            true => files.extend(everything(&path)?),
            false => drop(files.insert(path.clone(), fs::read(&path)?)),
        }
    }
    Ok(files)
}

/// That a run is refused with these words, and that nothing in its folder is touched.
#[track_caller]
fn is_refused(job: &Job, run: &str, words: &[&str]) -> Result<()> {
    let before = everything(&job.path(run))?;
    let said = fails(resume(job, run))?;
    let always = ["the data of ", run, "is not what the run began with", "put the files back", "begin a new run"];
    for words in words.iter().chain(&always) {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    assert!(everything(&job.path(run))? == before, "the folder of a run that was refused has changed");
    Ok(())
}

#[test]
fn a_run_whose_files_changed_is_refused_and_goes_on_once_they_are_back() -> Result<()> {
    let job = Job::new()?;
    succeeds(finetune(&job, "whole", &PLAN))?;
    paused(&job, "paused", &[])?;
    for (file, key) in [("train.csv", "data.train"), ("dev.csv", "data.validation")] {
        let whole = fs::read_to_string(job.path(file))?;
        let changed = whole.replacen("good", "very", 1);
        assert_eq!(changed.len(), whole.len(), "a change that no size shows");
        job.write(file, &changed)?;
        let size = format!("{} bytes", whole.len());
        is_refused(&job, "paused", &[key, file, &size, "SHA-256"])?;
        job.write(file, whole.clone() + "the bad film,negative\n")?;
        is_refused(&job, "paused", &[key, file, &size])?;
        fs::remove_file(job.path(file))?;
        is_refused(&job, "paused", &[key, file, "is not there any more"])?;
        job.write(file, whole)?;
    }
    // The same bytes, written anew.
    succeeds(resume(&job, "paused"))?;
    assert_same(&job, "paused", "whole", "with the files back")
}

#[test]
fn every_file_that_a_run_reads_counts() -> Result<()> {
    let job = Job::new()?;
    fs::create_dir(job.path("parts"))?;
    fs::copy(job.path("train.csv"), job.path("parts/b.csv"))?;
    job.write("parts/a.csv", "text,label\na good film,positive\nthe bad film,negative\n")?;
    job.write("names.txt", "negative\npositive\n")?;
    let more = ["--test", "dev.csv", "--set", "data.train=parts", "--set", "data.label_names=names.txt"];
    paused(&job, "out", &more)?;
    let record: Value = serde_json::from_str(&fs::read_to_string(job.path("out/data.json"))?)?;
    let mut files = Vec::new();
    for (key, contents) in record.as_object().ok_or("no object")? {
        for file in contents.as_array().ok_or("no list")? {
            files.push(format!("{key}: {}", file["path"].as_str().unwrap_or_default()));
        }
    }
    let expected = [
        "data.label_names: names.txt",
        "data.test: dev.csv",
        "data.train: parts/a.csv",
        "data.train: parts/b.csv",
        "data.validation: dev.csv",
    ];
    assert_eq!(files, expected);
    job.write("names.txt", "positive\nnegative\n")?;
    is_refused(&job, "out", &["data.label_names: names.txt holds 18 bytes"])?;
    job.write("names.txt", "negative\npositive\n")?;
    job.write("parts/c.csv", "text,label\na good film,positive\n")?;
    is_refused(&job, "out", &["data.train: parts/c.csv is new"])?;
    fs::rename(job.path("parts/c.csv"), job.path("c.csv"))?;
    job.write("dev.csv", "text,label\na good film,positive\n")?;
    is_refused(&job, "out", &["data.validation: dev.csv holds", "data.test: dev.csv holds"])
}

#[test]
fn a_run_from_before_there_were_records_goes_on_and_has_one_then() -> Result<()> {
    let job = Job::new()?;
    succeeds(finetune(&job, "whole", &PLAN))?;
    paused(&job, "old", &[])?;
    fs::remove_file(job.path("old/data.json"))?;
    copy(&job.path("old"), &job.path("begun"))?;
    let said = succeeds(resume(&job, "old"))?;
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("no record of what its data files held")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert_same(&job, "old", "whole", "without a record")?;
    // From then on it is one like others.
    let mut command = resume(&job, "begun");
    command.args(["--pause-after-epoch", "2"]);
    succeeds(command)?;
    let whole = fs::read_to_string(job.path("train.csv"))?;
    job.write("train.csv", whole.replacen("good", "very", 1))?;
    is_refused(&job, "begun", &["data.train: train.csv holds"])
}
