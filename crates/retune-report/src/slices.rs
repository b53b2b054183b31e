//! Measures by part of the data: where is the model better, and where worse?

use std::collections::BTreeMap;

use retune_metrics::Interval;

use crate::answers::{Answers, Texts};
use crate::measures::{Measure, Scorer};

/// What rows are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// What it is called: the column's name.
    pub name: String,
    /// The value of each row.
    pub values: GroupingValues,
}

/// The value of each row.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupingValues {
    /// A name; rows with the same one stand together.
    Names(Vec<String>),
    /// A number; rows stand together by its quartile.
    Numbers(Vec<f64>),
}

/// The parts of one grouping.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceTable {
    /// What the rows are grouped by.
    pub name: String,
    /// The parts.
    pub slices: Vec<Slice>,
    /// Parts that are left out, the smallest.
    pub left_out: usize,
}

/// Some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// Which.
    pub name: String,
    /// How many.
    pub rows: usize,
    /// The measure of them; `None` where it is not defined.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

/// Parts of a grouping that are shown.
const MOST_SLICES: usize = 12;

/// The parts of a run's rows: by length, by the right number where there is one, and by what the caller groups by.
pub fn slices(answers: &Answers, texts: &Texts, groupings: &[Grouping], measure: Measure) -> Vec<SliceTable> {
    let Ok(scorer) = Scorer::new(answers, measure) else { return Vec::new() };
    let mut all = Vec::new();
    if texts.first.len() == answers.len() {
        let lengths = (0..answers.len()).map(|row| texts.words(row) as f64).collect();
        all.push(Grouping { name: "length in words".to_owned(), values: GroupingValues::Numbers(lengths) });
    }
    match answers {
        Answers::Numbers(numbers) => all.push(Grouping {
            name: "right number".to_owned(),
            values: GroupingValues::Numbers(numbers.labels.clone()),
        }),
        Answers::Sets(sets) => {
            let count = |set: &Vec<bool>| set.iter().filter(|one| **one).count().to_string();
            let counts = sets.labels.iter().map(count).collect();
            all.push(Grouping { name: "right labels of a row".to_owned(), values: GroupingValues::Names(counts) });
        }
        _ => {}
    }
    all.extend(groupings.iter().cloned());
    all.iter().filter_map(|grouping| table(grouping, &scorer, answers.len())).collect()
}

fn table(grouping: &Grouping, scorer: &Scorer<'_>, rows: usize) -> Option<SliceTable> {
    let mut parts: Vec<(String, Vec<usize>)> = match &grouping.values {
        GroupingValues::Names(names) if names.len() == rows => {
            let mut parts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            names.iter().enumerate().for_each(|(row, name)| parts.entry(name).or_default().push(row));
            parts.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect()
        }
        GroupingValues::Numbers(numbers) if numbers.len() == rows => quartiles(numbers),
        _ => return None,
    };
    if parts.len() < 2 {
        return None;
    }
    let left_out = parts.len().saturating_sub(MOST_SLICES);
    if left_out > 0 {
        parts.sort_by_key(|(_, rows)| usize::MAX - rows.len());
        parts.truncate(MOST_SLICES);
    }
    let slice = |(name, rows): (String, Vec<usize>)| Slice {
        name,
        rows: rows.len(),
        value: scorer.of(&rows).ok(),
        interval: scorer.interval(&rows),
    };
    Some(SliceTable { name: grouping.name.clone(), slices: parts.into_iter().map(slice).collect(), left_out })
}

/// Four parts of numbers, as equal in size as equal numbers, which stay together, allow; fewer where they are few.
fn quartiles(numbers: &[f64]) -> Vec<(String, Vec<usize>)> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.last().copied() else { return Vec::new() };
    let mut edges: Vec<f64> =
        [1, 2, 3].iter().map(|quarter| sorted[(sorted.len() * quarter / 4).saturating_sub(1)]).collect();
    edges.push(last);
    edges.dedup();
    let mut parts: Vec<(String, Vec<usize>)> = Vec::new();
    let mut above = f64::NEG_INFINITY;
    for edge in edges {
        let rows: Vec<usize> =
            (0..numbers.len()).filter(|row| numbers[*row] > above && numbers[*row] <= edge).collect();
        if let Some(least) = rows.iter().map(|row| numbers[*row]).reduce(f64::min) {
            let name = if least == edge { short(edge) } else { format!("{} to {}", short(least), short(edge)) };
            parts.push((name, rows));
        }
        above = edge;
    }
    parts
}

fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_hold_each_row_once_and_equals_together() {
        let numbers: Vec<f64> = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8].map(f64::from).to_vec();
        let parts = quartiles(&numbers);
        let mut rows: Vec<usize> = parts.iter().flat_map(|(_, rows)| rows.clone()).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..12).collect::<Vec<_>>());
        assert_eq!(
            parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["1 to 2", "3 to 4", "5", "6 to 9"]
        );
        assert_eq!(quartiles(&[2.0, 2.0]).len(), 1);
        assert!(quartiles(&[f64::NAN]).is_empty());
    }
}
