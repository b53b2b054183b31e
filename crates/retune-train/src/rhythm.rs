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
}
