//! Rows worth reading: the mistakes that the model was surest of, and the rows that it was least sure of.

use crate::answers::{Answers, Classes, Sets, Tags};

/// A row to show.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its place in the evaluated data, from 0.
    pub row: usize,
    /// What is right, in words.
    pub label: String,
    /// What the model said.
    pub predicted: String,
    /// The number that the rows are ordered by, in words.
    pub note: String,
}

/// The mistakes that the model was surest of, the surest first; of numbers the largest errors, of tags the rows with the
/// most wrong words.
pub fn mistakes(answers: &Answers, most: usize) -> Vec<Example> {
    let rows = 0..answers.len();
    let ranked = match answers {
        Answers::Classes(classes) => {
            let wrong = rows.filter(|row| classes.labels[*row] != classes.predicted[*row]);
            ranked(wrong, most, |row| confidence(classes, row))
        }
        Answers::Sets(sets) => {
            let wrong = rows.filter(|row| sets.labels[*row] != sets.predicted[*row]);
            ranked(wrong, most, |row| worst_label(sets, row).map_or(0.0, |(_, wrong)| wrong))
        }
        Answers::Numbers(numbers) => ranked(rows, most, |row| (numbers.labels[row] - numbers.predicted[row]).abs()),
        Answers::Tags(tags) => {
            let wrong = rows.filter(|row| tags.labels[*row] != tags.predicted[*row]);
            ranked(wrong, most, |row| wrong_words(tags, row) as f64)
        }
    };
    ranked.into_iter().map(|row| mistake(answers, row)).collect()
}

/// The rows that the model was least sure of, right or wrong; none where probabilities are not known.
pub fn least_certain(answers: &Answers, most: usize) -> Vec<Example> {
    let rows = 0..answers.len();
    match answers {
        Answers::Classes(classes) if !classes.probabilities.is_empty() && classes.names.len() > 1 => {
            let margin = |row: usize| {
                let mut sorted = classes.probabilities[row].clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                sorted[0] - sorted[1]
            };
            let note = |row: usize| {
                let likeliest = likeliest(&classes.names, &classes.probabilities[row], 2);
                likeliest
                    .into_iter()
                    .map(|(name, p)| format!("{name} {:.0} %", p * 100.0))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let rows = ranked(rows, most, |row| -margin(row));
            rows.into_iter().map(|row| example(answers, row, note(row))).collect()
        }
        Answers::Sets(sets) if !sets.probabilities.is_empty() => {
            let nearest = |row: usize| {
                let distances = sets.probabilities[row].iter().map(|p| (p - 0.5).abs()).enumerate();
                distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.5))
            };
            let note = |row: usize| {
                let label = nearest(row).0;
                format!("{} {:.0} %", sets.names[label], sets.probabilities[row][label] * 100.0)
            };
            let rows = ranked(rows, most, |row| -nearest(row).1);
            rows.into_iter().map(|row| example(answers, row, note(row))).collect()
        }
        _ => Vec::new(),
    }
}

/// So many rows with the largest numbers, the first of equals first.
fn ranked(rows: impl Iterator<Item = usize>, most: usize, by: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut rows: Vec<(f64, usize)> = rows.map(|row| (by(row), row)).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    rows.into_iter().take(most).map(|(_, row)| row).collect()
}

fn mistake(answers: &Answers, row: usize) -> Example {
    let note = match answers {
        Answers::Classes(classes) if classes.probabilities.is_empty() => String::new(),
        Answers::Classes(classes) => format!("{:.1} % sure", confidence(classes, row) * 100.0),
        Answers::Sets(sets) => worst_label(sets, row).map_or_else(String::new, |(label, _)| {
            let share = sets.probabilities.get(row).map(|of| format!(" at {:.1} %", of[label] * 100.0));
            let what = if sets.predicted[row][label] { "wrongly given" } else { "missed" };
            format!("“{}” {what}{}", sets.names[label], share.unwrap_or_default())
        }),
        Answers::Numbers(numbers) => format!("{:+.4} off", numbers.predicted[row] - numbers.labels[row]),
        Answers::Tags(tags) => {
            let (wrong, all) = (wrong_words(tags, row), tags.labels[row].len());
            format!("{wrong} of {all} words wrong")
        }
    };
    example(answers, row, note)
}

fn example(answers: &Answers, row: usize, note: String) -> Example {
    let (label, predicted) = match answers {
        Answers::Classes(classes) => {
            (classes.names[classes.labels[row]].clone(), classes.names[classes.predicted[row]].clone())
        }
        Answers::Sets(sets) => (set(&sets.names, &sets.labels[row]), set(&sets.names, &sets.predicted[row])),
        Answers::Numbers(numbers) => (format!("{:.4}", numbers.labels[row]), format!("{:.4}", numbers.predicted[row])),
        Answers::Tags(_) => (String::new(), String::new()),
    };
    Example { row, label, predicted, note }
}

/// The names of a set, in words.
pub fn set(names: &[String], set: &[bool]) -> String {
    let names: Vec<&str> = names.iter().zip(set).filter(|(_, is_in)| **is_in).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}

/// So many names with the largest numbers, the largest first.
pub fn likeliest<'a>(names: &'a [String], numbers: &[f64], most: usize) -> Vec<(&'a str, f64)> {
    let mut all: Vec<(&str, f64)> = names.iter().map(String::as_str).zip(numbers.iter().copied()).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(most);
    all
}

fn confidence(classes: &Classes, row: usize) -> f64 {
    classes.probabilities.get(row).map_or(0.0, |of| of[classes.predicted[row]])
}

/// The wrongly decided label that is farthest from the truth, and how far its probability is.
fn worst_label(sets: &Sets, row: usize) -> Option<(usize, f64)> {
    let wrong = (0..sets.names.len()).filter(|label| sets.labels[row][*label] != sets.predicted[row][*label]);
    let distance = |label: usize| {
        let truth = if sets.labels[row][label] { 1.0 } else { 0.0 };
        sets.probabilities.get(row).map_or(1.0, |of| (of[label] - truth).abs())
    };
    wrong.map(|label| (label, distance(label))).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn wrong_words(tags: &Tags, row: usize) -> usize {
    tags.labels[row].iter().zip(&tags.predicted[row]).filter(|(label, said)| label != said).count()
}
