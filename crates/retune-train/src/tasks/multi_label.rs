//! Any number of labels for each text.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{ClassNames, LabelMap, Table, TextTokenizer, Wanted, collate};
use retune_metrics::{
    Average, BinaryScores, Bootstrap, LabelRanking, MeanLoss, MetricError, Multilabel, MultilabelScores, Threshold,
};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, EvaluationPlan, Plan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Tensor;

use super::probabilities::{arg_max, between, sigmoid};
use super::texts::{self, TextExamples, class_weights, label_column};
use crate::TrainError;
use crate::divergences;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses::binary_cross_entropy;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// Any number of labels for each text: binary cross-entropy, thresholds, and the measures of each label and of all.
#[derive(Debug)]
pub struct MultiLabel {
    labels: LabelMap,
    pair: bool,
    separator: Option<char>,
    positive_weights: Option<Tensor>,
    settings: Settings,
}

/// What validation has decided and the model directory keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// For each label the probability from which on it is given; empty for one half throughout.
    thresholds: Vec<f64>,
}

impl MultiLabel {
    fn wanted<'a>(&self, column: &'a str) -> Wanted<'a> {
        wanted(self.separator, column)
    }

    fn threshold(&self, label: usize) -> f64 {
        self.settings.thresholds.get(label).copied().unwrap_or(0.5)
    }

    fn predicted(&self, logits: &[f32]) -> Vec<bool> {
        logits.iter().enumerate().map(|(label, logit)| sigmoid(*logit) >= self.threshold(label)).collect()
    }

    fn right(&self, labels: &[u32]) -> Vec<bool> {
        let mut right = vec![false; self.labels.len()];
        labels.iter().for_each(|label| right[*label as usize] = true);
        right
    }

    fn counts(
        &self,
        examples: &TextExamples<Vec<u32>>,
        outputs: &Outputs,
        rows: &[usize],
    ) -> Result<Multilabel, MetricError> {
        let mut counts = Multilabel::new(self.labels.len())?;
        for row in rows {
            counts.update(&self.right(&examples.labels[*row]), &self.predicted(outputs.of(*row)))?;
        }
        Ok(counts)
    }

    fn names(&self, given: &[bool]) -> Vec<&str> {
        self.labels.names().iter().zip(given).filter(|(_, given)| **given).map(|(name, _)| name.as_str()).collect()
    }
}

/// The character between labels.
fn separator(plan: &Plan) -> Result<Option<char>, TrainError> {
    let Some(text) = &plan.task.label_separator else { return Ok(None) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(Some(one)),
        _ => Err(TrainError::Input {
            reason: format!(
                "task.label_separator must be one character, as \",\"; found \"{text}\" (white space around labels falls away)"
            ),
        }),
    }
}

fn wanted(separator: Option<char>, column: &str) -> Wanted<'_> {
    match separator {
        Some(separator) => Wanted::Separated(column, separator),
        None => Wanted::List(column),
    }
}

impl Task for MultiLabel {
    type Examples = TextExamples<Vec<u32>>;
    type Targets = Vec<Vec<u32>>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let data = &plan.data;
        let column = label_column(data);
        let separator = separator(plan)?;
        let wanted = wanted(separator, column);
        let tables = texts::text_tables(&data.train, data, wanted)?;
        let labels = texts::classes(data, || {
            let mut names = ClassNames::default();
            tables.each(|table| Ok(names.add_lists(table, column)?))?;
            Ok(names.finish_lists()?)
        })?;
        if labels.is_empty() {
            let path = data.train.display();
            let reason =
                format!("{path}: no row has a label in column '{column}'; name another column with data.label");
            return Err(TrainError::Input { reason });
        }
        let train = TextExamples::of_tables(&tables, data, |table| labels.encode_sets(table, column))?;
        let examples = train.labels.len() as f64;
        let balanced = || {
            let mut positive = vec![0.0; labels.len()];
            train.labels.iter().flatten().for_each(|label| positive[*label as usize] += 1.0);
            let weight = |positive: &f64| if *positive == 0.0 { 1.0 } else { (examples - positive) / positive };
            positive.iter().map(weight).map(|weight| if weight > 0.0 { weight } else { 1.0 }).collect()
        };
        let positive_weights = class_weights("task.positive_weights", &plan.task.positive_weights, &labels, balanced)?;
        let task =
            Self { labels, pair: data.text.len() == 2, separator, positive_weights, settings: Settings::default() };
        // A text with several labels stands with those that share its first.
        let strata: Vec<u32> = train.labels.iter().map(|set| set.first().map_or(0, |label| label + 1)).collect();
        let splits = texts::splits(plan, train, &strata, TextExamples::select, |path| task.read_labelled(path, data))?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        Ok(Self {
            labels: texts::classes_of_model(&plan.data, config.labels()?)?,
            pair: plan.data.text.len() == 2,
            separator: separator(plan)?,
            positive_weights: None,
            settings: config.settings(),
        })
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError> {
        let column = label_column(plan);
        TextExamples::read(path, plan, self.wanted(column), |table| self.labels.encode_sets(table, column))
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
        format!("{} labels", self.labels.len())
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::sequence_classification(self.labels.len()))
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        let class = architecture.class(HeadKind::SequenceClassification);
        let config = config.with_labels(&class, self.labels.names(), Some("multi_label_classification"));
        if self.settings == Settings::default() { config } else { config.with_settings(json!(self.settings)) }
    }

    fn encode(
        &self,
        examples: &Self::Examples,
        tokenizer: &TextTokenizer,
    ) -> Result<Encoded<Vec<Vec<u32>>>, TrainError> {
        examples.encode(tokenizer, examples.labels.clone())
    }

    fn batch(&self, encoded: &Encoded<Vec<Vec<u32>>>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let (b, c) = (packed.rows.len(), self.labels.len());
        let mut targets = vec![0f32; b * c];
        for (place, row) in packed.rows.iter().enumerate() {
            encoded.targets[*row].iter().for_each(|label| targets[place * c + *label as usize] = 1.0);
        }
        let targets = vec![Tensor::from_slice(&targets).view([b as i64, c as i64])]; // [b, c]
        Ok(Batch { targets, weight: (b * c) as f64, ..Batch::of(packed) })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        binary_cross_entropy(outputs, &batch.targets[0], self.positive_weights.as_ref())
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, _batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        Some(divergences::binary(first, second))
    }

    fn score(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<Vec<u32>>>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let all: Vec<usize> = (0..outputs.len()).collect();
        let counts = self.counts(examples, outputs, &all)?;
        let (mut loss, mut areas) = (MeanLoss::new(), MultilabelScores::new(self.labels.len())?);
        let mut ranking = LabelRanking::new();
        for row in 0..outputs.len() {
            let right = self.right(&examples.labels[row]);
            let probabilities: Vec<f64> = outputs.of(row).iter().map(|logit| sigmoid(*logit)).collect();
            for (right, logit) in right.iter().zip(outputs.of(row)) {
                // log(1 + e^−x) for what is right, without overflow.
                let x = f64::from(if *right { *logit } else { -*logit });
                loss.update((-x).max(0.0) + (-x.abs()).exp().ln_1p(), 1)?;
            }
            areas.update(&right, &probabilities)?;
            ranking.update(&right, &probabilities)?;
        }
        let interval = bootstrap
            .map(|bootstrap| {
                bootstrap.interval_of(outputs.len(), |rows| self.counts(examples, outputs, rows)?.f1(Average::Micro))
            })
            .transpose()?;
        let mut scores = vec![
            Score::titled("f1_micro", "micro F1", counts.f1(Average::Micro)?).within(interval),
            Score::titled("f1_macro", "macro F1", counts.f1(Average::Macro)?),
            Score::titled("subset_accuracy", "all labels right", counts.subset_accuracy()?),
            Score::titled("loss", "loss", loss.mean()?),
            Score::plain("precision_micro", counts.precision(Average::Micro)?),
            Score::plain("recall_micro", counts.recall(Average::Micro)?),
            Score::plain("f1_samples", counts.samples_f1()?),
            Score::plain("hamming_loss", counts.hamming_loss()?),
            Score::plain("label_ranking_average_precision", ranking.average_precision()?),
        ];
        // Not defined where a label has no example, or nothing else.
        scores.extend(areas.roc_auc(Average::Macro).ok().map(|area| Score::plain("roc_auc_macro", area)));
        scores.extend(
            areas.average_precision(Average::Macro).ok().map(|mean| Score::plain("average_precision_macro", mean)),
        );
        Ok(Evaluation {
            examples: counts.examples(),
            scores,
            classes: self.labels.names().iter().cloned().zip(counts.label_scores()).collect(),
            confusion: None,
        })
    }

    fn tune(
        &mut self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<Vec<u32>>>,
        outputs: &Outputs,
        plan: &EvaluationPlan,
    ) -> Result<Vec<String>, TrainError> {
        if !plan.tune_thresholds {
            return Ok(Vec::new());
        }
        let mut scores = MultilabelScores::new(self.labels.len())?;
        for row in 0..outputs.len() {
            let probabilities: Vec<f64> = outputs.of(row).iter().map(|logit| sigmoid(*logit)).collect();
            scores.update(&self.right(&examples.labels[row]), &probabilities)?;
        }
        let best = scores.best_thresholds(|counts| counts.f1())?;
        // Of a label that validation does not hold nothing is learnt.
        let threshold = |(best, scores): (&Threshold, &BinaryScores)| match scores.positives() {
            0 => 0.5,
            _ => between(scores, best.threshold),
        };
        self.settings.thresholds = best.iter().zip(scores.labels()).map(threshold).collect();
        let (least, most) = self
            .settings
            .thresholds
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), one| (least.min(*one), most.max(*one)));
        Ok(vec![format!("each label has its own threshold, from {least:.4} to {most:.4}")])
    }

    fn predict(
        &self,
        examples: &Self::Examples,
        _encoded: &Encoded<Vec<Vec<u32>>>,
        outputs: &Outputs,
        raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let by_name = |values: Vec<f64>| self.labels.names().iter().cloned().zip(values).collect::<Vec<_>>();
        let predict = |(row, text): (usize, &retune_data::Text)| {
            let logits = outputs.of(row);
            let probabilities: Vec<f64> = logits.iter().map(|logit| sigmoid(*logit)).collect();
            let given = self.predicted(logits);
            let names = self.names(&given);
            let shown: Vec<String> = probabilities
                .iter()
                .zip(&given)
                .filter(|(_, given)| **given)
                .zip(&names)
                .map(|((probability, _), name)| format!("{name} {probability:.3}"))
                .collect();
            let shown = if shown.is_empty() { "(none)".to_owned() } else { shown.join(", ") };
            let mut line = format!("{shown}\t{}", text.first);
            let mut fields = vec![("text", Field::Text(text.first.clone()))];
            if let Some(second) = &text.second {
                line.push_str(&format!("\t{second}"));
                fields.push(("text_pair", Field::Text(second.clone())));
            }
            fields.push(("predicted", Field::Json(json!(names))));
            fields.push(("probabilities", Field::ByName("probability", by_name(probabilities))));
            if raw {
                let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
                fields.push(("logits", Field::ByName("logit", by_name(logits))));
            }
            Prediction { line, fields }
        };
        Ok(examples.texts.read()?.iter().enumerate().map(predict).collect())
    }

    fn explained_output(&self, outputs: &[f32]) -> Option<usize> {
        Some(arg_max(outputs))
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        Some(examples.labels.iter().map(|set| json!(self.names(&self.right(set))).to_string()).collect())
    }
}
