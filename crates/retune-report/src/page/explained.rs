//! Which words moved the model.

use maud::{Markup, html};

use super::parts::{drawn, folded, scroll};
use crate::explanations::{AttentionMap, AttributedToken, Explanation, Explanations};
use crate::plots;
use crate::words::percent;

/// Strengths of a colour.
const LEVELS: usize = 5;
/// Tokens beyond which attention is not drawn.
const MOST_TOKENS: usize = 64;

pub(super) fn examples(explanations: &Explanations) -> Option<Markup> {
    let worst = explanations.examples.iter().filter_map(|one| one.completeness_error).map(f64::abs).reduce(f64::max);
    (!explanations.examples.is_empty()).then(|| html! {
        p {
            "By " (explanations.method)
            ": how much each piece of the text moved the model towards what it said"
            @if let Some(baseline) = &explanations.baseline { ", against " (baseline) } "."
            @if let Some(worst) = worst { " All pieces together miss the whole change by " (percent(worst)) " at most." }
        }
        p.legend {
            span { mark.p5 { "for" } " the prediction" }
            span { mark.n5 { "against" } " it" }
            span.muted { "the stronger, the more; strongest in each text is 1" }
        }
        @for one in &explanations.examples { (example(one)) }
    })
}

fn example(one: &Explanation) -> Markup {
    let most = one.tokens.iter().map(|token| token.attribution.abs()).fold(0.0, f64::max);
    let mut strongest: Vec<&AttributedToken> = one.tokens.iter().collect();
    strongest.sort_by(|a, b| b.attribution.abs().total_cmp(&a.attribution.abs()));
    html! {
        div.frame.explained {
            (coloured(&one.text, &one.tokens.iter().filter(|token| token.of.is_none_or(|of| of == 0)).collect::<Vec<_>>(), most))
            @if let Some(second) = &one.text_pair {
                (coloured(second, &one.tokens.iter().filter(|token| token.of == Some(1)).collect::<Vec<_>>(), most))
            }
            p.verdict {
                @if let Some(label) = &one.label { span.chip.good { "right: " (label) } }
                @if let Some(said) = &one.predicted {
                    span class={ "chip " (if one.label.as_ref().is_none_or(|label| label == said) { "good" } else { "bad" }) } { "said: " (said) }
                }
                @if let Some(output) = one.output.as_ref().filter(|output| one.predicted.as_ref() != Some(output)) {
                    span.muted { "explained: " (output) }
                }
                @if let Some(probability) = one.probability { span.muted { (percent(probability)) " sure" } }
                @if let Some(error) = one.completeness_error { span.muted { "misses " (percent(error.abs())) } }
                @if let Some(row) = one.row { span.muted.place { "row " (row) } }
            }
            (folded("As numbers", scroll(html! {
                table.small {
                    thead { tr { th { "token" } th.number { "attribution" } th.number { "of the strongest" } } }
                    tbody { @for token in strongest.iter().take(40) {
                        tr {
                            th scope="row" { (token.text) }
                            td.number { (format!("{:+.5}", token.attribution)) }
                            td.number { (if most > 0.0 { format!("{:+.2}", token.attribution / most) } else { "–".to_owned() }) }
                        }
                    } }
                }
            })))
            @if let Some(attention) = &one.attention { (attended(attention, &one.tokens)) }
        }
    }
}

fn coloured(text: &str, tokens: &[&AttributedToken], most: f64) -> Markup {
    html! {
        p.text { @for (text, token) in in_text(text, tokens) {
            @match token {
                Some(token) => { mark class=(class(token.attribution, most)) title=(format!("{:+.4}", token.attribution)) { (text) } },
                None => { (text) },
            }
        } }
    }
}

/// The text in order, with the token that each part belongs to; the tokens alone where their places are not known.
fn in_text<'a>(text: &str, tokens: &[&'a AttributedToken]) -> Vec<(String, Option<&'a AttributedToken>)> {
    let characters: Vec<char> = text.chars().collect();
    let mut parts = Vec::new();
    let mut done = 0;
    for &token in tokens {
        match (token.start, token.end) {
            // A special token, such as the one that begins a text, covers no character.
            (Some(start), Some(end)) if start == end => {}
            (None, None) => {}
            (Some(start), Some(end)) if start >= done && start < end && end <= characters.len() => {
                if start > done {
                    parts.push((characters[done..start].iter().collect(), None));
                }
                parts.push((characters[start..end].iter().collect(), Some(token)));
                done = end;
            }
            _ => {
                let spaced = tokens.iter().map(|token| [(token.text.clone(), Some(*token)), (" ".to_owned(), None)]);
                return spaced.flatten().collect();
            }
        }
    }
    if done < characters.len() {
        parts.push((characters[done..].iter().collect(), None));
    }
    parts
}

fn class(attribution: f64, most: f64) -> String {
    let share = if most > 0.0 { attribution / most } else { 0.0 };
    match (share.abs() * LEVELS as f64).round() as usize {
        0 => "p0".to_owned(),
        level => format!("{}{level}", if share > 0.0 { "p" } else { "n" }),
    }
}

fn attended(attention: &AttentionMap, tokens: &[AttributedToken]) -> Markup {
    let weights = &attention.head_mean;
    let is_square = weights.len() == tokens.len() && weights.iter().all(|row| row.len() == tokens.len());
    let body = match is_square && tokens.len() <= MOST_TOKENS {
        false => html! { p.note { "Too many tokens to draw, or not one row of weights for each." } },
        true => {
            let mut pairs: Vec<(usize, usize, f64)> = (0..tokens.len())
                .flat_map(|row| (0..tokens.len()).map(move |column| (row, column, weights[row][column])))
                .collect();
            pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
            html! {
                div.attention {
                    figure { @if let Some(svg) = plots::weights(weights) { (drawn(&svg)) } p.words { "Each row is a token that looks, from the first at the top; columns are what it looks at." } }
                    (scroll(html! {
                        table.small {
                            thead { tr { th { "token" } th { "looks at" } th.number { "weight" } } }
                            tbody { @for (row, column, weight) in pairs.iter().take(12) {
                                tr { td { (tokens[*row].text) } td { (tokens[*column].text) } td.number { (percent(*weight)) } }
                            } }
                        }
                    }))
                }
            }
        }
    };
    folded(&format!("Where attention went: layer {}, mean of its heads", attention.layer), body)
}
