//! Agreement of judges with each other, and with the labels of the file.

use retune_metrics::{ConfusionMatrix, FleissKappa, KrippendorffAlpha, MeasurementLevel, MetricError};
use serde::Serialize;

use super::Rows;
use crate::error::JudgeError;
use crate::settings::Mode;
use crate::store::Progress;

/// Agreement of judges with each other: of labels, of right and wrong, or of preferences, as is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Rows that two judges or more have answered.
    pub rows: u64,
    /// Krippendorff's alpha, of all rows with two answers or more: of preferences ordinal (second, neither, first), else
    /// nominal.
    pub krippendorff_alpha: Measure,
    /// Fleiss' kappa, of the rows that all judges have answered.
    pub fleiss_kappa: Measure,
    /// How many rows those are.
    pub rows_of_all: u64,
    /// Each two judges.
    pub pairs: Vec<PairAgreement>,
}

/// Agreement of two judges, or of one with the labels of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairAgreement {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// Rows that both have answered.
    pub rows: u64,
    /// Rows of which they say the same.
    pub same: u64,
    /// Cohen's kappa.
    pub cohen_kappa: Measure,
}

/// A measure, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measure {
    /// What it is.
    Value(f64),
    /// Why it is not defined.
    Undefined(String),
}

impl From<Result<f64, MetricError>> for Measure {
    fn from(measured: Result<f64, MetricError>) -> Self {
        measured.map_or_else(|error| Self::Undefined(error.to_string()), Self::Value)
    }
}

impl Agreement {
    pub(super) fn of(rows: &Rows<'_>, judges: &[Progress]) -> Result<Self, JudgeError> {
        let (mode, classes) = (rows.study.settings().mode, rows.study.settings().classes.len());
        let (categories, level) = match mode {
            Mode::Label => (classes.max(1), MeasurementLevel::Nominal),
            Mode::Agree => (2, MeasurementLevel::Nominal),
            Mode::Compare => (3, MeasurementLevel::Ordinal),
        };
        let table: Vec<Vec<Option<usize>>> =
            (0..rows.by_row.len()).map(|place| categories_of(rows, place, judges.len())).collect();
        let mut alpha = KrippendorffAlpha::of_categories(categories)?;
        let mut fleiss = FleissKappa::new(categories)?;
        let mut shared = 0;
        for row in &table {
            alpha.update(row)?;
            shared += u64::from(row.iter().flatten().count() > 1);
            if judges.len() > 1 && row.iter().all(Option::is_some) {
                let mut counts = vec![0; categories];
                row.iter().flatten().for_each(|category| counts[*category] += 1);
                fleiss.update(&counts)?;
            }
        }
        let mut pairs = Vec::new();
        for first in 0..judges.len() {
            for second in first + 1..judges.len() {
                let both = table.iter().filter_map(|row| Some((row[first]?, row[second]?)));
                pairs.push(pair(&judges[first].judge, &judges[second].judge, categories, both)?);
            }
        }
        Ok(Self {
            rows: shared,
            krippendorff_alpha: alpha.alpha(level).into(),
            rows_of_all: fleiss.items(),
            fleiss_kappa: fleiss.kappa().into(),
            pairs,
        })
    }
}

/// For each judge the kind of answer to a row; `None` where there is none, or the judge cannot tell.
fn categories_of(rows: &Rows<'_>, place: usize, judges: usize) -> Vec<Option<usize>> {
    let predicted = rows.predicted(place);
    let mut row = vec![None; judges];
    rows.by_row[place].iter().for_each(|answer| row[answer.judge] = answer.judgement.category(predicted));
    row
}

/// Each judge with the labels of the file, where it has any: of the rows of which the judge's label is known.
pub(super) fn with_labels(rows: &Rows<'_>, judges: &[Progress]) -> Result<Vec<PairAgreement>, JudgeError> {
    let classes = &rows.study.settings().classes;
    let given = |place: usize| {
        let label = rows.sampled(place).item.label.as_ref()?;
        classes.iter().position(|class| class == label)
    };
    let of_judge = |place: usize, judge: usize| {
        let answer = rows.by_row[place].iter().find(|answer| answer.judge == judge)?;
        answer.judgement.class(rows.predicted(place))
    };
    let mut found = Vec::new();
    for (judge, progress) in judges.iter().enumerate() {
        let both = (0..rows.by_row.len()).filter_map(|place| Some((of_judge(place, judge)?, given(place)?)));
        let both: Vec<_> = both.collect();
        if !both.is_empty() {
            found.push(pair(&progress.judge, "the file's labels", classes.len(), both.into_iter())?);
        }
    }
    Ok(found)
}

fn pair(
    first: &str,
    second: &str,
    categories: usize,
    both: impl Iterator<Item = (usize, usize)>,
) -> Result<PairAgreement, JudgeError> {
    let matrix = ConfusionMatrix::from_pairs(categories, both)?;
    let same = (0..categories).map(|category| matrix.count(category, category)).sum();
    // Where both say one and the same throughout, kappa is 0/0: nothing that chance would not do as well.
    let one = (0..categories).any(|category| matrix.count(category, category) == matrix.total()) && matrix.total() > 0;
    let kappa = match one {
        true => Err(MetricError::Constant { measure: "Cohen's kappa", quantity: "the answers" }),
        false => matrix.cohen_kappa(),
    };
    let (first, second) = (first.to_owned(), second.to_owned());
    Ok(PairAgreement { first, second, rows: matrix.total(), same, cohen_kappa: kappa.into() })
}
