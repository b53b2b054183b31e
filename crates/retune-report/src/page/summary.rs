//! What a manager wants to know.

use maud::{Markup, html};
use retune_metrics::Average;
use retune_recipe::TaskKind;

use super::parts::tile;
use crate::analysis::{Analysis, Compared};
use crate::answers::{Answers, Classes, Numbers, Sets, Tags};
use crate::measures::{Measure, Scorer, multilabel};
use crate::words::{counted, date, duration, number, p_value, percent, thousands, title};

pub(super) fn head(all: &[Analysis<'_>]) -> Markup {
    let names: Vec<&str> = all.iter().map(|one| one.run.name.as_str()).collect();
    let first = &all[0].run;
    let started = first.environment["started_unix_s"].as_u64();
    html! {
        p.kicker { "retune · " (task(first.plan.task.kind)) }
        h1 { (names.join(", ")) }
        p.meta {
            span { (first.plan.model.path) }
            @if let Some(started) = started { span { (date(started)) } }
            @if let Some(device) = first.environment["device"].as_str() { span { (device) } }
        }
    }
}

pub(super) fn summary(all: &[Analysis<'_>]) -> Markup {
    html! {
        @for one in all {
            @if all.len() > 1 { h3 { (one.run.name) } }
            @if one.run.is_finished() { (finished(one)) } @else { (going_on(one)) }
        }
    }
}

fn finished(one: &Analysis<'_>) -> Markup {
    let sentences = sentences(one);
    html! {
        @if let Some((lead, more)) = sentences.split_first() {
            p.lead { (lead) }
            @if !more.is_empty() { ul.points { @for sentence in more { li { (sentence) } } } }
        }
        div.tiles { (tiles(one)) }
    }
}

fn going_on(one: &Analysis<'_>) -> Markup {
    let log = &one.run.log;
    let loss = log.train.last().map(|point| format!(", the training loss {:.4}", point.loss));
    let last = log.evaluations.last().and_then(|point| {
        let (name, value) = point.scores.iter().find(|(name, _)| name != "examples")?;
        Some(format!(" The last evaluation, after step {}, gave {} {}.", point.step, title(name, None), number(*value)))
    });
    html! {
        p.lead {
            "This run has no final evaluation yet: it is at step " (thousands(log.last_step())) (loss.unwrap_or_default()) "."
            (last.unwrap_or_default())
        }
        p { "Its curves are below. Make the report again when it has come to its end." }
    }
}

fn tiles(one: &Analysis<'_>) -> Markup {
    let run = one.run;
    let last = run.log.last.as_ref();
    let titles = run.evaluation.as_ref().map(|evaluation| &evaluation.titles);
    let sizes = run.evaluation.as_ref().map(|evaluation| evaluation.examples);
    html! {
        @if let Some((key, value)) = one.deciding() {
            @let interval = last.and_then(|last| last.interval(key));
            @let range = interval.map(|(low, high)| format!("95 %: {} to {}", number(low), number(high)));
            (tile(&number(value), &title(key, titles), &range.unwrap_or_default()))
        }
        @for rival in one.rivals.iter().take(2) {
            (tile(&number(rival.value), &rival.name, one.measure.map(|measure| title(measure.key(), titles)).as_deref().unwrap_or("")))
        }
        @if let Some(rows) = one.rows() {
            (tile(&thousands(rows), &format!("{} rows", run.split()), ""))
        }
        @if let Some(sizes) = sizes.filter(|sizes| sizes.train > 0) {
            (tile(&thousands(sizes.train), "training rows", ""))
        }
        @if let Some(seconds) = last.and_then(|last| last.training_seconds) {
            (tile(&duration(seconds), "in training steps", ""))
        }
    }
}

/// The first says how good the model is; the others what to make of it.
fn sentences(one: &Analysis<'_>) -> Vec<String> {
    let mut all = Vec::new();
    match &one.answers {
        Some(Answers::Classes(answers)) => of_classes(one, answers, &mut all),
        Some(Answers::Sets(answers)) => of_sets(one, answers, &mut all),
        Some(Answers::Numbers(answers)) => of_numbers(one, answers, &mut all),
        Some(Answers::Tags(answers)) => of_tags(one, answers, &mut all),
        None => {
            if let Some((key, value)) = one.deciding() {
                all.push(format!("Of {}, the model has {} {}.", rows(one), title(key, None), number(value)));
            }
        }
    }
    all.extend(interval(one));
    if one.run.split() == "validation" {
        all.push("These rows also chose which epoch's model was kept, so new ones may do a little worse; a test file would tell.".to_owned());
    }
    all.extend(one.rivals.iter().map(|rival| against(one, rival)));
    if let Some(answers) = &one.answers {
        all.extend(worst(answers));
    }
    all
}

fn rows(one: &Analysis<'_>) -> String {
    let count = one.answers.as_ref().map_or_else(|| one.rows().unwrap_or(0), |answers| answers.len() as u64);
    counted(count, &format!("{} row", one.run.split()), &format!("{} rows", one.run.split()))
}

fn of_classes(one: &Analysis<'_>, answers: &Classes, all: &mut Vec<String>) {
    let n = answers.labels.len();
    let right = answers.labels.iter().zip(&answers.predicted).filter(|(label, said)| label == said).count();
    let share = percent(right as f64 / n as f64);
    all.push(match one.run.plan.task.kind {
        TaskKind::MultipleChoice => format!("Of {}, the model chooses rightly in {share}.", rows(one)),
        _ => format!("Of {}, the model puts {share} into the right one of {} classes.", rows(one), answers.names.len()),
    });
    if !answers.probabilities.is_empty() {
        let sure =
            answers.predicted.iter().zip(&answers.probabilities).map(|(said, of)| of[*said]).sum::<f64>() / n as f64;
        all.push(format!("On average it is {} sure of what it says, and {share} of it is right.", percent(sure)));
    }
}

/// The share of rows without a label, beyond that of those that have none, from which on it is said.
const MANY_WITHOUT: f64 = 0.2;

fn of_sets(one: &Analysis<'_>, answers: &Sets, all: &mut Vec<String>) {
    let every: Vec<usize> = (0..answers.labels.len()).collect();
    let Ok(counts) = multilabel(answers, &every) else { return };
    if let (Ok(precision), Ok(recall), Ok(f1)) =
        (counts.precision(Average::Micro), counts.recall(Average::Micro), counts.f1(Average::Micro))
    {
        all.push(format!(
            "In {}, the model finds {} of the right labels, and {} of the labels that it gives are right (micro F1 {}).",
            rows(one),
            percent(recall),
            percent(precision),
            number(f1)
        ));
    }
    if let Ok(share) = counts.subset_accuracy() {
        all.push(format!("All labels of a row are right in {}.", percent(share)));
    }
    let lacks = |sets: &[Vec<bool>]| sets.iter().filter(|set| !set.contains(&true)).count() as f64 / sets.len() as f64;
    let (given_none, has_none) = (lacks(&answers.predicted), lacks(&answers.labels));
    if given_none > has_none + MANY_WITHOUT {
        let tuned = one.run.thresholds.len() == answers.names.len();
        let remedy =
            if tuned { "" } else { " evaluation.tune_thresholds = true seeks lower ones on the validation data." };
        all.push(format!(
            "{} of the rows are given no label, since none reaches its threshold; in truth {} have none.{remedy}",
            percent(given_none),
            percent(has_none)
        ));
    }
}

fn of_numbers(one: &Analysis<'_>, answers: &Numbers, all: &mut Vec<String>) {
    let given = Answers::Numbers(answers.clone());
    let measure = |measure| Scorer::new(&given, measure).and_then(|scorer| scorer.all()).ok();
    let (low, high) =
        answers.labels.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    if let Some(error) = measure(Measure::MeanAbsoluteError) {
        let range = format!("where the right numbers run from {} to {}", number(low), number(high));
        all.push(format!("In {}, the model's number is off by {} on average, {range}.", rows(one), number(error)));
    }
    if let Some(correlation) = measure(Measure::Pearson) {
        all.push(format!("Predicted and right numbers correlate with {} (Pearson).", number(correlation)));
    }
}

fn of_tags(one: &Analysis<'_>, answers: &Tags, all: &mut Vec<String>) {
    let last = one.run.log.last.as_ref().map(|last| &last.evaluation);
    let score = |key| last.and_then(|last| last.score(key));
    if let (Some(precision), Some(recall), Some(f1)) =
        (score("entity_precision"), score("entity_recall"), score("entity_f1"))
    {
        all.push(format!(
            "In {}, the model finds {} of the entities, and {} of what it marks is right (F1 {}).",
            rows(one),
            percent(recall),
            percent(precision),
            number(f1)
        ));
    }
    let (words, right) =
        answers.labels.iter().zip(&answers.predicted).fold((0usize, 0usize), |(words, right), (a, b)| {
            (words + a.len(), right + a.iter().zip(b).filter(|(a, b)| a == b).count())
        });
    all.push(format!(
        "Of {} words, {} have the right tag.",
        thousands(words as u64),
        percent(right as f64 / words.max(1) as f64)
    ));
}

/// Where the deciding measure would lie with other rows.
fn interval(one: &Analysis<'_>) -> Option<String> {
    let (key, _) = one.deciding()?;
    let (low, high) = one.run.log.last.as_ref()?.interval(key)?;
    let shown = |value| if key == "accuracy" { percent(value) } else { number(value) };
    Some(format!(
        "With other rows of the same kind, expect the {} to lie between {} and {} (95 % interval).",
        title(key, one.run.evaluation.as_ref().map(|evaluation| &evaluation.titles)),
        shown(low),
        shown(high)
    ))
}

fn against(one: &Analysis<'_>, rival: &Compared) -> String {
    let (measure, own) = match (one.measure, &one.own) {
        (Some(measure), Some(own)) => (measure, own),
        _ => return String::new(),
    };
    let shown = |value| if measure == Measure::Accuracy { percent(value) } else { number(value) };
    let what = title(measure.key(), None);
    let verdict = match &rival.difference {
        None => String::new(),
        Some(difference) => {
            let p = difference.p_value(measure);
            match (p < 0.05, (own.value > rival.value) != measure.is_error()) {
                (true, true) => format!(": better, by more than chance ({})", p_value(p)),
                (true, false) => format!(": worse, by more than chance ({})", p_value(p)),
                (false, _) => format!(": the difference may be chance ({})", p_value(p)),
            }
        }
    };
    let which = if rival.description.is_empty() { String::new() } else { format!(" ({})", rival.description) };
    let (own, other) = (shown(own.value), shown(rival.value));
    format!("{} {own} against {other} of {}{which}{verdict}.", capital(&what), rival.name)
}

fn capital(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// What it gets wrong most.
fn worst(answers: &Answers) -> Option<String> {
    match answers {
        Answers::Classes(classes) => {
            let pairs = classes.labels.iter().copied().zip(classes.predicted.iter().copied());
            let matrix = retune_metrics::ConfusionMatrix::from_pairs(classes.names.len(), pairs).ok()?;
            let pair = matrix.most_confused(1).into_iter().next()?;
            let (label, predicted) = (&classes.names[pair.label], &classes.names[pair.predicted]);
            Some(format!(
                "Its most frequent mistake: “{label}” taken for “{predicted}”, {} of {}.",
                pair.count, pair.support
            ))
        }
        Answers::Sets(sets) => {
            let every: Vec<usize> = (0..sets.labels.len()).collect();
            let scores = multilabel(sets, &every).ok()?.label_scores();
            let named = sets.names.iter().zip(scores).filter(|(_, scores)| scores.support >= 5);
            let (name, scores) = named.min_by(|a, b| a.1.f1.total_cmp(&b.1.f1))?;
            Some(format!(
                "Its hardest label, of those in at least five rows: “{name}”, F1 {} in {} rows.",
                number(scores.f1),
                scores.support
            ))
        }
        Answers::Numbers(numbers) => {
            let errors = numbers.labels.iter().zip(&numbers.predicted).map(|(label, said)| said - label);
            let largest = errors.max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            Some(format!("Its largest error is {largest:+.4}."))
        }
        Answers::Tags(tags) => super::tagged::hardest(tags),
    }
}

fn task(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Classification => "one class for each text",
        TaskKind::MultiLabel => "any number of labels for each text",
        TaskKind::Regression => "a number for each text",
        TaskKind::TokenClassification => "a tag for each word",
        TaskKind::QuestionAnswering => "answers in a context",
        TaskKind::MaskedLm => "words for masks",
        TaskKind::MultipleChoice => "the right one of several texts",
        TaskKind::Embeddings => "a vector for each text",
    }
}
