//! Tags: kinds of entities, and sentences with what is marked in them.

use std::collections::BTreeMap;

use maud::{Markup, html};
use retune_metrics::{ClassScores, EntityScores, entities};

use super::{classes, rows::MOST_ROWS};
use crate::answers::{Answers, Classes, Tags};
use crate::examples::mistakes;
use crate::words::number;

/// Words of a row that are shown.
const MOST_WORDS: usize = 120;

pub(super) fn table(answers: &Tags) -> Option<Markup> {
    if answers.mark_spans() {
        let scores = entity_scores(answers)?;
        let lines: Vec<(&str, ClassScores)> = scores.type_scores();
        return (!lines.is_empty()).then(|| classes::scores_table("kind of entity", &lines));
    }
    let flat = flat(answers);
    Some(html! {
        (classes::table(&flat)?)
        @if let Some(confusion) = classes::confusion(&flat) { (confusion) }
    })
}

/// The kind of entity that is found worst.
pub(super) fn hardest(answers: &Tags) -> Option<String> {
    if !answers.mark_spans() {
        return None;
    }
    let scores = entity_scores(answers)?;
    let kinds = scores.type_scores().into_iter().filter(|(_, scores)| scores.support > 0);
    let (kind, scores) = kinds.min_by(|a, b| a.1.f1.total_cmp(&b.1.f1))?;
    Some(format!("The hardest kind of entity: “{kind}”, F1 {} for {} entities.", number(scores.f1), scores.support))
}

fn entity_scores(answers: &Tags) -> Option<EntityScores> {
    let mut scores = EntityScores::new();
    for (labels, predicted) in answers.labels.iter().zip(&answers.predicted) {
        scores.update(labels, predicted, answers.decoding()).ok()?;
    }
    Some(scores)
}

/// Every word as a row with one class.
fn flat(answers: &Tags) -> Classes {
    let all = || answers.labels.iter().chain(&answers.predicted).flatten();
    let places: BTreeMap<&String, usize> = all().map(|tag| (tag, 0)).collect();
    let places: BTreeMap<&String, usize> = places.into_keys().enumerate().map(|(place, tag)| (tag, place)).collect();
    let of = |rows: &[Vec<String>]| rows.iter().flatten().map(|tag| places[tag]).collect();
    Classes {
        labels: of(&answers.labels),
        predicted: of(&answers.predicted),
        names: places.into_keys().cloned().collect(),
        probabilities: Vec::new(),
    }
}

/// The rows with most wrong words, with what is right and what the model marked.
pub(super) fn examples(tags: &Tags, answers: &Answers) -> Option<Markup> {
    let wrong = mistakes(answers, MOST_ROWS);
    let right = (0..tags.words.len())
        .filter(|row| tags.labels[*row] == tags.predicted[*row] && tags.labels[*row].iter().any(|tag| tag != "O"));
    let right: Vec<usize> = right.take(4).collect();
    let kinds = kinds(tags);
    (!wrong.is_empty() || !right.is_empty()).then(|| html! {
        p.legend { @for (place, kind) in kinds.iter().enumerate() { span { mark class={ "e" (place % 6 + 1) } { (kind) } } } }
        @if !wrong.is_empty() {
            h3 { "With most wrong words" }
            ol.rows { @for example in &wrong { li {
                (line("right", tags, &tags.labels[example.row], example.row, &kinds))
                (line("said", tags, &tags.predicted[example.row], example.row, &kinds))
                p.verdict { span.muted { (example.note) } span.muted.place { "row " (example.row) } }
            } } }
        } @else { p { "There is no mistake in these rows." } }
        @if !right.is_empty() {
            h3 { "All right" }
            ol.rows { @for row in right { li { (line("right and said", tags, &tags.labels[row], row, &kinds)) } } }
        }
    })
}

fn kinds(tags: &Tags) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for tag in tags.labels.iter().chain(&tags.predicted).flatten().filter(|tag| *tag != "O") {
        let kind = if tags.mark_spans() { tag.split_once('-').map_or(tag.as_str(), |(_, kind)| kind) } else { tag };
        if !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.to_owned());
        }
    }
    kinds.sort();
    kinds
}

/// The words of a row, entities marked.
fn line(what: &str, tags: &Tags, said: &[String], row: usize, kinds: &[String]) -> Markup {
    let words = &tags.words[row];
    let shown = words.len().min(MOST_WORDS);
    let spans = match tags.mark_spans() {
        true => entities(said, tags.decoding()).unwrap_or_default(),
        false => Vec::new(),
    };
    let colour = |kind: &str| format!("e{}", kinds.iter().position(|known| known == kind).unwrap_or(0) % 6 + 1);
    let mut parts: Vec<(String, Option<String>)> = Vec::new();
    let mut word = 0;
    while word < shown {
        let span = spans.iter().find(|span| span.start == word);
        let end = span.map_or(word + 1, |span| span.end.min(shown)).max(word + 1);
        let kind = match tags.mark_spans() {
            true => span.map(|span| span.kind.clone()),
            false => Some(said[word].clone()).filter(|tag| tag != "O"),
        };
        parts.push((words[word..end].join(" "), kind));
        word = end;
    }
    html! {
        p.text.tagged {
            span.muted.side { (what) }
            @for (text, kind) in &parts {
                " "
                @match kind {
                    Some(kind) => { mark class=(colour(kind)) { (text) small { (kind) } } },
                    None => { (text) },
                }
            }
            @if words.len() > shown { " …" }
        }
    }
}
