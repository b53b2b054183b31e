//! What a run needs before its first step: everything read, checked and loaded, in the order in which mistakes are
//! cheap.

use std::num::NonZeroUsize;

use retune_data::{EpochOrder, Sampler};
use retune_models::registry::Architecture;
use retune_models::{AdapterSource, HeadPolicy, LoadOptions, LoadReport, ModelConfig};
use retune_recipe::{AdapterKind, Plan, Precision, Sampling, Trained};
use tch::Device;

use crate::TrainError;
use crate::advice::advice;
use crate::evaluate::Computation;
use crate::event::Event;
use crate::features::Features;
use crate::model_directory::{Source, load_tokenizer};
use crate::moving::{self, Thaw};
use crate::network::Network;
use crate::note::Note;
use crate::rhythm::Rhythm;
use crate::strategy::{self, Pace};
use crate::task::{Encoded, Splits, Task};
use crate::trainer::Trainer;

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
        let (new, options) = (moving::adapter(&plan.adapter), LoadOptions::new(HeadPolicy::Draw, device));
        let options = match (&new, &plan.adapter.path) {
            (Some(config), _) => options.with_adapter(AdapterSource::New(config)),
            (None, Some(path)) => options.with_adapter(AdapterSource::Stored(path)),
            (None, None) => options,
        };
        let (network, load_report) =
            Network::load(&source.directory, &config, task.output(), &options, plan.data.max_length)?;
        draw_top_layers(&plan, &network)?;
        let network = if plan.train.recompute { network.recomputing() } else { network };
        let moved = moving::choose(&plan, &network)?;
        let thaw = plan.train.unfreeze_every.map(|every| Thaw::new(every, &network));
        let tokenizer =
            load_tokenizer(&source.directory, &network, plan.data.max_length)?.with_cache(source.tokens.clone());
        task.prepare(&tokenizer, &source.directory)?;
        let train = task.encode(&data.train, &tokenizer)?;
        let validation = task.encode(&data.validation, &tokenizer)?;
        let test = data.test.as_ref().map(|test| task.encode(test, &tokenizer)).transpose()?;
        let order = EpochOrder::new(
            plan.run.seed,
            sampler(&plan, &task, &data.train, &train),
            at_least_one(plan.train.batch_size),
        );
        let rhythm = Rhythm::new(&plan, order.batches_per_epoch());
        let average = strategy::average(&plan, &moved, rhythm.total_steps)?;
        Ok(Self {
            architecture: Architecture::of(&config)?,
            config,
            optimizer: strategy::optimizer(
                &plan,
                moved.iter().map(|(name, tensor)| (name.as_str(), tensor)),
                rhythm.total_steps,
            )?,
            pace: Pace::new(&plan, rhythm.total_steps),
            computation: Computation {
                device,
                precision: plan.run.precision,
                batch_size: at_least_one(plan.evaluation.batch_size),
            },
            // The scale of a loss hangs on the step before.
            reads_late: device.is_cuda() && plan.run.precision != Precision::Fp16,
            rhythm,
            plan,
            source,
            task,
            data,
            train,
            validation,
            test,
            network,
            average,
            moved,
            thaw,
            features: [None, None],
            load_report,
            order,
        })
    }

    /// Computes what the head reads once, where the encoder stays as it is.
    pub(crate) fn compute_features(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), TrainError> {
        let plan = &self.plan;
        if plan.train.trained != Trained::Head || plan.regularization.neftune_alpha > 0.0 {
            return Ok(());
        }
        let all: Vec<usize> = (0..self.validation.rows()).collect();
        let wanted = [(&self.train, self.order.members()), (&self.validation, &all[..])];
        for (place, (encoded, rows)) in wanted.into_iter().enumerate() {
            let total = rows.len() * encoded.per_row;
            let mut progress = |done| watch(Event::Evaluating { done, total });
            self.features[place] =
                Features::of(&self.network, &self.task, encoded, rows, &self.computation, &mut progress)?;
        }
        Ok(())
    }

    /// The same run, but it pauses at the end of an epoch, counted from 1, with everything saved.
    #[must_use]
    pub fn pausing_after(mut self, epoch: u64) -> Self {
        self.rhythm = self.rhythm.pausing_after(epoch);
        self
    }

    /// The same run, but what a step saw is read when the next one is queued, as on a GPU. Nothing else is different.
    #[must_use]
    pub fn reading_late(mut self) -> Self {
        self.reads_late = true;
        self
    }

    /// What the checkpoint lacked, and had besides.
    pub fn load_report(&self) -> &LoadReport {
        &self.load_report
    }

    /// What the user should know of the data: for each data set, notes such as how many texts were cut.
    pub fn notes(&self) -> Vec<(&'static str, &Note)> {
        let sets =
            [("training", Some(&self.train)), ("validation", Some(&self.validation)), ("test", self.test.as_ref())];
        let notes = sets.into_iter().filter_map(|(name, set)| Some((name, &set?.notes)));
        notes
            .flat_map(|(name, notes)| notes.iter().filter(|note| note.is_due()).map(move |note| (name, note)))
            .collect()
    }

    /// Where it computes, and how.
    pub fn computation(&self) -> &Computation {
        &self.computation
    }

    /// What the literature found to help with as few examples as there are, a line each.
    pub fn advice(&self) -> Vec<String> {
        advice(&self.plan, self.order.rows_per_epoch(), self.rhythm.total_steps)
    }

    /// Numbers in the parameters that move.
    pub fn trained_elements(&self) -> usize {
        self.moved.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Rows that an epoch draws.
    pub fn rows_per_epoch(&self) -> usize {
        self.order.rows_per_epoch()
    }

    /// Its task, its data and the training rows that it would use, without what it has loaded.
    pub fn into_data(self) -> (T, Splits<T::Examples>, Vec<usize>) {
        (self.task, self.data, self.order.members().to_vec())
    }

    /// The task.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

/// Draws the encoder's top layers anew, where the plan asks for it.
fn draw_top_layers(plan: &Plan, network: &Network) -> Result<(), TrainError> {
    let layers = plan.regularization.reinitialized_layers;
    // They would stay as they were drawn, or nearly.
    let others = match (plan.adapter.kind, plan.train.trained) {
        (AdapterKind::None, Trained::All) => None,
        (AdapterKind::None, trained) => Some(format!("train.trained = \"{trained}\"")),
        (kind, _) => Some(format!("adapter.kind = \"{kind}\"")),
    };
    if let Some(others) = others.filter(|_| layers > 0) {
        let reason = format!(
            "regularization.reinitialized_layers cannot go with {others}: layers that are drawn anew must be trained whole; \
             leave one of them out"
        );
        return Err(TrainError::Input { reason });
    }
    network.parameters().draw_top_layers(layers, network.sizes().initializer_range)?;
    Ok(())
}

/// The training rows that a plan uses.
fn drawn<T: Task>(plan: &Plan, task: &T, examples: &T::Examples, rows: usize) -> Sampler {
    let all = Sampler::shuffled(at_least_one(rows));
    match plan.data.train_per_class {
        Some(count) => all.per_class(count, plan.run.seed, |row| task.class_of(examples, row).unwrap_or(0)),
        None => all.share(plan.data.train_fraction, plan.run.seed),
    }
}

/// How they are drawn.
fn sampler<T: Task>(plan: &Plan, task: &T, examples: &T::Examples, encoded: &Encoded<T::Targets>) -> Sampler {
    let sampler = drawn(plan, task, examples, encoded.rows());
    match plan.train.sampling {
        Sampling::Shuffled => sampler,
        Sampling::LengthGrouped => sampler.grouped_by_length(|row| {
            encoded.sequences(&[row]).into_iter().map(|sequence| encoded.tokenized.length(sequence)).sum()
        }),
        Sampling::ClassBalanced => sampler.balanced_by_class(|row| task.class_of(examples, row).unwrap_or(0)),
    }
}

fn at_least_one(size: usize) -> NonZeroUsize {
    NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN)
}
