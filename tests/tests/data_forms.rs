//! Data as it is published: the built binary trains on every form that sequence classification can use, and says in one
//! message what is wrong with a form.

use std::io::Write;

use polars::prelude::*;
use tests::job::said;
use tests::{Job, Result};

/// The rows of a [`Job`], as text and label.
const ROWS: [(&str, &str); 4] =
    [("a good film", "positive"), ("the bad film", "negative"), ("a very good film", "positive"), ("bad", "negative")];

fn gzip(text: &str) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}

fn lines(row: impl Fn(&str, &str) -> String) -> String {
    ROWS.map(|(text, label)| row(text, label)).concat()
}

/// Trains one step on what `--train` names, with these further arguments.
#[track_caller]
fn trains(job: &Job, train: &str, more: &[&str]) -> Result<()> {
    let output = format!("out of {}", train.replace(['/', '#', '*'], " "));
    let train_on = format!("data.train={train}");
    let arguments = ["--set", &train_on, "--max-steps", "1", "--output", &output];
    let finished = job.finetune(&[&arguments, more].concat()).output()?;
    assert!(finished.status.success(), "{train}: {}", said(&finished));
    assert!(job.path(&output).join("model/model.safetensors").exists(), "{train}: no model");
    Ok(())
}

#[test]
fn files_that_do_not_name_their_columns() -> Result<()> {
    let job = Job::new()?;
    job.write("bare.csv", lines(|text, label| format!("{text},{label}\n")))?;
    let rows =
        |end: &str| lines(|text, label| format!("[\"{text}\", \"{label}\"],")).trim_end_matches(',').to_owned() + end;
    job.write("splits.json", format!("{{\"train\": [{}, \"val\": [{}}}", rows("]"), rows("]")))?;
    let columns = ["--columns", "text", "label"];
    trains(&job, "bare.csv", &[&columns[..], &["--eval", "splits.json#val"]].concat())?;
    trains(&job, "splits.json#train", &[&columns[..], &["--eval", "bare.csv"]].concat())?;
    // A file that is measured later says anew how it is written.
    let evaluate = ["evaluate", "--run", "out of bare.csv", "--device", "cpu", "--file"];
    for file in [&["dev.csv"][..], &["bare.csv", "--columns", "text", "label"]] {
        let measured = job.command(&[&evaluate[..], file].concat()).output()?;
        assert!(measured.status.success(), "{file:?}: {}", said(&measured));
    }
    Ok(())
}

#[test]
fn compressed_nested_and_in_pieces() -> Result<()> {
    let job = Job::new()?;
    let jsonl = lines(|text, label| format!("{{\"a\": {{\"b\": \"{text}\"}}, \"label\": \"{label}\"}}\n"));
    job.write("nested.jsonl.gz", gzip(&jsonl)?)?;
    trains(&job, "nested.jsonl.gz", &["--set", "data.text=a.b", "no-eval"])?;
    std::fs::create_dir(job.path("shards"))?;
    for shard in ["shards/train-0.csv", "shards/train-1.csv"] {
        job.write(shard, format!("text,label\n{}", lines(|text, label| format!("{text},{label}\n"))))?;
    }
    trains(&job, "shards/train-*.csv", &[])?;
    trains(&job, "shards", &["no-eval"])
}

#[test]
fn arrow_streams() -> Result<()> {
    let job = Job::new()?;
    let column = |name: &str, pick: fn((&'static str, &'static str)) -> &'static str| {
        Column::new(name.into(), ROWS.map(pick).to_vec())
    };
    let mut frame = DataFrame::new(ROWS.len(), vec![column("text", |row| row.0), column("label", |row| row.1)])?;
    let mut bytes = Vec::new();
    IpcStreamWriter::new(&mut bytes).finish(&mut frame)?;
    job.write("train.arrow", &bytes)?;
    trains(&job, "train.arrow", &[])?;
    job.write("cut.arrow", &bytes[..bytes.len() - 8])?;
    let message = job.refused(job.finetune(&["--set", "data.train=cut.arrow"]));
    assert!(message.contains("cut.arrow: not a readable Arrow file"), "{message}");
    Ok(())
}

#[test]
fn mistakes_name_the_shard_the_array_and_the_column() -> Result<()> {
    let job = Job::new()?;
    let refused = |arguments: &[&str], words: &[&str]| {
        let message = job.refused(job.finetune(arguments));
        for word in words {
            assert!(message.contains(word), "the message lacks '{word}':\n{message}");
        }
    };
    std::fs::create_dir(job.path("shards"))?;
    job.write("shards/0.csv", "text,label\ngood,positive\nbad,negative\n")?;
    job.write("shards/1.csv", "text,lable\ngood,positive\n")?;
    refused(&["--set", "data.train=shards"], &["shards/1.csv", "`label`", "did you mean `lable`"]);
    refused(&["--set", "data.train=shards/9*.csv"], &["shards/9*.csv", "no file matches"]);
    job.write("splits.json", r#"{"train": [["good", "positive"]], "val": [["bad", "negative"]]}"#)?;
    let columns = ["--columns", "text", "label"];
    let unchosen = [&["--set", "data.train=splits.json"], &columns[..]].concat();
    refused(&unchosen, &["`train`, `val`", "splits.json#train"]);
    refused(&["--set", "data.train=splits.json#train"], &["splits.json:1:12", "--columns text label"]);
    refused(&columns, &["train.csv:1", "header", "data.columns"]);
    let whole = gzip("text,label\ngood,positive\nbad,negative\n")?;
    job.write("cut.csv.gz", &whole[..whole.len() - 9])?;
    refused(&["--set", "data.train=cut.csv.gz"], &["cut.csv.gz", "cut short"]);
    Ok(())
}
