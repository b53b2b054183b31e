//! Scores with their intervals, beside baselines and beside other runs.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts::{drawn, scroll};
use crate::analysis::{Analysis, Compared};
use crate::measures::{Difference, Measure};
use crate::plots;
use crate::words::{number, p_value, title};

/// Every score of every run, a line each.
pub(super) fn table(all: &[Analysis<'_>]) -> Option<Markup> {
    let finished: Vec<_> = all.iter().filter_map(|one| Some((one, one.run.log.last.as_ref()?))).collect();
    let mut keys: Vec<&str> = Vec::new();
    for (name, _) in finished.iter().flat_map(|(_, last)| &last.evaluation.scores) {
        if name != "examples" && !keys.contains(&name.as_str()) {
            keys.push(name);
        }
    }
    if keys.is_empty() {
        return None;
    }
    let titles = finished.iter().find_map(|(one, _)| one.run.evaluation.as_ref()).map(|evaluation| &evaluation.titles);
    Some(scroll(html! {
        table.compact {
            thead { tr {
                th { "measure" }
                @for (one, last) in &finished { th.number { (one.run.name) br; small { (last.evaluation.split) } } }
            } }
            tbody {
                @for key in keys {
                    tr {
                        th scope="row" { (title(key, titles)) " " small.key { (key) } }
                        @for (_, last) in &finished {
                            td.number {
                                @if let Some(value) = last.evaluation.score(key) { (number(value)) } @else { "–" }
                                @if let Some((low, high)) = last.interval(key) {
                                    br; small { (number(low)) " to " (number(high)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }))
    .map(|table| html! {
        (table)
        p.note { "Small numbers are 95 % intervals: where the score would lie with other rows of the same kind. Names as in "
            code { "metrics.jsonl" } "." }
    })
}

/// A run beside its baselines.
pub(super) fn baselines(one: &Analysis<'_>) -> Option<Markup> {
    let (measure, own) = (one.measure?, one.own.as_ref()?);
    if one.rivals.is_empty() {
        return None;
    }
    Some(html! {
        (beside(measure, std::iter::once((own, 0)).chain(one.rivals.iter().map(|rival| (rival, 1))).collect(), "the run less it"))
        @for rival in &one.rivals {
            @if !rival.description.is_empty() { p.note { strong { (rival.name) } ": " (rival.description) "." } }
        }
    })
}

/// Runs beside the first of them.
pub(super) fn comparison(all: &[Analysis<'_>]) -> Option<Markup> {
    let (first, measure) = (all.first()?, all.iter().find_map(|one| one.measure)?);
    let reference = first.answers.as_ref();
    let compared: Vec<Compared> = all
        .iter()
        .enumerate()
        .filter_map(|(place, one)| {
            let own = one.own.clone().filter(|_| one.measure == Some(measure))?;
            let same_rows = one.texts == first.texts;
            let difference = match (place, reference, &one.answers) {
                (1.., Some(reference), Some(answers)) if same_rows => Difference::between(answers, reference, measure),
                _ => None,
            };
            Some(Compared { difference, ..own })
        })
        .collect();
    if compared.len() < 2 {
        return None;
    }
    let lacking = compared.iter().skip(1).any(|one| one.difference.is_none());
    let rows = compared.iter().enumerate().map(|(place, one)| (one, place)).collect();
    Some(html! {
        (beside(measure, rows, &format!("it less {}", first.run.name)))
        @if lacking {
            p.note { "Where no difference is given, the runs were not measured on the same rows: only their intervals can be compared." }
        }
    })
}

fn beside(measure: Measure, models: Vec<(&Compared, usize)>, difference: &str) -> Markup {
    let bounds = models.iter().flat_map(|(one, _)| {
        let (low, high) = one.interval.unwrap_or((one.value, one.value));
        [low, high]
    });
    let values: Vec<f64> = bounds.collect();
    let range = retune_plot::padded(&values);
    let tests = models.iter().any(|(one, _)| one.difference.is_some_and(|difference| difference.mcnemar.is_some()));
    html! {
        (scroll(html! {
            table {
                thead { tr {
                    th { "model" }
                    th.number { (title(measure.key(), None)) }
                    th { span.hidden { "interval" } }
                    th.number { "difference" br; small { (difference) } }
                    th.number { "bootstrap" br; small { "paired" } }
                    @if tests { th.number { "McNemar" br; small { "exact" } } }
                } }
                tbody { @for (one, colour) in &models {
                    tr {
                        th scope="row" { (one.name) }
                        td.number {
                            (number(one.value))
                            @if let Some((low, high)) = one.interval { br; small { (number(low)) " to " (number(high)) } }
                        }
                        td.strip { @if let Some(svg) = plots::interval(one.value, one.interval, range, *colour) { (drawn(&svg)) } }
                        (differs(one.difference.as_ref(), tests))
                    }
                } }
            }
        }))
        p.note {
            @if measure.is_error() { "Less is better. " }
            "Bars are 95 % intervals. The paired bootstrap draws the same rows for both"
            @if tests { "; McNemar's test asks whether the rows that only one of the two has right are divided by chance" }
            ". "
            "A p-value below 0.05 is more than chance."
        }
    }
}

fn differs(difference: Option<&Difference>, tests: bool) -> Markup {
    html! {
        @match difference {
            Some(Difference { difference, bootstrap_p, mcnemar }) => {
                td.number { (format!("{:+.4}", difference.estimate)) br; small { (format!("{:+.4}", difference.low)) " to " (format!("{:+.4}", difference.high)) } }
                td.number { (p_value(*bootstrap_p)) }
                @if let Some(test) = mcnemar {
                    td.number { (p_value(test.exact_p())) br; small { (test.only_first) " against " (test.only_second) } }
                } @else if tests { td.number { "–" } }
            },
            None => { td.number { "–" } td.number { "–" } @if tests { td.number { "–" } } },
        }
    }
}

/// The keys in which runs' plans differ.
pub(super) fn plans(all: &[Analysis<'_>]) -> Option<Markup> {
    let plans: Vec<BTreeMap<String, String>> = all.iter().map(|one| keys(&one.run.plan_text)).collect();
    let mut names: Vec<&String> = plans.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    let differ = |name: &&String| plans.iter().any(|plan| plan.get(*name) != plans[0].get(*name));
    let differing: Vec<&String> = names.into_iter().filter(differ).collect();
    Some(match differing.is_empty() {
        true => html! { p { "Nothing: the plans are the same." } },
        false => scroll(html! {
            table {
                thead { tr { th { "key" } @for one in all { th { (one.run.name) } } } }
                tbody { @for name in differing {
                    tr {
                        th scope="row" { code { (name) } }
                        @for plan in &plans { td { code { (plan.get(name).map_or("unset", String::as_str)) } } }
                    }
                } }
            }
        }),
    })
}

/// `section.key` and value of every line that says one.
fn keys(plan: &str) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut all = BTreeMap::new();
    for line in plan.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            all.insert(format!("{section}.{}", key.trim()), value.trim().to_owned());
        }
    }
    all
}
