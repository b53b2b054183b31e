//! Every task from files to predictions, through the built binary: what a run leaves, what it says of new texts, and
//! what is refused.

mod expressions;
mod few_shot;
mod groups;
mod large_files;
mod lessons;
mod mistakes;
mod reports;
mod texts;
mod training;
mod words;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use polars::prelude::{ParquetReader, SerReader};
use serde_json::{Value, json};
use tests::job::said;
use tests::{Job, Result};

use lessons::Lesson;

/// The model's hidden size.
const HIDDEN: usize = 32;

/// A lesson's files in the folder of a job, with a model without dropout.
struct Work {
    job: Job,
    lesson: Lesson,
}

/// What a model said of the rows of a file.
struct Said {
    /// As JSON objects.
    objects: Vec<Value>,
    /// As the rows of a table.
    rows: Vec<Value>,
}

impl Work {
    fn new(lesson: Lesson) -> Result<Self> {
        let job = Job::new()?;
        fs::write(job.model().join("tokenizer.json"), lessons::tokenizer(true))?;
        let mut config: Value = serde_json::from_str(&fs::read_to_string(job.model().join("config.json"))?)?;
        config["hidden_dropout_prob"] = json!(0.0);
        config["attention_probs_dropout_prob"] = json!(0.0);
        fs::write(job.model().join("config.json"), config.to_string())?;
        let work = Self { job, lesson };
        work.write("train.jsonl", &work.lesson.train)?;
        work.write("dev.jsonl", &work.lesson.dev)?;
        Ok(work)
    }

    /// Writes rows, one a line.
    fn write(&self, name: &str, rows: &[Value]) -> Result<()> {
        self.job.write(name, rows.iter().map(|row| format!("{row}\n")).collect::<String>())
    }

    /// The command that trains some steps, on the lesson's files, into `output`.
    fn finetune(&self, output: &str, more: &[&str]) -> Command {
        let mut command = self.job.command(&["finetune", "--device", "cpu", "--threads", "1", "--batch-size", "4"]);
        command.arg("--model").arg(self.job.model()).args(["--task", self.lesson.kind, "--output", output]);
        command.args(["--train", "train.jsonl", "--eval", "dev.jsonl", "--max-steps", "6", "--epochs", "1000"]);
        for assignment in ["data.max_length=24", "train.log_every=1", "evaluation.bootstrap_samples=20"] {
            command.args(["--set", assignment]);
        }
        command.args(self.lesson.arguments).args(more);
        command
    }

    fn trains(&self, output: &str, more: &[&str]) -> Result<()> {
        let finished = self.finetune(output, more).output()?;
        assert!(finished.status.success(), "{}: {}", self.lesson.kind, said(&finished));
        Ok(())
    }

    /// What the command says that must be refused.
    #[track_caller]
    fn refused(&self, more: &[&str]) -> String {
        self.job.refused(self.finetune("out", more))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.job.path(name)
    }

    /// A file of the run `out`, as JSON.
    fn json(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(self.path("out").join(name))?)?)
    }

    /// The lines of a run's log about one event.
    fn records(&self, run: &str, event: &str) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.path(run).join("metrics.jsonl"))?;
        let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        Ok(records.into_iter().filter(|record| record["event"] == event).collect())
    }

    /// Trains, and checks what every run leaves: losses, these scores, and a model of this class that measures the same.
    fn leaves(&self, class: &str, scores: &[&str], more: &[&str]) -> Result<()> {
        self.trains("out", more)?;
        let losses = self.records("out", "train")?;
        assert!(losses.iter().all(|record| record["loss"].as_f64().is_some_and(|loss| loss > 0.0)), "{losses:?}");
        let last = self.records("out", "final")?.remove(0);
        for record in self.records("out", "evaluation")?.iter().chain([&last]) {
            for name in ["examples"].iter().chain(scores) {
                assert!(record["scores"][*name].is_number(), "no {name} in {record}");
            }
        }
        assert_eq!(self.json("model/config.json")?["architectures"], json!([class]));
        for name in ["model/model.safetensors", "model/tokenizer.json"] {
            assert!(self.path("out").join(name).exists(), "{name}");
        }
        let output = self.using(&["evaluate", "--file", "dev.jsonl", "--json"]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        let measured: Value = serde_json::from_slice(&output.stdout)?;
        assert_alike(&measured["scores"], &last["scores"], "scores", 1e-9);
        Ok(())
    }

    /// A command on the run `out`, with as many threads as it was trained with: other sums end in other last digits, and
    /// a threshold lies where an example does.
    fn using(&self, arguments: &[&str]) -> Command {
        let mut command = self.job.command(arguments);
        command.args(["--run", "out", "--device", "cpu"]).env("OMP_NUM_THREADS", "1");
        command
    }

    /// `predict`, with this on its standard input.
    fn predict(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = self.using(&[&["predict"], arguments].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().ok_or("standard input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        assert!(output.status.success(), "{}", said(&output));
        Ok(output)
    }

    /// What the model says of texts, as JSON: given as arguments and on standard input, which must be alike.
    fn says(&self, texts: &[&[&str]]) -> Result<Vec<Value>> {
        let given = self.predict(&[&["--json"], texts.concat().as_slice()].concat(), "")?;
        let lines: String = texts.iter().map(|texts| texts.join("\t") + "\n").collect();
        let read = self.predict(&["--json"], &lines)?;
        let (given, read) = (objects(&given.stdout)?, objects(&read.stdout)?);
        assert_alike(&json!(given), &json!(read), "arguments and standard input", 1e-6);
        for line in self.predict(&[], &lines)?.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            assert!(line.contains(&b'\t') || line.contains(&b'/'), "a person reads the text too");
        }
        Ok(given)
    }

    /// What the model says of a file's rows: as JSON, in a table of lines, and in one of columns with the same names.
    fn says_of_file(&self, file: &str, more: &[&str]) -> Result<Said> {
        let of_file = [&["--file", file], more].concat();
        let objects = objects(&self.predict(&[&of_file[..], &["--json"]].concat(), "")?.stdout)?;
        for table in ["p.jsonl", "p.parquet"] {
            self.predict(&[&of_file[..], &["--out", table]].concat(), "")?;
        }
        let rows = self::objects(&fs::read(self.path("p.jsonl"))?)?;
        let frame = ParquetReader::new(File::open(self.path("p.parquet"))?).finish()?;
        let columns: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
        let keys: Vec<&String> = rows[0].as_object().ok_or("a row")?.keys().collect();
        assert_eq!(columns, keys);
        assert_eq!((frame.height(), rows.len()), (objects.len(), objects.len()));
        Ok(Said { objects, rows })
    }
}

/// JSON objects, one a line.
fn objects(bytes: &[u8]) -> Result<Vec<Value>> {
    Ok(std::str::from_utf8(bytes)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Fails where two values differ, numbers by more than `bound`.
#[track_caller]
fn assert_alike(found: &Value, expected: &Value, what: &str, bound: f64) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}");
            b.iter().for_each(|(key, value)| assert_alike(&a[key], value, &format!("{what}, {key}"), bound));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b, what, bound));
        }
        (Value::Number(_), Value::Number(_)) => {
            let apart =
                found.as_f64().zip(expected.as_f64()).map_or(f64::NAN, |(a, b)| (a - b).abs() - bound * b.abs());
            assert!(apart <= bound, "{what}: {found}, expected {expected}");
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}

/// The sum of the numbers of an object.
fn total(numbers: &Value) -> f64 {
    numbers.as_object().into_iter().flatten().filter_map(|(_, number)| number.as_f64()).sum()
}

/// The characters of a text between two places.
fn slice(text: &str, start: &Value, end: &Value) -> Option<String> {
    let (start, end) = (start.as_u64()? as usize, end.as_u64()? as usize);
    Some(text.chars().skip(start).take(end.checked_sub(start)?).collect())
}
