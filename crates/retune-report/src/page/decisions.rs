//! Precision and recall, ROC, reliability.

use maud::{Markup, html};

use super::parts::{figure, folded, scroll};
use crate::answers::Answers;
use crate::decisions::{Decision, Reliability, decisions, reliability};
use crate::plots::{Axes, Line, Style, bars, lines};
use crate::words::{cut, number, percent};

pub(super) fn plots(answers: &Answers) -> Option<Markup> {
    let (decisions, reliability) = (decisions(answers), reliability(answers));
    if decisions.is_empty() && reliability.is_none() {
        return None;
    }
    let legend: Vec<(String, usize)> =
        decisions.iter().enumerate().map(|(place, one)| (cut(&one.name, 28), place)).collect();
    Some(html! {
        div.figures {
            (figure("Precision over recall", &legend, precision_recall(&decisions), &areas(&decisions, "Areas (average precision)", |one| one.average_precision)))
            (figure("ROC: found over wrongly given", &legend, roc(&decisions), &areas(&decisions, "Areas", |one| one.roc_auc)))
            @if let Some(reliability) = &reliability { (diagram(reliability)) }
        }
        @if let Some(reliability) = &reliability { (folded("How sure, how right: as numbers", bins(reliability))) }
        @if decisions.len() > 1 {
            p.note { "Each line is one name against all others; shown are all together and those with the smallest areas. A curve moves along the threshold from the surest to the least sure." }
        } @else if let Some(one) = decisions.first() {
            p.note { "For “" (one.name) "” against the other class, as the threshold goes from the surest to the least sure." }
        }
    })
}

fn precision_recall(decisions: &[Decision]) -> Option<String> {
    // Of a step function: each precision holds from the recall before it.
    let steps = |points: &[(f64, f64)]| {
        let mut steps = Vec::new();
        for pair in points.windows(2) {
            steps.push((pair[0].0, pair[1].1));
            steps.push(pair[1]);
        }
        steps
    };
    let line =
        |(colour, one): (usize, &Decision)| Line { points: steps(&one.precision_recall), colour, style: Style::Plain };
    lines(&decisions.iter().enumerate().map(line).collect::<Vec<_>>(), Axes::unit("recall"))
}

fn roc(decisions: &[Decision]) -> Option<String> {
    let line = |(colour, one): (usize, &Decision)| Line { points: one.roc.clone(), colour, style: Style::Plain };
    let chance = Line { points: vec![(0.0, 0.0), (1.0, 1.0)], colour: 0, style: Style::Guide };
    let drawn: Vec<Line> = std::iter::once(chance).chain(decisions.iter().enumerate().map(line)).collect();
    (!decisions.is_empty()).then(|| lines(&drawn, Axes::unit("false positive rate"))).flatten()
}

fn areas(decisions: &[Decision], what: &str, area: fn(&Decision) -> Option<f64>) -> String {
    let one = |one: &Decision| Some(format!("{} {}", cut(&one.name, 28), number(area(one)?)));
    let all: Vec<String> = decisions.iter().filter_map(one).collect();
    if all.is_empty() { String::new() } else { format!("{what}: {}.", all.join(", ")) }
}

fn diagram(reliability: &Reliability) -> Markup {
    let filled = reliability.bins.iter().filter(|bin| bin.examples > 0);
    let drawn: Vec<(f64, f64, f64)> = filled.map(|bin| (bin.above, bin.up_to, bin.accuracy)).collect();
    let words = format!(
        "How often it is right when it is so sure. Bars on the line: its probabilities can be believed. Expected calibration error {}.",
        percent(reliability.expected_error)
    );
    figure("Reliability", &[], bars(&drawn, "probability it gives"), &words)
}

fn bins(reliability: &Reliability) -> Markup {
    scroll(html! {
        table.compact {
            thead { tr { th { "sure" } th.number { (reliability.of) } th.number { "mean" } th.number { "right" } } }
            tbody { @for bin in reliability.bins.iter().filter(|bin| bin.examples > 0) {
                tr {
                    td { (format!("{:.0} to {:.0} %", bin.above * 100.0, bin.up_to * 100.0)) }
                    td.number { (bin.examples) }
                    td.number { (percent(bin.confidence)) }
                    td.number { (percent(bin.accuracy)) }
                }
            } }
        }
    })
}
