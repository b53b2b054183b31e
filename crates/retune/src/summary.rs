//! What a finished run says in the terminal.

use std::fmt::Write;
use std::path::Path;

use retune_metrics::Interval;
use retune_train::Summary;
use retune_train::tasks::sequence_classification::{Intervals, Scores};

use crate::terminal::thousands;

/// The last words of a run.
pub fn finished(run: &Path, summary: &Summary, pair: bool) -> String {
    let mut text = String::new();
    let data = format!("{} data, {} examples", summary.split, thousands(summary.scores.examples));
    let _ = writeln!(text, "\nThe model of epoch {} is kept. On the {data}:\n", summary.best.epoch);
    text.push_str(&scores(&summary.scores, summary.intervals.as_ref()));
    text.push_str(&confused(&summary.confused));
    let _ = writeln!(
        text,
        "\ntrained at {:.1} examples/s, {} tokens/s, none of them padding",
        summary.examples_per_second,
        thousands(summary.tokens_per_second.round() as u64)
    );
    let _ = writeln!(text, "model        {} (loads in Hugging Face as it is)", summary.model.display());
    let _ = writeln!(text, "predictions  {}", run.join("predictions.parquet").display());
    let example = if pair { "\"first text\" \"second text\"" } else { "\"a text\"" };
    let _ = writeln!(text, "\nnext: cargo xtask predict --run {} {example}", run.display());
    text
}

/// Scores with their intervals, a line each.
pub fn scores(scores: &Scores, intervals: Option<&Intervals>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: f64, interval: Option<Interval>| {
        let interval = interval.map(|i| format!("   95 % interval {:.4} to {:.4}", i.low, i.high)).unwrap_or_default();
        let _ = writeln!(text, "  {name:<22} {value:.4}{interval}");
    };
    line("accuracy", scores.accuracy, intervals.map(|all| all.accuracy));
    line("macro F1", scores.f1_macro, intervals.map(|all| all.f1_macro));
    line("Matthews' correlation", scores.mcc, intervals.map(|all| all.mcc));
    line("loss", scores.loss, None);
    text
}

/// The pairs of classes that are most often taken for each other.
pub fn confused(pairs: &[(String, String, u64, u64)]) -> String {
    let mut text = String::new();
    if !pairs.is_empty() {
        text.push_str("\nmost often confused:\n");
        for (label, predicted, count, support) in pairs {
            let _ = writeln!(text, "  {label} taken for {predicted}: {count} of {support}");
        }
    }
    text
}
