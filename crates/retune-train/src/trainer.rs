//! The training loop: one batch from rows to a better model, and a run from its first step to its finished model.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use retune_data::EpochOrder;
use retune_models::registry::Architecture;
use retune_models::{HeadPolicy, LoadReport, ModelConfig};
use retune_recipe::{Plan, SelectionMetric};
use tch::Device;

use crate::checkpoint::{self, Best, TrainingState};
use crate::evaluate::{Computation, Outputs, evaluate};
use crate::evaluation::is_better;
use crate::event::{Event, Logged, StepReport};
use crate::finish::{Outcome, finish};
use crate::model_directory::{Source, load_tokenizer};
use crate::network::Network;
use crate::optimizers::{AdamW, GroupSettings, Optimizer, groups};
use crate::record::{Throughput, evaluation_record, train_record};
use crate::schedules::{Schedule, Shape, Span};
use crate::step::{StepSettings, train_step};
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
    train: Encoded<T::Targets>,
    pub(crate) validation: Encoded<T::Targets>,
    pub(crate) test: Option<Encoded<T::Targets>>,
    pub(crate) network: Network,
    load_report: LoadReport,
    optimizer: Optimizer,
    schedule: Schedule,
    pub(crate) order: EpochOrder,
    computation: Computation,
}

impl<T: Task> Trainer<T> {
    /// Loads and tokenises everything that a plan needs. The seed is set before anything is drawn.
    ///
    /// # Errors
    /// All that can be wrong with the model's files, and what libtorch refuses.
    pub fn new(
        plan: Plan,
        source: Source,
        mut task: T,
        data: Splits<T::Examples>,
        device: Device,
    ) -> Result<Self, TrainError> {
        retune_torch::random::seed(plan.run.seed);
        let config = ModelConfig::read(&source.directory)?;
        task.size(&config);
        let (network, load_report) =
            Network::load(&source.directory, &config, task.output(), HeadPolicy::Draw, plan.data.max_length, device)?;
        let tokenizer =
            load_tokenizer(&source.directory, &network, plan.data.max_length)?.with_cache(source.tokens.clone());
        task.prepare(&tokenizer, &source.directory)?;
        let train = task.encode(&data.train, &tokenizer)?;
        let validation = task.encode(&data.validation, &tokenizer)?;
        let test = data.test.as_ref().map(|test| task.encode(test, &tokenizer)).transpose()?;
        let at_least_one = |size: usize| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        let order = EpochOrder::new(plan.run.seed, at_least_one(train.rows()), at_least_one(plan.train.batch_size));
        let all_epochs = (plan.train.epochs * order.batches_per_epoch() as f64).ceil() as u64;
        let total_steps = plan.train.max_steps.map_or(all_epochs, |most| all_epochs.min(most as u64));
        let rule =
            AdamW { beta1: plan.train.adam_beta1, beta2: plan.train.adam_beta2, epsilon: plan.train.adam_epsilon };
        let settings = GroupSettings { weight_decay: plan.train.weight_decay, ..GroupSettings::default() };
        let groups = groups(network.parameters().iter(), &settings)?;
        Ok(Self {
            architecture: Architecture::of(&config)?,
            config,
            optimizer: Optimizer::new(Box::new(rule), groups),
            schedule: Schedule::new(Shape::Linear, Span::Fraction(plan.train.warmup_fraction), total_steps),
            computation: Computation {
                device,
                precision: plan.run.precision,
                batch_size: at_least_one(plan.evaluation.batch_size),
            },
            plan,
            source,
            task,
            data,
            train,
            validation,
            test,
            network,
            load_report,
            order,
        })
    }

    /// What the checkpoint lacked, and had besides.
    pub fn load_report(&self) -> &LoadReport {
        &self.load_report
    }

    /// What the user should know of the data: for each data set, lines such as how many texts were cut.
    pub fn notes(&self) -> Vec<(&'static str, &str)> {
        let sets =
            [("training", Some(&self.train)), ("validation", Some(&self.validation)), ("test", self.test.as_ref())];
        let notes = sets.into_iter().filter_map(|(name, set)| Some((name, &set?.notes)));
        notes.flat_map(|(name, notes)| notes.iter().map(move |note| (name, note.as_str()))).collect()
    }

    /// The task.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

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
        if ended.as_ref().is_err_and(is_refusal) && checkpoint::newest(&directory.checkpoints())?.is_none() {
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
        let mut state = match checkpoint::newest(&folder)? {
            Some(newest) => self.resume(&newest)?,
            None => TrainingState::default(),
        };
        directory.rewind(state.step)?;
        let total_steps = self.schedule.total_steps;
        let mut throughput = Throughput::default();
        let mut since_log = Throughput::default();
        watch(Event::Started { step: state.step, total_steps });

        while state.step < total_steps {
            let epoch = self.order.state().epoch;
            let rows = self.order.next_batch();
            let mut report = self.step(&rows, epoch, &mut state)?;
            throughput.add(&report);
            since_log.add(&report);
            state.unlogged.0 += report.loss;
            state.unlogged.1 += 1;
            if state.step.is_multiple_of(self.plan.train.log_every as u64) || state.step == total_steps {
                let loss = state.unlogged.0 / state.unlogged.1 as f64;
                report.logged = Some(Logged { loss, tokens_per_second: since_log.tokens_per_second() });
                directory.log(&train_record(&report, loss, since_log.tokens_per_second()))?;
                state.unlogged = (0.0, 0);
                since_log = Throughput::default();
            }
            watch(Event::Step(&report));
            if self.order.state().position == 0 || state.step == total_steps {
                self.end_epoch(&mut state, directory, watch)?;
            }
            let saves = self.order.state().position == 0 && state.step < total_steps;
            let stops = stop.load(Ordering::Relaxed) && state.step < total_steps;
            if saves || stops {
                let checkpoint = self.save(&folder, &state)?;
                if stops {
                    return Ok(Outcome::Interrupted { step: state.step, total_steps, checkpoint });
                }
            }
        }
        finish(self, state, directory, &throughput, watch)
    }

    /// One optimiser step on these rows.
    fn step(&mut self, rows: &[usize], epoch: u64, state: &mut TrainingState) -> Result<StepReport, TrainError> {
        let start = Instant::now();
        let size = self.plan.train.micro_batch_size.unwrap_or(rows.len()).max(1);
        let parts = rows.chunks(size).map(|rows| self.task.batch(&self.train, rows, epoch));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let tokens = parts.iter().map(|part| part.packed.tokens()).sum();
        let settings = StepSettings {
            computation: self.computation,
            learning_rate: self.plan.train.learning_rate * self.schedule.factor(state.step),
            max_gradient_norm: self.plan.train.max_grad_norm,
            step: state.step + 1,
        };
        let numbers = train_step(&self.network, &self.task, &mut self.optimizer, parts, &settings)?;
        state.step += 1;
        state.order = self.order.state();
        Ok(StepReport {
            step: state.step,
            total_steps: self.schedule.total_steps,
            epoch: state.step as f64 / self.order.batches_per_epoch() as f64,
            loss: numbers.loss,
            learning_rate: settings.learning_rate,
            gradient_norm: numbers.gradient_norm,
            tokens,
            examples: rows.len(),
            elapsed: start.elapsed(),
            logged: None,
        })
    }

    /// Evaluates on the validation data and keeps the model if it is the best so far.
    fn end_epoch(
        &self,
        state: &mut TrainingState,
        directory: &mut RunDirectory,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), TrainError> {
        let outputs = self.outputs(&self.validation, watch)?;
        let evaluation = self.task.score(&self.data.validation, &self.validation, &outputs, None)?;
        let epoch = state.step as f64 / self.order.batches_per_epoch() as f64;
        let metric = self.plan.evaluation.metric;
        let value = evaluation.deciding(metric);
        if metric != SelectionMetric::Auto && evaluation.get(metric.as_str()).is_none() && state.best.is_none() {
            let first = evaluation.scores.first().map_or("none", |score| score.name);
            watch(Event::Notice(&format!("evaluation.metric {metric} is not measured on these data; {first} decides")));
        }
        let best = is_better(metric, value, state.best.as_ref().map(|best| best.value));
        if best {
            checkpoint::save_best(&directory.checkpoints(), self.network.parameters())?;
            state.best = Some(Best { epoch: epoch.ceil() as u64, step: state.step, value });
        }
        directory.log(&evaluation_record("validation", state.step, epoch, &evaluation))?;
        watch(Event::Evaluated { split: "validation", epoch, evaluation: &evaluation, best });
        Ok(())
    }

    /// The network's outputs for a data set.
    pub(crate) fn outputs(
        &self,
        encoded: &Encoded<T::Targets>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outputs, TrainError> {
        let total = encoded.tokenized.len();
        let mut progress = |done| watch(Event::Evaluating { done, total });
        evaluate(&self.network, &self.task, encoded, &self.computation, &mut progress)
    }

    /// Lets the task choose its thresholds on the validation data, where the plan asks for any.
    pub(crate) fn tune(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Vec<String>, TrainError> {
        let plan = &self.plan.evaluation;
        if !plan.tune_thresholds && !plan.calibrate {
            return Ok(Vec::new());
        }
        let outputs = self.outputs(&self.validation, watch)?;
        self.task.tune(&self.data.validation, &self.validation, &outputs, &self.plan.evaluation)
    }

    /// Puts everything back to where a checkpoint stood.
    fn resume(&mut self, newest: &Path) -> Result<TrainingState, TrainError> {
        let state = checkpoint::load(newest, self.network.parameters(), &self.optimizer, self.computation.device)?;
        let size = |size: usize| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        let (rows, batch) = (size(self.train.rows()), size(self.plan.train.batch_size));
        self.order = EpochOrder::resume(self.plan.run.seed, rows, batch, state.order);
        Ok(state)
    }

    fn save(&self, folder: &Path, state: &TrainingState) -> Result<std::path::PathBuf, TrainError> {
        checkpoint::save(folder, state, self.network.parameters(), &self.optimizer, self.computation.device)
    }
}
