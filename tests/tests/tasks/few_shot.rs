//! Few-shot classification in two stages: what it leaves, that nothing about it hangs on chance or on being stopped,
//! and what is refused.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tests::job::{said, succeeds};
use tests::{Job, Result};

/// The command that trains both stages into `output`, some steps each.
fn finetune(job: &Job, output: &str, more: &[&str]) -> Command {
    let mut command = job.finetune(&["--output", output, "--few-shot", "3", "--per-class", "4", "--epochs", "5"]);
    for assignment in ["train.log_every=1", "evaluation.bootstrap_samples=20", "few_shot.batch_size=4"] {
        command.args(["--set", assignment]);
    }
    command.args(more);
    command
}

fn json_of(job: &Job, path: &str) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(job.path(path))?)?)
}

/// What both stages leave that must be the same to the bit.
const LEFT: [&str; 7] = [
    "contrastive/pairs.jsonl",
    "contrastive/validation-pairs.jsonl",
    "contrastive/model/model.safetensors",
    "model/model.safetensors",
    "model/2_Dense/model.safetensors",
    "model/config.json",
    "predictions.parquet",
];

#[track_caller]
fn assert_same(job: &Job, found: &str, expected: &str) -> Result<()> {
    for file in LEFT {
        let [found, expected] = [found, expected].map(|run| fs::read(job.path(run).join(file)));
        assert!(found? == expected?, "{file} differs");
    }
    Ok(())
}

#[test]
fn both_stages_leave_a_classifier_that_is_evaluated_and_asked() -> Result<()> {
    let job = Job::new()?;
    let told = succeeds(finetune(&job, "out", &[]))?;
    assert!(told.contains("contrastive stage: 48 pairs of 8 texts"), "{told}");

    // Each of eight texts, three times, with one of its class and one of the other.
    let pairs = fs::read_to_string(job.path("out/contrastive/pairs.jsonl"))?;
    let pairs = pairs.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    assert_eq!(pairs.len(), 48);
    for pair in &pairs {
        let is_good = |side: &str| pair[side].as_str().is_some_and(|text| text.contains("good"));
        assert_eq!(pair["cosine"], json!(f64::from(u8::from(is_good("text") == is_good("partner")))), "{pair}");
    }
    let moved = |name: &str| fs::read(job.path("out").join(name));
    assert_ne!(fs::read(job.model().join("model.safetensors"))?, moved("contrastive/model/model.safetensors")?);
    // With the head alone trained, the encoder is the contrastive stage's.
    assert_eq!(moved("model/model.safetensors")?, moved("contrastive/model/model.safetensors")?);

    // As sentence-transformers loads it: the head is its last module.
    let modules = json_of(&job, "out/model/modules.json")?;
    let kinds: Vec<&str> = modules.as_array().ok_or("no list")?.iter().filter_map(|one| one["type"].as_str()).collect();
    assert_eq!(kinds, ["Transformer", "Pooling", "Dense"].map(|kind| format!("sentence_transformers.models.{kind}")));
    assert_eq!(modules[2]["name"], "classifier");
    let dense = json_of(&job, "out/model/2_Dense/config.json")?;
    assert_eq!((&dense["in_features"], &dense["out_features"]), (&json!(32), &json!(2)));
    let config = json_of(&job, "out/model/config.json")?;
    assert_eq!(config["architectures"], json!(["BertModel"]));
    assert_eq!(config["id2label"], json!({ "0": "negative", "1": "positive" }));

    let log = fs::read_to_string(job.path("out/metrics.jsonl"))?;
    let last: Value = serde_json::from_str(log.lines().last().ok_or("no line")?)?;
    let evaluate = job.command(&["evaluate", "--run", "out", "--file", "dev.csv", "--json", "--quiet"]).output()?;
    assert!(evaluate.status.success(), "{}", said(&evaluate));
    let measured: Value = serde_json::from_slice(&evaluate.stdout)?;
    assert_eq!(measured["scores"]["accuracy"], last["scores"]["accuracy"]);
    let answer = succeeds(job.command(&["predict", "--run", "out", "--json", "--quiet", "a good film"]))?;
    let answer: Value = serde_json::from_str(&answer)?;
    assert!(answer["probabilities"]["positive"].is_number(), "{answer}");
    Ok(())
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_other_pairs() -> Result<()> {
    let job = Job::new()?;
    for run in ["a", "b"] {
        succeeds(finetune(&job, run, &[]))?;
    }
    assert_same(&job, "b", "a")?;
    // The plan of the whole, and that of the first stage, are recipes for the same.
    succeeds(job.command(&["finetune", "--recipe", "a/plan.toml", "--output", "c"]))?;
    assert_same(&job, "c", "a")?;
    succeeds(job.command(&["finetune", "--recipe", "a/contrastive/plan.toml", "--output", "d"]))?;
    let model = |run: &str| fs::read(job.path(run).join("model/model.safetensors"));
    assert_eq!(model("d")?, model("a/contrastive")?);
    succeeds(finetune(&job, "e", &["--seed", "7"]))?;
    let pairs = |run: &str| fs::read(job.path(run).join("contrastive/pairs.jsonl"));
    assert_ne!(pairs("e")?, pairs("a")?);
    Ok(())
}

#[test]
fn stopped_in_either_stage_a_run_ends_as_if_it_had_never_been() -> Result<()> {
    let job = Job::new()?;
    let long = ["--set", "few_shot.epochs=40", "--set", "checkpoint.every=1"];
    succeeds(finetune(&job, "whole", &long))?;

    let mut running = finetune(&job, "out", &long).spawn()?;
    let checkpoints = job.path("out/contrastive/checkpoints");
    let has_begun = || fs::read_dir(&checkpoints).is_ok_and(|entries| entries.count() > 0);
    while !has_begun() && running.try_wait()?.is_none() {
        sleep(Duration::from_millis(2));
    }
    let asked = Command::new("kill").args(["-TERM", &running.id().to_string()]).status()?;
    assert!(asked.success());
    assert_eq!(running.wait()?.code(), Some(130));
    assert!(checkpoints.exists() && !job.path("out/contrastive/model").exists(), "the first stage is not at its end");

    let paused = succeeds(job.command(&["finetune", "--resume", "out", "--pause-after-epoch", "2"]))?;
    assert!(paused.contains("paused after step"), "{paused}");
    assert!(job.path("out/contrastive/model").exists() && !job.path("out/model").exists());
    succeeds(job.command(&["finetune", "--resume", "out"]))?;
    assert_same(&job, "out", "whole")?;
    let message = job.command(&["finetune", "--resume", "out"]).output()?;
    assert_eq!(message.status.code(), Some(2));
    assert!(said(&message).contains("is finished"), "{}", said(&message));
    Ok(())
}

/// The head on sentence embeddings without a contrastive stage; and the whole model trained after one.
#[test]
fn the_head_and_the_stage_can_be_had_apart() -> Result<()> {
    let job = Job::new()?;
    let head = ["--output", "head", "--max-steps", "4", "--set", "task.head=sentence-embedding"];
    succeeds(job.finetune(&head))?;
    assert!(job.path("head/model/2_Dense").exists() && !job.path("head/contrastive").exists());
    succeeds(job.command(&["predict", "--run", "head", "a good film"]))?;

    succeeds(finetune(&job, "out", &["--trained", "all", "--learning-rate", "1e-4"]))?;
    let weights = |name: &str| fs::read(job.path("out").join(name));
    assert_ne!(weights("model/model.safetensors")?, weights("contrastive/model/model.safetensors")?);

    // Trained further, the head goes on from where it is, and sentence embeddings do without it.
    let start = format!("model.path={}", job.path("head/model").display());
    let further = ["--output", "further", "--max-steps", "2", "--set", "task.head=sentence-embedding", "--set", &start];
    let told = succeeds(job.finetune(&further))?;
    assert!(!told.contains("drawn from the seed"), "{told}");
    let mut command = job.command(&["finetune", "--task", "embeddings", "--train", "pairs.csv", "--eval", "dev.csv"]);
    command.args(["--text", "text", "label", "--output", "vectors", "--max-steps", "1", "--set", "data.max_length=16"]);
    command.arg("--model").arg(job.path("head/model"));
    job.write("pairs.csv", "text,label\na good film,a very good film\nthe bad film,a bad film\n")?;
    succeeds(command)?;
    assert!(!job.path("vectors/model/2_Dense").exists());
    Ok(())
}

#[test]
fn what_a_contrastive_stage_cannot_go_with_is_named() -> Result<()> {
    let job = Job::new()?;
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--task", "regression"], &["few_shot.pairs", "left out", "regression"]),
        (&["--adapter", "lora"], &["few_shot.pairs", "adapter.kind", "leave one of them out"]),
        (&["--set", "adapter.path=adapter"], &["few_shot.pairs", "adapter.path", "leave one of them out"]),
        (&["--set", "task.head=architecture"], &["few_shot.pairs", "task.head", "leave task.head out"]),
        (&["--set", "regularization.reinitialized_layers=1"], &["reinitialized_layers", "leave one of them out"]),
        (&["--text", "other"], &["few_shot.pairs", "data.text", "name one column"]),
        (&["--set", "data.train_fraction=0.5", "--per-class", "4"], &["data.train_per_class", "data.train_fraction"]),
        (&["--few-shot", "0"], &["few_shot.pairs", "at least 1"]),
        (&["--set", "few_shot.pair=2"], &["few_shot.pair", "did you mean 'few_shot.pairs'"]),
    ];
    for (arguments, words) in cases {
        let few_shot: &[&str] = if arguments.contains(&"--few-shot") { &[] } else { &["--few-shot", "20"] };
        let message = job.refused(job.finetune(&[few_shot, arguments].concat()));
        assert_eq!(message.lines().count(), 1, "{message}");
        words.iter().for_each(|word| assert!(message.contains(word), "no '{word}' in {message}"));
    }
    Ok(())
}

#[test]
fn rows_that_give_no_pairs_are_named() -> Result<()> {
    let job = Job::new()?;
    let message = job.refused(job.finetune(&["--few-shot", "20", "--per-class", "1"]));
    for words in ["train.csv", "no two of the 2 training rows are of one class", "data.train_per_class"] {
        assert!(message.contains(words), "{message}");
    }
    job.write("names.txt", "negative\npositive\n")?;
    job.write("train.csv", "text,label\na good film,positive\nvery good,positive\n")?;
    let message = job.refused(job.finetune(&["--few-shot", "20", "--set", "data.label_names=names.txt"]));
    for words in ["train.csv", "all 2 training rows are of one class", "two classes or more"] {
        assert!(message.contains(words), "{message}");
    }
    Ok(())
}

#[test]
fn only_classes_have_so_many_rows_each_or_a_head_on_embeddings() -> Result<()> {
    let job = Job::new()?;
    for (arguments, words) in [
        (["--per-class", "4"], ["data.train_per_class", "left out", "regression"]),
        (["--set", "task.head=sentence-embedding"], ["task.head", "architecture", "regression"]),
    ] {
        let message = job.refused(job.finetune(&[&["--task", "regression"], &arguments[..]].concat()));
        words.iter().for_each(|word| assert!(message.contains(word), "no '{word}' in {message}"));
    }
    let both = ["--set", "task.head=sentence-embedding", "--adapter", "lora"];
    let message = job.refused(job.finetune(&both));
    assert!(message.contains("task.head") && message.contains("adapter.kind"), "{message}");
    Ok(())
}

/// A mistake in what the second stage needs costs no first stage.
#[test]
fn what_the_second_stage_refuses_is_refused_before_the_first() -> Result<()> {
    let job = Job::new()?;
    let message = job.refused(job.finetune(&["--few-shot", "20", "--set", "optimizer.rates=nothing.*=2"]));
    assert!(message.contains("nothing.*") && !message.contains("contrastive stage"), "{message}");
    Ok(())
}
