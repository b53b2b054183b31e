//! Parts of the data, and single rows.

use maud::{Markup, html};

use super::parts::{drawn, scroll};
use crate::analysis::Analysis;
use crate::answers::Answers;
use crate::examples::{Example, least_certain, mistakes};
use crate::plots;
use crate::slices::slices as parts_of;
use crate::words::{counted, cut, number, title};

/// Rows of each list.
pub(super) const MOST_ROWS: usize = 12;
/// Characters of a text that are shown.
const MOST_CHARACTERS: usize = 700;

pub(super) fn slices(one: &Analysis<'_>, answers: &Answers) -> Option<Markup> {
    let (measure, own) = (one.measure?, one.own.as_ref()?);
    let tables = parts_of(answers, &one.texts, &one.run.groupings, measure);
    if tables.is_empty() {
        return None;
    }
    let bounds = tables.iter().flat_map(|table| &table.slices).flat_map(|slice| {
        let interval = slice.interval.map(|interval| [interval.low, interval.high]);
        interval.into_iter().flatten().chain(slice.value)
    });
    let range = retune_plot::padded(&bounds.chain([own.value]).collect::<Vec<_>>());
    let what = title(measure.key(), None);
    Some(html! {
        @for table in &tables {
            h3 { "By " (table.name) }
            (scroll(html! {
                table {
                    thead { tr { th { (table.name) } th.number { "rows" } th.number { (what) } th { span.hidden { "interval" } } th { span.hidden { "verdict" } } } }
                    tbody { @for slice in &table.slices {
                        @let bounds = slice.interval.map(|interval| (interval.low, interval.high));
                        tr {
                            th scope="row" { (cut(&slice.name, 60)) }
                            td.number.muted { (slice.rows) }
                            td.number {
                                @if let Some(value) = slice.value { (number(value)) } @else { "–" }
                                @if let Some((low, high)) = bounds { br; small { (number(low)) " to " (number(high)) } }
                            }
                            td.strip { @if let Some(svg) = slice.value.and_then(|value| plots::interval(value, bounds, range, 0)) { (drawn(&svg)) } }
                            td { @if let Some((low, high)) = bounds { (verdict(own.value, low, high, measure.is_error())) } }
                        }
                    } }
                }
            }))
            @if table.left_out > 0 { p.note { "Left out: " (counted(table.left_out as u64, "smaller part", "smaller parts")) "." } }
        }
        p.note { "All rows together: " (what) " " (number(own.value)) ". A part is called better or worse where its 95 % interval does not hold that; of twenty parts, one is so by chance." }
    })
}

fn verdict(all: f64, low: f64, high: f64, is_error: bool) -> Markup {
    let above = low > all;
    html! {
        @if above || high < all {
            @if above == is_error { span.chip.bad { "worse" } } @else { span.chip.good { "better" } }
        }
    }
}

pub(super) fn examples(one: &Analysis<'_>, answers: &Answers) -> Option<Markup> {
    let (wrong, unsure) = (mistakes(answers, MOST_ROWS), least_certain(answers, MOST_ROWS));
    let lead = match answers {
        Answers::Numbers(_) => "Largest errors",
        _ => "The mistakes that it was surest of",
    };
    (!wrong.is_empty() || !unsure.is_empty()).then(|| {
        html! {
            @if !wrong.is_empty() {
                h3 { (lead) }
                @if !matches!(answers, Answers::Numbers(_)) {
                    p.note { "Look at the labels first: where a sure model is wrong, the label often is wrong too." }
                }
                (list(one, &wrong))
            } @else { p { "There is no mistake in these rows." } }
            @if !unsure.is_empty() {
                h3 { "The rows that it was least sure of" }
                (list(one, &unsure))
            }
        }
    })
}

fn list(one: &Analysis<'_>, examples: &[Example]) -> Markup {
    html! {
        ol.rows { @for example in examples {
            @let right = example.label == example.predicted;
            li {
                p.text { (cut(text(&one.texts.first, example.row), MOST_CHARACTERS)) }
                @if let Some(second) = &one.texts.second { p.text.second { (cut(text(second, example.row), MOST_CHARACTERS)) } }
                p.verdict {
                    span.chip.good { "right: " (cut(&example.label, 120)) }
                    span class={ "chip " (if right { "good" } else { "bad" }) } { "said: " (cut(&example.predicted, 120)) }
                    @if !example.note.is_empty() { span.muted { (example.note) } }
                    span.muted.place { "row " (example.row) }
                }
            }
        } }
    }
}

fn text(texts: &[String], row: usize) -> &str {
    texts.get(row).map_or("", String::as_str)
}
