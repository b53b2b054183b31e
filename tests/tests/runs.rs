//! Whole runs of the built binary: what they leave, and that stopping and going on changes nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::job::said;
use tests::{Job, Result};

#[test]
fn a_run_leaves_a_model_that_predicts_and_is_evaluated() -> Result<()> {
    let job = Job::new()?;
    let output = job.finetune(&["--epochs", "2", "no-eval"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("no validation file"), "{}", said(&output));
    for name in [
        "plan.toml",
        "metrics.jsonl",
        "environment.json",
        "predictions.parquet",
        "evaluation.json",
        "report.html",
        "model/config.json",
        "model/README.md",
    ] {
        assert!(job.path("out").join(name).exists(), "{name}");
    }
    assert!(!job.path("out/checkpoints").exists());
    let config: Value = serde_json::from_str(&fs::read_to_string(job.path("out/model/config.json"))?)?;
    assert_eq!(config["id2label"], serde_json::json!({"0": "negative", "1": "positive"}));
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");

    let output = job.command(&["predict", "--run", "out", "--json", "a good film", "the bad film"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let lines = String::from_utf8(output.stdout)?;
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        let object: Value = serde_json::from_str(line)?;
        let probabilities = object["probabilities"].as_object().ok_or("probabilities")?;
        let sum: f64 = probabilities.values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{line}");
    }
    for table in ["p.csv", "p.parquet", "p.jsonl"] {
        let output = job.command(&["predict", "--run", "out", "--file", "dev.csv", "--out", table]).output()?;
        assert!(output.status.success() && job.path(table).exists(), "{}", said(&output));
    }
    let output = job.command(&["evaluate", "--run", "out", "--file", "dev.csv", "--json"]).output()?;
    let scores: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(scores["scores"]["examples"], 6);
    Ok(())
}

#[test]
fn the_same_plan_twice_gives_the_same_bytes() -> Result<()> {
    let job = Job::new()?;
    for name in ["a", "b"] {
        let output = job.finetune(&["--epochs", "2", "--output", name]).output()?;
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(fs::read(job.path("a/model/model.safetensors"))? == fs::read(job.path("b/model/model.safetensors"))?);
    Ok(())
}

/// Whatever draws in training: with it, a run that pauses and goes on equals one that does not, and differs from a
/// plain one.
#[test]
fn regularised_runs_go_on_as_if_they_had_not_paused() -> Result<()> {
    for setting in
        ["regularization.r_drop=1.0", "regularization.neftune_alpha=5.0", "regularization.reinitialized_layers=1"]
    {
        let job = Job::new()?;
        let plan = ["--epochs", "3", "--set", setting];
        for (name, more) in [("plain", &plan[..2]), ("whole", &plan[..])] {
            let output = job.finetune(&[more, &["--output", name]].concat()).output()?;
            assert!(output.status.success(), "{setting}: {}", said(&output));
        }
        let paused = job.finetune(&[&plan[..], &["--pause-after-epoch", "1"]].concat()).output()?;
        assert!(!job.path("out/model").exists(), "{setting}: {}", said(&paused));
        let output = job.command(&["finetune", "--resume", "out"]).output()?;
        assert!(output.status.success(), "{setting}: {}", said(&output));
        let model = |name: &str| fs::read(job.path(name).join("model/model.safetensors"));
        assert!(model("out")? == model("whole")?, "{setting}: the resumed run's model differs");
        assert!(model("plain")? != model("whole")?, "{setting} changes nothing");
    }
    Ok(())
}

#[test]
fn stopping_and_going_on_gives_the_bytes_of_a_run_never_stopped() -> Result<()> {
    let job = Job::new()?;
    let plan = ["--epochs", "40", "--set", "train.log_every=1"];
    let output = job.finetune(&[&plan[..], &["--output", "whole"]].concat()).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let mut child = job.finetune(&plan).stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let patience = Instant::now();
    // Stopped after some steps: the log is written at each.
    while fs::read_to_string(job.path("out/metrics.jsonl")).map_or(0, |text| text.lines().count()) < 20 {
        assert!(patience.elapsed() < Duration::from_secs(60), "the run does not get on");
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    assert_eq!(child.wait()?.code(), Some(130));
    assert!(!job.path("out/model").exists());
    let output = job.command(&["finetune", "--resume", "out"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let bytes = |name: &str| fs::read(job.path(name).join("model/model.safetensors"));
    assert!(bytes("out")? == bytes("whole")?, "the resumed run's model differs");
    let losses = |name: &str| -> Result<Vec<String>> {
        let text = fs::read_to_string(job.path(name).join("metrics.jsonl"))?;
        let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        Ok(records.iter().map(|record| format!("{} {} {}", record["step"], record["loss"], record["scores"])).collect())
    };
    assert_eq!(losses("out")?, losses("whole")?);
    Ok(())
}
