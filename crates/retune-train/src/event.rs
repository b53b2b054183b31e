//! What a run tells whoever watches it.

use std::time::Duration;

use crate::evaluation::Evaluation;

/// Something that happened in a run, in order. The watcher decides what a person sees of it.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something that a user should know and need not act on.
    Notice(&'a str),
    /// Training begins, or goes on at a later step.
    Started {
        /// Steps done already.
        step: u64,
        /// Steps in all.
        total_steps: u64,
    },
    /// An optimiser step is done.
    Step(&'a StepReport),
    /// A loss lies far above those before it.
    Spike {
        /// The step, from 1.
        step: u64,
        /// The loss.
        loss: f64,
        /// The running mean before it.
        mean: f64,
    },
    /// A batch was left out, since its loss or gradient was not finite.
    Skipped {
        /// The step, from 1.
        step: u64,
        /// How many were left out so far.
        skipped: u64,
    },
    /// A step moved nothing, since gradients of the scaled loss were beyond float16's range.
    Overflow {
        /// The step, from 1.
        step: u64,
        /// What losses are multiplied by from then on.
        scale: f64,
    },
    /// A batch did not fit into memory and was computed in smaller parts, as those after it will be.
    Split {
        /// The step, from 1.
        step: u64,
        /// Tokens of the part that did not fit.
        tokens: usize,
    },
    /// An evaluation has come so far.
    Evaluating {
        /// Examples done.
        done: usize,
        /// Examples in all.
        total: usize,
    },
    /// An evaluation is done.
    Evaluated {
        /// Which data: `validation` or `test`.
        split: &'static str,
        /// Epochs done, possibly a fraction.
        epoch: f64,
        /// What came out.
        evaluation: &'a Evaluation,
        /// Whether it is the best so far.
        best: bool,
    },
}

/// One optimiser step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps in all.
    pub total_steps: u64,
    /// Epochs done, possibly a fraction.
    pub epoch: f64,
    /// The batch's mean loss.
    pub loss: f64,
    /// The learning rate that the step used.
    pub learning_rate: f64,
    /// The gradient's global 2-norm before clipping.
    pub gradient_norm: f64,
    /// The 2-norms of the gradients of single parameters, before clipping, each with the parameter's place among those
    /// that move.
    pub parameter_norms: Vec<(usize, f64)>,
    /// Tokens in the batch; none of them is padding.
    pub tokens: usize,
    /// Examples in the batch.
    pub examples: usize,
    /// How long the step took.
    pub elapsed: Duration,
    /// Whether the step closes a line of the log.
    pub logged: Option<Logged>,
}

/// Means over the steps since the last line of the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logged {
    /// The mean loss.
    pub loss: f64,
    /// Tokens a second, evaluation and saving left out.
    pub tokens_per_second: f64,
}
