//! What a finished run says in the terminal.

use std::fmt::Write;
use std::path::Path;

use retune_train::{Evaluation, Summary};

use crate::terminal::thousands;

/// The last words of a run; `texts` are what an example has on the command line.
pub fn finished(run: &Path, summary: &Summary, report: Option<&Path>, texts: &[String]) -> String {
    let mut text = String::new();
    let data = format!("{} data, {} examples", summary.split, thousands(summary.evaluation.examples));
    let _ = writeln!(text, "\nThe model of epoch {} is kept. On the {data}:\n", summary.best.epoch);
    text.push_str(&scores(&summary.evaluation));
    text.push_str(&confused(&summary.evaluation));
    if !summary.tuned.is_empty() {
        let _ = writeln!(text, "\nchosen on the validation data and kept with the model:");
        for line in &summary.tuned {
            let _ = writeln!(text, "  {line}");
        }
        if summary.split == "validation" {
            text.push_str("  (and measured above on the same data; name a test file for a measure of new examples)\n");
        }
    }
    let _ = writeln!(
        text,
        "\ntrained at {:.1} examples/s, {} tokens/s, none of them padding",
        summary.examples_per_second,
        thousands(summary.tokens_per_second.round() as u64)
    );
    let _ = writeln!(text, "model        {} (loads in Hugging Face as it is)", summary.model.display());
    if let Some(predictions) = &summary.predictions {
        let _ = writeln!(text, "predictions  {}", predictions.display());
    }
    if let Some(report) = report {
        let _ = writeln!(text, "report       {} (for a browser)", report.display());
    }
    let example: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    let _ = writeln!(text, "\nnext: cargo xtask predict --run {} {}", run.display(), example.join(" "));
    text
}

/// The measures that matter most, with their intervals, a line each.
pub fn scores(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    for score in &evaluation.scores {
        if let Some(title) = score.title {
            let interval = score.interval.map(|i| format!("   95 % interval {:.4} to {:.4}", i.low, i.high));
            let _ = writeln!(text, "  {title:<26} {:.4}{}", score.value, interval.unwrap_or_default());
        }
    }
    text
}

/// The measures of each class, where there are classes.
pub fn classes(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    if evaluation.classes.is_empty() {
        return text;
    }
    let width = evaluation.classes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(5);
    let _ = writeln!(text, "\n  {:<width$}  precision  recall      F1  examples", "class");
    for (name, class) in &evaluation.classes {
        let precision = class.precision;
        let _ = writeln!(
            text,
            "  {name:<width$}  {precision:>9.4}  {:>6.4}  {:>6.4}  {:>8}",
            class.recall, class.f1, class.support
        );
    }
    text
}

/// The pairs of classes that are most often taken for each other.
pub fn confused(evaluation: &Evaluation) -> String {
    let pairs = evaluation.confusion.as_ref().map(|confusion| confusion.most(5)).unwrap_or_default();
    let mut text = String::new();
    if !pairs.is_empty() {
        text.push_str("\nmost often confused:\n");
        for (label, predicted, count, support) in pairs {
            let _ = writeln!(text, "  {label} taken for {predicted}: {count} of {support}");
        }
    }
    text
}
