//! `judge` by the built binary: what it refuses, and a study of two judges in a browser, killed in between.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tests::job::said;
use tests::{Job, Result};

#[path = "../../crates/retune-judge/tests/suite/browser.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "retune-judge's own tests use all of it")]
mod browser;

use browser::Browser;

/// A finished run in `out`, and a file of 60 rows to judge.
fn finished() -> Result<Job> {
    let job = Job::new()?;
    let output = job.finetune(&[]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let rows: String = (0..60)
        .map(|row| match row % 2 {
            0 => format!("a {}good film {row},positive\n", "very ".repeat(row % 5)),
            _ => format!("\"the {}bad film, <b>{row}</b>\",negative\n", "very ".repeat(row % 3)),
        })
        .collect();
    job.write("test.csv", format!("text,label\n{rows}"))?;
    Ok(job)
}

/// Trains on a file into a folder, as the job's own run is.
fn train(job: &Job, file: &str, output: &str, more: &[&str]) -> Result<Output> {
    let mut command = job.command(&["finetune", "--device", "cpu", "--text", "text", "--label", "label"]);
    command.args(["--train", file, "--eval", "dev.csv", "--output", output, "--batch-size", "4"]);
    command.args(["--set", "data.max_length=16", "--set", "run.threads=1"]).args(more).arg("--model").arg(job.model());
    Ok(command.output()?)
}

/// The page's process; killed with SIGKILL when it is dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("standard output")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // SIGKILL: nothing is finished, nothing is closed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(job: &Job, arguments: &[&str]) -> Result<Value> {
    let output = job.command(arguments).output()?;
    assert!(output.status.success(), "{}", said(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[track_caller]
fn wait_for(browser: &mut Browser, done: usize) {
    browser.wait(&format!("document.getElementById('count').textContent === '{done} of 40' && !state.busy"));
}

/// Enters and answers rows until so many are: Ada as the text says, Bob always "negative"; gives what was answered by
/// row.
fn answer(browser: &mut Browser, judge: &str, from: usize, until: usize) -> Vec<(u64, usize)> {
    browser.wait("document.activeElement.id === 'name'");
    browser.type_text(judge);
    browser.press("Enter");
    wait_for(browser, from);
    let mut answers = Vec::new();
    for done in from + 1..=until {
        let row = browser.evaluate("state.card.row").as_u64().unwrap_or_default();
        let good = browser.evaluate("document.querySelector('.card p').textContent.includes('good')") == true;
        let name = if judge == "Ada" && good { "positive" } else { "negative" };
        let class =
            browser.evaluate(&format!("state.study.classes.indexOf('{name}')")).as_u64().unwrap_or_default() as usize;
        browser.press(&(class + 1).to_string());
        wait_for(browser, done);
        answers.push((row, class));
    }
    answers
}

#[test]
fn two_judges_lose_nothing_to_a_kill() -> Result<()> {
    let Some(mut browser) = Browser::start() else { return Ok(()) };
    let job = finished()?;
    let begin = ["judge", "out", "--data", "test.csv", "--rows", "40", "--port", "0"];
    // What is not said the second time is as the study began.
    let again = ["judge", "out", "--data", "test.csv", "--port", "0"];

    let first = Serving::start(job.command(&begin))?;
    browser.open(&first.url);
    let mut ada = answer(&mut browser, "Ada", 0, 13);
    drop(first);

    let second = Serving::start(job.command(&again))?;
    browser.open(&second.url);
    ada.extend(answer(&mut browser, "Ada", 13, 40));
    browser.wait("!document.getElementById('done').hidden");
    browser.open(&format!("{}?bob", second.url));
    let mut bob = answer(&mut browser, "Bob", 0, 5);
    browser.press("u");
    wait_for(&mut browser, 4);
    bob.pop();
    // While it runs, another process reads what is there.
    assert_eq!(json(&job, &["judge", "out", "--report", "--json"])?["answers"], 44);
    drop(second);

    let third = Serving::start(job.command(&again))?;
    browser.open(&third.url);
    bob.extend(answer(&mut browser, "Bob", 4, 40));
    assert_eq!(browser.errors(), Vec::<String>::new());
    drop(third);

    figures_are_right(&job, &ada, &bob)
}

/// Everything that the report says, computed anew from what was pressed and from what `predict` says of the file.
fn figures_are_right(job: &Job, ada: &[(u64, usize)], bob: &[(u64, usize)]) -> Result<()> {
    let report = json(job, &["judge", "out", "--report", "--json"])?;
    let counts = ["judged", "answers", "unsure", "population", "drawn"].map(|name| report[name].as_u64());
    assert_eq!(counts, [40, 80, 0, 60, 40].map(Some));
    assert_eq!(ada.iter().map(|(row, _)| row).collect::<Vec<_>>(), bob.iter().map(|(row, _)| row).collect::<Vec<_>>());
    let output = job.command(&["predict", "--run", "out", "--file", "test.csv", "--json"]).output()?;
    let predicted: Vec<Value> =
        String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let classes: Vec<&str> =
        report["settings"]["classes"].as_array().ok_or("classes")?.iter().filter_map(Value::as_str).collect();
    let right = |answers: &[(u64, usize)]| {
        let is_right = |(row, class): &&(u64, usize)| predicted[*row as usize]["predicted"] == classes[*class];
        answers.iter().filter(is_right).count() as f64 / 40.0
    };
    let near = |found: &Value, expected: f64| found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-9);
    let accuracy = &report["accuracy"];
    assert!(near(&accuracy["share"], (right(ada) + right(bob)) / 2.0), "{accuracy}");
    assert!(near(&report["accuracy_by_judge"][0][1]["share"], right(ada)), "{report:#}");
    assert!(near(&report["accuracy_by_judge"][1][1]["share"], right(bob)), "{report:#}");
    // Cohen's kappa of Ada, who tells them apart, and Bob, who does not, is 0: Bob agrees as often as chance would.
    let pair = &report["agreement"]["pairs"][0];
    let same = ada.iter().zip(bob).filter(|(one, other)| one == other).count();
    assert!(same < 40 && pair["same"] == same && near(&pair["cohen_kappa"], 0.0), "{pair}");
    // Krippendorff's alpha: n = 80, and what differs is once "positive" each time.
    let (positive, n) = ((40 - same) as f64, 80.0);
    let alpha = 1.0 - (n - 1.0) * 2.0 * positive / (2.0 * positive * (n - positive));
    assert!(near(&report["agreement"]["krippendorff_alpha"], alpha), "{} is not {alpha}", report["agreement"]);
    // Ada says what the file says.
    assert_eq!(report["with_labels"][0]["same"], 40);

    let output = job.command(&["judge", "out", "--export", "corrected.csv"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let corrected = fs::read_to_string(job.path("corrected.csv"))?;
    assert!(corrected.starts_with("text,label,given_label,predicted_label,decision,votes\n"), "{corrected:.200}");
    let decisions = ["unanimous", "tie", "not-judged"].map(|word| corrected.matches(word).count());
    assert_eq!(decisions, [same, 40 - same, 20]);
    // The next training takes it as it is.
    let output = train(job, "corrected.csv", "next", &[])?;
    assert!(output.status.success() && job.path("next/model").is_dir(), "{}", said(&output));
    Ok(())
}

#[test]
fn two_runs_are_compared_and_other_tasks_are_refused() -> Result<()> {
    let job = finished()?;
    // It learns the contrary, so that the two differ.
    let rows = fs::read_to_string(job.path("train.csv"))?;
    let contrary = rows.replace(",positive", ",x").replace(",negative", ",positive").replace(",x", ",negative");
    job.write("contrary.csv", contrary)?;
    let more = ["--epochs", "8", "--set", "train.learning_rate=0.01"];
    let output = train(&job, "contrary.csv", "other", &more)?;
    assert!(output.status.success(), "{}", said(&output));
    let stored = |study: &str| fs::metadata(job.path(study)).is_ok();
    let compare = ["judge", "out", "--data", "test.csv", "--against", "other", "--rows", "2", "--port", "0"];
    let serving = Serving::start(job.command(&compare))?;
    assert!(serving.url.starts_with("http://127.0.0.1:") && stored("out/judge.sqlite"), "{}", serving.url);
    drop(serving);
    let report = json(&job, &["judge", "out", "--report", "--json"])?;
    assert_eq!((&report["settings"]["mode"], &report["settings"]["against"]), (&"compare".into(), &"other".into()));

    let refused = |arguments: &[&str], words: &[&str]| {
        let output = job.command(arguments).output().expect("the binary starts");
        let message = said(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for word in words {
            assert!(message.contains(word), "the message lacks '{word}':\n{message}");
        }
    };
    // Begun as a comparison, it does not go on as anything else.
    refused(&["judge", "out", "--data", "test.csv"], &["--against"]);
    refused(
        &["judge", "out", "--data", "test.csv", "--mode", "label"],
        &["begun otherwise", "mode is compare in the study and label now"],
    );
    refused(&["judge", "out"], &["--data"]);
    refused(&["judge", "out", "--report", "--study", "none.sqlite"], &["none.sqlite", "no such study"]);
    refused(&["judge", "out", "--data", "test.csv", "--study", "test.csv"], &["test.csv", "is no study"]);
    let new = ["judge", "out", "--study", "new.sqlite", "--data"];
    refused(&[&new[..], &["test.csv", "--rows", "61"]].concat(), &["61 rows cannot be drawn of 60"]);
    refused(&[&new[..], &["nowhere.csv"]].concat(), &["nowhere.csv"]);
    refused(&[&new[..], &["test.csv", "--mode", "compare"]].concat(), &["--against"]);
    refused(&[&new[..], &["test.csv", "--strata", "label"]].concat(), &["--sample stratified"]);
    refused(&[&new[..], &["test.csv", "--against", "out"]].concat(), &["both runs say the same of all 60 rows"]);
    assert!(!stored("new.sqlite") && fs::read(job.path("test.csv"))?.starts_with(b"text,label"));
    Ok(())
}

/// Elsewhere than on this machine's own address a token is needed; of rows without labels nothing is compared with
/// labels.
#[test]
fn rows_without_labels_are_judged_too() -> Result<()> {
    let job = finished()?;
    job.write("texts.csv", "text\na good film\nthe bad film\na very good film\n")?;
    let mut command =
        job.command(&["judge", "out", "--data", "texts.csv", "--mode", "agree", "--bind", "0.0.0.0", "--port", "0"]);
    let serving = Serving::start({
        command.stderr(Stdio::null());
        command
    })?;
    assert!(serving.url.contains("/?token="), "{}", serving.url);
    drop(serving);
    let report = json(&job, &["judge", "out", "--report", "--json"])?;
    assert_eq!((&report["drawn"], &report["accuracy_by_file"]), (&3.into(), &Value::Null));
    assert!(Path::new(&job.path("out/judge.sqlite")).exists());
    Ok(())
}
