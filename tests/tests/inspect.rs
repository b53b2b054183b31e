//! `inspect` by the built binary: planted faults are found, and shown with their places; mistakes are refused.

use std::fs;
use std::path::Path;

use retune_data::DataFormat;
use retune_data::sources::read;
use serde_json::Value;
use tests::job::succeeds;
use tests::{Job, Result};

/// A data set of the repository.
fn support(name: &str) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    Ok(fs::read_to_string(root.join("data/support-triage").join(name))?)
}

const LONG: &str = "the kettle that came on Friday with the blue box does not switch itself off when the water boils";

/// The repository's support desk, with faults at the end of its files. Gives the line of the first fault in train.
fn plant(job: &Job) -> Result<usize> {
    let (mut train, mut test) = (support("train.csv")?, support("test.csv")?);
    let lines = train.lines().count();
    let add = |to: &mut String, text: &str, label: &str| to.push_str(&format!("\"{text}\",{label},planted\n"));
    add(&mut train, LONG, "device_fault");
    add(&mut train, LONG, "device_fault");
    add(&mut train, &LONG.to_uppercase().replace(' ', "  "), "device_fault");
    add(&mut train, &LONG.replace("Friday", "Sunday"), "device_fault");
    add(&mut train, "the manual is in the wrong language, cafÃ© and all, and the screws were missing", "delivery");
    add(&mut train, "  ", "delivery");
    add(&mut train, "the same words by two people", "delivery");
    add(&mut train, "The same words by two people!", "payment");
    add(&mut test, LONG, "device_fault");
    add(&mut test, &LONG.replace("boils", "is boiling"), "device_fault");
    add(&mut test, "a class that nobody has heard of before today", "gardening");
    job.write("planted.csv", train)?;
    job.write("planted-test.csv", test)?;
    job.write("validation.csv", support("validation.csv")?)?;
    Ok(lines + 1)
}

fn findings<'a>(found: &'a Value, kind: &str) -> Vec<&'a Value> {
    found["findings"].as_array().expect("findings").iter().filter(|finding| finding["kind"] == kind).collect()
}

/// The places of the rows of a kind of finding, within one data set.
fn places(found: &Value, kind: &str, split: &str) -> Vec<String> {
    let rows = findings(found, kind).into_iter().flat_map(|finding| finding["rows"].as_array().expect("rows"));
    rows.filter(|row| row["split"] == split).map(|row| row["place"].as_str().expect("a place").to_owned()).collect()
}

fn json(job: &Job, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(job.path(name))?)?)
}

#[test]
fn planted_faults_are_found_with_their_places() -> Result<()> {
    let job = Job::new()?;
    let first = plant(&job)?;
    let mut command =
        job.command(&["inspect", "--no-model", "--model", "no/such-model", "--text", "text", "--label", "label"]);
    command.args(["--train", "planted.csv", "--eval", "validation.csv", "--test", "planted-test.csv"]);
    command.args(["--json", "found.json", "--out", "found.parquet"]);
    let output = command.output()?;
    let shown = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(0), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    let found = json(&job, "found.json")?;
    let line = |add: usize| format!("planted.csv:{}", first + add);

    // To the letter, but for case and white space, nearly.
    let repeated = places(&found, "duplicates", "train");
    for add in [1, 2, 3] {
        assert!(repeated.contains(&line(add)), "{repeated:?}");
    }
    assert!(!repeated.contains(&line(0)), "{repeated:?}");
    let test_lines = support("test.csv")?.lines().count();
    let leaked = places(&found, "leakage", "test");
    for add in [1, 2] {
        assert!(leaked.contains(&format!("planted-test.csv:{}", test_lines + add)), "{leaked:?}");
    }
    assert_eq!(places(&found, "empty-text", "train"), [line(5)]);
    let conflicts = places(&found, "conflicting-labels", "train");
    assert!(conflicts.contains(&line(6)) && conflicts.contains(&line(7)), "{conflicts:?}");
    assert!(places(&found, "odd-rows", "train").contains(&line(4)));
    assert_eq!(places(&found, "unseen-class", "test"), [format!("planted-test.csv:{}", test_lines + 3)]);
    assert_eq!(findings(&found, "label-errors").len(), 1);
    assert!(findings(&found, "truncation").is_empty(), "tokens were counted without a model");
    assert!(
        found["not_checked"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|skipped| { skipped["why"].as_str().is_some_and(|why| why.contains("--no-model")) })
    );

    // The same rows stand in the table, and the worst findings first on the terminal.
    let table = read(&job.path("found.parquet"), DataFormat::Auto, &["kind", "place", "severity"])?;
    let rows: usize = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| finding["rows"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(table.len(), rows);
    let order: Vec<usize> = shown
        .lines()
        .filter_map(|line| ["serious  ", "warning  ", "note     "].iter().position(|word| line.starts_with(word)))
        .collect();
    assert!(!order.is_empty() && order.is_sorted(), "{shown}");
    assert!(shown.contains(&line(5)), "{shown}");
    Ok(())
}

#[test]
fn the_model_counts_tokens_and_judges_labels() -> Result<()> {
    let job = Job::new()?;
    // Of each class 40 rows; two bear the other's label, and one is too long.
    let row = |row: usize| {
        let very = "very ".repeat(row % 4);
        let (text, label) = if row.is_multiple_of(2) { ("good", "positive") } else { ("bad", "negative") };
        let label =
            if row == 10 || row == 31 { if label == "positive" { "negative" } else { "positive" } } else { label };
        format!("a {very}{text} film {},{label}\n", ["the a", "the the", "a a"][row % 3])
    };
    let rows: String = (0..80).map(row).collect();
    job.write("train.csv", format!("text,label\n{rows}good {}film zebra,positive\n", "very ".repeat(30)))?;
    let arguments = ["inspect", "--text", "text", "--label", "label", "--train", "train.csv", "--device", "cpu"];
    let mut command = job.command(&arguments);
    command.args(["--set", "data.max_length=16", "--json", "found.json", "--quiet"]).arg("--model").arg(job.model());
    let output = command.output()?;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = json(&job, "found.json")?;
    assert_eq!(places(&found, "truncation", "train"), ["train.csv:82"]);
    assert_eq!(places(&found, "unknown-tokens", "train"), ["train.csv:82"]);
    let judged = places(&found, "label-errors", "train");
    assert!(judged.contains(&"train.csv:12".to_owned()) && judged.contains(&"train.csv:33".to_owned()), "{judged:?}");
    assert!(judged.len() <= 8, "{judged:?}");
    Ok(())
}

#[test]
fn strict_fails_on_serious_findings_alone() -> Result<()> {
    let job = Job::new()?;
    let row = |row: usize| format!("sentence number {} about {},{}\n", row * row, ["cats", "dogs"][row % 2], row % 2);
    let rows: String = (0..60).map(row).collect();
    job.write("clean.csv", format!("text,label\n{rows}"))?;
    job.write("leaky.csv", format!("text,label\n{}", (0..20).map(row).collect::<String>()))?;
    let arguments =
        ["inspect", "--no-model", "--model", "none", "--text", "text", "--label", "label", "--train", "clean.csv"];
    let code = |more: &[&str]| -> Result<Option<i32>> {
        let output = job.command(&arguments).args(["--eval", "leaky.csv"]).args(more).output()?;
        Ok(output.status.code())
    };
    assert_eq!(code(&[])?, Some(0));
    assert_eq!(code(&["--strict"])?, Some(1));
    let other: String = (60..90).map(row).collect();
    job.write("leaky.csv", format!("text,label\n{other}"))?;
    assert_eq!(code(&["--strict"])?, Some(0));
    Ok(())
}

#[test]
fn other_tasks_say_what_does_not_apply() -> Result<()> {
    let job = Job::new()?;
    let many = |row: &dyn Fn(usize) -> String| (0..60).map(row).collect::<String>();
    job.write(
        "multi.jsonl",
        many(&|row| format!("{{\"text\": \"text {row} of {}\", \"label\": [\"{}\"]}}\n", row % 3, row % 3)),
    )?;
    job.write("pairs.csv", format!("a,b,score\n{}", many(&|row| format!("first {row},second {row},{}\n", row % 6))))?;
    job.write(
        "words.jsonl",
        many(&|row| format!("{{\"words\": [\"Anna\", \"sees\", \"{row}\"], \"tags\": [\"B-PER\", \"O\", \"O\"]}}\n")),
    )?;
    job.write("lines.txt", many(&|row| format!("a line of text, the {row}th\n")))?;
    for (arguments, not_checked) in [
        (&["--task", "multi-label", "--train", "multi.jsonl", "--text", "text", "--label", "label"][..], ""),
        (&["--task", "regression", "--train", "pairs.csv", "--text", "a", "b", "--label", "score"], "label errors"),
        (
            &["--task", "token-classification", "--train", "words.jsonl", "--text", "words", "--label", "tags"],
            "label errors",
        ),
        (&["--task", "masked-lm", "--train", "lines.txt", "--text", "text"], "label errors"),
        (&["--task", "embeddings", "--train", "pairs.csv", "--text", "a", "b"], "conflicting labels"),
    ] {
        let output = job.command(&["inspect", "--no-model", "--model", "none"]).args(arguments).output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(said.contains(&format!("not checked: {not_checked}")), "{arguments:?}: {said}");
    }
    Ok(())
}

#[test]
fn mistakes_are_refused_before_anything_is_written() -> Result<()> {
    let job = Job::new()?;
    let refused = |more: &[&str], words: &[&str]| {
        let mut command = job.command(&["inspect", "--no-model", "--model", "none", "--train", "train.csv"]);
        command.args(["--text", "text", "--label", "label"]).args(more);
        let message = job.refused(command);
        for word in words {
            assert!(message.contains(word), "the message lacks '{word}':\n{message}");
        }
    };
    refused(&["--out", "found.xlsx"], &["found.xlsx", ".parquet"]);
    refused(&["--json", "found.txt"], &["found.txt", ".json"]);
    refused(&["--json", "nowhere/found.json"], &["nowhere"]);
    refused(&["--eval", "nowhere.csv"], &["nowhere.csv"]);
    refused(&["--set", "data.label=class"], &["train.csv", "class", "text", "label"]);
    refused(&["--max-rows", "3"], &["--max-rows", "50"]);
    refused(&["--run", "nowhere"], &["--run nowhere", "plan.toml"]);
    refused(&["--run", "nowhere", "--json", "found.json"], &["--run", "--json"]);
    refused(&["--task", "question-answering", "--text", "other"], &["question-answering", "classification"]);
    refused(&["--set", "train.epoch=5"], &["train.epochs"]);
    assert!(!job.path("found.json").exists() && !job.path("found.parquet").exists());
    Ok(())
}

#[test]
fn what_is_found_in_a_runs_data_stands_in_its_report() -> Result<()> {
    let job = Job::new()?;
    succeeds(job.finetune(&["--output", "run"]))?;
    let said = succeeds(job.command(&["inspect", "--run", "run", "--no-model"]))?;
    assert!(said.contains("next: cargo xtask report run"), "{said}");
    assert_eq!(findings(&json(&job, "run/inspect.json")?, "leakage").len(), 1);
    succeeds(job.command(&["report", "run"]))?;
    let page = fs::read_to_string(job.path("run/report.html"))?;
    assert!(page.contains("The data") && page.contains("leakage"));
    Ok(())
}
