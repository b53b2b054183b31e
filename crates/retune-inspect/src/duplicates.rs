//! Rows that occur more than once in a data set, and rows of validation and test that are in what came before them.

use std::collections::HashMap;

use crate::finding::{Finding, FoundRow, Kind, Severity, Split, percent, rows};
use crate::fingerprints::Fingerprints;
use crate::near::NearRows;

/// How two texts are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likeness {
    /// Byte for byte.
    Exact,
    /// But for case, width of characters, white space and punctuation.
    Normalized,
    /// By so much of their shingles.
    Near(f64),
}

/// A row that is like another, which stands before it. Both are places among all rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The row.
    pub row: usize,
    /// The one that it is like.
    pub other: usize,
    /// How.
    pub likeness: Likeness,
}

/// Rows that are like others, ascending; each once in each list, for its closest likeness.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matches {
    /// In the same data set.
    pub within: Vec<Match>,
    /// Of validation and test, in the training data.
    pub in_train: Vec<Match>,
    /// Of test, in the validation data.
    pub in_validation: Vec<Match>,
}

impl Matches {
    /// All that the hashes and the near rows tell.
    pub fn of(prints: &Fingerprints, near: &NearRows) -> Self {
        let mut matches = Self::default();
        for group in groups(prints) {
            matches.add_group(prints, near, &group);
        }
        for list in [&mut matches.within, &mut matches.in_train, &mut matches.in_validation] {
            list.sort_unstable_by_key(|found| found.row);
        }
        matches
    }

    /// Rows of one normalised text, ascending: so those of the training data stand first.
    fn add_group(&mut self, prints: &Fingerprints, near: &NearRows, group: &[usize]) {
        let first = group[0];
        let mut first_of: HashMap<Split, usize> = HashMap::new();
        let mut exact: HashMap<(Split, u64), usize> = HashMap::new();
        for &row in group {
            let split = prints.row(row).split;
            let hash = prints.exact[row];
            let equal_in = |other: Split| -> Option<Match> {
                match exact.get(&(other, hash)) {
                    Some(other) => Some(Match { row, other: *other, likeness: Likeness::Exact }),
                    None => {
                        first_of.get(&other).map(|other| Match { row, other: *other, likeness: Likeness::Normalized })
                    }
                }
            };
            let near_in = |rows: &HashMap<usize, (usize, f64)>, of: usize| -> Option<Match> {
                let (other, similarity) = *rows.get(&of)?;
                Some(Match { row, other, likeness: Likeness::Near(similarity) })
            };
            self.within.extend(equal_in(split).or_else(|| near_in(&near.within, row)));
            if split != Split::Train {
                // What is nearly like the first of equal texts is so of all of them.
                self.in_train.extend(equal_in(Split::Train).or_else(|| near_in(&near.in_train, first)));
            }
            if split == Split::Test {
                self.in_validation.extend(equal_in(Split::Validation).or_else(|| near_in(&near.in_validation, first)));
            }
            first_of.entry(split).or_insert(row);
            exact.entry((split, hash)).or_insert(row);
        }
    }

    /// What is to be said of repetitions within data sets. `holds_out` says that validation rows are drawn from the
    /// training file.
    pub fn duplicate_findings(&self, prints: &Fingerprints, holds_out: bool) -> Vec<Finding> {
        let of_split = |split: Split| {
            let found: Vec<&Match> = self.within.iter().filter(|found| prints.row(found.row).split == split).collect();
            if found.is_empty() {
                return None;
            }
            let counts = Counts::of(&found);
            let total = prints.rows_of(split);
            let leaks = holds_out && split == Split::Train;
            let severity = match counts.equal_share(total) {
                share if leaks && share >= 0.01 => Severity::Serious,
                share if leaks || share >= 0.05 => Severity::Warning,
                _ => Severity::Note,
            };
            let title = format!(
                "{} ({}) repeat an earlier row of {split}: {}",
                rows(found.len()),
                percent(found.len(), total),
                counts.words()
            );
            let advice = match (leaks, split) {
                (true, _) => {
                    "validation rows are held out of this file by chance, so copies stand on both sides and scores come out too high: \
                     remove the repetitions, or give a validation file of its own with --eval"
                }
                (_, Split::Train) => {
                    "a repeated row weighs more than once in the loss: remove repetitions, unless they are meant to"
                }
                _ => {
                    "a repeated row counts more than once in the scores: remove repetitions, unless they are as common in use"
                }
            };
            Some(
                counts
                    .finding(Kind::Duplicates, severity, split, title, advice, total)
                    .with_rows(found_rows(prints, &found)),
            )
        };
        Split::ALL.into_iter().filter_map(of_split).collect()
    }

    /// What is to be said of validation and test rows that were seen before.
    pub fn leakage_findings(&self, prints: &Fingerprints) -> Vec<Finding> {
        let sets = [
            (&self.in_train, Split::Validation, Split::Train),
            (&self.in_train, Split::Test, Split::Train),
            (&self.in_validation, Split::Test, Split::Validation),
        ];
        let of_sets = |(matches, split, source): (&Vec<Match>, Split, Split)| {
            let found: Vec<&Match> = matches.iter().filter(|found| prints.row(found.row).split == split).collect();
            if found.is_empty() {
                return None;
            }
            let counts = Counts::of(&found);
            let total = prints.rows_of(split);
            let severity = match (source, counts.equal_share(total)) {
                (Split::Train, share) if share >= 0.01 => Severity::Serious,
                (Split::Train, _) => Severity::Warning,
                (_, share) if share >= 0.01 => Severity::Warning,
                _ => Severity::Note,
            };
            let title = format!(
                "{} ({}) of {split} are in {source} too: {}",
                rows(found.len()),
                percent(found.len(), total),
                counts.words()
            );
            let advice = match source {
                Split::Train => format!(
                    "scores on {split} come out too high, since the model has learnt these rows: remove them from {source}"
                ),
                _ => "the model is chosen on rows that it is tested on: remove them from validation".to_owned(),
            };
            Some(
                counts
                    .finding(Kind::Leakage, severity, split, title, advice, total)
                    .with_rows(found_rows(prints, &found)),
            )
        };
        sets.into_iter().filter_map(of_sets).collect()
    }
}

/// The rows of each normalised text, ascending.
pub(crate) fn groups(prints: &Fingerprints) -> Vec<Vec<usize>> {
    let mut order: Vec<u32> = (0..prints.len() as u32).collect();
    order.sort_unstable_by_key(|row| (prints.normal[*row as usize], *row));
    let equal = |a: &u32, b: &u32| prints.normal[*a as usize] == prints.normal[*b as usize];
    order.chunk_by(equal).map(|group| group.iter().map(|row| *row as usize).collect()).collect()
}

/// The closest likeness first.
fn found_rows(prints: &Fingerprints, found: &[&Match]) -> Vec<FoundRow> {
    let mut found = found.to_vec();
    found.sort_by(|a, b| b.likeness.similarity().total_cmp(&a.likeness.similarity()).then(a.row.cmp(&b.row)));
    let row = |found: &&Match| {
        let id = prints.row(found.row);
        let mut row = FoundRow::new(id.split, id.row, found.likeness.words());
        row.score = Some(found.likeness.similarity());
        row.other = Some(prints.row(found.other));
        row
    };
    found.iter().map(row).collect()
}

impl Likeness {
    /// 1 where the texts count as equal.
    pub fn similarity(self) -> f64 {
        match self {
            Self::Exact | Self::Normalized => 1.0,
            Self::Near(similarity) => similarity,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Exact => "the same text".to_owned(),
            Self::Normalized => "the same but for case, white space or punctuation".to_owned(),
            Self::Near(similarity) => format!("alike by {similarity:.2}"),
        }
    }
}

#[derive(Default)]
struct Counts {
    exact: usize,
    normalized: usize,
    near: usize,
}

impl Counts {
    fn of(found: &[&Match]) -> Self {
        let mut counts = Self::default();
        for found in found {
            match found.likeness {
                Likeness::Exact => counts.exact += 1,
                Likeness::Normalized => counts.normalized += 1,
                Likeness::Near(_) => counts.near += 1,
            }
        }
        counts
    }

    fn equal_share(&self, total: usize) -> f64 {
        (self.exact + self.normalized) as f64 / total.max(1) as f64
    }

    fn words(&self) -> String {
        let part = |count: usize, how: &str| (count > 0).then(|| format!("{count} {how}"));
        let parts = [
            part(self.exact, "to the letter"),
            part(self.normalized, "but for case, white space and punctuation"),
            part(self.near, "nearly"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn finding(
        &self,
        kind: Kind,
        severity: Severity,
        split: Split,
        title: String,
        advice: impl Into<String>,
        total: usize,
    ) -> Finding {
        Finding::new(kind, severity, split, title, advice)
            .with("exact", self.exact as f64)
            .with("normalized", self.normalized as f64)
            .with("near", self.near as f64)
            .with("share", (self.exact + self.normalized + self.near) as f64 / total.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(sets: &[(Split, &[&str])]) -> Fingerprints {
        let mut prints = Fingerprints::new();
        for (split, texts) in sets {
            prints.begin(*split);
            prints.add(texts);
        }
        prints
    }

    #[test]
    fn each_row_is_told_once_and_by_its_closest_likeness() {
        let prints = prints(&[
            (Split::Train, &["A b.", "c", "A b.", "a B", "d"]),
            (Split::Validation, &["x", "a b"]),
            (Split::Test, &["c", "X!", "e"]),
        ]);
        let mut near = NearRows::default();
        near.in_train.insert(9, (4, 0.75));
        let matches = Matches::of(&prints, &near);
        let found = |row, other, likeness| Match { row, other, likeness };
        assert_eq!(matches.within, [found(2, 0, Likeness::Exact), found(3, 0, Likeness::Normalized)]);
        assert_eq!(
            matches.in_train,
            [found(6, 0, Likeness::Normalized), found(7, 1, Likeness::Exact), found(9, 4, Likeness::Near(0.75))]
        );
        assert_eq!(matches.in_validation, [found(8, 5, Likeness::Normalized)]);
        let findings = matches.leakage_findings(&prints);
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "1 row (50.0 %) of validation are in train too: 1 but for case, white space and punctuation",
                "2 rows (66.7 %) of test are in train too: 1 to the letter, 1 nearly",
                "1 row (33.3 %) of test are in validation too: 1 but for case, white space and punctuation",
            ]
        );
        let held = matches.duplicate_findings(&prints, true);
        assert_eq!((held.len(), held[0].severity), (1, Severity::Serious));
        assert_eq!(matches.duplicate_findings(&prints, false)[0].severity, Severity::Warning);
    }
}
