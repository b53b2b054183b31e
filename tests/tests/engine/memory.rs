//! A batch for which there is not enough memory is computed in parts, and the run goes on.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tests::job::said;
use tests::{Job, Result};

use crate::{finetune, numbers, without_dropout};

/// As many rows of 40 tokens as need some hundred megabytes at once.
const ROWS: usize = 3000;

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

#[test]
fn a_batch_that_does_not_fit_into_memory_is_computed_in_parts() -> Result<()> {
    let job = Job::new()?;
    without_dropout(&job)?;
    let line = |row: usize| match row % 2 {
        0 => format!("a {}good film,positive\n", "very ".repeat(35)),
        _ => format!("the {}bad film,negative\n", "very ".repeat(35)),
    };
    job.write("train.csv", format!("text,label\n{}", (0..ROWS).map(line).collect::<String>()))?;
    let run = |output: &str, size: usize| {
        let size = format!("train.batch_size={size}");
        finetune(&job, output, &["data.max_length=40", "train.max_steps=3", "train.epochs=3", &size])
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
