//! What a person sees while a run goes on: a bar and a few living lines on a terminal, plain lines elsewhere, nothing
//! with `--quiet`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use retune_train::{Event, Note, StepReport};

use crate::sparkline::Sparkline;

/// Shows the events of a run on standard error.
pub struct Terminal {
    style: Style,
    bar: Option<ProgressBar>,
    /// When training began here, and at which step: for the time left.
    started: Option<(Instant, u64)>,
    training_time: Duration,
    evaluation: Option<Instant>,
    /// The losses of all steps.
    losses: Sparkline,
    /// The best evaluation so far, in words.
    best: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Quiet,
}

impl Terminal {
    /// For this process's standard error.
    pub fn new(quiet: bool) -> Self {
        let style = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self {
            style,
            bar: None,
            started: None,
            training_time: Duration::ZERO,
            evaluation: None,
            losses: Sparkline::default(),
            best: None,
        }
    }

    /// What there is to know of a data set.
    pub fn notes(&self, notes: &[Note]) {
        notes.iter().filter(|note| note.is_due()).for_each(|note| self.note(&note.to_string()));
    }

    /// One line for a person.
    pub fn note(&self, text: &str) {
        match (&self.style, &self.bar) {
            (Style::Quiet, _) => {}
            (_, Some(bar)) => bar.println(text),
            (_, None) => eprintln!("{text}"),
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Notice(text) => self.note(text),
            Event::Started { step, total_steps } => self.start(step, total_steps),
            Event::Step(report) => self.step(report),
            Event::Spike { step, loss, mean } => {
                self.note(&format!("step {step}: the loss is {loss:.4}, and {mean:.4} in the mean before it"));
            }
            Event::Skipped { step, skipped } => {
                self.note(&format!(
                    "step {step}: left out, since its loss or gradient is not finite ({skipped} so far)"
                ));
            }
            Event::Overflow { step, scale } => {
                self.note(&format!("step {step}: gradients beyond float16's range, nothing moved; from now on the loss is scaled by {scale}"));
            }
            Event::Split { step, tokens } => {
                self.note(&format!(
                    "step {step}: {tokens} tokens at once do not fit into memory; from now on half as many are computed at a time"
                ));
            }
            Event::Evaluating { done, total } => self.evaluating(done, total),
            Event::Evaluated { split, epoch, evaluation, best } => {
                self.evaluation = None;
                let note = if best { "  best so far" } else { "" };
                let titled = evaluation.scores.iter().filter_map(|score| Some((score.title?, score.value)));
                let scores: Vec<String> = titled.map(|(title, value)| format!("{title} {value:.4}")).collect();
                if let Some(score) = scores.first().filter(|_| best) {
                    self.best = Some(format!("{score} (epoch {})", short(epoch)));
                }
                self.note(&format!("epoch {epoch:>5.2}  {split}  {}{note}", scores.join("  ")));
            }
        }
    }

    fn start(&mut self, step: u64, total_steps: u64) {
        self.started = Some((Instant::now(), step));
        if self.style == Style::Bar {
            let template = "{bar:32} {pos}/{len}  {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total_steps).with_style(style.progress_chars("━╸─"));
            bar.set_position(step);
            self.bar = Some(bar);
        }
    }

    fn step(&mut self, report: &StepReport) {
        self.training_time += report.elapsed;
        self.losses.push(report.loss);
        match (&self.bar, self.style) {
            (Some(bar), _) => {
                bar.set_position(report.step);
                if report.step == report.total_steps {
                    bar.finish_and_clear();
                } else {
                    bar.set_message(self.living(report));
                }
            }
            (None, Style::Lines) if report.logged.is_some() => {
                let place = format!("step {}/{}  epoch {:.2}", report.step, report.total_steps, report.epoch);
                eprintln!("{place}  {}  {}  {} left", loss(report), pace(report), clock(self.left(report)));
            }
            _ => {}
        }
    }

    /// What stands beside the bar, and the lines below it.
    fn living(&self, report: &StepReport) -> String {
        let mut text = format!("epoch {:.2}  {} left", report.epoch, clock(self.left(report)));
        text.push_str(&format!("\n{}  {}", self.losses, loss(report)));
        text.push_str(&format!("\n{}  gradient {:.3}", pace(report), report.gradient_norm));
        if let Some(bytes) = resident_memory() {
            text.push_str(&format!("  memory {} MiB", thousands(bytes >> 20)));
        }
        if let Some(best) = &self.best {
            text.push_str(&format!("\nbest {best}"));
        }
        text
    }

    fn left(&self, report: &StepReport) -> Duration {
        let done = report.step - self.started.map_or(0, |(_, step)| step);
        self.training_time.div_f64(done.max(1) as f64).mul_f64((report.total_steps - report.step) as f64)
    }

    /// An evaluation that lasts is worth a line every few seconds.
    fn evaluating(&mut self, done: usize, total: usize) {
        let since = *self.evaluation.get_or_insert_with(Instant::now);
        if since.elapsed() < Duration::from_secs(2) || done == total {
            if done == total {
                self.evaluation = None;
            }
            return;
        }
        match &self.bar {
            Some(bar) if !bar.is_finished() => bar.set_message(format!("evaluating {done}/{total}")),
            _ => {
                self.note(&format!("evaluating {done}/{total}"));
                self.evaluation = Some(Instant::now());
            }
        }
    }

    /// Takes the bar away, so that what follows stands on lines of its own.
    pub fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn loss(report: &StepReport) -> String {
    format!("loss {:.4}", report.logged.as_ref().map_or(report.loss, |logged| logged.loss))
}

fn pace(report: &StepReport) -> String {
    let own = || report.tokens as f64 / report.elapsed.as_secs_f64().max(1e-9);
    let rate = report.logged.as_ref().map_or_else(own, |logged| logged.tokens_per_second);
    format!("lr {}  {} tokens/s", scientific(report.learning_rate), thousands(rate.round() as u64))
}

/// `0.0000183` as `1.83e-5`.
fn scientific(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { format!("{number:.2e}") }
}

/// A number without a fraction that is zero: `3`, `2.5`.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Memory that this process holds, in bytes, where the system tells.
fn resident_memory() -> Option<u64> {
    const PAGE: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE)
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Minutes and seconds, with hours where there are any.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(clock(Duration::from_secs(59)), "0:59");
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!([0.0, 1.834e-5].map(scientific), ["0", "1.83e-5"]);
        assert_eq!([3.0, 2.5, 10.0, 0.25].map(short), ["3", "2.5", "10", "0.25"]);
    }
}
