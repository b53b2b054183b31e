//! What happened while the run trained.

use maud::{Markup, html};

use super::parts::figure;
use crate::analysis::Analysis;
use crate::log::{EvaluationPoint, Log, TrainPoint};
use crate::plots::{Axes, Line, Style, lines};
use crate::words::{counted, number, title};

pub(super) fn curves(all: &[Analysis<'_>]) -> Option<Markup> {
    if all.iter().all(|one| one.run.log.train.is_empty() && one.run.log.evaluations.is_empty()) {
        return None;
    }
    let names: Vec<(String, usize)> =
        all.iter().enumerate().map(|(place, one)| (one.run.name.clone(), place)).collect();
    let several = if all.len() > 1 { names.as_slice() } else { &[] };
    let of_train = |pick: fn(&TrainPoint) -> f64| -> Vec<Line> {
        let line = |(place, one): (usize, &Analysis<'_>)| Line {
            points: trained(&one.run.log, pick),
            colour: place,
            style: Style::Plain,
        };
        all.iter().enumerate().map(line).collect()
    };
    let deciding = all.iter().find_map(measured);
    let scores = deciding.as_deref().map(|key| {
        let line = |(place, one): (usize, &Analysis<'_>)| Line {
            points: evaluated(&one.run.log, key),
            colour: if all.len() > 1 { place } else { 1 },
            style: Style::Dotted,
        };
        lines(&all.iter().enumerate().map(line).collect::<Vec<_>>(), Axes::over("step"))
    });
    let title_of = deciding.as_deref().map(|key| title(key, None)).unwrap_or_default();
    Some(html! {
        div.figures {
            (losses(all, several))
            (figure(&format!("Validation: {title_of}"), several, scores.flatten(), &kept(all)))
            (figure("Learning rate", several, upwards(&of_train(|point| point.learning_rate)), ""))
            (figure("Norm of the gradient", several, upwards(&of_train(|point| point.gradient_norm)), "Before it is clipped."))
            (figure("Tokens a second", several, upwards(&of_train(|point| point.tokens_per_second)), "In training steps; none of them padding."))
        }
        @for one in all { (incidents(one)) }
    })
}

fn upwards(drawn: &[Line]) -> Option<String> {
    lines(drawn, Axes::from_zero("step", drawn))
}

fn losses(all: &[Analysis<'_>], several: &[(String, usize)]) -> Markup {
    let mut drawn = Vec::new();
    for (place, one) in all.iter().enumerate() {
        let log = &one.run.log;
        let validation = if all.len() > 1 { place } else { 1 };
        drawn.push(Line { points: trained(log, |point| point.loss), colour: place, style: Style::Plain });
        drawn.push(Line { points: evaluated(log, "loss"), colour: validation, style: Style::Dotted });
    }
    let own = [("training".to_owned(), 0), ("validation".to_owned(), 1)];
    let legend = if several.is_empty() { &own[..] } else { several };
    let words = match all {
        [one] => from_to(&one.run.log),
        _ => "Lines are training, dots validation.".to_owned(),
    };
    figure("Loss", legend, lines(&drawn, Axes::over("step")), &words)
}

/// The deciding measure, where the evaluations on the way have it.
fn measured(one: &Analysis<'_>) -> Option<String> {
    let first = one.run.log.evaluations.first()?;
    let has = |key: &str| first.score(key).is_some();
    let deciding = one.deciding().map(|(key, _)| key.to_owned()).filter(|key| has(key));
    let any = || first.scores.iter().find(|(name, _)| name != "examples").map(|(name, _)| name.clone());
    deciding.or_else(any)
}

fn trained(log: &Log, pick: fn(&TrainPoint) -> f64) -> Vec<(f64, f64)> {
    log.train.iter().map(|point| (point.step as f64, pick(point))).collect()
}

fn evaluated(log: &Log, key: &str) -> Vec<(f64, f64)> {
    let point = |point: &EvaluationPoint| Some((point.step as f64, point.score(key)?));
    log.evaluations.iter().filter(|point| point.split == "validation").filter_map(point).collect()
}

fn from_to(log: &Log) -> String {
    match (log.train.first(), log.train.last()) {
        (Some(first), Some(last)) if log.train.len() > 1 => {
            format!("Training: from {} to {}.", number(first.loss), number(last.loss))
        }
        _ => String::new(),
    }
}

fn kept(all: &[Analysis<'_>]) -> String {
    let kept = all.iter().filter_map(|one| {
        let last = &one.run.log.last.as_ref()?.evaluation;
        let whose = if all.len() > 1 { format!("{}: the", one.run.name) } else { "The".to_owned() };
        let epochs = if last.epoch.is_finite() { format!(" (epoch {:.3})", last.epoch) } else { String::new() };
        Some(format!("{whose} model of step {}{} was kept.", last.step, epochs.replace(".000", "")))
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// What went wrong on the way.
fn incidents(one: &Analysis<'_>) -> Markup {
    let log = &one.run.log;
    let steps = log.spikes.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(", ");
    html! {
        @if !log.spikes.is_empty() {
            p.note { "In " (one.run.name) ", the loss was far above those before it " (counted(log.spikes.len() as u64, "time", "times")) ", at step " (steps)
                @if log.spikes.len() > 8 { " and others" } "; " code { "metrics.jsonl" } " names the rows." }
        }
        @if log.skipped > 0 {
            p.note { "In " (one.run.name) ", " (counted(log.skipped as u64, "batch was", "batches were")) " left out, since a number was not finite." }
        }
        @if log.unreadable > 0 {
            p.note { "In " (one.run.name) ", " (counted(log.unreadable as u64, "line", "lines")) " of " code { "metrics.jsonl" } " could not be read." }
        }
    }
}
