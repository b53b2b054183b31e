//! The training loop: one batch from rows to a better model, and a run from its first step to its finished model.

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use retune_data::EpochOrder;
use retune_models::registry::Architecture;
use retune_models::{LoadReport, ModelConfig};
use retune_recipe::{Plan, Precision};

use crate::averaging::{Period, WeightAverage};
use crate::checkpoint::{self, NamedTensors, TrainingState, Writer};
use crate::diagnose::first_not_finite;
use crate::evaluate::Computation;
use crate::event::{Event, Logged, StepReport};
use crate::features::Features;
use crate::finish::{Outcome, finish};
use crate::gradient_norms::GradientNorms;
use crate::model_directory::Source;
use crate::moving::Thaw;
use crate::network::Network;
use crate::optimizers::Optimizer;
use crate::record::{Throughput, overflow_record, skipped_record, spike_record, train_record};
use crate::rhythm::Rhythm;
use crate::step::{QueuedStep, StepRows, StepSettings, queue_step};
use crate::strategy::Pace;
use crate::task::{Encoded, Splits, Task};
use crate::{RunDirectory, TrainError};

/// A run that is ready to start: everything is read, checked and loaded, and nothing is written.
#[derive(Debug)]
pub struct Trainer<T: Task> {
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    pub(crate) config: ModelConfig,
    pub(crate) architecture: &'static Architecture,
    pub(crate) task: T,
    pub(crate) data: Splits<T::Examples>,
    pub(crate) train: Encoded<T::Targets>,
    pub(crate) validation: Encoded<T::Targets>,
    pub(crate) test: Option<Encoded<T::Targets>>,
    pub(crate) network: Network,
    /// The parameters that move at any time of the run.
    pub(crate) moved: NamedTensors,
    pub(crate) thaw: Option<Thaw>,
    pub(crate) average: Option<(WeightAverage, Period)>,
    /// What the head reads of the training and of the validation data, where the encoder stays as it is.
    pub(crate) features: [Option<Features>; 2],
    pub(crate) load_report: LoadReport,
    pub(crate) optimizer: Optimizer,
    pub(crate) pace: Pace,
    pub(crate) order: EpochOrder,
    pub(crate) rhythm: Rhythm,
    pub(crate) computation: Computation,
    /// Whether the numbers of a step are read when the next one is queued, so that a GPU never waits for the host.
    pub(crate) reads_late: bool,
}

/// A step that is queued, and what is needed to tell of it once it is read.
struct Unread {
    queued: QueuedStep,
    epoch: u64,
    parts: Vec<Vec<usize>>,
    learning_rate: f64,
    scales_loss: bool,
    step: u64,
    elapsed: Duration,
}

/// Batches in a row that may be left out before a run is given up.
const MOST_SKIPPED: u64 = 20;

impl<T: Task> Trainer<T> {
    /// Trains from the first step, or from the newest checkpoint of the run, to the finished model. Where `stop` becomes
    /// true, the step at hand is finished and a checkpoint written.
    ///
    /// # Errors
    /// A file cannot be written, or the loss is not a number any more. A run that could not write its first checkpoint
    /// leaves nothing behind.
    pub fn run(
        mut self,
        mut directory: RunDirectory,
        watch: &mut dyn FnMut(Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let ended = self.run_in(&mut directory, watch, stop);
        let is_refusal = |error: &TrainError| {
            use TrainError::{Data, Input, Metrics, Model, Write};
            matches!(error, Write { .. } | Model(_) | Data(_) | Input { .. } | Metrics(_))
        };
        if ended.as_ref().is_err_and(is_refusal) && checkpoint::is_none(&directory.checkpoints())? {
            directory.discard();
        }
        ended
    }

    fn run_in(
        &mut self,
        directory: &mut RunDirectory,
        watch: &mut dyn FnMut(Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let folder = directory.checkpoints();
        fs::create_dir_all(&folder).map_err(|source| TrainError::Write { path: folder.clone(), source })?;
        let mut state = self.resume(directory, watch)?;
        self.compute_features(watch)?;
        let mut writer = Writer::new(folder, self.plan.checkpoint.keep)?;
        let total_steps = self.rhythm.total_steps;
        let (mut throughput, mut since_log) = (Throughput::default(), Throughput::default());
        watch(Event::Started { step: state.step, total_steps });

        let mut unread: VecDeque<Unread> = VecDeque::new();
        while !self.is_over(&state) {
            let queued = self.queue(&mut state, unread.back())?;
            unread.push_back(queued);
            let is_due = stop.load(Ordering::Relaxed) || self.rhythm.is_due_after(state.step);
            let kept = usize::from(self.reads_late && !is_due);
            while unread.len() > kept
                && let Some(step) = unread.pop_front()
            {
                let mut report = self.read(step, &mut state, directory, watch)?;
                throughput.add(&report);
                since_log.add(&report);
                // Where all steps since the last line were left out, there is no loss to tell of.
                if self.rhythm.logs_after(report.step) && state.unlogged.1 > 0 {
                    let loss = state.unlogged.0 / state.unlogged.1 as f64;
                    report.logged = Some(Logged { loss, tokens_per_second: since_log.tokens_per_second() });
                    let norms = self.named_norms(&report);
                    directory.log(&train_record(&report, loss, since_log.tokens_per_second(), &norms))?;
                    directory.log_gradients(report.step, &norms)?;
                    state.unlogged = (0.0, 0);
                    since_log = Throughput::default();
                }
                watch(Event::Step(&report));
            }
            if self.rhythm.evaluates_after(state.step) {
                self.evaluate_and_keep(&mut state, directory, &mut writer, watch)?;
            }
            let stops = unread.is_empty() && !self.is_over(&state) && stop.load(Ordering::Relaxed);
            let pauses = !self.is_over(&state) && self.rhythm.pauses_after(state.step);
            if self.rhythm.saves_after(state.step) || stops || pauses {
                self.save(&state, directory, &mut writer)?;
            }
            if stops || pauses {
                writer.finish()?;
                let checkpoint = checkpoint::newest(&directory.checkpoints())?.newest.unwrap_or_default();
                return Ok(Outcome::Interrupted { step: state.step, total_steps, checkpoint, asked: pauses });
            }
        }
        writer.finish()?;
        finish(self, state, directory, &throughput, watch)
    }

    /// Whether training is at its end: all steps are done, or evaluations get no better.
    fn is_over(&self, state: &TrainingState) -> bool {
        let patience = self.plan.evaluation.patience.map_or(u64::MAX, |patience| patience as u64);
        self.rhythm.is_last(state.step) || state.without_better >= patience
    }

    /// One optimiser step on the next rows, of which nothing is read; `before` is the one before it, if that is not read
    /// yet.
    fn queue(&mut self, state: &mut TrainingState, before: Option<&Unread>) -> Result<Unread, TrainError> {
        let start = Instant::now();
        let epoch = self.order.state().epoch;
        let rows = self.order.next_batch();
        let settings = self.settings(state);
        if let Some(thaw) = &self.thaw {
            thaw.at(state.step);
        }
        let rows = StepRows {
            encoded: &self.train,
            features: self.features[0].as_ref(),
            epoch,
            parts: self.parts(&rows, state),
        };
        let before = before.map(|unread| &unread.queued);
        let queued = queue_step(&self.network, &self.moved, &self.task, &mut self.optimizer, &rows, &settings, before)?;
        let parts = rows.parts;
        state.step += 1;
        state.order = self.order.state();
        if let Some(tokens) = queued.too_large() {
            state.part_tokens = Some(tokens / 2);
        }
        match &mut self.average {
            Some((average, period)) if period.includes(state.step) => average.update()?,
            _ => {}
        }
        Ok(Unread {
            queued,
            epoch,
            parts,
            learning_rate: settings.learning_rate,
            scales_loss: settings.loss_scale.is_some(),
            step: state.step,
            elapsed: start.elapsed(),
        })
    }

    /// What a queued step saw, and tells of what it needs to.
    fn read(
        &mut self,
        unread: Unread,
        state: &mut TrainingState,
        directory: &mut RunDirectory,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<StepReport, TrainError> {
        let start = Instant::now();
        let Unread { queued, epoch, parts, learning_rate, scales_loss, step, elapsed } = unread;
        let numbers = queued.read(&self.moved).map_err(|error| self.with_place(error, &parts, epoch))?;
        if scales_loss {
            state.loss_scale.update(numbers.moved);
        }
        if numbers.overflowed {
            directory.log(&overflow_record(step, state.loss_scale.factor()))?;
            watch(Event::Overflow { step, scale: state.loss_scale.factor() });
        } else if numbers.moved {
            state.unlogged = (state.unlogged.0 + numbers.loss, state.unlogged.1 + 1);
            state.skipped_in_a_row = 0;
            if let Some(mean) = state.losses.see(numbers.loss) {
                directory.log(&spike_record(step, numbers.loss, mean, &parts.concat()))?;
                watch(Event::Spike { step, loss: numbers.loss, mean });
            }
        } else {
            state.skipped += 1;
            state.skipped_in_a_row += 1;
            directory.log(&skipped_record(step, &parts.concat(), state.skipped))?;
            watch(Event::Skipped { step, skipped: state.skipped });
            if state.skipped_in_a_row >= MOST_SKIPPED {
                return Err(TrainError::NothingButSkipped { step, batches: MOST_SKIPPED });
            }
        }
        if let Some(tokens) = numbers.too_large {
            watch(Event::Split { step, tokens });
        }
        Ok(StepReport {
            step,
            total_steps: self.rhythm.total_steps,
            epoch: self.rhythm.epoch(step),
            loss: numbers.loss,
            learning_rate,
            gradient_norm: numbers.gradient_norm,
            parameter_norms: numbers.parameter_norms,
            tokens: numbers.tokens,
            examples: parts.iter().map(Vec::len).sum(),
            elapsed: elapsed + start.elapsed(),
            logged: None,
        })
    }

    pub(crate) fn settings(&self, state: &TrainingState) -> StepSettings {
        StepSettings {
            computation: self.computation,
            learning_rate: self.pace.rate(state.step, &state.plateau),
            max_gradient_norm: self.plan.train.max_grad_norm,
            max_gradient_value: self.plan.train.max_grad_value,
            r_drop: self.plan.regularization.r_drop,
            embedding_noise: Some(self.plan.regularization.neftune_alpha),
            sparse_embeddings: self.optimizer.takes_sparse(),
            loss_scale: (self.computation.precision == Precision::Fp16).then_some(state.loss_scale),
            non_finite: self.plan.train.non_finite,
            step: state.step + 1,
        }
    }

    fn named_norms(&self, report: &StepReport) -> GradientNorms {
        report.parameter_norms.iter().map(|(place, norm)| (self.moved[*place].0.clone(), *norm)).collect()
    }

    /// An error with the place where a loss that is not finite came from. Other errors stay as they are: to seek where
    /// memory ran out would need as much of it.
    fn with_place(&self, error: TrainError, parts: &[Vec<usize>], epoch: u64) -> TrainError {
        let TrainError::NotFinite { step, what: "loss", value, rows, place } = error else { return error };
        let found = parts.iter().find_map(|part| {
            let batch = self.task.batch(&self.train, part, epoch).ok()?;
            first_not_finite(&self.network, &batch, self.computation.device).ok().filter(|place| !place.is_empty())
        });
        TrainError::NotFinite { step, what: "loss", value, rows, place: found.unwrap_or(place) }
    }
}
