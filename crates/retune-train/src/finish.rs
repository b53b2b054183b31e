//! The end of a run: the best model is tuned, tested and written.

use std::path::PathBuf;

use retune_data::{OutputColumn, OutputValues, write_table};
use retune_metrics::Bootstrap;

use crate::board::Shown;
use crate::checkpoint::{self, Best, TrainingState, whole_folder, write_synced};
use crate::evaluation::Evaluation;
use crate::evaluation_file::evaluation_file;
use crate::event::Event;
use crate::explanations::{self, EXPLANATIONS, Tested};
use crate::memory::within_memory;
use crate::model_directory::load_tokenizer;
use crate::prediction::{Prediction, table};
use crate::record::{Throughput, final_record};
use crate::task::Task;
use crate::trainer::Trainer;
use crate::{RunDirectory, TrainError, model_card, model_directory};

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The model is trained, tested and written.
    Finished(Box<Summary>),
    /// It was asked to stop; a checkpoint holds everything.
    Interrupted {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// Whether it paused at the end of an epoch, as it was told from the start.
        asked: bool,
    },
}

/// What a finished run has to show.
#[derive(Debug)]
pub struct Summary {
    /// The epoch whose model was kept.
    pub best: Best,
    /// The data of the final evaluation: `test`, or `validation` where there is no test file.
    pub split: &'static str,
    /// What it found.
    pub evaluation: Evaluation,
    /// What was chosen on the validation data: thresholds, a temperature; a line each.
    pub tuned: Vec<String>,
    /// Training examples a second, evaluation and saving left out.
    pub examples_per_second: f64,
    /// Training tokens a second, likewise.
    pub tokens_per_second: f64,
    /// Where the model is.
    pub model: PathBuf,
    /// Where the table of predictions is, if the task has any.
    pub predictions: Option<PathBuf>,
}

/// Tunes and tests the best model, writes it, and clears the checkpoints, which have served. A run that ends in here
/// goes on from its last checkpoint, and does all of it again.
pub(crate) fn finish<T: Task>(
    trainer: &mut Trainer<T>,
    state: TrainingState,
    directory: &mut RunDirectory,
    throughput: &Throughput,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, TrainError> {
    let best = state.best.unwrap_or(Best { epoch: 0, step: state.step, value: 0.0 });
    // What was kept may be other weights than those that train: a running mean of them.
    let path = checkpoint::best_path(&directory.checkpoints(), best.step);
    checkpoint::restore(&path, trainer.moved.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    let tuned = trainer.tune(watch)?;
    if trainer.network.has_adapter() {
        let (network, base) = (&mut trainer.network, &trainer.source.name);
        whole_folder(&directory.path().join("adapter"), |folder| Ok(network.write_adapter(folder, base)?))?;
    }
    let trainer = &*trainer;
    let task = &trainer.task;
    let (split, examples, encoded) = match (&trainer.data.test, &trainer.test) {
        (Some(examples), Some(encoded)) => ("test", examples, encoded),
        _ => ("validation", &trainer.data.validation, &trainer.validation),
    };
    let samples = trainer.plan.evaluation.bootstrap_samples;
    let bootstrap = (samples > 0).then(|| Bootstrap::new(samples, trainer.plan.run.seed)).transpose()?;
    let outputs = trainer.outputs(encoded, None, watch)?;
    let evaluation = task.score(examples, encoded, &outputs, bootstrap.as_ref())?;
    let predicted = task.predict(examples, encoded, &outputs, false)?;
    let labels = task.label_column(examples);
    directory.log_predictions(best.step, split, &shown(&predicted, labels.as_deref()))?;
    let tested = Tested { task, encoded, outputs: &outputs, predictions: &predicted, labels: labels.as_deref() };
    match within_memory(|| explain(trainer, &tested, throughput, directory)) {
        Ok(()) => {}
        Err(error @ TrainError::Write { .. }) => return Err(error),
        // The run is finished without it.
        Err(TrainError::OutOfMemory) => {
            watch(Event::Notice("predictions are not explained: there is not enough memory"));
        }
        Err(error) => watch(Event::Notice(&format!("predictions are not explained: {error}"))),
    }
    let mut columns = table(&predicted);
    if let Some(labels) = labels {
        columns.insert(1.min(columns.len()), text_column("label", labels));
    }
    let predictions = directory.path().join("predictions.parquet");
    // Of masks that are drawn there is nothing to tell a person.
    let has_predictions = !columns.is_empty();
    if has_predictions {
        write_table(&predictions, columns)?;
    }
    directory.write_evaluation(&evaluation_file(trainer, split, &evaluation, &tuned))?;
    let epoch = trainer.rhythm.epoch(best.step);
    directory.log(&final_record(split, best.step, epoch, &evaluation, throughput))?;
    // The model comes last, and the checkpoints go after it: who finds a model and no checkpoints finds a finished run.
    let card = model_card::card(&trainer.plan, &trainer.source.name, &task.describe(), split, &evaluation);
    let model = directory.model();
    let config = task.configure(&trainer.config, trainer.architecture);
    model_directory::write(&model, &trainer.source, &config, &trainer.network, &card)?;
    directory.clear_checkpoints()?;
    Ok(Outcome::Finished(Box::new(Summary {
        best,
        split,
        evaluation,
        tuned,
        examples_per_second: throughput.examples_per_second(),
        tokens_per_second: throughput.tokens_per_second(),
        model,
        predictions: has_predictions.then_some(predictions),
    })))
}

/// The first examples, for a look at them.
fn shown(predictions: &[Prediction], labels: Option<&[String]>) -> Vec<Shown> {
    const FIRST: usize = 16;
    let show = |(row, prediction): (usize, &Prediction)| Shown {
        label: labels.and_then(|labels| labels.get(row)).cloned(),
        line: prediction.line.clone(),
    };
    predictions.iter().take(FIRST).enumerate().map(show).collect()
}

/// Writes on what tokens some of the predictions hang, in little time beside that of the training.
fn explain<T: Task>(
    trainer: &Trainer<T>,
    tested: &Tested<'_, T>,
    throughput: &Throughput,
    directory: &RunDirectory,
) -> Result<(), TrainError> {
    const TOKENS_OF_EACH: usize = 2048;
    let count = trainer.plan.evaluation.explain;
    if count == 0 {
        return Ok(());
    }
    let tokens = (throughput.tokens() / 50).max(count * TOKENS_OF_EACH);
    let tokenizer = load_tokenizer(&trainer.source.directory, &trainer.network, trainer.plan.data.max_length)?;
    let explained =
        explanations::explain(&trainer.network, &tokenizer, tested, count, tokens, trainer.computation.device)?;
    let Some(explained) = explained else { return Ok(()) };
    let path = directory.path().join(EXPLANATIONS);
    write_synced(&path, format!("{explained}\n").as_bytes()).map_err(|source| TrainError::Write { path, source })
}

/// A column of texts.
pub(crate) fn text_column(name: &str, values: Vec<String>) -> OutputColumn {
    OutputColumn { name: name.to_owned(), values: OutputValues::Text(values) }
}
