//! What the answers of a study say.

mod agreement;
mod text;

use std::cmp::Ordering;

use retune_metrics::SignTest;
use serde::Serialize;

use crate::answer::Judgement;
use crate::error::JudgeError;
use crate::estimate::{Estimate, Observation, estimate};
use crate::settings::{Mode, StudySettings};
use crate::store::{Answered, Progress, Sampled, Study};

pub use agreement::{Agreement, Measure, PairAgreement};

/// Everything that a study says, for a program; [`Report::to_text`] says it to a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What is asked, and of which rows.
    pub settings: StudySettings,
    /// How many rows could be drawn.
    pub population: u64,
    /// How many rows were drawn.
    pub drawn: u64,
    /// How many have an answer, of whomever.
    pub judged: u64,
    /// The judges.
    pub judges: Vec<Progress>,
    /// How many answers there are.
    pub answers: u64,
    /// How many of them say that the judge cannot tell.
    pub unsure: u64,
    /// The share of all rows of which the model is right, by people: of a row, the share of its judges who find so.
    /// `None` of comparisons, and where nobody has answered.
    pub accuracy: Option<Estimate>,
    /// The same of each judge.
    pub accuracy_by_judge: Vec<(String, Estimate)>,
    /// The share of all rows of which the model is right, by the file's own labels, from the same rows.
    pub accuracy_by_file: Option<Estimate>,
    /// Which of two runs is preferred.
    pub preference: Option<Preference>,
    /// Agreement of judges with each other.
    pub agreement: Agreement,
    /// Agreement of each judge with the file's labels.
    pub with_labels: Vec<PairAgreement>,
    /// Rows of which judges say different things, or most of them another than the model.
    pub disagreements: Vec<Disagreement>,
}

/// Which of two runs is preferred. A row's preference is that of the most of its judges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Preference {
    /// The share of the rows that differ of which the first run is preferred.
    pub first: Estimate,
    /// Of which the second is.
    pub second: Estimate,
    /// Of which neither is.
    pub neither: Estimate,
    /// How many rows of those judged.
    pub rows: SignTest,
    /// The probability of so uneven a count, or one more uneven, were neither run better.
    pub p_value: f64,
    /// Answers that prefer what stood on the left, of all that prefer either: near a half if the side did not matter.
    pub left: (u64, u64),
}

/// A row of which not everyone says the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disagreement {
    /// Its number in the file, from 0.
    pub row: u64,
    /// Its texts.
    pub texts: Vec<String>,
    /// What the model says.
    pub predicted: String,
    /// What the other run's model says, of comparisons.
    pub against: Option<String>,
    /// The label that the file gives.
    pub given: Option<String>,
    /// What each judge says.
    pub said: Vec<Said>,
    /// Whether the judges differ among themselves, and not only from the model.
    pub among_judges: bool,
}

/// What a judge says of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The judge's name.
    pub judge: String,
    /// In words.
    pub answer: String,
}

impl Report {
    /// Of a study as it stands.
    ///
    /// # Errors
    ///
    /// The study does not read.
    pub fn of(study: &Study) -> Result<Self, JudgeError> {
        let (settings, answers, judges) = (study.settings().clone(), study.answers()?, study.judges()?);
        let by_row = by_row(&answers, study.sample().len());
        let rows = Rows { study, by_row: &by_row };
        let accuracy_of = |judge: Option<usize>| rows.estimate(|place, answered| rows.right(place, answered, judge));
        let judged = by_row.iter().filter(|answers| !answers.is_empty()).count() as u64;
        let compares = settings.mode == Mode::Compare;
        let accuracy_by_judge = judges
            .iter()
            .enumerate()
            .filter_map(|(place, judge)| {
                accuracy_of(Some(place)).transpose().map(|found| Ok((judge.judge.clone(), found?)))
            })
            .collect::<Result<Vec<_>, JudgeError>>()?;
        let by_file = |place: usize, answered: &[Answered]| {
            let item = &study.sample()[place].item;
            let given = item.label.as_ref()?;
            rows.right(place, answered, None).map(|_| f64::from(*given == item.prediction))
        };
        Ok(Self {
            population: study.population().strata.iter().sum(),
            drawn: study.sample().len() as u64,
            judged,
            answers: answers.len() as u64,
            unsure: answers.iter().filter(|answer| answer.judgement == Judgement::Unsure).count() as u64,
            accuracy: accuracy_of(None)?,
            accuracy_by_judge,
            accuracy_by_file: rows.estimate(by_file)?,
            preference: if compares { rows.preference()? } else { None },
            agreement: Agreement::of(&rows, &judges)?,
            with_labels: if compares { Vec::new() } else { agreement::with_labels(&rows, &judges)? },
            disagreements: rows.disagreements(&judges),
            settings,
            judges,
        })
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The rows that are judged, each with its answers.
struct Rows<'a> {
    study: &'a Study,
    by_row: &'a [Vec<Answered>],
}

fn by_row(answers: &[Answered], rows: usize) -> Vec<Vec<Answered>> {
    let mut by_row = vec![Vec::new(); rows];
    answers.iter().for_each(|answer| by_row[answer.position].push(*answer));
    by_row
}

impl Rows<'_> {
    fn sampled(&self, place: usize) -> &Sampled {
        &self.study.sample()[place]
    }

    /// The class that the model predicts.
    fn predicted(&self, place: usize) -> Option<usize> {
        let prediction = &self.sampled(place).item.prediction;
        self.study.settings().classes.iter().position(|class| class == prediction)
    }

    /// The share of the judges of a row, or of one judge alone, who find the model right.
    fn right(&self, place: usize, answered: &[Answered], judge: Option<usize>) -> Option<f64> {
        let predicted = self.predicted(place);
        let of = answered.iter().filter(|answer| judge.is_none_or(|judge| answer.judge == judge));
        let rights: Vec<bool> = of.filter_map(|answer| answer.judgement.right(predicted)).collect();
        (!rights.is_empty()).then(|| rights.iter().filter(|right| **right).count() as f64 / rights.len() as f64)
    }

    /// The share of all rows, where `value` says something of any.
    fn estimate(&self, value: impl Fn(usize, &[Answered]) -> Option<f64>) -> Result<Option<Estimate>, JudgeError> {
        // What is expected of a preference is not known beforehand.
        let expects = self.study.settings().mode != Mode::Compare;
        let classes = &self.study.settings().classes;
        let observe = |place: usize| {
            let Sampled { item, probability, stratum } = self.sampled(place);
            let expected = item.confidence(classes).filter(|_| expects).unwrap_or(0.0);
            let value = value(place, &self.by_row[place])?;
            Some(Observation { value, expected, probability: *probability, stratum: *stratum })
        };
        let observations: Vec<Observation> = (0..self.by_row.len()).filter_map(observe).collect();
        let mut population = self.study.population().clone();
        if !expects {
            population.expected = 0.0;
        }
        (!observations.is_empty()).then(|| estimate(&population, &observations)).transpose()
    }

    /// Which run most of a row's judges prefer.
    fn preferred(&self, answered: &[Answered]) -> Option<Ordering> {
        let votes = answered.iter().filter_map(|answer| match answer.judgement {
            Judgement::First => Some(1),
            Judgement::Second => Some(-1),
            Judgement::Tie => Some(0),
            _ => None,
        });
        let votes: Vec<i64> = votes.collect();
        (!votes.is_empty()).then(|| votes.iter().sum::<i64>().cmp(&0))
    }

    fn preference(&self) -> Result<Option<Preference>, JudgeError> {
        let mut rows = SignTest::new();
        self.by_row.iter().filter_map(|answers| self.preferred(answers)).for_each(|order| rows.update(order));
        let share =
            |wanted| self.estimate(|_, answers| self.preferred(answers).map(|order| f64::from(order == wanted)));
        let (Some(first), Some(second), Some(neither)) =
            (share(Ordering::Greater)?, share(Ordering::Less)?, share(Ordering::Equal)?)
        else {
            return Ok(None);
        };
        let left = self.study.sides()?;
        Ok(Some(Preference { first, second, neither, rows, p_value: rows.exact_p(), left }))
    }

    fn disagreements(&self, judges: &[Progress]) -> Vec<Disagreement> {
        let settings = self.study.settings();
        let mut found = Vec::new();
        for (place, answers) in self.by_row.iter().enumerate() {
            let predicted = self.predicted(place);
            let categories = answers.iter().filter_map(|answer| answer.judgement.category(predicted));
            let labels = answers.iter().filter_map(|answer| answer.judgement.class(predicted));
            let among_judges = differ(categories) || differ(labels);
            let from_model = self.right(place, answers, None).is_some_and(|right| right < 0.5);
            if !(among_judges || from_model) {
                continue;
            }
            let item = &self.sampled(place).item;
            let said = answers.iter().map(|answer| Said {
                judge: judges[answer.judge].judge.clone(),
                answer: in_words(answer.judgement, settings),
            });
            found.push(Disagreement {
                row: item.row,
                texts: item.texts.clone(),
                predicted: item.prediction.clone(),
                against: item.against.clone().filter(|_| settings.mode == Mode::Compare),
                given: item.label.clone(),
                said: said.collect(),
                among_judges,
            });
        }
        found.sort_by_key(|disagreement| (!disagreement.among_judges, disagreement.row));
        found
    }
}

fn differ(mut values: impl Iterator<Item = usize>) -> bool {
    let first = values.next();
    values.any(|value| Some(value) != first)
}

fn in_words(judgement: Judgement, settings: &StudySettings) -> String {
    let class = |class: usize| settings.classes.get(class).cloned().unwrap_or_default();
    match judgement {
        Judgement::Label { class: named } => class(named),
        Judgement::Agree => "right".to_owned(),
        Judgement::Disagree { class: Some(named) } => format!("wrong, {}", class(named)),
        Judgement::Disagree { class: None } => "wrong".to_owned(),
        Judgement::First => settings.run.clone(),
        Judgement::Second => settings.against.clone().unwrap_or_default(),
        Judgement::Tie => "neither".to_owned(),
        Judgement::Unsure => "cannot tell".to_owned(),
    }
}
