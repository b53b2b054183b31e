//! One label, any number of labels, and a number for each text.

use std::fs;

use serde_json::{Value, json};
use tests::Result;

use crate::lessons::{classification, multi_label, regression};
use crate::{Work, assert_alike, slice, total};

const LEARN: [&str; 6] =
    ["--set", "train.max_steps=40", "--set", "train.learning_rate=5e-3", "--set", "train.log_every=10"];

#[test]
fn classification_with_a_threshold_and_a_temperature_of_its_own() -> Result<()> {
    let work = Work::new(classification())?;
    let tuned = ["--set", "evaluation.tune_thresholds=true", "--set", "evaluation.calibrate=true"];
    let scores = ["accuracy", "f1_macro", "mcc", "loss", "brier", "expected_calibration_error", "roc_auc"];
    work.leaves("BertForSequenceClassification", &scores, &tuned)?;
    let config = work.json("model/config.json")?;
    assert_eq!(config["problem_type"], "single_label_classification");
    assert_eq!(config["id2label"], json!({"0": "no", "1": "yes"}));
    let settings = &config["retune"];
    let (temperature, threshold) = (settings["temperature"].as_f64(), settings["threshold"].as_f64());
    assert!(temperature.is_some_and(|value| value > 0.0 && value != 1.0), "{settings}");
    let threshold = threshold.ok_or("a threshold")?;

    let said = work.says_of_file("dev.jsonl", &[])?;
    for (object, row) in said.objects.iter().zip(&said.rows) {
        assert!((total(&object["probabilities"]) - 1.0).abs() < 1e-9, "{object}");
        let yes = object["probabilities"]["yes"].as_f64().ok_or("a probability")?;
        assert_eq!(object["predicted"], if yes >= threshold { "yes" } else { "no" }, "{object}");
        assert_eq!(row["probability_yes"], object["probabilities"]["yes"]);
    }
    let texts: Vec<&str> = said.objects.iter().filter_map(|object| object["text"].as_str()).collect();
    let given = work.says(&texts.chunks(1).collect::<Vec<_>>())?;
    assert_alike(&json!(given), &json!(said.objects), "a file and arguments", 1e-5);

    // In half precision nearly the same, and not quite.
    let half = work.says_of_file("dev.jsonl", &["--precision", "bf16"])?.objects;
    let probabilities = |all: &[Value]| json!(all.iter().map(|one| one["probabilities"].clone()).collect::<Vec<_>>());
    assert_alike(&probabilities(&half), &probabilities(&said.objects), "bf16 and fp32", 0.05);
    assert_ne!(probabilities(&half), probabilities(&said.objects));
    let refused = work.using(&["predict", "--file", "dev.jsonl", "--precision", "fp8"]).output()?;
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(refused.stderr)?,
        "error: --precision fp8: expected fp32, bf16, fp16 or tf32, found 'fp8'\n"
    );
    Ok(())
}

#[test]
fn predictions_are_explained_and_the_run_is_shown() -> Result<()> {
    for (lesson, output) in [(classification(), "yes"), (multi_label(), "music"), (regression(), "")] {
        let work = Work::new(lesson)?;
        work.trains("out", &["--set", "evaluation.explain=3"])?;
        let explained = work.json("explanations.json")?["examples"].as_array().ok_or("examples")?.clone();
        assert_eq!(explained.len(), 3, "{}", work.lesson.kind);
        for example in &explained {
            let tokens = example["tokens"].as_array().ok_or("tokens")?;
            let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
            let sum: f64 = tokens.iter().map(|token| number(&token["attribution"])).sum();
            let change = number(&example["output_value"]) - number(&example["baseline_value"]);
            assert!((sum - change).abs() <= 0.01 * change.abs() + 1e-6, "{example}");
            for token in tokens {
                let is_special = token["of"].is_null();
                assert!(!is_special || token["attribution"] == 0.0, "{token}");
                let own = slice(example["text"].as_str().unwrap_or(""), &token["start"], &token["end"]);
                assert!(is_special || own.as_deref() == token["text"].as_str(), "{token} of {}", example["text"]);
            }
            assert_eq!(example["attention"]["head_mean"].as_array().map(Vec::len), Some(tokens.len()));
        }
        let outputs: Vec<&Value> = explained.iter().map(|example| &example["output"]).collect();
        assert!(output.is_empty() == outputs[0].is_null(), "{outputs:?}");
        let events = fs::read_dir(work.path("out/tensorboard"))?.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(events.len(), 1);
        let bytes = fs::read(events[0].path())?;
        for tag in ["train/loss", "gradient_norm/layer 0", "validation/loss", "predictions/", "plan/text_summary"] {
            assert!(bytes.windows(tag.len()).any(|part| part == tag.as_bytes()), "no {tag} in the events");
        }
    }
    let work = Work::new(classification())?;
    work.trains("out", &["--set", "evaluation.explain=0", "--set", "run.tensorboard=false"])?;
    for name in ["out/explanations.json", "out/tensorboard"] {
        assert!(!work.path(name).exists(), "{name}");
    }
    Ok(())
}

#[test]
fn multi_label_with_a_threshold_for_each() -> Result<()> {
    let work = Work::new(multi_label())?;
    let scores = ["f1_micro", "f1_macro", "subset_accuracy", "loss", "hamming_loss", "label_ranking_average_precision"];
    work.leaves("BertForSequenceClassification", &scores, &["--set", "evaluation.tune_thresholds=true"])?;
    let config = work.json("model/config.json")?;
    assert_eq!(config["problem_type"], "multi_label_classification");
    assert_eq!(config["id2label"], json!({"0": "music", "1": "plot", "2": "story"}));
    let thresholds = config["retune"]["thresholds"].as_array().ok_or("thresholds")?.clone();
    assert_eq!(thresholds.len(), 3);

    let said = work.says_of_file("dev.jsonl", &[])?;
    for object in &said.objects {
        let probabilities = object["probabilities"].as_object().ok_or("probabilities")?;
        let above = probabilities.iter().zip(&thresholds).filter(|((_, one), least)| one.as_f64() >= least.as_f64());
        let names: Vec<&String> = above.map(|((name, _), _)| name).collect();
        assert_eq!(object["predicted"], json!(names), "{object} with {thresholds:?}");
    }
    let given = work.says(&[&["a good film , music and plot ."]])?;
    assert!(given[0]["predicted"].is_array(), "{given:?}");
    Ok(())
}

#[test]
fn labels_that_are_one_text_are_those_of_lists() -> Result<()> {
    let lists = Work::new(multi_label())?;
    lists.trains("out", &[])?;
    let mut lesson = multi_label();
    for row in lesson.train.iter_mut().chain(&mut lesson.dev) {
        let labels: Vec<&str> = row["labels"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        row["labels"] = json!(labels.join("|"));
    }
    let separated = Work::new(lesson)?;
    separated.trains("out", &["--set", "task.label_separator=|"])?;
    let [lists, separated] = [&lists, &separated].map(|work| work.records("out", "train"));
    let losses = |records: Vec<Value>| records.iter().map(|record| record["loss"].clone()).collect::<Vec<_>>();
    assert_eq!(losses(lists?), losses(separated?));
    Ok(())
}

#[test]
fn regression_by_squared_and_by_hubers_error() -> Result<()> {
    for loss in ["task.loss=mse", "task.loss=huber"] {
        let work = Work::new(regression())?;
        let scores = ["pearson", "spearman", "rmse", "loss", "mae", "max_error", "r_squared"];
        work.leaves("BertForSequenceClassification", &scores, &[&LEARN[..], &["--set", loss]].concat())?;
        let config = work.json("model/config.json")?;
        assert_eq!(config["problem_type"], "regression");
        assert_eq!(config["id2label"], json!({"0": "LABEL_0"}));
        let last = work.records("out", "final")?.remove(0);
        assert!(last["scores"]["pearson"].as_f64() > Some(0.9), "a text's number is easy to learn: {last}");

        let said = work.says_of_file("dev.jsonl", &[])?;
        let given = work.says(&[&["it was moving"], &["it was very very very moving"]])?;
        let [least, most] = [0, 1].map(|place: usize| given[place]["predicted"].as_f64());
        assert!(least < most, "{given:?}");
        for (object, row) in said.objects.iter().zip(&said.rows) {
            assert!(row["predicted"].is_number() && row["predicted"] == object["predicted"], "{row}");
        }
    }
    Ok(())
}
