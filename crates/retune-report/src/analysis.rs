//! All that a page needs of one run, computed once.

use crate::answers::{Answers, Texts};
use crate::baseline::Rival;
use crate::error::ReportError;
use crate::measures::{Difference, Measure, Scorer};
use crate::run::Run;

/// A run with what its rows say.
#[derive(Debug, Clone)]
pub(crate) struct Analysis<'a> {
    pub(crate) run: &'a Run,
    pub(crate) answers: Option<Answers>,
    pub(crate) texts: Texts,
    /// Beside which measure others stand; of numbers an error, since a constant answer has no correlation.
    pub(crate) measure: Option<Measure>,
    /// Its own value of that measure.
    pub(crate) own: Option<Compared>,
    /// Baselines beside it.
    pub(crate) rivals: Vec<Compared>,
}

/// A model beside another.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    /// The run's answers less this model's.
    pub(crate) difference: Option<Difference>,
}

impl<'a> Analysis<'a> {
    pub(crate) fn of(run: &'a Run) -> Result<Self, ReportError> {
        let texts = Texts::of(run.predictions.as_ref());
        let answers = Answers::of(run)?.filter(|answers| !answers.is_empty());
        let Some(answers) = answers else {
            return Ok(Self { run, answers: None, texts, measure: None, own: None, rivals: Vec::new() });
        };
        let measure = match (&answers, Measure::deciding(&answers, run.plan.evaluation.metric)) {
            (Answers::Numbers(_), Measure::Pearson | Measure::Spearman) => Measure::RootMeanSquaredError,
            (_, deciding) => deciding,
        };
        let own = measured(run.name.clone(), String::new(), &answers, measure);
        let mut rivals = Vec::new();
        for rival in Rival::of(run, &answers)? {
            let known = rival.scores.iter().find(|(name, _)| name == measure.key()).map(|(_, value)| *value);
            let of_rows = rival
                .answers
                .as_ref()
                .and_then(|said| measured(rival.name.clone(), rival.description.clone(), said, measure));
            let of_scores = known.map(|value| Compared {
                name: rival.name.clone(),
                description: rival.description.clone(),
                value,
                interval: None,
                difference: None,
            });
            let difference = rival.answers.as_ref().and_then(|said| Difference::between(&answers, said, measure));
            rivals.extend(of_rows.or(of_scores).map(|compared| Compared { difference, ..compared }));
        }
        Ok(Self { run, answers: Some(answers), texts, measure: Some(measure), own, rivals })
    }

    /// Its first final measure, by name: the one that decided where the run says so.
    pub(crate) fn deciding(&self) -> Option<(&str, f64)> {
        let last = &self.run.log.last.as_ref()?.evaluation;
        let said = self.run.evaluation.as_ref().and_then(|evaluation| evaluation.deciding.as_deref());
        let named = said.or(Some(self.run.plan.evaluation.metric.as_str()));
        let scores = || last.scores.iter().filter(|(name, _)| name != "examples");
        let chosen = scores().find(|(name, _)| Some(name.as_str()) == named).or_else(|| scores().next());
        chosen.map(|(name, value)| (name.as_str(), *value))
    }

    /// Rows of the final evaluation.
    pub(crate) fn rows(&self) -> Option<u64> {
        let last = &self.run.log.last.as_ref()?.evaluation;
        last.score("examples").map(|examples| examples as u64)
    }
}

fn measured(name: String, description: String, answers: &Answers, measure: Measure) -> Option<Compared> {
    let scorer = Scorer::new(answers, measure).ok()?;
    let value = scorer.all().ok()?;
    let rows: Vec<usize> = (0..answers.len()).collect();
    let interval = scorer.interval(&rows).map(|interval| (interval.low, interval.high));
    Some(Compared { name, description, value, interval, difference: None })
}
