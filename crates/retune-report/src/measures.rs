//! Measures of answers: of all rows, of some, and by how much one model's differs from another's.

use retune_metrics::{
    Average, Bootstrap, ConfusionMatrix, Interval, McNemar, MetricError, Multilabel, RankCorrelation, Regression,
    entities,
};
use retune_recipe::SelectionMetric;

use crate::answers::{Answers, Classes, Sets, Tags};

/// A measure of answers. Each is a number that `metrics.jsonl` knows under [`Measure::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of rows, or of tags, that are right.
    Accuracy,
    /// The mean over classes of F1.
    MacroF1,
    /// Matthews' correlation.
    Mcc,
    /// F1 over all labels of all rows.
    MicroF1,
    /// The share of rows whose labels are all right.
    AllRight,
    /// Pearson's correlation.
    Pearson,
    /// Spearman's correlation.
    Spearman,
    /// The root of the mean squared error.
    RootMeanSquaredError,
    /// The mean absolute error.
    MeanAbsoluteError,
    /// F1 over entities.
    EntityF1,
}

use Measure::{
    Accuracy, AllRight, EntityF1, MacroF1, Mcc, MeanAbsoluteError, MicroF1, Pearson, RootMeanSquaredError, Spearman,
};

impl Measure {
    /// Its name in `metrics.jsonl`.
    pub fn key(self) -> &'static str {
        match self {
            Accuracy => "accuracy",
            MacroF1 => "f1_macro",
            Mcc => "mcc",
            MicroF1 => "f1_micro",
            AllRight => "subset_accuracy",
            Pearson => "pearson",
            Spearman => "spearman",
            RootMeanSquaredError => "rmse",
            MeanAbsoluteError => "mae",
            EntityF1 => "entity_f1",
        }
    }

    /// Whether less is better.
    pub fn is_error(self) -> bool {
        matches!(self, RootMeanSquaredError | MeanAbsoluteError)
    }

    /// Those of these answers, their own first.
    pub fn of(answers: &Answers) -> &'static [Self] {
        match answers {
            Answers::Classes(_) => &[Accuracy, MacroF1, Mcc],
            Answers::Sets(_) => &[MicroF1, MacroF1, AllRight],
            Answers::Numbers(_) => &[Pearson, Spearman, RootMeanSquaredError, MeanAbsoluteError],
            Answers::Tags(tags) if tags.mark_spans() => &[EntityF1, Accuracy],
            Answers::Tags(_) => &[Accuracy],
        }
    }

    /// The one that decided which model was kept, where rows have it; else the task's own.
    pub fn deciding(answers: &Answers, metric: SelectionMetric) -> Self {
        let all = Self::of(answers);
        all.iter().copied().find(|measure| measure.key() == metric.as_str()).unwrap_or(all[0])
    }
}

/// Measures rows of answers; what rows are summed by is counted once.
#[derive(Debug, Clone)]
pub struct Scorer<'a> {
    answers: &'a Answers,
    measure: Measure,
    /// Of each row what is right, said and asked for, where the measure is a ratio of sums of these.
    counts: Vec<[u32; 3]>,
}

impl<'a> Scorer<'a> {
    /// Of this measure.
    ///
    /// # Errors
    /// Tags are none of their scheme.
    pub fn new(answers: &'a Answers, measure: Measure) -> Result<Self, MetricError> {
        let rows = 0..answers.len();
        let counts = match (answers, measure) {
            (Answers::Classes(_), Accuracy) | (Answers::Sets(_), AllRight) => {
                rows.map(|row| [u32::from(answers.is_right(row) == Some(true)), 1, 1]).collect()
            }
            (Answers::Sets(sets), MicroF1) => rows.map(|row| set_counts(sets, row)).collect(),
            (Answers::Tags(tags), EntityF1) => rows.map(|row| entity_counts(tags, row)).collect::<Result<_, _>>()?,
            (Answers::Tags(tags), _) => rows.map(|row| tag_counts(tags, row)).collect(),
            _ => Vec::new(),
        };
        Ok(Self { answers, measure, counts })
    }

    /// The measure of these rows, each as often as it is named.
    ///
    /// # Errors
    /// There is no row, or the measure is not defined for them.
    pub fn of(&self, rows: &[usize]) -> Result<f64, MetricError> {
        if rows.is_empty() {
            return Err(MetricError::Empty { measure: self.measure.key() });
        }
        if !self.counts.is_empty() {
            let sum = rows.iter().fold([0u64; 3], |mut sum, row| {
                sum.iter_mut().zip(self.counts[*row]).for_each(|(sum, count)| *sum += u64::from(count));
                sum
            });
            // Where one thing is said and asked for in each row, this is accuracy.
            let all = (sum[1] + sum[2]) as f64;
            return Ok(if all == 0.0 { 0.0 } else { 2.0 * sum[0] as f64 / all });
        }
        match self.answers {
            Answers::Classes(classes) => of_classes(classes, self.measure, rows),
            Answers::Sets(sets) => multilabel(sets, rows)?.f1(Average::Macro),
            Answers::Numbers(numbers) => {
                let pairs = rows.iter().map(|row| (numbers.labels[*row], numbers.predicted[*row]));
                of_numbers(pairs, self.measure)
            }
            Answers::Tags(_) => Err(MetricError::Empty { measure: self.measure.key() }),
        }
    }

    /// The measure of all rows.
    ///
    /// # Errors
    /// As [`Scorer::of`].
    pub fn all(&self) -> Result<f64, MetricError> {
        self.of(&self.rows())
    }

    fn rows(&self) -> Vec<usize> {
        (0..self.answers.len()).collect()
    }

    /// The 95 % interval over these rows; `None` where a resample has no such measure, or there are too many rows for
    /// the time that a report may take.
    pub fn interval(&self, rows: &[usize]) -> Option<Interval> {
        let bootstrap = bootstrap(rows.len())?;
        let places = |drawn: &[usize]| drawn.iter().map(|place| rows[*place]).collect::<Vec<_>>();
        bootstrap.interval_of(rows.len(), |drawn| self.of(&places(drawn))).ok()
    }
}

/// How a model's answers differ from another's to the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The measure of the first less that of the second, with its 95 % interval.
    pub difference: Interval,
    /// The p-value of the paired bootstrap, two-sided.
    pub bootstrap_p: f64,
    /// McNemar's test, where rows are right or wrong.
    pub mcnemar: Option<McNemar>,
}

impl Difference {
    /// Of two models' answers; `None` where the rows are not the same, or the measure has no such interval.
    pub fn between(first: &Answers, second: &Answers, measure: Measure) -> Option<Self> {
        if !first.has_labels_of(second) || first.is_empty() {
            return None;
        }
        let (a, b) = (Scorer::new(first, measure).ok()?, Scorer::new(second, measure).ok()?);
        let paired = bootstrap(first.len())?.paired(first.len(), |rows| Ok(a.of(rows)? - b.of(rows)?)).ok()?;
        let mut mcnemar = first.is_right(0).map(|_| McNemar::new());
        if let Some(test) = &mut mcnemar {
            for row in 0..first.len() {
                test.update(first.is_right(row) == Some(true), second.is_right(row) == Some(true));
            }
        }
        Some(Self { difference: paired.difference, bootstrap_p: paired.p_value, mcnemar })
    }

    /// The p-value that a sentence names: McNemar's exact one where the measure is the share of right rows, for which
    /// it is made, else the bootstrap's.
    pub fn p_value(&self, measure: Measure) -> f64 {
        match self.mcnemar {
            Some(test) if matches!(measure, Accuracy | AllRight) => test.exact_p(),
            _ => self.bootstrap_p,
        }
    }
}

/// As many resamples as a second or so allows, with a fixed seed: the same run gives the same report.
fn bootstrap(rows: usize) -> Option<Bootstrap> {
    const DRAWS: usize = 5_000_000;
    let samples = (DRAWS / rows.max(1)).min(1000);
    (samples >= 50).then(|| Bootstrap::new(samples, 42).ok()).flatten()
}

fn of_classes(classes: &Classes, measure: Measure, rows: &[usize]) -> Result<f64, MetricError> {
    let pairs = rows.iter().map(|row| (classes.labels[*row], classes.predicted[*row]));
    let matrix = ConfusionMatrix::from_pairs(classes.names.len(), pairs)?;
    if measure == Mcc { matrix.mcc() } else { matrix.f1(Average::Macro) }
}

/// The counts of some rows of sets.
///
/// # Errors
/// There is no label.
pub fn multilabel(sets: &Sets, rows: &[usize]) -> Result<Multilabel, MetricError> {
    let mut counts = Multilabel::new(sets.names.len())?;
    rows.iter().try_for_each(|row| counts.update(&sets.labels[*row], &sets.predicted[*row]))?;
    Ok(counts)
}

fn of_numbers(pairs: impl Iterator<Item = (f64, f64)>, measure: Measure) -> Result<f64, MetricError> {
    let mut measures = Regression::new();
    let mut ranks = RankCorrelation::new();
    for (label, predicted) in pairs {
        match measure {
            Spearman => ranks.update(label, predicted)?,
            _ => measures.update(label, predicted)?,
        }
    }
    match measure {
        Spearman => ranks.spearman(),
        RootMeanSquaredError => measures.root_mean_squared_error(),
        MeanAbsoluteError => measures.mean_absolute_error(),
        _ => measures.pearson(),
    }
}

fn set_counts(sets: &Sets, row: usize) -> [u32; 3] {
    let (labels, predicted) = (&sets.labels[row], &sets.predicted[row]);
    let right = labels.iter().zip(predicted).filter(|(label, given)| **label && **given).count();
    let count = |set: &[bool]| set.iter().filter(|one| **one).count() as u32;
    [right as u32, count(predicted), count(labels)]
}

fn tag_counts(tags: &Tags, row: usize) -> [u32; 3] {
    let (labels, predicted) = (&tags.labels[row], &tags.predicted[row]);
    let right = labels.iter().zip(predicted).filter(|(label, said)| label == said).count();
    [right as u32, labels.len() as u32, labels.len() as u32]
}

fn entity_counts(tags: &Tags, row: usize) -> Result<[u32; 3], MetricError> {
    let decoding = tags.decoding();
    let (labels, predicted) = (entities(&tags.labels[row], decoding)?, entities(&tags.predicted[row], decoding)?);
    let right = predicted.iter().filter(|entity| labels.contains(entity)).count();
    Ok([right as u32, predicted.len() as u32, labels.len() as u32])
}
