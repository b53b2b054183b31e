//! Classes: what is taken for what, and how good each is.

use maud::{Markup, html};
use retune_metrics::{ClassScores, ConfusionMatrix};

use super::parts::{bar, drawn, folded, scroll};
use crate::answers::{Classes, Sets};
use crate::measures::multilabel;
use crate::plots;
use crate::run::Run;
use crate::words::{cut, number, percent};

/// Classes whose matrix is shown number by number.
const MOST_NUMBERS: usize = 16;
/// Classes whose table is shown whole.
const MOST_LINES: usize = 30;
const MOST_PAIRS: usize = 20;

pub(super) fn matrix(answers: &Classes) -> Option<ConfusionMatrix> {
    let pairs = answers.labels.iter().copied().zip(answers.predicted.iter().copied());
    ConfusionMatrix::from_pairs(answers.names.len(), pairs).ok()
}

pub(super) fn confusion(answers: &Classes) -> Option<Markup> {
    let matrix = matrix(answers)?;
    let c = answers.names.len();
    let pairs = pairs(answers, &matrix);
    Some(match c {
        ..=MOST_NUMBERS => html! {
            (grid(&answers.names, &matrix))
            @if c > 2 { (pairs) }
        },
        _ => html! {
            (pairs)
            (condensed(answers, &matrix))
        },
    })
}

/// Rows are what is right, columns what the model said.
fn grid(names: &[String], matrix: &ConfusionMatrix) -> Markup {
    let supports = matrix.supports();
    let c = names.len();
    html! {
        (scroll(html! {
            table.confusion {
                thead {
                    tr { td {} th.axis colspan=(c) { "the model said" } td {} }
                    tr { th.axis { "right is" } @for name in names { th.upright { (breakable(&cut(name, 28))) } } th.upright { "rows" } }
                }
                tbody { @for (label, name) in names.iter().enumerate() {
                    tr {
                        th scope="row" { (cut(name, 60)) }
                        @for said in 0..c {
                            @let count = matrix.count(label, said);
                            td class={ "number " (shade(count, supports[label], label == said)) } { (count) }
                        }
                        td.number.muted { (supports[label]) }
                    }
                } }
            }
        }))
        p.note { "A row holds all rows of one right class; the stronger a cell's colour, the larger its share of them. Right ones are framed." }
    }
}

/// A name that may be broken where its parts are joined, and not only within them.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['_', '-', '/', '.', ':']) { (part) wbr; } }
}

fn shade(count: u64, support: u64, right: bool) -> String {
    let frame = if right { " right" } else { "" };
    match count {
        0 => format!("none{frame}"),
        _ => format!("h{}{frame}", plots::level(count as f64 / support.max(1) as f64, 6) + 1),
    }
}

fn pairs(answers: &Classes, matrix: &ConfusionMatrix) -> Markup {
    let few = answers.names.len() <= MOST_NUMBERS;
    let pairs = matrix.most_confused(if few { MOST_PAIRS / 2 } else { MOST_PAIRS });
    html! {
        h3 { "Most often confused" }
        @if pairs.is_empty() { p { "Nothing: every row is right." } } @else {
            (scroll(html! {
                table {
                    thead { tr { th { "right is" } th { "the model said" } th.number { "times" } th.number { "of rows" } th { span.hidden { "share" } } } }
                    tbody { @for pair in &pairs {
                        tr {
                            td { (answers.names[pair.label]) }
                            td { (answers.names[pair.predicted]) }
                            td.number { (pair.count) }
                            td.number { (pair.support) }
                            td.bars { (bar(pair.count as f64 / pair.support.max(1) as f64)) }
                        }
                    } }
                }
            }))
        }
    }
}

/// The classes that are confused most as numbers, and all as a map in which classes that are taken for each other stand
/// side by side.
fn condensed(answers: &Classes, matrix: &ConfusionMatrix) -> Markup {
    let c = answers.names.len();
    let order = side_by_side(matrix);
    let counts: Vec<Vec<u64>> =
        order.iter().map(|label| order.iter().map(|said| matrix.count(*label, *said)).collect()).collect();
    let mut wrong: Vec<(u64, usize)> = (0..c)
        .map(|class| {
            (
                (0..c)
                    .filter(|other| *other != class)
                    .map(|other| matrix.count(class, other) + matrix.count(other, class))
                    .sum(),
                class,
            )
        })
        .collect();
    wrong.sort_by_key(|(count, class)| (u64::MAX - count, *class));
    let few: Vec<usize> =
        wrong.iter().take(MOST_NUMBERS - 4).filter(|(count, _)| *count > 0).map(|(_, class)| *class).collect();
    let names: Vec<String> = few.iter().map(|class| answers.names[*class].clone()).collect();
    let place = |class: usize| few.iter().position(|of_few| *of_few == class);
    let within = answers.labels.iter().zip(&answers.predicted).filter_map(|(a, b)| Some((place(*a)?, place(*b)?)));
    let small = ConfusionMatrix::from_pairs(few.len().max(1), within).ok();
    html! {
        @if let (Some(small), true) = (small, few.len() > 1) {
            h3 { "The " (few.len()) " classes with most mistakes, among themselves" }
            (grid(&names, &small))
        }
        h3 { "All " (c) " classes" }
        @if let Some(svg) = plots::heat_map(&counts) {
            figure.map {
                (drawn(&svg))
                p.words { "Right classes downwards, what the model said to the right, in one order in which classes that are taken for each
                    other stand near. The pale diagonal is what is right; everything beside it is a mistake, the stronger the more often." }
            }
        }
        (folded("The order of the classes in the map", html! {
            ol.order { @for class in &order { li { (answers.names[*class]) } } }
        }))
    }
}

/// Greedily: after a class comes the one that is most often confused with it, of those that are left; else the next.
fn side_by_side(matrix: &ConfusionMatrix) -> Vec<usize> {
    let c = matrix.classes();
    let mut left: Vec<usize> = (0..c).collect();
    let mut order = Vec::with_capacity(c);
    while let Some(first) = left.first().copied() {
        let mut next = Some(first);
        while let Some(class) = next {
            left.retain(|other| *other != class);
            order.push(class);
            let confused = |other: &usize| matrix.count(class, *other) + matrix.count(*other, class);
            next = left.iter().copied().rev().max_by_key(|other| confused(other)).filter(|other| confused(other) > 0);
        }
    }
    order
}

/// Precision, recall and F1 of each class.
pub(super) fn table(answers: &Classes) -> Option<Markup> {
    let scores = matrix(answers)?.class_scores();
    let lines: Vec<(&str, ClassScores)> = answers.names.iter().map(String::as_str).zip(scores).collect();
    Some(scores_table("class", &lines))
}

/// A table of scores; of many lines the worst stand before it.
pub(super) fn scores_table(what: &str, lines: &[(&str, ClassScores)]) -> Markup {
    let mut worst: Vec<(&str, ClassScores)> = lines.iter().filter(|(_, scores)| scores.support > 0).copied().collect();
    worst.sort_by(|a, b| a.1.f1.total_cmp(&b.1.f1));
    worst.truncate(12);
    html! {
        @if lines.len() > MOST_LINES {
            h3 { "The " (worst.len()) " with the smallest F1" }
            (scroll(of_scores(what, &worst)))
            (folded(&format!("All {}", lines.len()), scroll(of_scores(what, lines))))
        } @else { (scroll(of_scores(what, lines))) }
        p.note { "Precision: of what is given this name, the share that is right. Recall: of what has this name, the share that is found. F1 is the harmonic mean of both." }
    }
}

fn of_scores(what: &str, lines: &[(&str, ClassScores)]) -> Markup {
    html! {
        table {
            thead { tr { th { (what) } th.number { "precision" } th.number { "recall" } th.number { "F1" } th { span.hidden { "F1" } } th.number { "examples" } } }
            tbody { @for (name, scores) in lines {
                tr {
                    th scope="row" { (name) }
                    td.number { (number(scores.precision)) }
                    td.number { (number(scores.recall)) }
                    td.number { (number(scores.f1)) }
                    td.bars { (bar(scores.f1)) }
                    td.number.muted { (scores.support) }
                }
            } }
        }
    }
}

/// Each label of several, with the probability from which on it is given.
pub(super) fn labels(answers: &Sets, run: &Run) -> Option<Markup> {
    let every: Vec<usize> = (0..answers.labels.len()).collect();
    let scores = multilabel(answers, &every).ok()?.label_scores();
    let given = |label: usize| answers.predicted.iter().filter(|set| set[label]).count();
    let tuned = run.thresholds.len() == answers.names.len();
    Some(html! {
        (scroll(html! {
            table {
                thead { tr {
                    th { "label" } th.number { "precision" } th.number { "recall" } th.number { "F1" } th { span.hidden { "F1" } }
                    th.number { "right in" } th.number { "given to" } th.number { "from" }
                } }
                tbody { @for (label, (name, scores)) in answers.names.iter().zip(&scores).enumerate() {
                    tr {
                        th scope="row" { (name) }
                        td.number { (number(scores.precision)) }
                        td.number { (number(scores.recall)) }
                        td.number { (number(scores.f1)) }
                        td.bars { (bar(scores.f1)) }
                        td.number.muted { (scores.support) }
                        td.number.muted { (given(label)) }
                        td.number { (percent(if tuned { run.thresholds[label] } else { 0.5 })) }
                    }
                } }
            }
        }))
        p.note {
            "A label is given from this probability on"
            @if tuned { ", chosen on the validation data for the best F1 of each." } @else { "; it was not tuned (evaluation.tune_thresholds)." }
        }
    })
}
