//! Labels as judges correct them, for the next training.

use serde::Serialize;

use crate::answer::Judgement;
use crate::error::JudgeError;
use crate::item::Item;
use crate::store::{Answered, Study};

/// A row with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Corrected {
    /// Its number in the file, from 0.
    pub row: u64,
    /// Its texts.
    pub texts: Vec<String>,
    /// The label: of more than half of its judges, else the one that the file gives; none where there is neither.
    pub label: Option<String>,
    /// The label that the file gives.
    pub given: Option<String>,
    /// What the model predicts.
    pub predicted: String,
    /// How the label came about.
    pub decision: Decision,
    /// How many judges named each label, as in `spam 2, ham 1`.
    pub votes: String,
}

/// How a label came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// All its judges named it, however many there are.
    Unanimous,
    /// More than half of its judges named it.
    Majority,
    /// No label was named by more than half: it is as given.
    Tie,
    /// Nobody could tell: it is as given.
    Unsure,
    /// Nobody judged it: it is as given.
    NotJudged,
}

impl Decision {
    /// As it is written in a table.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Unanimous => "unanimous",
            Decision::Majority => "majority",
            Decision::Tie => "tie",
            Decision::Unsure => "unsure",
            Decision::NotJudged => "not-judged",
        }
    }
}

/// All rows of the study's file with their labels, judged or not.
///
/// # Errors
///
/// [`JudgeError::NoLabels`] where the study asks for no labels, or nobody has answered; the file does not read.
pub fn corrected(study: &Study) -> Result<Vec<Corrected>, JudgeError> {
    let settings = study.settings();
    if settings.classes.is_empty() || settings.mode == crate::Mode::Compare {
        return Err(JudgeError::NoLabels { reason: "the study asks for no labels" });
    }
    let answers = study.answers()?;
    if answers.is_empty() {
        return Err(JudgeError::NoLabels { reason: "nobody has answered yet" });
    }
    let mut by_row: std::collections::HashMap<u64, Vec<Answered>> = std::collections::HashMap::new();
    for answer in answers {
        by_row.entry(study.sample()[answer.position].item.row).or_default().push(answer);
    }
    let correct = |item: Item| {
        let judgements = by_row.get(&item.row).map_or(&[][..], Vec::as_slice);
        let (decision, label, votes) = decide(&settings.classes, &item, judgements);
        let label = label.or_else(|| item.label.clone());
        let Item { row, texts, label: given, prediction: predicted, .. } = item;
        Corrected { row, texts, label, given, predicted, decision, votes }
    };
    Ok(study.items()?.into_iter().map(correct).collect())
}

fn decide(classes: &[String], item: &Item, answers: &[Answered]) -> (Decision, Option<String>, String) {
    if answers.is_empty() {
        return (Decision::NotJudged, None, String::new());
    }
    let predicted = classes.iter().position(|class| *class == item.prediction);
    let judgements: Vec<Judgement> =
        answers.iter().map(|answer| answer.judgement).filter(|judgement| *judgement != Judgement::Unsure).collect();
    if judgements.is_empty() {
        return (Decision::Unsure, None, String::new());
    }
    let mut counts = vec![0_usize; classes.len()];
    judgements.iter().filter_map(|judgement| judgement.class(predicted)).for_each(|class| counts[class] += 1);
    let mut order: Vec<usize> = (0..classes.len()).filter(|class| counts[*class] > 0).collect();
    order.sort_by_key(|class| std::cmp::Reverse(counts[*class]));
    let mut votes: Vec<String> = order.iter().map(|class| format!("{} {}", classes[*class], counts[*class])).collect();
    let unnamed = judgements.len() - counts.iter().sum::<usize>();
    if unnamed > 0 {
        votes.push(format!("not {} {unnamed}", item.prediction));
    }
    let votes = votes.join(", ");
    // A judge who says only what it is not has a voice against every majority.
    match order.first() {
        Some(&class) if counts[class] == judgements.len() => (Decision::Unanimous, Some(classes[class].clone()), votes),
        Some(&class) if 2 * counts[class] > judgements.len() => {
            (Decision::Majority, Some(classes[class].clone()), votes)
        }
        _ => (Decision::Tie, None, votes),
    }
}
