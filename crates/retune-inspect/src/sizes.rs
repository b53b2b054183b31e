//! How many rows there are of what is to be learnt, and whether that is enough.

use crate::finding::{Finding, FoundRow, Kind, Severity, Split, percent, rows};

/// Fewer rows of a class are too few to learn it by plain fine-tuning (Mosbach et al. 2021 find runs of so few rows to
/// hang on chance).
const FEW: usize = 8;
/// Fewer rows in validation or test measure a class to no better than a quarter: the 95 % interval of a share of 1/2 of
/// 16 rows.
const FEW_TO_MEASURE: usize = 16;

/// The labels of the rows of all data sets.
#[derive(Clone, Debug)]
pub struct ClassSizes {
    names: Vec<String>,
    /// Whether a row may have several classes.
    several: bool,
    counts: Vec<(Split, Counts)>,
}

#[derive(Clone, Debug)]
struct Counts {
    rows: usize,
    of_class: Vec<usize>,
    /// The first row of each class.
    first: Vec<Option<usize>>,
}

impl ClassSizes {
    /// Of these classes; `several` says that a row may have several.
    pub fn new(names: Vec<String>, several: bool) -> Self {
        Self { names, several, counts: Vec::new() }
    }

    /// Adds a data set: of each row its classes.
    pub fn add<R: AsRef<[u32]>>(&mut self, split: Split, rows: impl IntoIterator<Item = R>) {
        let mut counts = Counts { rows: 0, of_class: vec![0; self.names.len()], first: vec![None; self.names.len()] };
        for row in rows {
            for class in row.as_ref() {
                if let Some(count) = counts.of_class.get_mut(*class as usize) {
                    *count += 1;
                    counts.first[*class as usize].get_or_insert(counts.rows);
                }
            }
            counts.rows += 1;
        }
        self.counts.push((split, counts));
    }

    /// How many rows of a data set have each class.
    pub fn of(&self, split: Split) -> Option<&[usize]> {
        self.counts.iter().find(|(of, _)| *of == split).map(|(_, counts)| counts.of_class.as_slice())
    }

    /// What is to be said of the sizes. `holds_out` says that validation rows are still to be drawn from the training
    /// rows.
    pub fn findings(&self, holds_out: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some((_, train)) = self.counts.iter().find(|(split, _)| *split == Split::Train) else { return findings };
        findings.extend(self.small(train, holds_out));
        findings.extend(self.imbalance(train));
        for (split, counts) in self.counts.iter().filter(|(split, _)| *split != Split::Train) {
            findings.extend(self.unseen(*split, counts, train));
            findings.extend(self.unmeasured(*split, counts, train));
        }
        findings
    }

    fn small(&self, train: &Counts, holds_out: bool) -> Option<Finding> {
        let small: Vec<usize> =
            (0..self.names.len()).filter(|class| (1..FEW).contains(&train.of_class[*class])).collect();
        if small.is_empty() {
            return None;
        }
        let held = if holds_out { " (of which validation takes its share)" } else { "" };
        let title =
            format!("{} of {} classes have fewer than {FEW} rows of train{held}", small.len(), self.names.len());
        let advice = "label more of them, join them with others, or begin with `--few-shot`; `cargo xtask curve` says what more rows \
                      would bring";
        let mut small = small;
        small.sort_by_key(|class| train.of_class[*class]);
        let found = small.iter().filter_map(|class| {
            let note = format!("a row of {}, which has {}", self.names[*class], rows(train.of_class[*class]));
            Some(FoundRow::new(Split::Train, train.first[*class]?, note))
        });
        let found = found.collect();
        let mut finding = Finding::new(Kind::ClassSize, Severity::Warning, Split::Train, title, advice)
            .with("classes", self.names.len() as f64)
            .with("small", small.len() as f64)
            .with_rows(found);
        for class in &small {
            finding = finding.with(format!("rows of {}", self.names[*class]), train.of_class[*class] as f64);
        }
        Some(finding)
    }

    fn imbalance(&self, train: &Counts) -> Option<Finding> {
        let by_size = |class: &usize| train.of_class[*class];
        let present = || (0..self.names.len()).filter(|class| train.of_class[*class] > 0);
        let (largest, smallest) = (present().max_by_key(by_size)?, present().min_by_key(by_size)?);
        let ratio = train.of_class[largest] as f64 / train.of_class[smallest] as f64;
        if present().count() < 2 || ratio < 3.0 {
            return None;
        }
        let severity = if ratio >= 20.0 { Severity::Warning } else { Severity::Note };
        let title = format!(
            "{} has {} of train ({}), {} only {}",
            self.names[largest],
            rows(train.of_class[largest]),
            percent(train.of_class[largest], train.rows),
            self.names[smallest],
            rows(train.of_class[smallest])
        );
        let weights = if self.several { "task.positive_weights" } else { "task.class_weights" };
        let advice = format!(
            "accuracy hides what happens to small classes: judge by macro F1 (--set evaluation.metric=f1_macro), and try --set {weights}=balanced"
        );
        let advice = if self.several { advice.replace("accuracy", "a score over all labels") } else { advice };
        Some(
            Finding::new(Kind::Imbalance, severity, Split::Train, title, advice)
                .with("largest", train.of_class[largest] as f64)
                .with("smallest", train.of_class[smallest] as f64)
                .with("ratio", ratio)
                .with("majority share", train.of_class[largest] as f64 / train.rows.max(1) as f64),
        )
    }

    fn unseen(&self, split: Split, counts: &Counts, train: &Counts) -> Option<Finding> {
        let unseen: Vec<usize> =
            (0..self.names.len()).filter(|class| counts.of_class[*class] > 0 && train.of_class[*class] == 0).collect();
        if unseen.is_empty() {
            return None;
        }
        let names: Vec<&str> = unseen.iter().map(|class| self.names[*class].as_str()).collect();
        let title = format!("{split} has {} that train does not: {}", count_of_classes(unseen.len()), list(&names));
        let advice = "train refuses labels that it does not know: correct them, remove these rows, or add training rows of the class";
        let found = unseen.iter().filter_map(|class| {
            let note = format!("labelled {}, as {} of {split}", self.names[*class], rows(counts.of_class[*class]));
            Some(FoundRow::new(split, counts.first[*class]?, note))
        });
        let found = found.collect();
        Some(
            Finding::new(Kind::UnseenClass, Severity::Serious, split, title, advice)
                .with("classes", unseen.len() as f64)
                .with_rows(found),
        )
    }

    fn unmeasured(&self, split: Split, counts: &Counts, train: &Counts) -> Option<Finding> {
        let trained = || (0..self.names.len()).filter(|class| train.of_class[*class] > 0);
        let few: Vec<usize> = trained().filter(|class| counts.of_class[*class] < FEW_TO_MEASURE).collect();
        if few.is_empty() {
            return None;
        }
        let missing = few.iter().filter(|class| counts.of_class[**class] == 0).count();
        let names: Vec<&str> = few.iter().map(|class| self.names[*class].as_str()).collect();
        let title = format!(
            "{} of {} classes have fewer than {FEW_TO_MEASURE} rows of {split}, {missing} of them none: {}",
            few.len(),
            trained().count(),
            list(&names)
        );
        let advice =
            "scores of these classes hang on chance: label more rows of them before you compare models by them";
        let severity = if missing > 0 { Severity::Warning } else { Severity::Note };
        Some(
            Finding::new(Kind::ClassSize, severity, split, title, advice)
                .with("few", few.len() as f64)
                .with("missing", missing as f64),
        )
    }
}

/// The numbers of a regression.
pub fn number_findings(train: &[f64], others: &[(Split, &[f64])]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (Some(low), Some(high)) = (train.iter().copied().reduce(f64::min), train.iter().copied().reduce(f64::max))
    else {
        return findings;
    };
    if low == high {
        let title = format!("all {} of train have the number {low}", rows(train.len()));
        let advice = "there is nothing to learn: name another column with --label";
        findings.push(Finding::new(Kind::ClassSize, Severity::Serious, Split::Train, title, advice));
    }
    for (split, numbers) in others {
        let beyond: Vec<FoundRow> = numbers
            .iter()
            .enumerate()
            .filter(|(_, number)| **number < low || **number > high)
            .map(|(row, number)| FoundRow::new(*split, row, format!("{number}, where train goes from {low} to {high}")))
            .collect();
        if !beyond.is_empty() {
            let title = format!(
                "{} ({}) of {split} have numbers outside those of train, {low} to {high}",
                rows(beyond.len()),
                percent(beyond.len(), numbers.len())
            );
            let advice = "a model seldom gives numbers that it has not seen: see that both are on one scale";
            findings.push(
                Finding::new(Kind::Shift, Severity::Warning, *split, title, advice)
                    .with("rows", beyond.len() as f64)
                    .with_rows(beyond),
            );
        }
    }
    findings
}

fn count_of_classes(count: usize) -> String {
    if count == 1 { "a class".to_owned() } else { format!("{count} classes") }
}

/// The first of them.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(train: &[(u32, usize)], test: &[(u32, usize)]) -> ClassSizes {
        let rows = |counts: &[(u32, usize)]| -> Vec<[u32; 1]> {
            counts.iter().flat_map(|(class, count)| vec![[*class]; *count]).collect()
        };
        let mut sizes = ClassSizes::new(["a", "b", "c", "d"].map(String::from).to_vec(), false);
        sizes.add(Split::Train, rows(train));
        sizes.add(Split::Test, rows(test));
        sizes
    }

    #[test]
    fn small_unequal_unseen_and_unmeasured_classes() {
        let sizes = sizes(&[(0, 500), (1, 20), (2, 3)], &[(0, 100), (1, 5), (3, 2)]);
        let findings = sizes.findings(false);
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "1 of 4 classes have fewer than 8 rows of train",
                "a has 500 rows of train (95.6 %), c only 3 rows",
                "test has a class that train does not: d",
                "2 of 3 classes have fewer than 16 rows of test, 1 of them none: b, c",
            ]
        );
        assert_eq!((findings[0].rows[0].row.row, findings[2].rows[0].row.row), (520, 105));
        assert_eq!(findings[2].severity, Severity::Serious);
    }

    #[test]
    fn what_is_fine_is_not_mentioned() {
        assert!(sizes(&[(0, 50), (1, 40)], &[(0, 20), (1, 20)]).findings(true).is_empty());
        assert!(number_findings(&[0.0, 5.0], &[(Split::Test, &[2.5])]).is_empty());
    }

    #[test]
    fn numbers_of_another_scale() {
        let findings = number_findings(&[0.0, 5.0], &[(Split::Test, &[2.5, 80.0])]);
        assert_eq!((findings.len(), findings[0].rows[0].row.row), (1, 1));
        assert_eq!(number_findings(&[1.0, 1.0], &[])[0].severity, Severity::Serious);
    }
}
