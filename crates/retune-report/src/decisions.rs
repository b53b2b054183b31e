//! How scores part right from wrong: precision and recall, the two rates of ROC, and whether probabilities can be
//! believed.

use retune_metrics::{BinaryScores, Calibration, MetricError, MulticlassScores, MultilabelScores, ReliabilityBin};

use crate::answers::{Answers, Classes, Sets};

/// The curves of one class against the rest, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Which.
    pub name: String,
    /// Recall and precision at every threshold, from the highest: a step function.
    pub precision_recall: Vec<(f64, f64)>,
    /// False and true positive rate at every threshold, from the highest, joined by lines.
    pub roc: Vec<(f64, f64)>,
    /// The area under the first.
    pub average_precision: Option<f64>,
    /// The area under the second.
    pub roc_auc: Option<f64>,
}

/// Whether probabilities can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// From the least sure to the surest.
    pub bins: Vec<ReliabilityBin>,
    /// The mean gap between confidence and accuracy.
    pub expected_error: f64,
    /// What is counted: rows, or decisions on labels.
    pub of: &'static str,
}

/// Points of a curve that are kept.
const MOST_POINTS: usize = 240;
/// Classes that are drawn beside all together.
const MOST_CLASSES: usize = 4;
const BINS: usize = 15;

/// The curves: of two classes the second's; of more all together and those with the smallest area.
pub fn decisions(answers: &Answers) -> Vec<Decision> {
    match answers {
        Answers::Classes(classes) if !classes.probabilities.is_empty() => of_classes(classes).unwrap_or_default(),
        Answers::Sets(sets) if !sets.probabilities.is_empty() => of_sets(sets).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// How often the model is right when it is so sure.
pub fn reliability(answers: &Answers) -> Option<Reliability> {
    let mut calibration = Calibration::new(BINS).ok()?;
    let of = match answers {
        Answers::Classes(classes) if !classes.probabilities.is_empty() => {
            for (row, probabilities) in classes.probabilities.iter().enumerate() {
                calibration.update(classes.labels[row], probabilities).ok()?;
            }
            "rows"
        }
        Answers::Sets(sets) if !sets.probabilities.is_empty() => {
            // A probability stands for itself here: of the labels given 30 %, are 30 % right?
            for (labels, probabilities) in sets.labels.iter().zip(&sets.probabilities) {
                for (label, probability) in labels.iter().zip(probabilities) {
                    calibration.update_confidence(*label, *probability).ok()?;
                }
            }
            "labels of rows"
        }
        _ => return None,
    };
    let expected_error = calibration.expected_error().ok()?;
    Some(Reliability { bins: calibration.reliability(), expected_error, of })
}

fn of_classes(classes: &Classes) -> Result<Vec<Decision>, MetricError> {
    if classes.names.len() == 2 {
        let mut scores = BinaryScores::new();
        for (label, probabilities) in classes.labels.iter().zip(&classes.probabilities) {
            scores.update(*label == 1, probabilities[1])?;
        }
        return Ok(vec![decision(classes.names[1].clone(), &scores)]);
    }
    let mut scores = MulticlassScores::new(classes.names.len())?;
    for (label, probabilities) in classes.labels.iter().zip(&classes.probabilities) {
        scores.update(*label, probabilities)?;
    }
    Ok(with_worst(&classes.names, &scores.one_vs_rest()?))
}

fn of_sets(sets: &Sets) -> Result<Vec<Decision>, MetricError> {
    let mut scores = MultilabelScores::new(sets.names.len())?;
    for (labels, probabilities) in sets.labels.iter().zip(&sets.probabilities) {
        scores.update(labels, probabilities)?;
    }
    Ok(with_worst(&sets.names, &scores))
}

/// All together, and the classes with the smallest area that have examples.
fn with_worst(names: &[String], scores: &MultilabelScores) -> Vec<Decision> {
    let mut together = BinaryScores::new();
    scores.labels().iter().for_each(|label| together.merge(label));
    let has_examples = |(_, scores): &(&String, &BinaryScores)| scores.positives() > 0;
    let mut each: Vec<(f64, &String, &BinaryScores)> = names
        .iter()
        .zip(scores.labels())
        .filter(has_examples)
        .filter_map(|(name, scores)| Some((scores.average_precision().ok()?, name, scores)))
        .collect();
    each.sort_by(|a, b| a.0.total_cmp(&b.0));
    let worst = each.into_iter().take(MOST_CLASSES).map(|(_, name, scores)| decision(name.clone(), scores));
    std::iter::once(decision("all together".to_owned(), &together)).chain(worst).collect()
}

fn decision(name: String, scores: &BinaryScores) -> Decision {
    let cuts = scores.cuts();
    let stride = cuts.len().div_ceil(MOST_POINTS).max(1);
    let last = cuts.len().saturating_sub(1);
    let kept: Vec<_> = cuts
        .iter()
        .enumerate()
        .filter(|(place, _)| place % stride == 0 || *place == last)
        .map(|(_, cut)| cut)
        .collect();
    let start = kept.first().map_or(1.0, |cut| cut.counts.precision());
    let points = kept.iter().map(|cut| (cut.counts.recall(), cut.counts.precision()));
    let rates = kept.iter().map(|cut| (cut.counts.false_positive_rate(), cut.counts.recall()));
    Decision {
        name,
        precision_recall: std::iter::once((0.0, start)).chain(points).collect(),
        roc: std::iter::once((0.0, 0.0)).chain(rates).collect(),
        average_precision: (scores.positives() > 0).then(|| scores.average_precision().ok()).flatten(),
        roc_auc: scores.roc_auc().ok(),
    }
}
