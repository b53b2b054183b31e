//! When what happens between two steps.

use retune_recipe::Plan;

/// The steps of a run, and after which of them something is due. Steps are counted from 1: `after(n)` is asked when `n`
/// steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// All steps.
    pub total_steps: u64,
    /// Steps in a pass over the training data.
    pub steps_per_epoch: u64,
    evaluate_every: u64,
    save_every: u64,
    log_every: u64,
    pause_after: Option<u64>,
}

impl Rhythm {
    /// As a plan has it, with so many batches in an epoch.
    pub fn new(plan: &Plan, steps_per_epoch: usize) -> Self {
        let all_epochs = (plan.train.epochs * steps_per_epoch as f64).ceil() as u64;
        let steps_per_epoch = steps_per_epoch as u64;
        let every = |steps: Option<usize>| steps.map_or(steps_per_epoch, |steps| steps as u64);
        Self {
            total_steps: plan.train.max_steps.map_or(all_epochs, |most| all_epochs.min(most as u64)),
            steps_per_epoch,
            evaluate_every: every(plan.evaluation.every),
            save_every: every(plan.checkpoint.every),
            log_every: plan.train.log_every as u64,
            pause_after: None,
        }
    }

    /// Pausing at the end of an epoch, counted from 1.
    #[must_use]
    pub fn pausing_after(self, epoch: u64) -> Self {
        Self { pause_after: Some(epoch.saturating_mul(self.steps_per_epoch)), ..self }
    }

    /// Epochs done, possibly a fraction.
    pub fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch as f64
    }

    pub(crate) fn is_last(&self, step: u64) -> bool {
        step >= self.total_steps
    }

    pub(crate) fn logs_after(&self, step: u64) -> bool {
        step.is_multiple_of(self.log_every) || self.is_last(step)
    }

    pub(crate) fn evaluates_after(&self, step: u64) -> bool {
        step.is_multiple_of(self.evaluate_every) || self.is_last(step)
    }

    pub(crate) fn saves_after(&self, step: u64) -> bool {
        step.is_multiple_of(self.save_every) && !self.is_last(step)
    }

    pub(crate) fn pauses_after(&self, step: u64) -> bool {
        self.pause_after == Some(step) && !self.is_last(step)
    }

    /// Whether anything at all is due: what all steps so far have seen must be known.
    pub(crate) fn is_due_after(&self, step: u64) -> bool {
        self.logs_after(step) || self.evaluates_after(step) || self.saves_after(step) || self.pauses_after(step)
    }
}

#[cfg(test)]
mod tests {
    use retune_recipe::{Recipe, RecipeError};

    use super::*;

    /// The rhythm under these assignments, of so many batches in an epoch.
    fn rhythm(assignments: &[&str], batches: usize) -> Result<Rhythm, RecipeError> {
        let mut recipe = Recipe::new();
        for assignment in
            ["model.path=model", "data.train=train.csv", "data.text=text", "data.label=label"].iter().chain(assignments)
        {
            recipe.set_assignment(assignment);
        }
        Ok(Rhythm::new(&recipe.resolve()?, batches))
    }

    /// The steps after which something is due.
    fn steps(rhythm: &Rhythm, is_due: impl Fn(&Rhythm, u64) -> bool) -> Vec<u64> {
        (1..=rhythm.total_steps).filter(|step| is_due(rhythm, *step)).collect()
    }

    #[test]
    fn all_is_due_at_the_end_of_each_epoch_unless_said_otherwise() -> Result<(), RecipeError> {
        let rhythm = rhythm(&["train.epochs=3", "train.log_every=5"], 4)?;
        assert_eq!((rhythm.total_steps, rhythm.steps_per_epoch), (12, 4));
        assert_eq!(steps(&rhythm, Rhythm::evaluates_after), [4, 8, 12]);
        // At the end there is a model in place of a checkpoint.
        assert_eq!(steps(&rhythm, Rhythm::saves_after), [4, 8]);
        assert_eq!(steps(&rhythm, Rhythm::logs_after), [5, 10, 12]);
        assert!(steps(&rhythm, Rhythm::pauses_after).is_empty());
        assert_eq!(rhythm.epoch(6), 1.5);
        Ok(())
    }

    #[test]
    fn the_last_step_is_evaluated_wherever_it_falls() -> Result<(), RecipeError> {
        let rhythm = rhythm(&["train.epochs=2.5", "evaluation.every=3", "checkpoint.every=5"], 4)?;
        assert_eq!(rhythm.total_steps, 10);
        assert_eq!(steps(&rhythm, Rhythm::evaluates_after), [3, 6, 9, 10]);
        assert_eq!(steps(&rhythm, Rhythm::saves_after), [5]);
        assert!(!rhythm.is_last(9) && rhythm.is_last(10) && rhythm.is_last(11));
        Ok(())
    }

    #[test]
    fn part_of_a_batch_is_a_step_and_a_limit_only_lowers() -> Result<(), RecipeError> {
        let total = |assignments: &[&str]| rhythm(assignments, 4).map(|rhythm| rhythm.total_steps);
        assert_eq!(total(&["train.epochs=0.01"])?, 1);
        assert_eq!(total(&["train.epochs=1.3"])?, 6);
        assert_eq!(total(&["train.epochs=2", "train.max_steps=3"])?, 3);
        assert_eq!(total(&["train.epochs=2", "train.max_steps=30"])?, 8);
        Ok(())
    }

    #[test]
    fn a_pause_comes_after_its_epoch_and_never_at_the_end() -> Result<(), RecipeError> {
        let rhythm = rhythm(&["train.epochs=2.5"], 4)?;
        assert_eq!(steps(&rhythm.pausing_after(1), Rhythm::pauses_after), [4]);
        assert_eq!(steps(&rhythm.pausing_after(2), Rhythm::pauses_after), [8]);
        for never in [0, 3, u64::MAX] {
            assert!(steps(&rhythm.pausing_after(never), Rhythm::pauses_after).is_empty(), "{never}");
        }
        Ok(())
    }
}
