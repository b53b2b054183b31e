//! One label for each text, or pair of texts.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{ClassNames, LabelMap, Table, TextTokenizer, Wanted, collate};
use retune_metrics::{
    Average, BinaryScores, Bootstrap, BrierScore, Calibration, ConfusionMatrix, MeanLoss, Temperature,
};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, EvaluationPlan, HeadChoice, Plan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Tensor;

use super::probabilities::{arg_max, between, log_softmax, softmax};
use super::texts::{self, TextExamples, label_column};
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Confusions, Evaluation, Score};
use crate::losses::CrossEntropy;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// One label for each text, or pair of texts: cross-entropy or focal loss, and the measures of a confusion matrix.
#[derive(Debug)]
pub struct Classification {
    labels: LabelMap,
    pair: bool,
    loss: CrossEntropy,
    settings: Settings,
}

/// What the model directory keeps beside the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// What logits are divided by before the softmax (Guo et al. 2017).
    temperature: f64,
    /// Of two classes, the probability from which on the second is predicted; `None` for the likelier one.
    threshold: Option<f64>,
    /// What the head is, and reads.
    head: HeadChoice,
}

impl Default for Settings {
    fn default() -> Self {
        Self { temperature: 1.0, threshold: None, head: HeadChoice::Architecture }
    }
}

impl Classification {
    /// Into these classes, of single texts, by plain cross-entropy.
    pub fn of_labels(labels: LabelMap) -> Self {
        Self { labels, pair: false, loss: CrossEntropy::plain(), settings: Settings::default() }
    }

    /// The classes.
    pub fn labels(&self) -> &LabelMap {
        &self.labels
    }

    fn predicted(&self, logits: &[f32]) -> usize {
        match self.settings.threshold {
            Some(threshold) if logits.len() == 2 => {
                usize::from(softmax(logits, self.settings.temperature)[1] >= threshold)
            }
            _ => arg_max(logits),
        }
    }

    fn matrix(&self, labels: &[u32], outputs: &Outputs) -> Result<ConfusionMatrix, TrainError> {
        let mut matrix = ConfusionMatrix::new(self.labels.len())?;
        for (row, label) in labels.iter().enumerate() {
            matrix.update(*label as usize, self.predicted(outputs.of(row)))?;
        }
        Ok(matrix)
    }
}

impl Task for Classification {
    type Examples = TextExamples<u32>;
    type Targets = Vec<u32>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let data = &plan.data;
        let column = label_column(data);
        let tables = texts::text_tables(&data.train, data, Wanted::Text(column))?;
        let labels = texts::classes(data, || {
            let mut names = ClassNames::default();
            tables.each(|table| Ok(names.add(table, column)?))?;
            Ok(names.finish(&data.train)?)
        })?;
        let train = TextExamples::of_tables(&tables, data, |table| labels.encode(table, column))?;
        let mut counts = vec![0; labels.len()];
        train.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let loss = texts::cross_entropy(&plan.task, &labels, &counts)?;
        let task = Self {
            labels,
            pair: data.text.len() == 2,
            loss,
            settings: Settings { head: plan.task.head, ..Settings::default() },
        };
        let strata = train.labels.clone();
        let splits = texts::splits(plan, train, &strata, TextExamples::select, |path| task.read_labelled(path, data))?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        let labels = texts::classes_of_model(&plan.data, config.labels()?)?;
        Ok(Self { labels, pair: plan.data.text.len() == 2, loss: CrossEntropy::plain(), settings: config.settings() })
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError> {
        let column = label_column(plan);
        TextExamples::read(path, plan, Wanted::Text(column), |table| self.labels.encode(table, column))
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
        format!("{} classes", self.labels.len())
    }

    fn output(&self) -> OutputLayer {
        match self.settings.head {
            HeadChoice::Architecture => OutputLayer::Head(HeadSpec::sequence_classification(self.labels.len())),
            HeadChoice::SentenceEmbedding => OutputLayer::SentenceClassifier(self.labels.len()),
        }
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        let class = match self.settings.head {
            HeadChoice::Architecture => architecture.class(HeadKind::SequenceClassification),
            HeadChoice::SentenceEmbedding => format!("{}Model", architecture.class),
        };
        let config = config.with_labels(&class, self.labels.names(), Some("single_label_classification"));
        if self.settings == Settings::default() { config } else { config.with_settings(json!(self.settings)) }
    }

    fn encode(&self, examples: &Self::Examples, tokenizer: &TextTokenizer) -> Result<Encoded<Vec<u32>>, TrainError> {
        examples.encode(tokenizer, examples.labels.clone())
    }

    fn batch(&self, encoded: &Encoded<Vec<u32>>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let labels: Vec<i64> = packed.rows.iter().map(|row| i64::from(encoded.targets[*row])).collect();
        let weight = self.loss.weight(labels.iter().copied());
        Ok(Batch { targets: vec![Tensor::from_slice(&labels)], weight, ..Batch::of(packed) })
    }

    fn class_of(&self, examples: &Self::Examples, row: usize) -> Option<usize> {
        examples.labels.get(row).map(|class| *class as usize)
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        self.loss.sum(outputs, &batch.targets[0])
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        Some(self.loss.divergence(first, second, &batch.targets[0]))
    }

    fn score(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<u32>>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let classes = self.labels.len();
        let matrix = self.matrix(&examples.labels, outputs)?;
        let (mut loss, mut brier, mut calibration) =
            (MeanLoss::new(), BrierScore::new(classes)?, Calibration::new(15)?);
        let mut second = BinaryScores::new();
        for (row, label) in examples.labels.iter().enumerate() {
            let logs = log_softmax(outputs.of(row), self.settings.temperature);
            let probabilities: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
            let label = *label as usize;
            loss.update(-logs[label], 1)?;
            brier.update(label, &probabilities)?;
            calibration.update(label, &probabilities)?;
            if classes == 2 {
                second.update(label == 1, probabilities[1])?;
            }
        }
        let macro_f1 = |matrix: &ConfusionMatrix| matrix.f1(Average::Macro);
        let intervals = bootstrap
            .map(|bootstrap| {
                bootstrap.intervals(&matrix, [&ConfusionMatrix::accuracy, &macro_f1, &ConfusionMatrix::mcc])
            })
            .transpose()?;
        let interval = |place: usize| intervals.map(|intervals| intervals[place]);
        let mut scores = vec![
            Score::titled("accuracy", "accuracy", matrix.accuracy()?).within(interval(0)),
            Score::titled("f1_macro", "macro F1", macro_f1(&matrix)?).within(interval(1)),
            Score::titled("mcc", "Matthews' correlation", matrix.mcc()?).within(interval(2)),
            Score::titled("loss", "loss", loss.mean()?),
            Score::plain("balanced_accuracy", matrix.balanced_accuracy()?),
            Score::plain("precision_macro", matrix.precision(Average::Macro)?),
            Score::plain("recall_macro", matrix.recall(Average::Macro)?),
            Score::plain("brier", brier.score()?),
            Score::plain("expected_calibration_error", calibration.expected_error()?),
        ];
        if classes == 2 {
            scores.push(Score::plain("f1_second_class", matrix.class_scores()[1].f1));
            // Neither area is defined where all examples are of one class.
            scores.extend(second.roc_auc().ok().map(|area| Score::plain("roc_auc", area)));
            scores.extend(second.average_precision().ok().map(|area| Score::plain("average_precision", area)));
        }
        let names = self.labels.names().to_vec();
        Ok(Evaluation {
            examples: matrix.total(),
            scores,
            classes: names.iter().cloned().zip(matrix.class_scores()).collect(),
            confusion: Some(Confusions { matrix, names }),
        })
    }

    fn tune(
        &mut self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<u32>>,
        outputs: &Outputs,
        plan: &EvaluationPlan,
    ) -> Result<Vec<String>, TrainError> {
        let mut notes = Vec::new();
        let classes = self.labels.len();
        if plan.calibrate {
            let labels: Vec<usize> = examples.labels.iter().map(|label| *label as usize).collect();
            let logits: Vec<f64> =
                (0..outputs.len()).flat_map(|row| outputs.of(row).iter().map(|logit| f64::from(*logit))).collect();
            self.settings.temperature = Temperature::fit(&labels, &logits, classes)?.temperature;
            notes.push(format!("temperature of the probabilities: {:.4}", self.settings.temperature));
        }
        if plan.tune_thresholds && classes == 2 {
            let mut scores = BinaryScores::new();
            for (row, label) in examples.labels.iter().enumerate() {
                scores.update(*label == 1, softmax(outputs.of(row), self.settings.temperature)[1])?;
            }
            let best = scores.best_threshold(|counts| counts.f1())?;
            let threshold = between(&scores, best.threshold);
            self.settings.threshold = Some(threshold);
            let name = &self.labels.names()[1];
            notes.push(format!("'{name}' from a probability of {:.4} on (F1 {:.4})", threshold, best.value));
        }
        Ok(notes)
    }

    fn predict(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<u32>>,
        outputs: &Outputs,
        raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let names = self.labels.names();
        let by_name = |values: &[f64]| names.iter().cloned().zip(values.iter().copied()).collect::<Vec<_>>();
        let predict = |(row, text): (usize, &retune_data::Text)| {
            let logits = outputs.of(row);
            let probabilities = softmax(logits, self.settings.temperature);
            let predicted = self.predicted(logits);
            let mut order: Vec<usize> = (0..names.len()).collect();
            order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
            order.sort_by_key(|class| *class != predicted);
            let likeliest: Vec<String> =
                order.iter().take(3).map(|class| format!("{} {:.3}", names[*class], probabilities[*class])).collect();
            let mut line = format!("{}\t{}", likeliest.join(", "), text.first);
            let mut fields = vec![("text", Field::Text(text.first.clone()))];
            if let Some(second) = &text.second {
                line.push_str(&format!("\t{second}"));
                fields.push(("text_pair", Field::Text(second.clone())));
            }
            fields.push(("predicted", Field::Text(names[predicted].clone())));
            fields.push(("confidence", Field::Number(probabilities[predicted])));
            fields.push(("probabilities", Field::ByName("probability", by_name(&probabilities))));
            if raw {
                line.push_str(&format!("\tlogits {logits:?}"));
                let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
                fields.push(("logits", Field::ByName("logit", by_name(&logits))));
            }
            Prediction { line, fields }
        };
        Ok(examples.texts.read()?.iter().enumerate().map(predict).collect())
    }

    fn explained_output(&self, outputs: &[f32]) -> Option<usize> {
        Some(self.predicted(outputs))
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        Some(examples.labels.iter().map(|label| self.labels.names()[*label as usize].clone()).collect())
    }
}
