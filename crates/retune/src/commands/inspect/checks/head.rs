//! A quick head: what classifiers say of rows that they have not seen, and which labels are therefore likely wrong.

use std::collections::HashMap;

use retune_inspect::features::Features;
use retune_inspect::folds::{out_of_fold, stratified_folds};
use retune_inspect::label_errors::{IssueRule, LabelQuality, find_label_errors, label_quality};
use retune_inspect::linear::LogisticRegression;
use retune_inspect::probabilities::Probabilities;
use retune_inspect::tfidf::{Terms, Tfidf};
use retune_inspect::{Finding, FoundRow, InspectError, Kind, Severity, Split};
use retune_recipe::{Plan, TaskKind};

use super::Sample;
use crate::commands::inspect::Inspection;
use crate::commands::inspect::labels::Labels;
use crate::commands::inspect::rows::Label;

const FOLDS: usize = 5;
/// A class of fewer rows cannot be both learnt and judged in five folds.
const FEWEST_OF_CLASS: usize = FOLDS;
const FEWEST_ROWS: usize = 50;

/// Looks for wrong labels in the training sample.
pub(super) fn label_errors(
    plan: &Plan,
    labels: &Labels,
    samples: &[Sample],
    found: &mut Inspection,
) -> anyhow::Result<()> {
    let reason = match plan.task.kind {
        TaskKind::Classification | TaskKind::MultiLabel => None,
        TaskKind::Regression => Some("confident learning judges classes, and a regression has none"),
        TaskKind::TokenClassification => {
            Some("words have tags of their own, and a vector of the whole row says nothing of them")
        }
        _ => Some("the task has no labels"),
    };
    let too_few = "fewer than 50 rows, or fewer than two classes with 5 rows each";
    match (reason, samples.first()) {
        (Some(reason), _) => found.not_checked.push(("label errors", reason.to_owned())),
        (None, Some(train)) => {
            let finding = match plan.task.kind {
                TaskKind::MultiLabel => several(train, labels, plan.run.seed)?,
                _ => single(train, labels, plan.run.seed)?,
            };
            match finding {
                Some(finding) => found.findings.push(finding),
                None => found.not_checked.push(("label errors", too_few.to_owned())),
            }
        }
        (None, None) => {}
    }
    Ok(())
}

/// One class each.
fn single(train: &Sample, labels: &Labels, seed: u64) -> Result<Option<Finding>, InspectError> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let class_of = |label: &Label| match label {
        Label::Classes(names) => names.first().and_then(|name| labels.class(name)),
        _ => None,
    };
    let all: Vec<Option<usize>> = train.labels.iter().map(class_of).collect();
    all.iter().flatten().for_each(|class| *counts.entry(*class).or_insert(0) += 1);
    let mut kept: Vec<usize> =
        counts.iter().filter(|(_, count)| **count >= FEWEST_OF_CLASS).map(|(class, _)| *class).collect();
    kept.sort_unstable();
    let number: HashMap<usize, usize> = kept.iter().enumerate().map(|(place, class)| (*class, place)).collect();
    let judged: Vec<(usize, usize)> =
        all.iter().enumerate().filter_map(|(place, class)| Some((place, *number.get(&(*class)?)?))).collect();
    if judged.len() < FEWEST_ROWS || kept.len() < 2 {
        return Ok(None);
    }
    let (places, given): (Vec<usize>, Vec<usize>) = judged.into_iter().unzip();
    let probabilities = Head::of(train, &places).out_of_fold(&given, kept.len(), seed)?;
    // All that the head doubts are listed, since of the wrong labels the estimate's share leaves a quarter out.
    let find = |rule| find_label_errors(&given, &probabilities, rule, LabelQuality::SelfConfidence);
    let (errors, confident) = (find(IssueRule::PredictedOther)?, find(IssueRule::ByNoiseRate)?);
    let name = |class: usize| labels.class_names()[kept[class]].as_str();
    let row = |place: &usize| {
        let likely = probabilities.likeliest(*place);
        let note = format!(
            "labelled {} ({:.2}), more likely {} ({:.2})",
            name(given[*place]),
            probabilities.row(*place)[given[*place]],
            name(likely),
            probabilities.row(*place)[likely]
        );
        let mut row = FoundRow::new(train.split, train.rows[places[*place]], note);
        row.score = Some(probabilities.row(*place)[given[*place]]);
        row
    };
    let right = (0..given.len()).filter(|row| probabilities.likeliest(*row) == given[*row]).count();
    let figures = Figures {
        judged: given.len(),
        left_out: train.rows.len() - given.len(),
        estimated_share: errors.estimated_share,
        accuracy: right as f64 / given.len() as f64,
        confident: confident.rows.len(),
    };
    Ok(Some(figures.finding(errors.rows.iter().map(row).collect())))
}

/// Several labels each: every label is judged by itself, and rows by their worst.
fn several(train: &Sample, labels: &Labels, seed: u64) -> Result<Option<Finding>, InspectError> {
    let sets: Vec<Option<Vec<usize>>> = train
        .labels
        .iter()
        .map(|label| match label {
            Label::Classes(names) => Some(names.iter().filter_map(|name| labels.class(name)).collect()),
            _ => None,
        })
        .collect();
    let places: Vec<usize> = (0..sets.len()).filter(|place| sets[*place].is_some()).collect();
    let has = |place: usize, class: usize| sets[place].as_ref().is_some_and(|set| set.contains(&class));
    let classes: Vec<usize> = (0..labels.class_names().len())
        .filter(|class| {
            let with = places.iter().filter(|place| has(**place, *class)).count();
            with >= FEWEST_OF_CLASS && places.len() - with >= FEWEST_OF_CLASS
        })
        .collect();
    if places.len() < FEWEST_ROWS || classes.is_empty() {
        return Ok(None);
    }
    let head = Head::of(train, &places);
    // Of each row the quality of its worst label: ranks wrong ones far better than the mean that cleanlab pools labels
    // by.
    let mut worst = vec![1.0_f64; places.len()];
    let mut issues: Vec<Vec<(usize, f64)>> = vec![Vec::new(); places.len()];
    let (mut right, mut estimated) = (0, 0.0);
    for class in &classes {
        let given: Vec<usize> = places.iter().map(|place| usize::from(has(*place, *class))).collect();
        let probabilities = head.out_of_fold(&given, 2, seed)?;
        let errors = find_label_errors(&given, &probabilities, IssueRule::ByNoiseRate, LabelQuality::SelfConfidence)?;
        let quality = label_quality(&given, &probabilities, LabelQuality::SelfConfidence)?;
        quality.iter().zip(&mut worst).for_each(|(quality, worst)| *worst = worst.min(*quality));
        errors.rows.iter().for_each(|row| issues[*row].push((*class, probabilities.row(*row)[1])));
        right += (0..given.len()).filter(|row| probabilities.likeliest(*row) == given[*row]).count();
        estimated += errors.estimated_share;
    }
    let mut order: Vec<(usize, f64)> =
        (0..places.len()).filter(|place| !issues[*place].is_empty()).map(|place| (place, worst[place])).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let row = |(place, quality): &(usize, f64)| {
        let parts: Vec<String> = issues[*place]
            .iter()
            .map(|(class, probability)| {
                let given = if has(places[*place], *class) { "given" } else { "not given" };
                format!("{} {given} ({probability:.2})", labels.class_names()[*class])
            })
            .collect();
        let mut row = FoundRow::new(train.split, train.rows[places[*place]], parts.join("; "));
        row.score = Some(*quality);
        row
    };
    let figures = Figures {
        judged: places.len(),
        left_out: train.rows.len() - places.len(),
        estimated_share: estimated / classes.len() as f64,
        accuracy: right as f64 / (places.len() * classes.len()) as f64,
        confident: order.len(),
    };
    Ok(Some(figures.finding(order.iter().map(row).collect())))
}

/// What the head reads of some rows.
struct Head {
    vectors: Option<Features>,
    words: Features,
}

impl Head {
    fn of(train: &Sample, places: &[usize]) -> Self {
        let texts: Vec<&str> = places.iter().map(|place| train.texts[*place].as_str()).collect();
        let words = Features::Sparse(Tfidf::fit(&texts, Terms::WordsAndPairs, 2).transform(&texts));
        let vectors = train.vectors.as_ref().map(|vectors| match vectors.select(places) {
            Features::Dense(dense) => Features::Dense(dense.standardized()),
            sparse => sparse,
        });
        Self { vectors, words }
    }

    /// The mean of what a regression on the words says and of what one on the model's vectors does.
    fn out_of_fold(&self, given: &[usize], classes: usize, seed: u64) -> Result<Probabilities, InspectError> {
        let folds = stratified_folds(given, classes, FOLDS, seed)?;
        let of_words = LogisticRegression { inverse_penalty: 10.0, ..LogisticRegression::default() };
        let of_vectors = LogisticRegression { inverse_penalty: 0.003, ..LogisticRegression::default() };
        let by_words = out_of_fold(&self.words, given, classes, &folds, &of_words)?;
        match &self.vectors {
            Some(vectors) => out_of_fold(vectors, given, classes, &folds, &of_vectors)?.mean_with(&by_words),
            None => Ok(by_words),
        }
    }
}

struct Figures {
    judged: usize,
    left_out: usize,
    estimated_share: f64,
    accuracy: f64,
    /// Rows that confident learning holds to be wrong.
    confident: usize,
}

impl Figures {
    fn finding(&self, rows: Vec<FoundRow>) -> Finding {
        let share = self.confident as f64 / self.judged.max(1) as f64;
        // Never serious: rows that are hard count too, and no share of them makes scores wrong.
        let severity = if share >= 0.01 { Severity::Warning } else { Severity::Note };
        let title = format!(
            "{} of {} training rows looked at have labels that a quick head doubts, and confident learning holds {} to be wrong; it gives \
             {:.1} % of all labels as they are",
            rows.len(),
            self.judged,
            self.confident,
            self.accuracy * 100.0
        );
        let advice = "look at them from the top, and correct what is wrong: the farther down, the more are only hard (--out has all of them)";
        Finding::new(Kind::LabelErrors, severity, Split::Train, title, advice)
            .with("rows", rows.len() as f64)
            .with("judged", self.judged as f64)
            .with("left out, of classes with fewer than 5 rows or without a label", self.left_out as f64)
            .with("by confident learning", self.confident as f64)
            .with("estimated share", self.estimated_share)
            .with("out-of-fold accuracy", self.accuracy)
            .with_rows(rows)
    }
}
