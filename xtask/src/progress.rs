//! What is shown while something takes long: a line that is rewritten on a terminal, a plain line now and then
//! elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use retune_pypi::{Progress, Step};

const BAR_WIDTH: u64 = 24;
/// Steps shorter than this are not worth a line in a log.
const QUIET: Duration = Duration::from_secs(2);
const BETWEEN_LINES: Duration = Duration::from_secs(3);

/// The progress of one download, on standard error.
pub struct Meter {
    name: String,
    terminal: bool,
    step: Option<Step>,
    started: Instant,
    seen: Instant,
    last_line: Option<Instant>,
}

impl Meter {
    /// A meter whose lines begin with `name`.
    pub fn new(name: String) -> Meter {
        let terminal = std::io::stderr().is_terminal();
        Meter { name, terminal, step: None, started: Instant::now(), seen: Instant::now(), last_line: None }
    }

    /// Shows `progress`, if it is time to.
    pub fn show(&mut self, progress: Progress) {
        if self.step != Some(progress.step) {
            self.step = Some(progress.step);
            // The first word of a step comes some time after its start, and the last of the one before close to it.
            self.started = self.seen;
            self.last_line = None;
        }
        self.seen = Instant::now();
        let text = format!("{}: {}", self.name, describe(progress, self.started.elapsed()));
        if self.terminal {
            eprint!("\r\x1b[2K{text}");
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stderr().flush();
        } else if self.last_line.map_or(self.started.elapsed() >= QUIET, |last| last.elapsed() >= BETWEEN_LINES) {
            self.last_line = Some(Instant::now());
            eprintln!("{text}");
        }
    }

    /// Removes the line from a terminal.
    pub fn clear(&self) {
        if self.terminal && self.step.is_some() {
            eprint!("\r\x1b[2K");
        }
    }
}

fn describe(progress: Progress, elapsed: Duration) -> String {
    let verb = match progress.step {
        Step::Waiting => return "another process is fetching it; waiting".to_owned(),
        Step::Downloading => "downloading",
        Step::Verifying => "verifying",
        Step::Unpacking => "unpacking",
    };
    let done = megabytes(progress.bytes);
    let Some(expected) = progress.expected.filter(|expected| *expected > 0) else { return format!("{verb} {done} MB") };
    let bytes = progress.bytes.min(expected);
    let filled = (bytes * BAR_WIDTH / expected) as usize;
    let bar = "#".repeat(filled) + &"-".repeat(BAR_WIDTH as usize - filled);
    let rate = progress.bytes as f64 / 1e6 / elapsed.as_secs_f64().max(0.1);
    format!("{verb} [{bar}] {:>3} %, {done} of {} MB, {rate:.0} MB/s", bytes * 100 / expected, megabytes(expected))
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        ..10_000_000 => format!("{:.1}", bytes as f64 / 1e6),
        _ => format!("{}", bytes / 1_000_000),
    }
}

/// Bytes as a person reads them.
pub fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000_000 => format!("{} MB", megabytes(bytes)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: Step, bytes: u64, expected: Option<u64>) -> String {
        describe(Progress { step, bytes, expected }, Duration::from_secs(10))
    }

    #[test]
    fn a_line_says_how_much_and_how_fast() {
        assert_eq!(
            line(Step::Downloading, 265_000_000, Some(530_000_000)),
            "downloading [############------------]  50 %, 265 of 530 MB, 26 MB/s"
        );
        assert_eq!(line(Step::Downloading, 1_250_000, None), "downloading 1.2 MB");
        assert!(line(Step::Unpacking, 9, Some(9)).starts_with("unpacking [########################] 100 %"));
    }

    #[test]
    fn odd_amounts_do_not_break_the_bar() {
        assert!(line(Step::Verifying, 12, Some(10)).contains("100 %"));
        assert_eq!(line(Step::Verifying, 0, Some(0)), "verifying 0.0 MB");
    }

    #[test]
    fn sizes() {
        assert_eq!([size(0), size(52_000_000), size(1_250_000_000)], ["0.0 MB", "52 MB", "1.2 GB"]);
    }
}
