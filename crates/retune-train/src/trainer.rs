//! The training loop: one batch from rows to a better model, and a run from its first step to its finished model.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use retune_data::{EpochOrder, TextTokenizer, collate};
use retune_metrics::ConfusionMatrix;
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadPolicy, HeadSpec, LoadReport, Model, ModelConfig};
use retune_recipe::Plan;
use tch::Device;

use crate::checkpoint::{self, Best, TrainingState};
use crate::evaluate::{Computation, Predictions, evaluate};
use crate::event::{Event, Logged, StepReport};
use crate::finish::{Outcome, finish};
use crate::model_directory::Source;
use crate::optimizer::{AdamW, AdamWSettings};
use crate::record::{Throughput, evaluation_record, train_record};
use crate::schedule::LinearSchedule;
use crate::step::{StepSettings, train_step};
use crate::tasks::sequence_classification::{self as task, ClassificationData, Scores, TokenizedExamples};
use crate::{RunDirectory, TrainError};

/// A run that is ready to start: everything is read, checked and loaded, and nothing is written.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    pub(crate) config: ModelConfig,
    pub(crate) data: ClassificationData,
    train: TokenizedExamples,
    pub(crate) validation: TokenizedExamples,
    pub(crate) test: Option<TokenizedExamples>,
    pub(crate) model: Model,
    load_report: LoadReport,
    optimizer: AdamW,
    schedule: LinearSchedule,
    pub(crate) order: EpochOrder,
    computation: Computation,
}

impl Trainer {
    /// Loads and tokenises everything that a plan needs. The seed is set before anything is drawn.
    ///
    /// # Errors
    /// All that can be wrong with the model's files, and what libtorch refuses.
    pub fn new(plan: Plan, source: Source, data: ClassificationData, device: Device) -> Result<Self, TrainError> {
        retune_torch::random::seed(plan.run.seed);
        let config = ModelConfig::read(&source.directory)?;
        let classes = data.labels.len();
        let (model, load_report) = Model::load(
            &source.directory,
            &config,
            HeadSpec::sequence_classification(classes),
            HeadPolicy::Draw,
            device,
        )?;
        let tokenizer = load_tokenizer(&source.directory, &model, plan.data.max_length)?;
        let train = data.train.tokenize(&tokenizer)?;
        let validation = data.validation.tokenize(&tokenizer)?;
        let test = data.test.as_ref().map(|test| test.tokenize(&tokenizer)).transpose()?;
        let at_least_one = |size: usize| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        let order =
            EpochOrder::new(plan.run.seed, at_least_one(train.labels.len()), at_least_one(plan.train.batch_size));
        let all_epochs = (plan.train.epochs * order.batches_per_epoch() as f64).ceil() as u64;
        let total_steps = plan.train.max_steps.map_or(all_epochs, |most| all_epochs.min(most as u64));
        let settings = AdamWSettings {
            beta1: plan.train.adam_beta1,
            beta2: plan.train.adam_beta2,
            epsilon: plan.train.adam_epsilon,
            weight_decay: plan.train.weight_decay,
        };
        let architecture = Architecture::of(&config)?;
        Ok(Self {
            config: config.with_labels(&architecture.class(HeadKind::SequenceClassification), data.labels.names()),
            optimizer: AdamW::new(model.parameters(), settings),
            schedule: LinearSchedule::new(total_steps, plan.train.warmup_fraction),
            computation: Computation {
                device,
                precision: plan.run.precision,
                batch_size: at_least_one(plan.evaluation.batch_size),
            },
            plan,
            source,
            data,
            train,
            validation,
            test,
            model,
            load_report,
            order,
        })
    }

    /// What the checkpoint lacked, and had besides.
    pub fn load_report(&self) -> &LoadReport {
        &self.load_report
    }

    /// The examples, as tokenised: training, validation, and test where there is one.
    pub fn tokenized(&self) -> (&TokenizedExamples, &TokenizedExamples, Option<&TokenizedExamples>) {
        (&self.train, &self.validation, self.test.as_ref())
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
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
        if matches!(ended, Err(TrainError::Write { .. } | TrainError::Model(_) | TrainError::Data(_)))
            && checkpoint::newest(&directory.checkpoints())?.is_none()
        {
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
            let rows = self.order.next_batch();
            let mut report = self.step(&rows, &mut state)?;
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
    fn step(&mut self, rows: &[usize], state: &mut TrainingState) -> Result<StepReport, TrainError> {
        let start = Instant::now();
        let batch = collate(&self.train.tokenized, &self.train.labels, rows);
        let settings = StepSettings {
            computation: self.computation,
            learning_rate: self.plan.train.learning_rate * self.schedule.factor(state.step),
            max_gradient_norm: self.plan.train.max_grad_norm,
            step: state.step + 1,
        };
        let numbers = train_step(&self.model, &mut self.optimizer, &batch, &settings)?;
        state.step += 1;
        state.order = self.order.state();
        Ok(StepReport {
            step: state.step,
            total_steps: self.schedule.total_steps,
            epoch: state.step as f64 / self.order.batches_per_epoch() as f64,
            loss: numbers.loss,
            learning_rate: settings.learning_rate,
            gradient_norm: numbers.gradient_norm,
            tokens: batch.tokens(),
            examples: batch.sequences(),
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
        let (_, scores, _) = self.evaluate(&self.validation, watch)?;
        let epoch = state.step as f64 / self.order.batches_per_epoch() as f64;
        let metric = self.plan.evaluation.metric;
        let value = scores.value(metric);
        let best = task::is_better(metric, value, state.best.as_ref().map(|best| best.value));
        if best {
            checkpoint::save_best(&directory.checkpoints(), self.model.parameters())?;
            state.best = Some(Best { epoch: epoch.ceil() as u64, step: state.step, value });
        }
        directory.log(&evaluation_record("validation", state.step, epoch, &scores))?;
        watch(Event::Evaluated { split: "validation", epoch, scores: &scores, best });
        Ok(())
    }

    pub(crate) fn evaluate(
        &self,
        examples: &TokenizedExamples,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(ConfusionMatrix, Scores, Predictions), TrainError> {
        let total = examples.labels.len();
        let mut progress = |done| watch(Event::Evaluating { done, total });
        let classes = self.data.labels.len();
        let predictions = evaluate(&self.model, &examples.tokenized, classes, &self.computation, &mut progress)?;
        let (matrix, scores) = predictions.score(&examples.labels)?;
        Ok((matrix, scores, predictions))
    }

    /// Puts everything back to where a checkpoint stood.
    fn resume(&mut self, newest: &Path) -> Result<TrainingState, TrainError> {
        let state = checkpoint::load(newest, self.model.parameters(), &self.optimizer, self.computation.device)?;
        let size = |size: usize| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        let (rows, batch) = (size(self.train.labels.len()), size(self.plan.train.batch_size));
        self.order = EpochOrder::resume(self.plan.run.seed, rows, batch, state.order);
        Ok(state)
    }

    fn save(&self, folder: &Path, state: &TrainingState) -> Result<std::path::PathBuf, TrainError> {
        checkpoint::save(folder, state, self.model.parameters(), &self.optimizer, self.computation.device)
    }
}

/// The tokenizer of a model directory, checked against the model.
///
/// # Errors
/// The file is missing or no tokenizer, or the model has fewer positions or tokens.
pub(crate) fn load_tokenizer(directory: &Path, model: &Model, max_length: usize) -> Result<TextTokenizer, TrainError> {
    if max_length > model.max_length() {
        return Err(TrainError::TooLong { asked: max_length, longest: model.max_length() });
    }
    let tokenizer = TextTokenizer::from_directory(directory, max_length)?;
    if tokenizer.vocab_size() > model.vocab_size() {
        let path = directory.to_owned();
        return Err(TrainError::Vocabulary { path, tokenizer: tokenizer.vocab_size(), model: model.vocab_size() });
    }
    Ok(tokenizer)
}
