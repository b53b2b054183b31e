//! What a search found, and the files that say it.

use std::cmp::Ordering;
use std::path::PathBuf;

use serde::Serialize;

use super::recipes::recipe_at;
use super::sweep::Sweep;
use super::trial::{Trial, TrialState};
use crate::{Importance, Parameter, SearchError, importances};

/// What came of one trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialResult {
    /// The trial.
    #[serde(flatten)]
    pub trial: Trial,
    /// The measure; `None` where it has none.
    pub value: Option<f64>,
    /// The epoch of the model that was measured.
    pub epoch: Option<f64>,
    /// Epochs that were trained.
    pub trained: Option<f64>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepResult {
    /// The measure that trials are compared by.
    pub metric: String,
    /// Whether less of it is better.
    pub less_is_better: bool,
    /// Whether all trials are done; where not, the search was stopped and can go on.
    pub is_done: bool,
    /// The trials, the best first: those that finished, then those that came less far, then those that failed.
    pub trials: Vec<TrialResult>,
    /// How much each parameter mattered, from measures at the first rung where there are rungs.
    pub importance: Vec<Importance>,
    /// The recipe of the best trial that finished.
    pub best_recipe: Option<PathBuf>,
    /// The space.
    #[serde(skip)]
    pub space: Vec<Parameter>,
}

impl Sweep<'_> {
    /// Puts the trials in order, writes what they say, and gives it.
    pub(super) fn result(self, is_done: bool) -> Result<SweepResult, SearchError> {
        let of = |trial: &Trial| {
            let found = self.measured(trial, None);
            TrialResult {
                trial: trial.clone(),
                value: found.map(|found| found.value),
                epoch: found.map(|found| found.epoch),
                trained: found.map(|found| found.trained),
            }
        };
        let mut trials: Vec<TrialResult> = self.trials.iter().map(of).collect();
        let standing = |result: &TrialResult| match result.trial.state {
            TrialState::Finished => 0,
            TrialState::Failed { .. } => 2,
            _ => 1,
        };
        let number = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
        trials.sort_by(|a, b| {
            let by_epochs =
                if standing(a) == 1 { number(b.trained).total_cmp(&number(a.trained)) } else { Ordering::Equal };
            let loss = |result: &TrialResult| result.value.map_or(f64::INFINITY, |value| self.loss(value));
            standing(a).cmp(&standing(b)).then(by_epochs).then(loss(a).total_cmp(&loss(b)))
        });
        let measured: Vec<(Vec<f64>, f64)> = self
            .trials
            .iter()
            .filter(|trial| !matches!(trial.state, TrialState::Failed { .. }))
            .filter_map(|trial| Some((trial.point.clone(), self.measured(trial, self.rung_epoch(0))?.value)))
            .collect();
        let best_recipe = match self.best() {
            None => None,
            Some(best) => {
                let mut recipe = recipe_at(&self.recipe, &self.plan, &self.trials[best].point);
                recipe.set("run.output", &self.folder.path.join("best").to_string_lossy(), "sweep");
                Some(self.folder.write("best.toml", &recipe.to_toml()?)?)
            }
        };
        let result = SweepResult {
            metric: self.plan.metric.to_string(),
            less_is_better: self.plan.metric.is_loss(),
            is_done,
            importance: importances(&self.space, &measured),
            trials,
            best_recipe,
            space: self.space.clone(),
        };
        let json = |source| SearchError::Damaged { path: self.folder.path.join("sweep.json"), source };
        self.folder.write("sweep.json", &(serde_json::to_string_pretty(&result).map_err(json)? + "\n"))?;
        if let Some(svg) = crate::plot::sweep(&result) {
            self.folder.write("sweep.svg", &svg)?;
        }
        Ok(result)
    }
}
