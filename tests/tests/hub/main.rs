//! Fine-tuning on data sets of the Hub by their names, through the built binary and a Hub on the loopback interface:
//! what is trained on, what is recorded, and what is said where it cannot be.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

mod messages;
#[path = "../../../crates/retune-hub/tests/hub/server.rs"]
#[allow(dead_code)] // What concerns models is used by that crate's own tests.
mod server;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tests::job::succeeds;
use tests::{Job, Result};

use server::{Dataset, FakeHub};

const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECOND: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const CONVERTED: &str = "cccccccccccccccccccccccccccccccccccccccc";

// As Python's `datasets` writes them (golden/hub.py).
const TRAIN_0: &[u8] = include_bytes!("../../golden/hub/train-00000-of-00002.parquet");
const TRAIN_1: &[u8] = include_bytes!("../../golden/hub/train-00001-of-00002.parquet");
const VALIDATION: &[u8] = include_bytes!("../../golden/hub/validation-00000-of-00001.parquet");
const TEST: &[u8] = include_bytes!("../../golden/hub/test-00000-of-00001.parquet");
const MOVED: &[u8] = include_bytes!("../../golden/hub/moved.parquet");

/// The job's own rows as a data set, as `push_to_hub` names its files.
fn films() -> Dataset {
    Dataset::default().with(
        "main",
        FIRST,
        &[
            ("README.md", b"Films"),
            ("data/train-00000-of-00002.parquet", TRAIN_0),
            ("data/train-00001-of-00002.parquet", TRAIN_1),
            ("data/validation-00000-of-00001.parquet", VALIDATION),
            ("data/test-00000-of-00001.parquet", TEST),
        ],
    )
}

/// A Hub that has it.
fn hub() -> FakeHub {
    let hub = FakeHub::start(&[]);
    hub.model().datasets.insert("org/films".to_owned(), films());
    hub
}

/// A command of a person whose caches are in the job's folder and whose Hub is this one.
fn with(job: &Job, hub: &FakeHub, mut command: Command) -> Command {
    command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", hub.endpoint());
    command.env("HF_HOME", job.path("hf")).env("XDG_CACHE_HOME", job.path("cache"));
    for other in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE"]
    {
        command.env_remove(other);
    }
    command
}

/// The command that fine-tunes into `out` by a recipe with these lines under `[data]`.
fn finetune(job: &Job, hub: &FakeHub, out: &str, data: &str) -> Result<Command> {
    let recipe = format!(
        "[model]\npath = {:?}\n\n[data]\n{data}\ntext = \"text\"\nlabel = \"label\"\nmax_length = 16\n\n[train]\nepochs = 2\n\
         batch_size = 4\n\n[evaluation]\nbootstrap_samples = 20\n\n[run]\ndevice = \"cpu\"\nthreads = 1\n",
        job.model()
    );
    let file = format!("{out}.toml");
    job.write(&file, recipe)?;
    Ok(with(job, hub, job.command(&["finetune", "--recipe", &file, "--output", out])))
}

#[track_caller]
fn assert_same(job: &Job, found: &str, expected: &str) {
    for file in ["model/model.safetensors", "model/config.json", "predictions.parquet"] {
        let bytes = |run: &str| fs::read(job.path(run).join(file)).unwrap();
        assert!(bytes(found) == bytes(expected), "{file} of {found} differs from that of {expected}");
    }
}

const ALL: &str = "train = \"hub:org/films\"\nvalidation = \"hub:org/films\"\ntest = \"hub:org/films\"";

#[test]
fn a_data_set_by_name_is_trained_on_as_its_rows_in_files_are() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let said = succeeds(finetune(&job, &hub, "named", ALL)?)?;
    assert!(said.contains("data: 24 training, 6 validation, 6 test examples; 2 classes"), "{said}");
    let config: Value = serde_json::from_str(&fs::read_to_string(job.path("named/model/config.json"))?)?;
    assert_eq!(config["id2label"], json!({"0": "positive", "1": "negative"}));
    let plan = fs::read_to_string(job.path("named/plan.toml"))?;
    for (key, split) in [("train", "train"), ("validation", "validation"), ("test", "test")] {
        let line = format!("{key} = \"hub:org/films:default@{FIRST}#{split}\"\n");
        assert!(plan.contains(&line), "no '{line}' in {plan}");
    }

    // The same rows in files, with the classes in the same order.
    let line = |row: usize| match row % 2 {
        0 => format!("a {}good film,positive\n", "very ".repeat(row % 5)),
        _ => format!("the {}bad film,negative\n", "very ".repeat(row % 3)),
    };
    job.write("test.csv", format!("text,label\n{}", (3..9).map(line).collect::<String>()))?;
    job.write("names.txt", "positive\nnegative\n")?;
    let files = "train = \"train.csv\"\nvalidation = \"dev.csv\"\ntest = \"test.csv\"\nlabel_names = \"names.txt\"";
    succeeds(finetune(&job, &hub, "files", files)?)?;
    assert_same(&job, "named", "files");

    // Again without asking, though offline; and by the plan alone.
    hub.seen();
    let mut command = finetune(&job, &hub, "again", ALL)?;
    command.env("HF_HUB_OFFLINE", "1");
    succeeds(command)?;
    assert_same(&job, "again", "named");
    succeeds(with(&job, &hub, job.command(&["finetune", "--recipe", "named/plan.toml", "--output", "by-plan"])))?;
    assert_same(&job, "by-plan", "named");
    assert!(hub.seen().is_empty());

    // A finished model reads them too, by the classes' names.
    let command = job.command(&["evaluate", "--run", "files", "--file", "hub:org/films", "--json"]);
    let output = with(&job, &hub, command).output()?;
    let scores: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(scores["scores"]["examples"], 6);
    let command = job.command(&["predict", "--run", "files", "--file", "hub:org/films#train", "--json"]);
    assert_eq!(succeeds(with(&job, &hub, command))?.lines().filter(|line| line.starts_with('{')).count(), 24);
    Ok(())
}

#[test]
fn a_resumed_run_takes_the_commit_that_it_began_with() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    succeeds(finetune(&job, &hub, "whole", ALL)?)?;
    let mut command = finetune(&job, &hub, "paused", ALL)?;
    command.args(["--pause-after-epoch", "1"]);
    succeeds(command)?;
    // The branch moves, and nothing that was downloaded is left.
    let moved: [(&str, &[u8]); 3] = [
        ("data/train-00000-of-00001.parquet", MOVED),
        ("data/validation-00000-of-00001.parquet", TEST),
        ("test.txt", b""),
    ];
    hub.model().datasets.insert("org/films".to_owned(), films().with("main", SECOND, &moved));
    for caches in ["hf", "cache"] {
        fs::remove_dir_all(job.path(caches))?;
    }
    hub.seen();
    succeeds(with(&job, &hub, job.command(&["finetune", "--resume", "paused"])))?;
    assert_same(&job, "paused", "whole");
    let asked: Vec<String> =
        hub.seen().into_iter().map(|seen| seen.path).filter(|path| path.starts_with("/api/")).collect();
    let commit = format!("/api/datasets/org/films/revision/{FIRST}");
    assert_eq!(asked, [commit.as_str(); 3]);
    // Who begins a run takes what the branch is now.
    let said = succeeds(finetune(&job, &hub, "new", "train = \"hub:org/films\"\nvalidation = \"hub:org/films\"")?)?;
    assert!(said.contains(&format!("hub:org/films is hub:org/films:default@{SECOND}#train")), "{said}");
    assert!(fs::read_to_string(job.path("new/plan.toml"))?.contains(&format!("@{SECOND}#train")));
    Ok(())
}

#[test]
fn a_data_set_without_parquet_is_taken_as_the_hub_converted_it() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let files: [(&str, &[u8]); 4] = [
        ("short/train/0000.parquet", TRAIN_1),
        ("whole/train/0000.parquet", TRAIN_0),
        ("whole/train/0001.parquet", TRAIN_1),
        ("whole/validation/0000.parquet", VALIDATION),
    ];
    let dataset = Dataset::default().with("main", FIRST, &[("train.csv", b"text,label\n")]).with(
        "refs/convert/parquet",
        CONVERTED,
        &files,
    );
    hub.model().datasets.insert("org/tables".to_owned(), dataset);
    succeeds(finetune(
        &job,
        &hub,
        "converted",
        "train = \"hub:org/tables:whole\"\nvalidation = \"hub:org/tables:whole\"",
    )?)?;
    let plan = fs::read_to_string(job.path("converted/plan.toml"))?;
    assert!(plan.contains(&format!("train = \"hub:org/tables:whole@{CONVERTED}#train\"\n")), "{plan}");
    succeeds(finetune(&job, &hub, "plain", "train = \"hub:org/films\"\nvalidation = \"hub:org/films\"")?)?;
    assert_same(&job, "converted", "plain");
    Ok(())
}

/// The private token is sent; the card's own configurations and their default are followed; and another split is held
/// out.
#[test]
fn a_gated_data_set_with_a_card_is_read_with_a_token() -> Result<()> {
    let (job, hub) = (Job::new()?, hub());
    let files: [(&str, &[u8]); 2] = [("a/part-1.parquet", TRAIN_0), ("b/part-1.parquet", TRAIN_1)];
    let mut dataset = Dataset::default().with("main", FIRST, &files);
    dataset.gated = Some("hf_secret".to_owned());
    let config = |name: &str, is_default: bool| json!({"config_name": name, "default": is_default, "data_files": [{"split": "train", "path": format!("{name}/*")}]});
    dataset.card = Some(json!({"configs": [config("a", false), config("b", true)]}).to_string());
    hub.model().datasets.insert("org/gated".to_owned(), dataset);
    let mut command = finetune(&job, &hub, "out", "train = \"hub:org/gated\"\nvalidation = \"hub:org/gated:a#train\"")?;
    command.env("HF_TOKEN", "hf_secret");
    let said = succeeds(command)?;
    assert!(said.contains("data: 10 training, 14 validation examples"), "{said}");
    assert!(!said.contains("hf_secret"));
    Ok(())
}
