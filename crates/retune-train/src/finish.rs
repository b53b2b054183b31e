//! The end of a run: the best model is tested and written.

use std::fs;
use std::path::PathBuf;

use retune_data::{OutputColumn, OutputValues, write_table};
use retune_metrics::Confusion;

use crate::checkpoint::{self, Best, TrainingState};
use crate::evaluate::Predictions;
use crate::event::Event;
use crate::record::{Throughput, final_record};
use crate::tasks::sequence_classification::{Intervals, Scores};
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
    },
}

/// What a finished run has to show.
#[derive(Debug)]
pub struct Summary {
    /// The epoch whose model was kept.
    pub best: Best,
    /// The data of the final evaluation: `test`, or `validation` where there is no test file.
    pub split: &'static str,
    /// Its scores.
    pub scores: Scores,
    /// Their intervals, where the plan asks for any.
    pub intervals: Option<Intervals>,
    /// The pairs of classes most often taken for each other, by name: label, prediction, count, examples of the label.
    pub confused: Vec<(String, String, u64, u64)>,
    /// Training examples a second, evaluation and saving left out.
    pub examples_per_second: f64,
    /// Training tokens a second, likewise.
    pub tokens_per_second: f64,
    /// Where the model is.
    pub model: PathBuf,
}

/// Tests the best model, writes it, and clears the checkpoints, which have served.
pub(crate) fn finish(
    trainer: &Trainer,
    state: TrainingState,
    directory: &mut RunDirectory,
    throughput: &Throughput,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, TrainError> {
    let best = state.best.unwrap_or(Best { epoch: 0, step: state.step, value: f64::NAN });
    if best.step != state.step {
        checkpoint::restore(&checkpoint::best_path(&directory.checkpoints()), trainer.model.parameters().iter())?;
    }
    let (split, examples, texts) = match (&trainer.test, &trainer.data.test) {
        (Some(test), Some(texts)) => ("test", test, texts),
        _ => ("validation", &trainer.validation, &trainer.data.validation),
    };
    let (matrix, scores, predictions) = trainer.evaluate(examples, watch)?;
    let samples = trainer.plan.evaluation.bootstrap_samples;
    let intervals = Intervals::new(&matrix, samples, trainer.plan.run.seed)?;
    let names = trainer.data.labels.names();
    let card =
        model_card::text_classifier(&trainer.plan, &trainer.source.name, names, split, &scores, intervals.as_ref());
    let model = directory.model();
    model_directory::write(&model, &trainer.source, &trainer.config, &trainer.model, &card)?;
    let labels: Vec<usize> = examples.labels.iter().map(|label| *label as usize).collect();
    let mut columns = prediction_columns(&predictions, names);
    columns.insert(0, text_column("text", texts.examples.texts.iter().map(|text| text.first.clone())));
    columns.insert(1, text_column("label", labels.iter().map(|label| names[*label].clone())));
    write_table(&directory.path().join("predictions.parquet"), columns)?;
    let epoch = best.step as f64 / trainer.order.batches_per_epoch() as f64;
    directory.log(&final_record(split, best.step, epoch, (&scores, intervals.as_ref()), throughput))?;
    let folder = directory.checkpoints();
    fs::remove_dir_all(&folder).map_err(|source| TrainError::Write { path: folder, source })?;
    Ok(Outcome::Finished(Box::new(Summary {
        best,
        split,
        scores,
        intervals,
        confused: matrix.most_confused(5).into_iter().map(|pair| named(pair, names)).collect(),
        examples_per_second: throughput.examples_per_second(),
        tokens_per_second: throughput.tokens_per_second(),
        model,
    })))
}

/// The columns of a table of predictions: `predicted`, `confidence`, and `probability_<class>` for each class.
pub fn prediction_columns(predictions: &Predictions, names: &[String]) -> Vec<OutputColumn> {
    let probabilities: Vec<Vec<f64>> = (0..predictions.len()).map(|row| predictions.probabilities(row)).collect();
    let predicted: Vec<usize> = (0..predictions.len()).map(|row| predictions.predicted(row)).collect();
    let float = |name: String, values: Vec<f64>| OutputColumn { name, values: OutputValues::Float(values) };
    let confidence = predicted.iter().zip(&probabilities).map(|(class, values)| values[*class]).collect();
    let mut columns = vec![
        text_column("predicted", predicted.iter().map(|class| names[*class].clone())),
        float("confidence".to_owned(), confidence),
    ];
    for (class, name) in names.iter().enumerate() {
        columns.push(float(format!("probability_{name}"), probabilities.iter().map(|values| values[class]).collect()));
    }
    columns
}

/// A column of texts.
pub fn text_column(name: &str, values: impl Iterator<Item = String>) -> OutputColumn {
    OutputColumn { name: name.to_owned(), values: OutputValues::Text(values.collect()) }
}

fn named(pair: Confusion, names: &[String]) -> (String, String, u64, u64) {
    (names[pair.label].clone(), names[pair.predicted].clone(), pair.count, pair.support)
}
