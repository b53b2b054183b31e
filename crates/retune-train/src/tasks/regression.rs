//! A number for each text, or pair of texts.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{Table, TextTokenizer, Wanted, collate, numbers};
use retune_metrics::{Bootstrap, MeanLoss, MetricError, RankCorrelation, Regression as Measures};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, LossChoice, Plan};
use tch::Tensor;

use super::texts::{self, TextExamples, label_column};
use crate::TrainError;
use crate::divergences;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses::{huber, squared_error};
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// A number for each text: squared error or Huber's loss, correlations and errors.
#[derive(Debug)]
pub struct Regression {
    pair: bool,
    /// From which error on the loss is linear; `None` for the squared error.
    huber_delta: Option<f64>,
}

impl Regression {
    fn of_plan(plan: &Plan) -> Self {
        let huber_delta = (plan.task.loss == LossChoice::Huber).then_some(plan.task.huber_delta);
        Self { pair: plan.data.text.len() == 2, huber_delta }
    }

    fn loss_of(&self, error: f64) -> f64 {
        match self.huber_delta {
            Some(delta) if error.abs() > delta => delta * (error.abs() - delta / 2.0),
            Some(_) => error * error / 2.0,
            None => error * error,
        }
    }
}

/// A measure of some rows.
type Statistic = fn(&[f64], &Outputs, &[usize]) -> Result<f64, MetricError>;

/// Spearman's correlation of some rows.
fn spearman(labels: &[f64], outputs: &Outputs, rows: &[usize]) -> Result<f64, MetricError> {
    let mut ranks = RankCorrelation::new();
    for row in rows {
        ranks.update(labels[*row], f64::from(outputs.of(*row)[0]))?;
    }
    ranks.spearman()
}

/// Pearson's correlation of some rows.
fn pearson(labels: &[f64], outputs: &Outputs, rows: &[usize]) -> Result<f64, MetricError> {
    let mut measures = Measures::new();
    for row in rows {
        measures.update(labels[*row], f64::from(outputs.of(*row)[0]))?;
    }
    measures.pearson()
}

impl Task for Regression {
    type Examples = TextExamples<f64>;
    type Targets = Vec<f64>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let task = Self::of_plan(plan);
        let train = task.read_labelled(&plan.data.train, &plan.data)?;
        let strata = vec![0; train.labels.len()];
        let read = |path: &Path| task.read_labelled(path, &plan.data);
        let splits = texts::splits(plan, train, &strata, TextExamples::select, read)?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, _config: &ModelConfig) -> Result<Self, TrainError> {
        Ok(Self::of_plan(plan))
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError> {
        let column = label_column(plan);
        TextExamples::read(path, plan, Wanted::Text(column), |table| numbers(table, column))
    }

    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        _before: Option<&Self::Examples>,
    ) -> Result<Self::Examples, TrainError> {
        TextExamples::unlabelled(table, plan)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Self::Examples, TrainError> {
        Ok(TextExamples::given(texts))
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        texts::words_for(self.pair)
    }

    fn describe(&self) -> String {
        "a number for each".to_owned()
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::sequence_classification(1))
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        let class = architecture.class(HeadKind::SequenceClassification);
        config.with_labels(&class, &["LABEL_0".to_owned()], Some("regression"))
    }

    fn encode(&self, examples: &Self::Examples, tokenizer: &TextTokenizer) -> Result<Encoded<Vec<f64>>, TrainError> {
        examples.encode(tokenizer, examples.labels.clone())
    }

    fn batch(&self, encoded: &Encoded<Vec<f64>>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let targets: Vec<f32> = packed.rows.iter().map(|row| encoded.targets[*row] as f32).collect();
        let weight = targets.len() as f64;
        Ok(Batch { targets: vec![Tensor::from_slice(&targets)], weight, ..Batch::of(packed) })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        let outputs = outputs.squeeze_dim(1); // [b]
        match self.huber_delta {
            Some(delta) => huber(&outputs, &batch.targets[0], delta),
            None => squared_error(&outputs, &batch.targets[0]),
        }
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, _batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        Some(divergences::squared_difference(first, second))
    }

    fn score(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<f64>>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let (mut measures, mut loss) = (Measures::new(), MeanLoss::new());
        for (row, label) in examples.labels.iter().enumerate() {
            let output = f64::from(outputs.of(row)[0]);
            measures.update(*label, output)?;
            loss.update(self.loss_of(output - label), 1)?;
        }
        let all: Vec<usize> = (0..outputs.len()).collect();
        let interval = |statistic: Statistic| {
            // A resample whose numbers are all alike has no correlation; then there is no interval.
            bootstrap?.interval_of(all.len(), |rows| statistic(&examples.labels, outputs, rows)).ok()
        };
        let mut scores = Vec::new();
        // A correlation with a constant is not defined, and a model may be one at first: it counts as none.
        let correlation = |value: Result<f64, MetricError>| value.unwrap_or(0.0);
        let value = correlation(measures.pearson());
        scores.push(Score::titled("pearson", "Pearson's correlation", value).within(interval(pearson)));
        let value = correlation(spearman(&examples.labels, outputs, &all));
        scores.push(Score::titled("spearman", "Spearman's correlation", value).within(interval(spearman)));
        scores.push(Score::titled("rmse", "root mean squared error", measures.root_mean_squared_error()?));
        scores.push(Score::titled("loss", "loss", loss.mean()?));
        scores.push(Score::plain("mae", measures.mean_absolute_error()?));
        scores.push(Score::plain("max_error", measures.max_error()?));
        scores.extend(measures.r_squared().ok().map(|value| Score::plain("r_squared", value)));
        Ok(Evaluation { examples: measures.examples(), scores, classes: Vec::new(), confusion: None })
    }

    fn predict(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<f64>>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let predict = |(row, text): (usize, &retune_data::Text)| {
            let number = outputs.of(row)[0];
            let mut line = format!("{number:.4}\t{}", text.first);
            let mut fields = vec![("text", Field::Text(text.first.clone()))];
            if let Some(second) = &text.second {
                line.push_str(&format!("\t{second}"));
                fields.push(("text_pair", Field::Text(second.clone())));
            }
            fields.push(("predicted", Field::Number(f64::from(number))));
            Prediction { line, fields }
        };
        Ok(examples.texts.read()?.iter().enumerate().map(predict).collect())
    }

    fn explained_output(&self, outputs: &[f32]) -> Option<usize> {
        (!outputs.is_empty()).then_some(0)
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        Some(examples.labels.iter().map(f64::to_string).collect())
    }
}
