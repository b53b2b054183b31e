//! A learning curve: the same recipe on growing shares of the training set.

use std::path::Path;

use retune_recipe::{Recipe, SelectionMetric};
use serde::{Deserialize, Serialize};

use super::measured::measured;
use super::program::{Ended, Program, Running, Work, drive};
use super::trial::{Folder, Trial, TrialState};
use crate::{CurvePoint, LearningCurve, SearchError};

/// The key of a recipe that says which share of the training rows is used.
const FRACTION: &str = "data.train_fraction";

/// What is trained for a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveSettings {
    /// Shares of the training set, each above 0 and at most 1.
    pub fractions: Vec<f64>,
    /// Seeds, from the recipe's on; at least 1.
    pub seeds: u64,
    /// Trainings at the same time, at least 1.
    pub parallel: usize,
}

/// What a curve is made of and says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveResult {
    /// The measure.
    pub metric: String,
    /// How the error is made of it.
    pub error: String,
    /// Whether all is trained; where not, the curve was stopped and can go on.
    pub is_done: bool,
    /// What was measured, by share and seed.
    pub points: Vec<CurvePoint>,
    /// The measure of each point.
    pub values: Vec<f64>,
    /// Trainings that failed: share, seed and what they said.
    pub failed: Vec<(f64, u64, String)>,
    /// The curve.
    pub curve: LearningCurve,
}

struct Curve<'a> {
    folder: Folder,
    trials: Vec<Trial>,
    metric: SelectionMetric,
    program: &'a Program,
    watch: &'a mut dyn FnMut(&str),
}

/// Trains on growing shares and fits the curve. In a folder that holds the same curve, begun, it goes on.
///
/// # Errors
/// The recipe is wrong, the folder holds something else, a file cannot be written, the program cannot be started, or
/// every training fails.
pub fn curve(
    recipe: &Recipe,
    settings: &CurveSettings,
    output: &Path,
    program: &Program,
    watch: &mut dyn FnMut(&str),
) -> Result<CurveResult, SearchError> {
    let recipe = recipe.without_sweep();
    let plan = recipe.resolve()?;
    // Every recipe is checked before the first is trained.
    let mut trials = Vec::new();
    for seed in (0..settings.seeds).map(|more| plan.run.seed.saturating_add(more)) {
        for fraction in &settings.fractions {
            let number = trials.len() + 1;
            let mut of = recipe.clone();
            of.set("run.seed", &seed.to_string(), "--seeds");
            if *fraction < 1.0 {
                of.set(FRACTION, &format!("{fraction:?}"), "--fractions");
            }
            if settings.parallel > 1 && recipe.origin("run.threads").is_none() {
                let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
                of.set("run.threads", &(cores / settings.parallel).max(1).to_string(), "--parallel");
            }
            let run = output.join(format!("trials/{number:04}"));
            of.set("run.output", &run.to_string_lossy(), "--output");
            of.resolve()?;
            let values =
                vec![(FRACTION.to_owned(), format!("{fraction:?}")), ("run.seed".to_owned(), seed.to_string())];
            let point = vec![*fraction, seed as f64];
            trials.push((Trial { number, point, values, seconds: 0.0, state: TrialState::Waiting }, of));
        }
    }
    let folder = match Folder::open(output) {
        Ok((folder, begun)) if begun.to_toml()? == recipe.to_toml()? => folder,
        Ok(_) => return Err(SearchError::Exists { path: output.to_owned() }),
        Err(SearchError::NotASearch { .. }) => Folder::create(output, &recipe)?,
        Err(error) => return Err(error),
    };
    let begun = folder.trials()?;
    if begun.iter().zip(&trials).any(|(begun, (trial, _))| begun.values != trial.values) {
        return Err(SearchError::Exists { path: output.to_owned() });
    }
    for (trial, recipe) in &trials[begun.len().min(trials.len())..] {
        folder.add(trial, recipe)?;
    }
    let trials = folder.trials()?;
    let mut curve = Curve { folder, trials, metric: plan.evaluation.metric, program, watch };
    let is_done = drive(&mut curve, settings.parallel, &program.stop)?;
    curve.result(is_done, plan.run.seed)
}

impl Curve<'_> {
    fn value(&self, trial: &Trial) -> Option<f64> {
        let found = measured(&self.folder.run(trial.number), self.metric, self.metric, None)?;
        (trial.state == TrialState::Finished).then_some(found.value)
    }

    fn result(self, is_done: bool, seed: u64) -> Result<CurveResult, SearchError> {
        let (best, error) = match self.metric {
            metric if metric.is_loss() => (None, metric.to_string()),
            SelectionMetric::F1 | SelectionMetric::ExactMatch => (Some(100.0), format!("100 - {}", self.metric)),
            _ => (Some(1.0), format!("1 - {}", self.metric)),
        };
        let point = |trial: &Trial| {
            let value = self.value(trial)?;
            let error = best.map_or(value, |best| best - value);
            Some((CurvePoint { fraction: trial.point[0], seed: trial.point[1] as u64, error }, value))
        };
        let (points, values): (Vec<CurvePoint>, Vec<f64>) = self.trials.iter().filter_map(point).unzip();
        let failed = |trial: &Trial| match &trial.state {
            TrialState::Failed { message } => Some((trial.point[0], trial.point[1] as u64, message.clone())),
            _ => None,
        };
        let failed: Vec<_> = self.trials.iter().filter_map(failed).collect();
        let curve = LearningCurve::fit(&points, seed);
        let result = CurveResult { metric: self.metric.to_string(), error, is_done, points, values, failed, curve };
        let json = |source| SearchError::Damaged { path: self.folder.path.join("curve.json"), source };
        self.folder.write("curve.json", &(serde_json::to_string_pretty(&result).map_err(json)? + "\n"))?;
        if let Some(svg) = crate::plot::curve(&result) {
            self.folder.write("curve.svg", &svg)?;
        }
        Ok(result)
    }
}

impl Work for Curve<'_> {
    type Job = usize;

    fn next(&mut self) -> Result<Option<(usize, Running)>, SearchError> {
        let Some(place) = self.trials.iter().position(|trial| trial.state == TrialState::Waiting) else {
            return Ok(None);
        };
        let total = self.trials.len();
        let trial = &mut self.trials[place];
        let share = trial.point[0] * 100.0;
        (self.watch)(&format!("training {} of {total}: {share} % of the data, seed {}", trial.number, trial.point[1]));
        Ok(Some((place, self.folder.start(trial, None, self.program)?)))
    }

    fn ended(&mut self, place: usize, ended: Ended, seconds: f64) -> Result<(), SearchError> {
        self.folder.ended(&mut self.trials[place], ended, seconds)?;
        let trial = &self.trials[place];
        let line = match (&trial.state, self.value(trial)) {
            (TrialState::Failed { message }, _) => format!("failed: {message}"),
            (_, Some(value)) => format!("{} {value:.4}", self.metric),
            _ => "stopped".to_owned(),
        };
        (self.watch)(&format!("training {}: {line}", trial.number));
        // A curve needs the measures alone.
        self.folder.remove(trial.number, "model");
        let message = match &trial.state {
            TrialState::Failed { message } => message.clone(),
            _ => return Ok(()),
        };
        if self.trials.iter().all(|trial| matches!(trial.state, TrialState::Failed { .. })) {
            let log = self.folder.log(trial.number);
            return Err(SearchError::AllFail { trials: self.trials.len(), message, log });
        }
        Ok(())
    }
}
