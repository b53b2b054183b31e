//! One message, exit code 2, and nothing left in the output folder.

use std::process::Command;

use tests::{Job, Result};

use crate::server::{Dataset, FakeHub, Wrong};
use crate::{ALL, CONVERTED, FIRST, TEST, TRAIN_0, finetune, hub, succeeds};

/// That a run on `train` is refused with these words.
#[track_caller]
fn is_refused(job: &Job, hub: &FakeHub, train: &str, words: &[&str]) -> Result<()> {
    refused(job, finetune(job, hub, "out", &format!("train = {train:?}"))?, train, words);
    Ok(())
}

#[track_caller]
fn refused(job: &Job, command: Command, what: &str, words: &[&str]) {
    let said = job.refused(command);
    assert_eq!(said.lines().filter(|line| line.starts_with("error:")).count(), 1, "{said}");
    for words in words {
        assert!(said.contains(words), "{what}: no '{words}' in {said}");
    }
}

fn insert(hub: &FakeHub, name: &str, dataset: Dataset) {
    hub.model().datasets.insert(name.to_owned(), dataset);
}

#[test]
fn what_is_not_there_is_named_with_what_is() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let converted: [(&str, &[u8]); 3] =
        [("sst2/train/0000.parquet", TRAIN_0), ("cola/train/0000.parquet", TRAIN_0), ("cola/test/0000.parquet", TEST)];
    insert(&hub, "org/glue", Dataset::default().with("main", FIRST, &converted));
    insert(&hub, "org/csv", Dataset::default().with("main", FIRST, &[("train.csv", b"text\n")]));
    let endpoint = hub.endpoint();
    let unknown = format!("there is no data set org/filns at {endpoint}");
    let branches = format!("{endpoint}/datasets/org/films/tree/main");
    let cases: [(&str, &[&str]); 9] = [
        ("hub:org/filns", &[&unknown, "check the spelling (`hub:org/name`)"]),
        (
            "hub:org/films#dev",
            &["org/films (default) has no split 'dev'", "the splits test, train, validation", "hub:org/films#test"],
        ),
        ("hub:org/glue", &["the data set org/glue has the configurations cola, sst2", "hub:org/glue:cola"]),
        ("hub:org/glue:mrpc", &["org/glue has no configuration 'mrpc'", "the configurations cola, sst2"]),
        ("hub:org/glue:sst2#test", &["org/glue (sst2) has no split 'test'", "the splits train"]),
        (
            "hub:org/csv",
            &["org/csv has no Parquet files at revision main", "no conversion of it", "download its files"],
        ),
        ("hub:org/films@v9", &["datasets/org/films has no revision v9", &branches]),
        ("hub:org/films#", &["`hub:org/films#` names no data set", "nothing stands behind", "hub:org/name#split"]),
        ("hub:org/a b", &["`hub:org/a b` names no data set", "only letters"]),
    ];
    for (train, words) in cases {
        is_refused(&job, &hub, train, words)?;
    }
    insert(&hub, "org/csv", Dataset::default().with("main", FIRST, &[]).with("refs/convert/parquet", CONVERTED, &[]));
    is_refused(&job, &hub, "hub:org/csv", &["org/csv has no Parquet files at revision main"])?;
    Ok(())
}

#[test]
fn who_may_not_read_it_is_told_how() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let mut dataset = Dataset::default().with("main", FIRST, &[("train.parquet", TRAIN_0)]);
    dataset.gated = Some("hf_secret".to_owned());
    insert(&hub, "org/gated", dataset);
    let page = format!("open {}/datasets/org/gated to ask for access", hub.endpoint());
    is_refused(
        &job,
        &hub,
        "hub:org/gated",
        &["refused access to datasets/org/gated (HTTP 401)", &page, "set HF_TOKEN"],
    )?;
    let mut command = finetune(&job, &hub, "out", "train = \"hub:org/gated\"")?;
    command.env("HF_TOKEN", "hf_wrong");
    refused(&job, command, "a wrong token", &["(HTTP 403)", "the token may be wrong", &page]);
    Ok(())
}

#[test]
fn without_the_hub_it_says_what_is_missing() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let mut command = finetune(&job, &hub, "out", ALL)?;
    command.env("HF_HUB_OFFLINE", "1");
    let words = [
        "datasets/org/films at revision main is not in the Hugging Face cache",
        "offline mode forbids",
        "HF_HUB_OFFLINE=0",
    ];
    refused(&job, command, "offline", &words);
    let mut command = finetune(&job, &hub, "out", ALL)?;
    command.args(["--offline"]);
    refused(&job, command, "--offline", &words);
    assert!(hub.seen().is_empty());
    let endpoint = hub.endpoint();
    drop(hub);
    let gone = crate::hub();
    let mut command = finetune(&job, &gone, "out", ALL)?;
    command.env("HF_ENDPOINT", &endpoint);
    refused(&job, command, "gone", &["cannot be reached", "datasets/org/films is not in the cache"]);
    Ok(())
}

#[test]
fn a_download_that_broke_off_goes_on() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let name = "data/train-00001-of-00002.parquet";
    hub.model().wrong = Some((name.to_owned(), Wrong::Cut));
    is_refused(&job, &hub, "hub:org/films", &[name, "of datasets/org/films broke off", "it goes on where it stopped"])?;
    succeeds(finetune(&job, &hub, "out", ALL)?)?;
    Ok(())
}

#[test]
fn what_contradicts_itself_is_named() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let csv = finetune(&job, &hub, "out", "train = \"hub:org/films\"\nformat = \"csv\"")?;
    refused(&job, csv, "format", &["hub:org/films is read as Parquet, but data.format is csv"]);
    let twice = finetune(&job, &hub, "out", "train = \"hub:org/films\"\nvalidation = \"hub:org/films#train\"")?;
    refused(&job, twice, "twice", &["data.train", "data.validation", "says nothing of new ones"]);
    Ok(())
}
