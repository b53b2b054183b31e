//! A finished model in use.

use std::path::Path;

use retune_data::{OutputColumn, TextTokenizer};
use retune_models::{HeadPolicy, LoadOptions, ModelConfig};
use retune_recipe::Plan;
use tch::Device;

use crate::evaluate::{Computation, Outputs, evaluate};
use crate::finish::text_column;
use crate::model_directory::load_tokenizer;
use crate::network::Network;
use crate::note::Note;
use crate::prediction::{Prediction, table};
use crate::task::{Encoded, Examples, Task};
use crate::{RunDirectory, TrainError, Unlabelled};

/// A finished model with its tokenizer and its task.
pub struct Predictor<T> {
    network: Network,
    tokenizer: TextTokenizer,
    task: T,
}

/// What a model gave for a data set.
pub struct Predicted<T: Task> {
    /// The tokens.
    pub encoded: Encoded<T::Targets>,
    /// The outputs for them.
    pub outputs: Outputs,
}

impl<T: Task> Predictor<T> {
    /// Loads the finished model of a run, whose plan may have been changed in what belongs to reading data.
    ///
    /// # Errors
    /// The folder is no run's, the run is not finished, or its model does not load.
    pub fn open_run(run: &Path, plan: &Plan, device: Device) -> Result<Self, TrainError> {
        let directory = run.join("model");
        if !directory.is_dir() {
            return Err(TrainError::NotARun {
                path: run.to_owned(),
                missing: "holds no finished model; finish the run with: cargo xtask finetune --resume RUN",
            });
        }
        Self::open(&directory, plan, device)
    }

    /// Loads a model directory; texts are cut to the plan's `data.max_length` tokens.
    ///
    /// # Errors
    /// A file is missing or does not fit the others.
    pub fn open(directory: &Path, plan: &Plan, device: Device) -> Result<Self, TrainError> {
        let config = ModelConfig::read(directory)?;
        let mut task = T::of_model(plan, &config)?;
        let options = LoadOptions::new(HeadPolicy::Require, device);
        let (network, _) = Network::load(directory, &config, task.output(), &options, plan.data.max_length)?;
        let tokenizer = load_tokenizer(directory, &network, plan.data.max_length)?;
        task.prepare(&tokenizer, directory)?;
        Ok(Self { network, tokenizer, task })
    }

    /// The task.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Runs the model over all examples; `progress` hears how many sequences are done.
    ///
    /// # Errors
    /// A text cannot be tokenised, or libtorch refuses a batch.
    pub fn run(
        &self,
        examples: &T::Examples,
        computation: &Computation,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Predicted<T>, TrainError> {
        let encoded = self.task.encode(examples, &self.tokenizer)?;
        let outputs = evaluate(&self.network, &self.task, &encoded, None, computation, progress)?;
        Ok(Predicted { encoded, outputs })
    }

    /// What a person wants to know of each example, and of the data set; with the outputs as they are where `raw`.
    ///
    /// # Errors
    /// As [`Predictor::run`].
    pub fn predict(
        &self,
        examples: &T::Examples,
        computation: &Computation,
        raw: bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(Vec<Prediction>, Vec<Note>), TrainError> {
        let predicted = self.run(examples, computation, progress)?;
        let predictions = self.task.predict(examples, &predicted.encoded, &predicted.outputs, raw)?;
        Ok((predictions, predicted.encoded.notes))
    }

    /// The same of a file, piece by piece: `each` takes what there is to say of some examples after the others, so that what is
    /// in memory does not grow with the file.
    ///
    /// # Errors
    /// As [`Predictor::run`]; the file is not what it was; or `each` fails.
    pub fn predict_file(
        &self,
        file: &Unlabelled<'_, T>,
        computation: &Computation,
        raw: bool,
        progress: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(Vec<Prediction>) -> Result<(), TrainError>,
    ) -> Result<Vec<Note>, TrainError> {
        let (mut notes, mut before) = (Vec::new(), 0);
        file.each_piece(&mut |examples| {
            let (predictions, more) =
                self.predict(examples, computation, raw, &mut |done| progress(before + done.min(examples.len())))?;
            Note::add(&mut notes, more);
            before += examples.len();
            each(predictions)?;
            retune_torch::memory::trim();
            Ok(())
        })?;
        Ok(notes)
    }

    /// Predictions as a table, with the right answers where the examples have them.
    pub fn table(&self, examples: &T::Examples, predictions: &[Prediction]) -> Vec<OutputColumn> {
        let mut columns = table(predictions);
        if let Some(labels) = self.task.label_column(examples) {
            columns.insert(1.min(columns.len()), text_column("label", labels));
        }
        columns
    }
}

impl RunDirectory {
    /// The plan of a run, for whoever uses its model.
    ///
    /// # Errors
    /// The folder is not a run's, or its plan does not read.
    pub fn plan_of(run: &Path) -> Result<Plan, TrainError> {
        crate::run_directory::read_plan(run)
    }
}
