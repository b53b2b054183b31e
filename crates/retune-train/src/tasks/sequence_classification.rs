//! Sequence classification, one label for each example: one text or a pair, cross-entropy, and the metrics of a confusion
//! matrix.

use std::path::{Path, PathBuf};

use retune_data::sources::{self, DataFormat, Form, Wanted};
use retune_data::{
    DataError, Examples, LabelMap, Position, Text, TextColumns, TextTokenizer, Tokenized, stratified_split,
};
use retune_metrics::{Average, Bootstrap, ConfusionMatrix, Interval, MetricError};
use retune_recipe::{DataPlan, SelectionMetric};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::TrainError;

/// The examples of a plan, read and checked, and the classes that training knows.
#[derive(Debug)]
pub struct ClassificationData {
    /// The classes.
    pub labels: LabelMap,
    /// Examples to train on.
    pub train: LabelledTexts,
    /// Examples that decide which epoch's model is kept.
    pub validation: LabelledTexts,
    /// Examples for the final test, where the plan names any.
    pub test: Option<LabelledTexts>,
    /// Whether the validation examples were split off the training file.
    pub validation_is_split: bool,
}

/// Examples of one file.
#[derive(Debug)]
pub struct LabelledTexts {
    /// The file that they come from.
    pub path: PathBuf,
    /// Texts, ids of labels, and places in the file.
    pub examples: Examples,
}

/// Examples ready for batches.
#[derive(Debug)]
pub struct TokenizedExamples {
    /// Ids of tokens, all sequences end to end.
    pub tokenized: Tokenized,
    /// Ids of labels.
    pub labels: Vec<u32>,
}

impl ClassificationData {
    /// Reads and checks every file of a plan.
    ///
    /// # Errors
    /// All that can be wrong with a file; a label that training lacks; one class only.
    pub fn read(plan: &DataPlan, seed: u64) -> Result<Self, TrainError> {
        let columns = text_columns(&plan.text);
        let form = form_of(plan);
        let read = |path: &Path| read_table(path, &form, &columns, &plan.label);
        let table = read(&plan.train)?;
        let labels = LabelMap::from_table(&table, &plan.label)?;
        let all = Examples::from_table(&table, &columns, &plan.label, &labels)?;
        let labelled = |path: &Path| -> Result<LabelledTexts, TrainError> {
            let examples = Examples::from_table(&read(path)?, &columns, &plan.label, &labels)?;
            Ok(LabelledTexts { path: path.to_owned(), examples })
        };
        let part = |examples| LabelledTexts { path: plan.train.clone(), examples };
        let (train, validation) = match &plan.validation {
            Some(path) => (part(all), labelled(path)?),
            None => {
                let split = stratified_split(&all.labels, plan.validation_fraction, seed)?;
                (part(all.select(&split.train)), part(all.select(&split.eval)))
            }
        };
        let test = plan.test.as_deref().map(labelled).transpose()?;
        Ok(Self { labels, train, validation, test, validation_is_split: plan.validation.is_none() })
    }
}

impl LabelledTexts {
    /// Reads one file for a model that knows its classes already.
    ///
    /// # Errors
    /// All that can be wrong with a file; a label that the model lacks.
    pub fn read(path: &Path, plan: &DataPlan, labels: &LabelMap) -> Result<Self, TrainError> {
        let columns = text_columns(&plan.text);
        let table = read_table(path, &form_of(plan), &columns, &plan.label)?;
        let examples = Examples::from_table(&table, &columns, &plan.label, labels)?;
        Ok(Self { path: path.to_owned(), examples })
    }

    /// Tokenises the texts.
    ///
    /// # Errors
    /// The tokenizer refuses a text.
    pub fn tokenize(&self, tokenizer: &TextTokenizer) -> Result<TokenizedExamples, TrainError> {
        let tokenized = tokenizer.encode(&self.examples.texts)?;
        Ok(TokenizedExamples { tokenized, labels: self.examples.labels.clone() })
    }
}

/// Reads texts alone, for a prediction, with the places where they stand.
///
/// # Errors
/// All that can be wrong with a file.
pub fn read_texts(path: &Path, plan: &DataPlan) -> Result<(Vec<Text>, Vec<Position>), TrainError> {
    let columns = text_columns(&plan.text);
    let wanted: Vec<_> = columns.names().into_iter().map(Wanted::Text).collect();
    let table = sources::read_columns(path, &form_of(plan), &wanted)?;
    let texts = retune_data::texts(&table, &columns)?;
    let positions = (0..table.len()).map(|row| table.position(row)).collect();
    Ok((texts, positions))
}

fn read_table(path: &Path, form: &Form, columns: &TextColumns, label: &str) -> Result<retune_data::Table, DataError> {
    let mut wanted: Vec<_> = columns.names().into_iter().map(Wanted::Text).collect();
    wanted.push(Wanted::Text(label));
    sources::read_columns(path, form, &wanted)
}

/// A checked plan names one column or two.
fn text_columns(names: &[String]) -> TextColumns {
    match names {
        [first, second, ..] => TextColumns::Pair(first.clone(), second.clone()),
        [only] => TextColumns::Single(only.clone()),
        [] => TextColumns::Single("text".to_owned()),
    }
}

fn form_of(plan: &DataPlan) -> Form {
    Form { format: data_format(plan.format), columns: plan.columns.clone().unwrap_or_default() }
}

fn data_format(format: retune_recipe::DataFormat) -> DataFormat {
    use retune_recipe::DataFormat as Said;
    match format {
        Said::Auto => DataFormat::Auto,
        Said::Csv => DataFormat::Csv,
        Said::Tsv => DataFormat::Tsv,
        Said::TsvUnquoted => DataFormat::TsvUnquoted,
        Said::Json => DataFormat::Json,
        Said::Jsonl => DataFormat::Jsonl,
        Said::Parquet => DataFormat::Parquet,
        Said::Arrow => DataFormat::Arrow,
        Said::Text => DataFormat::Text,
        Said::Conll => DataFormat::Conll,
        Said::Squad => DataFormat::Squad,
    }
}

/// The mean cross-entropy, in float32: `logits` is `[b, c]`, `labels` `[b]`, the result has no dimensions.
pub fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.to_kind(Kind::Float).cross_entropy_for_logits(labels)
}

/// The metrics of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Examples.
    pub examples: u64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of examples that are right.
    pub accuracy: f64,
    /// Unweighted mean over classes of the recall.
    pub balanced_accuracy: f64,
    /// Unweighted mean over classes of the precision.
    pub precision_macro: f64,
    /// Unweighted mean over classes of the recall.
    pub recall_macro: f64,
    /// Unweighted mean over classes of F1.
    pub f1_macro: f64,
    /// Matthews' correlation coefficient.
    pub mcc: f64,
}

impl Scores {
    /// From a confusion matrix and the mean loss.
    ///
    /// # Errors
    /// There is no example.
    pub fn new(matrix: &ConfusionMatrix, loss: f64) -> Result<Self, MetricError> {
        Ok(Self {
            examples: matrix.total(),
            loss,
            accuracy: matrix.accuracy()?,
            balanced_accuracy: matrix.balanced_accuracy()?,
            precision_macro: matrix.precision(Average::Macro)?,
            recall_macro: matrix.recall(Average::Macro)?,
            f1_macro: matrix.f1(Average::Macro)?,
            mcc: matrix.mcc()?,
        })
    }

    /// The metric that decides which epoch is best.
    pub fn value(&self, metric: SelectionMetric) -> f64 {
        match metric {
            SelectionMetric::Accuracy => self.accuracy,
            SelectionMetric::F1Macro => self.f1_macro,
            SelectionMetric::Mcc => self.mcc,
            SelectionMetric::Loss => self.loss,
        }
    }
}

/// Whether a value of the deciding metric beats the best so far; the earlier of equals is kept.
pub fn is_better(metric: SelectionMetric, value: f64, best: Option<f64>) -> bool {
    match (metric, best) {
        (_, None) => true,
        (SelectionMetric::Loss, Some(best)) => value < best,
        (_, Some(best)) => value > best,
    }
}

/// 95 % bootstrap intervals of accuracy, macro F1 and Matthews' correlation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of the accuracy.
    pub accuracy: Interval,
    /// Of the macro F1.
    pub f1_macro: Interval,
    /// Of Matthews' correlation coefficient.
    pub mcc: Interval,
}

impl Intervals {
    /// From a confusion matrix, with so many resamples; `None` for no resample.
    ///
    /// # Errors
    /// There is no example.
    pub fn new(matrix: &ConfusionMatrix, samples: usize, seed: u64) -> Result<Option<Self>, MetricError> {
        if samples == 0 {
            return Ok(None);
        }
        let [accuracy, f1_macro, mcc] = Bootstrap::new(samples, seed)?.intervals(
            matrix,
            [&ConfusionMatrix::accuracy, &|matrix| matrix.f1(Average::Macro), &ConfusionMatrix::mcc],
        )?;
        Ok(Some(Self { accuracy, f1_macro, mcc }))
    }
}
