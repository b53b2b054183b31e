//! A finished model in use: texts to classes with probabilities.

use std::path::Path;

use retune_data::{LabelMap, Text, TextTokenizer};
use retune_models::{HeadPolicy, HeadSpec, Model, ModelConfig};
use tch::Device;

use crate::evaluate::{Computation, Predictions, evaluate};
use crate::trainer::load_tokenizer;
use crate::{RunDirectory, TrainError};

/// A classifier with its tokenizer and the names of its classes.
pub struct Predictor {
    model: Model,
    tokenizer: TextTokenizer,
    labels: LabelMap,
}

impl Predictor {
    /// Loads the finished model of a run.
    ///
    /// # Errors
    /// The folder is no run's, the run is not finished, or its model does not load.
    pub fn open_run(run: &Path, max_length: usize, device: Device) -> Result<Self, TrainError> {
        let directory = run.join("model");
        if !directory.is_dir() {
            return Err(TrainError::NotARun {
                path: run.to_owned(),
                missing: "holds no finished model; finish the run with: cargo xtask finetune --resume RUN",
            });
        }
        Self::open(&directory, max_length, device)
    }

    /// Loads a model directory; texts are cut to `max_length` tokens.
    ///
    /// # Errors
    /// A file is missing or does not fit the others.
    pub fn open(directory: &Path, max_length: usize, device: Device) -> Result<Self, TrainError> {
        let config = ModelConfig::read(directory)?;
        let labels = LabelMap::from_names(config.labels()?)?;
        let (model, _) = Model::load(
            directory,
            &config,
            HeadSpec::sequence_classification(labels.len()),
            HeadPolicy::Require,
            device,
        )?;
        let tokenizer = load_tokenizer(directory, &model, max_length)?;
        Ok(Self { model, tokenizer, labels })
    }

    /// The names of the classes, by id.
    pub fn labels(&self) -> &LabelMap {
        &self.labels
    }

    /// The logits of each text, in order; `progress` hears how many are done.
    ///
    /// # Errors
    /// A text cannot be tokenised, or libtorch refuses a batch.
    pub fn predict(
        &self,
        texts: &[Text],
        computation: &Computation,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Predictions, TrainError> {
        let tokenized = self.tokenizer.encode(texts)?;
        evaluate(&self.model, &tokenized, self.labels.len(), computation, progress)
    }
}

impl RunDirectory {
    /// The plan of a run, for whoever uses its model.
    ///
    /// # Errors
    /// The folder is not a run's, or its plan does not read.
    pub fn plan_of(run: &Path) -> Result<retune_recipe::Plan, TrainError> {
        crate::run_directory::read_plan(run)
    }
}
