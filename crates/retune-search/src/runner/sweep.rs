//! A search over recipes.

use std::path::Path;

use retune_recipe::{KeepChoice, Recipe, SamplerChoice, SelectionMetric, SweepPlan};

use super::measured::{Measured, is_better, measured};
use super::program::{Ended, Program, Running, Work, drive};
use super::recipes::{check_space, first_point, parameters, recipe_at, values_at};
use super::result::SweepResult;
use super::trial::{Folder, Trial, TrialState};
use crate::{Halving, Observation, Outcome, Parameter, Sampler, SearchError, Standing};

/// Failures of the first trials that end a search.
const FAILURES: usize = 3;

/// A search at work.
pub(super) struct Sweep<'a> {
    pub(super) folder: Folder,
    pub(super) recipe: Recipe,
    pub(super) plan: SweepPlan,
    /// The measure that decides which epoch's model a trial keeps.
    deciding: SelectionMetric,
    pub(super) space: Vec<Parameter>,
    pub(super) trials: Vec<Trial>,
    program: &'a Program,
    is_exhausted: bool,
    watch: &'a mut dyn FnMut(&str),
}

/// Starts a search in a new folder. `watch` gets lines for a person.
///
/// # Errors
/// The section `[sweep]` or a recipe of the space is wrong, the folder holds something, a file cannot be written, the
/// program cannot be started, or the first three trials fail.
pub fn sweep(
    recipe: &Recipe,
    output: &Path,
    program: &Program,
    watch: &mut dyn FnMut(&str),
) -> Result<SweepResult, SearchError> {
    let plan = recipe.sweep()?;
    check_space(recipe, &plan)?;
    let folder = Folder::create(output, recipe)?;
    Sweep::new(folder, recipe.clone(), plan, program, watch)?.run()
}

/// Goes on with a search that was stopped or killed; of one that is done, gives its result.
///
/// # Errors
/// As [`sweep`]; the folder holds no search, or a trial's process still runs.
pub fn resume_sweep(output: &Path, program: &Program, watch: &mut dyn FnMut(&str)) -> Result<SweepResult, SearchError> {
    let (folder, recipe) = Folder::open(output)?;
    let plan = recipe.sweep()?;
    Sweep::new(folder, recipe, plan, program, watch)?.run()
}

impl<'a> Sweep<'a> {
    fn new(
        folder: Folder,
        recipe: Recipe,
        plan: SweepPlan,
        program: &'a Program,
        watch: &'a mut dyn FnMut(&str),
    ) -> Result<Self, SearchError> {
        let trials = folder.trials()?;
        let space = parameters(&plan);
        let deciding = recipe_at(&recipe, &plan, &first_point(&plan)).resolve()?.evaluation.metric;
        Ok(Self { folder, recipe, deciding, space, plan, trials, program, is_exhausted: false, watch })
    }

    fn run(mut self) -> Result<SweepResult, SearchError> {
        let (parallel, stop) = (self.plan.parallel, self.program.stop.clone());
        let is_done = drive(&mut self, parallel, &stop)?;
        self.result(is_done)
    }

    fn halving(&self) -> Option<Halving> {
        self.plan.halving.map(|factor| Halving { factor, min_epochs: self.plan.min_epochs })
    }

    /// The plan's epochs of a trial.
    fn epochs(&self, trial: &Trial) -> f64 {
        let plan = recipe_at(&self.recipe, &self.plan, &trial.point).resolve();
        plan.map_or(f64::INFINITY, |plan| plan.train.epochs)
    }

    /// The measure of a trial up to an epoch.
    pub(super) fn measured(&self, trial: &Trial, until: Option<u64>) -> Option<Measured> {
        measured(&self.folder.run(trial.number), self.plan.metric, self.deciding, until)
    }

    pub(super) fn loss(&self, value: f64) -> f64 {
        if self.plan.metric.is_loss() { value } else { -value }
    }

    /// The epoch of a rung, whatever a trial's epochs.
    pub(super) fn rung_epoch(&self, rung: usize) -> Option<u64> {
        self.halving().and_then(|halving| halving.pause(rung, f64::INFINITY))
    }

    /// The trials of the furthest rung that is reached, and the epochs to which each of them trains.
    fn furthest(&self) -> (Vec<usize>, Vec<Option<u64>>) {
        let mut members: Vec<usize> = (0..self.trials.len()).collect();
        let mut is_open = self.trials.len() < self.plan.trials && !self.is_exhausted;
        for rung in 0.. {
            let of = |place: &usize| {
                let trial = &self.trials[*place];
                self.halving().and_then(|halving| halving.pause(rung, self.epochs(trial)))
            };
            let until: Vec<Option<u64>> = members.iter().map(of).collect();
            let settled = |(place, until): (&usize, &Option<u64>)| match self.trials[*place].state {
                TrialState::Finished | TrialState::Failed { .. } => true,
                TrialState::Paused { epoch } => until.is_some_and(|until| epoch >= until),
                _ => false,
            };
            let is_last = until.iter().all(Option::is_none);
            is_open |= !members.iter().zip(&until).all(settled);
            let Some(halving) = self.halving().filter(|_| !is_open && !is_last) else { return (members, until) };
            let standing = |place: &usize| {
                let trial = &self.trials[*place];
                let failed = matches!(trial.state, TrialState::Failed { .. });
                let found = self.measured(trial, self.rung_epoch(rung)).filter(|_| !failed);
                Standing { trial: *place, loss: found.map(|found| self.loss(found.value)) }
            };
            let standings: Vec<Standing> = members.iter().map(standing).collect();
            members = halving.promoted(&standings);
        }
        (members, Vec::new())
    }

    fn history(&self) -> Vec<Observation> {
        let outcome = |trial: &Trial| match trial.state {
            TrialState::Failed { .. } => Outcome::Failed,
            TrialState::Finished | TrialState::Paused { .. } => match self.measured(trial, self.rung_epoch(0)) {
                Some(found) => Outcome::Measured { rung: 0, loss: self.loss(found.value) },
                None => Outcome::Failed,
            },
            TrialState::Waiting | TrialState::Training { .. } => Outcome::Pending,
        };
        self.trials.iter().map(|trial| Observation { point: trial.point.clone(), outcome: outcome(trial) }).collect()
    }

    /// Draws a new trial; `None` where the space is exhausted.
    fn draw(&mut self) -> Result<Option<usize>, SearchError> {
        let sampler = match self.plan.sampler {
            SamplerChoice::Random => Sampler::Random,
            SamplerChoice::Tpe => Sampler::Tpe,
        };
        let history = self.history();
        let Some(point) = sampler.propose(&self.space, self.plan.seed, self.trials.len() as u64, &history) else {
            self.is_exhausted = true;
            (self.watch)("every point of the space was tried");
            return Ok(None);
        };
        let number = self.trials.len() + 1;
        let values = values_at(&self.plan, &point).into_iter();
        let values = values.map(|(key, value)| (key.to_owned(), value.to_string())).collect();
        let mut recipe = recipe_at(&self.recipe, &self.plan, &point);
        recipe.set("run.output", &self.folder.run(number).to_string_lossy(), "sweep");
        let trial = Trial { number, point, values, seconds: 0.0, state: TrialState::Waiting };
        self.folder.add(&trial, &recipe)?;
        self.trials.push(trial);
        Ok(Some(number - 1))
    }

    /// Removes what no rung and no reader will ask for.
    fn tidy(&self) {
        if self.plan.keep == KeepChoice::All {
            return;
        }
        let (members, _) = self.furthest();
        let best = self.best();
        for (place, trial) in self.trials.iter().enumerate() {
            match trial.state {
                TrialState::Paused { .. } if !members.contains(&place) => {
                    self.folder.remove(trial.number, "checkpoints");
                }
                TrialState::Finished if best.is_some_and(|best| best != place) => {
                    self.folder.remove(trial.number, "model");
                }
                _ => {}
            }
        }
    }

    /// The best of those that finished.
    pub(super) fn best(&self) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (place, trial) in self.trials.iter().enumerate().filter(|(_, trial)| trial.state == TrialState::Finished) {
            let Some(found) = self.measured(trial, None) else { continue };
            if best.is_none_or(|(_, value)| is_better(self.plan.metric, found.value, value)) {
                best = Some((place, found.value));
            }
        }
        best.map(|(place, _)| place)
    }
}

impl Work for Sweep<'_> {
    type Job = usize;

    fn next(&mut self) -> Result<Option<(usize, Running)>, SearchError> {
        let (members, until) = self.furthest();
        let is_startable = |(place, until): &(usize, Option<u64>)| match self.trials[*place].state {
            TrialState::Waiting => true,
            TrialState::Paused { epoch } => until.is_none_or(|until| epoch < until),
            _ => false,
        };
        let waiting = members.into_iter().zip(until).find(is_startable);
        let (place, until) = match waiting {
            Some(waiting) => waiting,
            None if self.trials.len() >= self.plan.trials || self.is_exhausted => return Ok(None),
            None => match self.draw()? {
                None => return self.next(),
                Some(place) => {
                    let epochs = self.epochs(&self.trials[place]);
                    (place, self.halving().and_then(|halving| halving.pause(0, epochs)))
                }
            },
        };
        let trial = &mut self.trials[place];
        let values: Vec<String> = trial.values.iter().map(|(key, value)| format!("{key} {value}")).collect();
        let goal = until.map_or_else(String::new, |until| format!(", to epoch {until}"));
        (self.watch)(&format!("trial {} of {}{goal}: {}", trial.number, self.plan.trials, values.join("  ")));
        let running = self.folder.start(trial, until, self.program)?;
        Ok(Some((place, running)))
    }

    fn ended(&mut self, place: usize, ended: Ended, seconds: f64) -> Result<(), SearchError> {
        self.folder.ended(&mut self.trials[place], ended, seconds)?;
        let trial = &self.trials[place];
        let line = match (&trial.state, self.measured(trial, None)) {
            (TrialState::Failed { message }, _) => format!("failed: {message}"),
            (TrialState::Waiting, _) => "stopped".to_owned(),
            (_, Some(found)) => format!("{} {:.4} after {} epochs", self.plan.metric, found.value, found.trained),
            (_, None) => "not measured".to_owned(),
        };
        (self.watch)(&format!("trial {}: {line}", trial.number));
        let failed = |trial: &&Trial| matches!(trial.state, TrialState::Failed { .. });
        if let TrialState::Failed { message } = &trial.state
            && self.trials.len() >= FAILURES
            && self.trials.iter().take(FAILURES).filter(failed).count() == FAILURES
            && !self.trials.iter().any(|trial| matches!(trial.state, TrialState::Finished | TrialState::Paused { .. }))
        {
            let (message, log) = (message.clone(), self.folder.log(trial.number));
            return Err(SearchError::AllFail { trials: FAILURES, message, log });
        }
        self.tidy();
        Ok(())
    }
}
