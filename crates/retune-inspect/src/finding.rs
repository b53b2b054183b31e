//! What a check found: a plain record, which is shown, written and counted.

use std::fmt;

use serde::Serialize;

/// A data set of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is trained on.
    Train,
    /// What decides which model is kept.
    Validation,
    /// What the kept model is tested on.
    Test,
}

/// How much a finding matters; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Scores will be wrong, or training will be refused: with `--strict` a pipeline ends.
    Serious,
    /// Worth mending.
    Warning,
    /// Good to know.
    Note,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Rows without a text.
    EmptyText,
    /// Rows without a label, or with one that does not read.
    MissingLabel,
    /// A class that the training data do not have.
    UnseenClass,
    /// Rows of validation or test that are in the training data too.
    Leakage,
    /// Equal texts with different labels.
    ConflictingLabels,
    /// Labels that are likely wrong.
    LabelErrors,
    /// Validation or test differ from the training data.
    Shift,
    /// Classes with few rows.
    ClassSize,
    /// Classes of very different sizes.
    Imbalance,
    /// Rows that occur more than once.
    Duplicates,
    /// Rows that are longer than the plan allows.
    Truncation,
    /// Words that the tokenizer does not know.
    UnknownTokens,
    /// Words that the tokenizer breaks into many pieces.
    BrokenWords,
    /// Texts that are damaged, or no texts.
    OddRows,
    /// How far the texts lie from what the pretrained model knows.
    Unfamiliar,
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// In which data set; `None` where it is about all of them.
    pub split: Option<Split>,
    /// What was found, in one line with its numbers.
    pub title: String,
    /// What to do about it.
    pub advice: String,
    /// Figures by name.
    pub numbers: Vec<(String, f64)>,
    /// The rows, the most telling first.
    pub rows: Vec<FoundRow>,
}

/// A row that a finding is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundRow {
    /// Where it is.
    pub row: RowId,
    /// What is to be said of this row.
    pub note: String,
    /// How sure that is, or how bad, where there is a number for it.
    pub score: Option<f64>,
    /// The row that it is compared with.
    pub other: Option<RowId>,
}

/// A row of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RowId {
    /// The data set.
    pub split: Split,
    /// Its place there, from 0.
    pub row: usize,
}

impl Finding {
    /// A finding without rows and figures.
    pub fn new(
        kind: Kind,
        severity: Severity,
        split: impl Into<Option<Split>>,
        title: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            severity,
            split: split.into(),
            title: title.into(),
            advice: advice.into(),
            numbers: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// With a figure.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.numbers.push((name.into(), value));
        self
    }

    /// With rows.
    #[must_use]
    pub fn with_rows(mut self, rows: Vec<FoundRow>) -> Self {
        self.rows = rows;
        self
    }
}

impl FoundRow {
    /// A row with what is to be said of it.
    pub fn new(split: Split, row: usize, note: impl Into<String>) -> Self {
        Self { row: RowId { split, row }, note: note.into(), score: None, other: None }
    }
}

/// The findings, those that matter most first: by severity, then by kind, then by how many rows they touch.
pub fn rank(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.severity, finding.kind, std::cmp::Reverse(finding.rows.len())));
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Severity {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Kind {
    /// Its word, as in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyText => "empty-text",
            Self::MissingLabel => "missing-label",
            Self::UnseenClass => "unseen-class",
            Self::Leakage => "leakage",
            Self::ConflictingLabels => "conflicting-labels",
            Self::LabelErrors => "label-errors",
            Self::Shift => "shift",
            Self::ClassSize => "class-size",
            Self::Imbalance => "imbalance",
            Self::Duplicates => "duplicates",
            Self::Truncation => "truncation",
            Self::UnknownTokens => "unknown-tokens",
            Self::BrokenWords => "broken-words",
            Self::OddRows => "odd-rows",
            Self::Unfamiliar => "unfamiliar",
        }
    }
}

/// A share as people read it: `3.2 %`, `0.04 %`.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if share > 0.0 && share < 0.1 { format!("{share:.2} %") } else { format!("{share:.1} %") }
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_stands_first() {
        let finding = |kind, severity| Finding::new(kind, severity, None, "", "");
        let mut findings = vec![
            finding(Kind::OddRows, Severity::Note),
            finding(Kind::Duplicates, Severity::Warning),
            finding(Kind::LabelErrors, Severity::Warning),
            finding(Kind::Shift, Severity::Serious),
        ];
        rank(&mut findings);
        let kinds: Vec<Kind> = findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [Kind::Shift, Kind::LabelErrors, Kind::Duplicates, Kind::OddRows]);
    }

    #[test]
    fn words_are_those_of_the_json() {
        for kind in [Kind::EmptyText, Kind::UnseenClass, Kind::LabelErrors, Kind::OddRows, Kind::Unfamiliar] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
