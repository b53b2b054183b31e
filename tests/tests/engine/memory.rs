//! A batch for which there is not enough memory is computed in parts, and the run goes on.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tests::job::said;
use tests::{Job, Result};

use crate::{finetune, numbers, succeeds, without_dropout};

/// As many rows of 40 tokens as need some hundred megabytes at once.
const ROWS: usize = 3000;

/// glibc gives large blocks back to the system when they are freed, and not once it has grown used to them: else what a
/// finished step leaves behind counts against the limit, and there is no room for a thread that starts at the end.
fn giving_back(mut command: Command) -> Command {
    command.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_ARENA_MAX", "1");
    command
}

/// The most address space that a command takes before it ends well, in KiB.
fn peak(mut command: Command) -> Result<u64> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmPeak:"));
        let now = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(ended) = child.try_wait()? {
            assert!(ended.success(), "{ended}");
            return Ok(peak);
        }
        sleep(Duration::from_millis(3));
    }
}

/// The command with so much address space, in KiB.
fn limited(command: &Command, most: u64) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &most.to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().unwrap_or(std::path::Path::new(".")));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// A job with many rows of 40 tokens, without dropout.
fn long_rows() -> Result<Job> {
    let job = Job::new()?;
    without_dropout(&job)?;
    let line = |row: usize| match row.is_multiple_of(2) {
        true => format!("a {}good film,positive\n", "very ".repeat(35)),
        false => format!("the {}bad film,negative\n", "very ".repeat(35)),
    };
    job.write("train.csv", format!("text,label\n{}", (0..ROWS).map(line).collect::<String>()))?;
    Ok(job)
}

#[test]
fn an_evaluation_batch_that_does_not_fit_into_memory_is_computed_in_parts() -> Result<()> {
    let job = long_rows()?;
    succeeds(finetune(&job, "out", &["data.max_length=40", "train.max_steps=1"]))?;
    let evaluate = |size: usize| {
        let size = size.to_string();
        giving_back(job.command(&["evaluate", "--run", "out", "--file", "train.csv", "--json", "--batch-size", &size]))
    };
    let (small, large) = (peak(evaluate(4))?, peak(evaluate(ROWS))?);
    assert!(large > small + (40 << 10), "too alike to tell apart: {small} and {large} KiB");
    let loss = |mut command: Command| -> Result<f64> {
        let output = command.output()?;
        assert!(output.status.success(), "{small} and {large} KiB: {:?} {}", output.status, said(&output));
        let scores: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(scores["scores"]["loss"].as_f64().ok_or("loss")?)
    };
    let (found, expected) = (loss(limited(&evaluate(ROWS), small + (large - small) / 2))?, loss(evaluate(ROWS))?);
    assert!((found - expected).abs() < 1e-6 * expected, "{found} instead of {expected}");
    Ok(())
}

#[test]
fn a_batch_that_does_not_fit_into_memory_is_computed_in_parts() -> Result<()> {
    let job = long_rows()?;
    let run = |output: &str, size: usize| {
        let size = format!("train.batch_size={size}");
        giving_back(finetune(&job, output, &["data.max_length=40", "train.max_steps=3", "train.epochs=3", &size]))
    };
    let (small, large) = (peak(run("small", 4))?, peak(run("large", ROWS))?);
    assert!(large > small + (200 << 10), "too alike to tell apart: {small} and {large} KiB");

    let output = limited(&run("out", ROWS), small + (large - small) / 2).output()?;
    assert!(output.status.success(), "{small} and {large} KiB: {:?} {}", output.status, said(&output));
    let words = " tokens at once do not fit into memory; from now on half as many are computed at a time";
    let said = said(&output);
    let splits: Vec<(&str, usize)> = said
        .lines()
        .filter_map(|line| line.strip_suffix(words)?.strip_prefix("step ")?.split_once(": "))
        .map(|(step, tokens)| Ok((step, tokens.parse()?)))
        .collect::<Result<_>>()?;
    // What is told is the smallest part that did not fit.
    assert!(splits.first().is_some_and(|(step, tokens)| *step == "1" && *tokens <= 40 * ROWS), "{said}");
    // Later steps know it, and try no more than half of what did not fit.
    assert!(splits.windows(2).all(|pair| pair[1].1 <= pair[0].1 / 2), "{splits:?}");
    for name in ["loss", "gradient_norm"] {
        let [found, expected] = ["out", "large"].map(|run| numbers(&job, run, "train", name));
        for (found, expected) in found?.iter().zip(expected?) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{name}: {found}, expected {expected}");
        }
    }
    Ok(())
}
