//! Reports of runs: at their end, at any time, of several beside each other, and in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::Result;
use tests::job::said;

use crate::Work;
use crate::lessons::{Lesson, classification, masked_lm, multi_label, regression, token_classification};

/// A word of the data that must never become markup.
const EVIL: &str = "<script>document.title='taken'</script>";

/// A lesson of which a measured row holds it.
fn with_evil(mut lesson: Lesson) -> Lesson {
    for row in &mut lesson.dev {
        match &mut row["words"] {
            Value::Array(words) => words[0] = json!(EVIL),
            _ => row["text"] = json!(format!("{EVIL} {}", row["text"].as_str().unwrap_or_default())),
        }
    }
    lesson
}

#[track_caller]
fn report_of(work: &Work, arguments: &[&str]) -> Result<String> {
    let output = work.job.command(&[&["report"], arguments].concat()).output()?;
    assert!(output.status.success(), "{}", said(&output));
    Ok(said(&output))
}

/// A report loads nothing and runs nothing; what the data hold is text.
#[track_caller]
fn is_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("default-src 'none'"), "a policy");
    for forbidden in ["<script", "<link", "<img", "<iframe", " src=\"", "href=\"http", "url(", "@import", " style=\""] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn the_end_of_a_run_leaves_a_report() -> Result<()> {
    let shown: [(Lesson, &[&str]); 5] = [
        (
            classification(),
            &["right one of 2 classes", "What is taken for what", "Reliability", "By length in words", "24 training"],
        ),
        (multi_label(), &["Label by label", "the best fixed set", "right labels of a row"]),
        (regression(), &["Predicted over right", "Errors", "pieces of a word"]),
        (token_classification(), &["Kind by kind", "PER", "<mark class=\"e"]),
        (masked_lm(), &["perplexity", "Loss"]),
    ];
    for (lesson, words) in shown {
        let kind = lesson.kind;
        let has_rows = kind != "masked-lm";
        let work = Work::new(if has_rows { with_evil(lesson) } else { lesson })?;
        let output = work.finetune("out", &[]).output()?;
        assert!(output.status.success() && said(&output).contains("report       out/report.html"), "{}", said(&output));
        let page = fs::read_to_string(work.path("out/report.html"))?;
        is_self_contained(&page);
        for word in words {
            assert!(page.contains(word), "{kind}: no “{word}”");
        }
        assert!(!has_rows || page.contains("&lt;script&gt;document.title"), "{kind}: the row is shown as a text");
        let evaluation = work.json("evaluation.json")?;
        // Of masked language modelling the rows are blocks of the text.
        let rows = if has_rows { 24 } else { 14 };
        assert_eq!(
            (&evaluation["split"], &evaluation["examples"]["train"]),
            (&json!("validation"), &json!(rows)),
            "{kind}"
        );
        // Again, from its files.
        report_of(&work, &["out", "--out", "again.html"])?;
        assert_eq!(fs::read_to_string(work.path("again.html"))?, page, "{kind}");
        if let Some(browser) = chromium() {
            in_a_browser(&browser, &work.path("out/report.html"), has_rows)?;
        } else {
            println!("skipped: no chromium");
        }
    }
    Ok(())
}

/// The browser, if there is one.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.is_file())
}

fn in_a_browser(browser: &Path, page: &Path, has_evil: bool) -> Result<()> {
    let profile = tempfile::tempdir()?;
    let mut command = Command::new(browser);
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--v=0",
        "--no-first-run",
    ]);
    command.args(["--virtual-time-budget=2000", "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("file://{}", page.display()));
    let output = command.output()?;
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(dom.contains("<title>retune: out</title>") && !dom.contains("<script"), "{log}");
    assert!(
        !has_evil || dom.contains("&lt;script&gt;document.title='taken'&lt;/script&gt;"),
        "the row is shown as a text"
    );
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    Ok(())
}

#[test]
fn a_run_that_goes_on_is_reported_and_one_without_a_report_is_finished() -> Result<()> {
    let work = Work::new(classification())?;
    let mut command = work.finetune("out", &["--set", "train.max_steps=12", "--pause-after-epoch", "1"]);
    let output = command.output()?;
    assert!(output.status.success(), "{}", said(&output));
    assert!(!work.path("out/report.html").exists());
    report_of(&work, &["out"])?;
    let page = fs::read_to_string(work.path("out/report.html"))?;
    assert!(
        page.contains("no final evaluation yet") && page.contains("Learning rate") && !page.contains("Scores</h2>")
    );
    // Where the report cannot be written, the run is finished all the same.
    fs::remove_file(work.path("out/report.html"))?;
    fs::create_dir(work.path("out/report.html"))?;
    let output = work.job.command(&["finetune", "--resume", "out"]).output()?;
    assert!(output.status.success() && said(&output).contains("there is no report"), "{}", said(&output));
    assert!(work.path("out/model/model.safetensors").exists());
    Ok(())
}

#[test]
fn several_runs_stand_beside_each_other() -> Result<()> {
    let mut lesson = classification();
    for (row, values) in lesson.train.iter_mut().chain(&mut lesson.dev).enumerate() {
        values["source"] = json!(if row % 2 == 0 { "mail" } else { "phone <b>" });
    }
    let work = Work::new(lesson)?;
    work.trains("out", &[])?;
    work.trains("other", &["--set", "train.learning_rate=5e-3"])?;
    report_of(&work, &["out", "other", "--out", "both.html", "--slice", "source", "--watts", "50"])?;
    let page = fs::read_to_string(work.path("both.html"))?;
    is_self_contained(&page);
    for word in
        ["Against each other", "it less out", "train.learning_rate", "By source", "phone &lt;b&gt;", "50 W, as given"]
    {
        assert!(page.contains(word), "no “{word}”");
    }
    let refused: [(&[&str], &str); 6] = [
        (&["out", "other"], "name the file that 2 runs are reported in"),
        (&["nothing"], "is not a run: it holds no plan.toml"),
        (&["out", "--slice", "colour"], "colour"),
        (&["out", "--watts=-1"], "expected a number above 0"),
        (&["out", "--out", "no/such/report.html"], "the folder no/such is not there"),
        (&["out", "--out", "other"], "it is a folder"),
    ];
    for (arguments, words) in refused {
        let output = work.job.command(&[&["report"], arguments].concat()).output()?;
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words) && said(&output).contains("error:"), "{}", said(&output));
    }
    assert!(!work.path("no").exists() && work.path("other/model").is_dir());
    fs::write(work.path("out/predictions.parquet"), "no parquet")?;
    let output = work.job.command(&["report", "out"]).output()?;
    assert!(output.status.code() == Some(2) && said(&output).contains("predictions.parquet"), "{}", said(&output));
    Ok(())
}
