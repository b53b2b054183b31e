//! What people get wrong: each mistake is refused by the built binary with one message that says what, where and how to
//! mend it, exit code 2, and nothing half-written.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Job, Result};

/// Fails where a message lacks one of these words.
#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "the message lacks '{word}':\n{message}");
    }
}

#[test]
fn unknown_key_names_the_nearest() -> Result<()> {
    let job = Job::new()?;
    assert_says(&job.refused(job.finetune(&["--set", "train.epoch=5"])), &["train.epoch", "train.epochs"]);
    Ok(())
}

#[test]
fn two_mistakes_are_both_named() -> Result<()> {
    let job = Job::new()?;
    let message = job.refused(job.finetune(&["--set", "train.lr=1", "--epochs", "0"]));
    assert_says(&message, &["train.lr", "--epochs"]);
    Ok(())
}

#[test]
fn missing_and_empty_files_are_named() -> Result<()> {
    let job = Job::new()?;
    assert_says(&job.refused(job.finetune(&["--eval", "nowhere.csv"])), &["nowhere.csv"]);
    job.write("empty.csv", "")?;
    assert_says(&job.refused(job.finetune(&["--eval", "empty.csv"])), &["empty.csv", "empty"]);
    Ok(())
}

#[test]
fn a_missing_column_is_named_with_those_there_are() -> Result<()> {
    let job = Job::new()?;
    job.write("other.csv", "sentence,label\ngood,positive\n")?;
    let message = job.refused(job.finetune(&["--eval", "other.csv"]));
    assert_says(&message, &["other.csv", "text", "sentence", "label"]);
    Ok(())
}

#[test]
fn another_encoding_is_named_with_its_line() -> Result<()> {
    let job = Job::new()?;
    job.write("latin.csv", b"text,label\ngood,positive\ncaf\xe9,negative\n")?;
    assert_says(&job.refused(job.finetune(&["--eval", "latin.csv"])), &["latin.csv:3", "UTF-8"]);
    Ok(())
}

#[test]
fn rows_that_are_short_or_hold_nothing_are_named_with_their_line() -> Result<()> {
    let job = Job::new()?;
    job.write("short.csv", "text,label\ngood,positive\nbad\n")?;
    assert_says(&job.refused(job.finetune(&["--eval", "short.csv"])), &["short.csv:3"]);
    job.write("null.csv", "text,label\ngood,positive\n,negative\n")?;
    assert_says(&job.refused(job.finetune(&["--eval", "null.csv"])), &["null.csv:3", "text"]);
    Ok(())
}

#[test]
fn labels_that_training_lacks_and_one_class_only_are_named() -> Result<()> {
    let job = Job::new()?;
    job.write("new.csv", "text,label\ngood,neutral\n")?;
    assert_says(&job.refused(job.finetune(&["--eval", "new.csv"])), &["new.csv:2", "neutral", "positive"]);
    job.write("train.csv", "text,label\ngood,positive\nvery good,positive\n")?;
    assert_says(&job.refused(job.finetune(&[])), &["train.csv", "positive", "at least two classes"]);
    Ok(())
}

#[test]
fn weights_that_are_not_there_cut_or_of_another_shape_are_named() -> Result<()> {
    let job = Job::new()?;
    let weights = job.model().join("model.safetensors");
    let bytes = fs::read(&weights)?;
    fs::write(&weights, &bytes[..bytes.len() / 2])?;
    assert_says(&job.refused(job.finetune(&[])), &["model.safetensors", "not a whole"]);
    fs::remove_file(&weights)?;
    assert_says(&job.refused(job.finetune(&[])), &["weights", "model.safetensors"]);
    fs::write(&weights, &bytes)?;
    let config = job.model().join("config.json");
    let text = fs::read_to_string(&config)?.replace("\"intermediate_size\": 64", "\"intermediate_size\": 65");
    fs::write(&config, text)?;
    let message = job.refused(job.finetune(&[]));
    for layer in 0..3 {
        let name = format!("bert.encoder.layer.{layer}.intermediate.dense.weight: expected [65, 32], found [64, 32]");
        assert_says(&message, &[&name]);
    }
    Ok(())
}

#[test]
fn a_tokenizer_that_is_not_json_is_named() -> Result<()> {
    let job = Job::new()?;
    fs::write(job.model().join("tokenizer.json"), "not json")?;
    assert_says(&job.refused(job.finetune(&[])), &["tokenizer.json"]);
    Ok(())
}

#[test]
fn outputs_that_cannot_be_are_refused_before_anything_else() -> Result<()> {
    let job = Job::new()?;
    job.write("file", "")?;
    assert_says(&job.refused(job.finetune(&["--output", "file/run"])), &["file/run"]);
    fs::create_dir(job.path("other"))?;
    job.write("other/plan.toml", "")?;
    assert_says(&job.refused(job.finetune(&["--output", "other"])), &["other", "already holds a run", "--output"]);
    fs::remove_file(job.path("other/plan.toml"))?;
    job.write("other/letter.txt", "")?;
    assert_says(&job.refused(job.finetune(&["--output", "other"])), &["other", "not empty"]);
    Ok(())
}

#[test]
fn devices_that_are_not_there_are_named() -> Result<()> {
    let job = Job::new()?;
    assert_says(&job.refused(job.finetune(&["--set", "run.device=tpu"])), &["tpu", "cpu", "cuda"]);
    if Path::new("/dev/nvidiactl").exists() {
        println!("skipped: CUDA that is not there, for this machine has an NVIDIA driver");
        return Ok(());
    }
    assert_says(&job.refused(job.finetune(&["--set", "run.device=cuda"])), &["CUDA is not available", "driver"]);
    Ok(())
}

#[test]
fn tf32_is_refused_where_there_is_none() -> Result<()> {
    let job = Job::new()?;
    let message = job.refused(job.finetune(&["--precision", "tf32"]));
    assert_says(&message, &["tf32", "NVIDIA", "cpu", "fp32"]);
    Ok(())
}

#[test]
fn a_full_disk_leaves_nothing_behind() -> Result<()> {
    let job = Job::new()?;
    let disk = job.path("disk");
    fs::create_dir(&disk)?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=100k", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small disk is not permitted here");
        return Ok(());
    }
    let message = job.refused(job.finetune(&["--output", "disk/run", "--max-steps", "2"]));
    let left = fs::read_dir(&disk)?.count();
    let _ = Command::new("umount").arg(&disk).status();
    assert_says(&message, &["cannot write", "disk/run", "No space left"]);
    assert_eq!(left, 0, "the disk is as it was");
    Ok(())
}

#[test]
fn layers_drawn_anew_that_are_not_there_or_would_not_be_trained() -> Result<()> {
    let job = Job::new()?;
    let says = |settings: &[&str], words: &[&str]| {
        let message = job.refused(job.finetune(settings));
        assert_says(&message, words);
    };
    let layers = ["--set", "regularization.reinitialized_layers=9"];
    says(&layers, &["top 9 layers", "the encoder has 3"]);
    for other in ["adapter.kind=lora", "train.trained=head"] {
        let key = other.split('=').next().unwrap_or_default();
        says(
            &[&layers[..], &["--set", other]].concat(),
            &["regularization.reinitialized_layers", key, "leave one of them out"],
        );
    }
    Ok(())
}
