//! A vector for each text, near where texts mean the same.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{DataError, Table, Text, TextTokenizer, collate, numbers};
use retune_metrics::{Bootstrap, MeanLoss, RankCorrelation, Regression};
use retune_models::registry::Architecture;
use retune_models::{ModelConfig, PoolingMode};
use retune_recipe::{DataPlan, LossChoice, Plan, PoolingChoice};
use tch::{Kind, Tensor};

use super::groups::{GroupColumns, GroupExamples};
use super::kept::Kept;
use super::texts;
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// A vector for each text: from pairs that mean the same, with the others of the batch as negatives; from triplets of a
/// text, a partner and a negative; or from pairs with a number that their cosine shall have.
#[derive(Debug)]
pub struct Embeddings {
    loss: Loss,
    pooling: Option<PoolingMode>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    MultipleNegatives { scale: f64 },
    Triplet { margin: f64 },
    Cosine,
}

impl Embeddings {
    /// As a plan has it.
    ///
    /// # Errors
    /// The loss does not suit the columns, or other keys do not suit the loss.
    pub(crate) fn of_plan(plan: &Plan) -> Result<Self, TrainError> {
        let (columns, scored) = (plan.data.text.len(), plan.data.label.is_some());
        let unsuited = |reason: &str| Err(TrainError::Input { reason: reason.to_owned() });
        let loss = match plan.task.loss {
            LossChoice::Triplet if columns < 3 => {
                return unsuited("task.loss = \"triplet\" needs three columns in data.text: text, partner, negative");
            }
            LossChoice::Cosine if !scored || columns != 2 => {
                return unsuited("task.loss = \"cosine\" needs two columns in data.text, and numbers in data.label");
            }
            LossChoice::Triplet => Loss::Triplet { margin: plan.task.margin },
            LossChoice::Cosine => Loss::Cosine,
            LossChoice::Auto if scored && columns == 2 => Loss::Cosine,
            _ => Loss::MultipleNegatives { scale: plan.task.scale },
        };
        let in_parts = plan.train.micro_batch_size.is_some() || plan.train.micro_batch_tokens.is_some();
        if in_parts && matches!(loss, Loss::MultipleNegatives { .. }) {
            return unsuited(
                "train.micro_batch_size and train.micro_batch_tokens cannot go with in-batch negatives, whose loss sees the whole batch at once; \
                 leave them out, or choose another task.loss",
            );
        }
        if plan.regularization.r_drop > 0.0 {
            return unsuited(
                "regularization.r_drop cannot go with embeddings: R-Drop compares distributions over classes, or numbers, and a \
                 vector is neither; leave it out",
            );
        }
        let pooling = match plan.task.pooling {
            PoolingChoice::Auto => None,
            PoolingChoice::Mean => Some(PoolingMode::Mean),
            PoolingChoice::Cls => Some(PoolingMode::Cls),
            PoolingChoice::Max => Some(PoolingMode::Max),
        };
        Ok(Self { loss, pooling })
    }
}

/// The cosine of two vectors, in float64.
fn cosine(first: &[f32], second: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(first, second) / (dot(first, first) * dot(second, second)).sqrt().max(1e-12)
}

/// The rank of each text's partner among all partners, by cosine, from 1; the worst of equals.
fn ranks(outputs: &Outputs, examples: usize, per_row: usize) -> Result<Vec<f64>, TrainError> {
    const AT_A_TIME: i64 = 1024;
    let all = outputs.to_tensor(); // [n · k, e]
    let all = &all / all.norm_scalaropt_dim(2.0, [-1], true).clamp_min(1e-12);
    let side = |place: i64| all.slice(0, place, None, per_row as i64); // [n, e]
    let (texts, partners) = (side(0), side(1));
    let mut ranks = Vec::with_capacity(examples);
    for start in (0..examples as i64).step_by(AT_A_TIME as usize) {
        let end = (start + AT_A_TIME).min(examples as i64);
        let scores = texts.slice(0, start, end, 1).matmul(&partners.transpose(0, 1)); // [m, n]
        let own =
            scores.gather(1, &Tensor::arange_start(start, end, (Kind::Int64, scores.device())).unsqueeze(1), false);
        let rank = scores.ge_tensor(&own).sum_dim_intlist([1].as_slice(), false, Kind::Double); // [m]
        ranks.extend(Vec::<f64>::try_from(rank)?);
    }
    Ok(ranks)
}

impl Task for Embeddings {
    type Examples = GroupExamples<f64>;
    type Targets = Vec<f64>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let task = Self::of_plan(plan)?;
        let train = task.read_labelled(&plan.data.train, &plan.data)?;
        let strata = vec![0; train.groups.len()];
        let read = |path: &Path| task.read_labelled(path, &plan.data);
        let splits = texts::splits(plan, train, &strata, GroupExamples::select, read)?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, _config: &ModelConfig) -> Result<Self, TrainError> {
        // The model directory says how its tokens are pooled. Any number of columns can be embedded, whatever the loss
        // was that needed some.
        let loss = Self::of_plan(plan).map_or(Loss::Cosine, |task| task.loss);
        Ok(Self { pooling: None, loss })
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError> {
        let label = plan.label.as_deref();
        let labels = |table: &Table| {
            let Some(label) = label else { return Ok(Vec::new()) };
            let labels = numbers(table, label)?;
            match labels.iter().position(|label| self.loss == Loss::Cosine && label.abs() > 1.0) {
                None => Ok(labels),
                Some(row) => Err(DataError::WrongType {
                    place: table.place(row),
                    column: label.to_owned(),
                    found: labels[row].to_string(),
                    expected: "a cosine from -1 to 1 is wanted; divide the numbers by their largest",
                }),
            }
        };
        GroupExamples::read(path, plan, GroupColumns::Texts(plan.text.clone()), label, labels)
    }

    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        before: Option<&Self::Examples>,
    ) -> Result<Self::Examples, TrainError> {
        GroupExamples::unlabelled(table, &GroupColumns::Texts(plan.text.clone()), before)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Self::Examples, TrainError> {
        let group = |texts: Vec<String>| texts.into_iter().map(Text::single).collect();
        Ok(GroupExamples {
            path: Default::default(),
            groups: Kept::Held(texts.into_iter().map(group).collect()),
            labels: Vec::new(),
        })
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        vec!["a text"]
    }

    fn describe(&self) -> String {
        "sentence embeddings".to_owned()
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Sentence(self.pooling)
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        // Without the head that the pretrained model may have had.
        config.with_architecture(&format!("{}Model", architecture.class))
    }

    fn encode(&self, examples: &Self::Examples, tokenizer: &TextTokenizer) -> Result<Encoded<Vec<f64>>, TrainError> {
        examples.encode(tokenizer, examples.labels.clone())
    }

    fn batch(&self, encoded: &Encoded<Vec<f64>>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let sequences = encoded.sequences(rows);
        let batch = Batch::of(collate(&encoded.tokenized, &sequences)?);
        let places = batch.places(&sequences).view([rows.len() as i64, encoded.per_row as i64]); // [n, k]
        let mut targets = vec![places];
        if self.loss == Loss::Cosine {
            let labels: Vec<f32> = rows.iter().map(|row| encoded.targets[*row] as f32).collect();
            targets.push(Tensor::from_slice(&labels)); // [n]
        }
        Ok(Batch { targets, weight: rows.len() as f64, ..batch })
    }

    fn splits(&self) -> bool {
        !matches!(self.loss, Loss::MultipleNegatives { .. })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        let places = &batch.targets[0]; // [n, k]
        let side = |column: i64| outputs.index_select(0, &places.select(1, column)); // [n, e]
        match self.loss {
            Loss::Cosine => losses::cosine(&side(0), &side(1), &batch.targets[1]),
            Loss::Triplet { margin } => losses::triplet(&side(0), &side(1), &side(2), margin),
            Loss::MultipleNegatives { scale } => {
                let candidates: Vec<Tensor> = (1..places.size()[1]).map(side).collect();
                losses::multiple_negatives(&side(0), &Tensor::cat(&candidates, 0), scale)
            }
        }
    }

    fn score(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Vec<f64>>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let (n, k) = (examples.groups.len(), encoded.per_row);
        let cosine_to = |row: usize, other: usize| cosine(outputs.of(row * k), outputs.of(row * k + other));
        let interval = |values: &[f64]| {
            let mean = |rows: &[usize]| rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len().max(1) as f64;
            let all: Vec<usize> = (0..n).collect();
            let interval = bootstrap.map(|bootstrap| bootstrap.interval_of(n, |rows| Ok(mean(rows)))).transpose()?;
            Ok::<_, TrainError>((mean(&all), interval))
        };
        let mut scores = Vec::new();
        if !examples.labels.is_empty() {
            let (mut ranks, mut measures, mut loss) = (RankCorrelation::new(), Regression::new(), MeanLoss::new());
            for (row, label) in examples.labels.iter().enumerate() {
                let cosine = cosine_to(row, 1);
                ranks.update(*label, cosine)?;
                measures.update(*label, cosine)?;
                loss.update((cosine - label).powi(2), 1)?;
            }
            scores.push(Score::titled("spearman", "Spearman's correlation", ranks.spearman().unwrap_or(0.0)));
            scores.push(Score::titled("pearson", "Pearson's correlation", measures.pearson().unwrap_or(0.0)));
            scores.push(Score::titled("squared_error", "squared error of the cosine", loss.mean()?));
        } else {
            if k > 2 {
                let right: Vec<f64> =
                    (0..n).map(|row| f64::from(u8::from(cosine_to(row, 1) > cosine_to(row, 2)))).collect();
                let (mean, interval) = interval(&right)?;
                scores.push(Score::titled("triplet_accuracy", "partner nearer than negative", mean).within(interval));
            }
            let ranks = ranks(outputs, n, k)?;
            let (mrr, interval) = interval(&ranks.iter().map(|rank| 1.0 / rank).collect::<Vec<_>>())?;
            scores.push(Score::titled("mrr", "mean reciprocal rank", mrr).within(interval));
            let within = |most: f64| ranks.iter().filter(|rank| **rank <= most).count() as f64 / n.max(1) as f64;
            scores.push(Score::titled("recall_at_1", "partner first of all", within(1.0)));
            scores.push(Score::titled("recall_at_10", "partner among ten", within(10.0)));
        }
        Ok(Evaluation { examples: n as u64, scores, classes: Vec::new(), confusion: None })
    }

    fn predict(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Vec<f64>>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        const NAMES: [(&str, &str); 3] = [("text", "embedding"), ("text_2", "embedding_2"), ("text_3", "embedding_3")];
        let k = encoded.per_row;
        let predict = |(row, group): (usize, &Vec<Text>)| {
            let mut fields = Vec::new();
            for (place, (text, (name, vector))) in group.iter().zip(NAMES).enumerate() {
                fields.push((name, Field::Text(text.first.clone())));
                fields.push((vector, Field::Vector(outputs.of(row * k + place).to_vec())));
            }
            let first = outputs.of(row * k);
            let line = if k == 2 {
                let cosine = cosine(first, outputs.of(row * k + 1));
                fields.push(("cosine", Field::Number(cosine)));
                format!("{cosine:.4}\t{}\t{}", group[0].first, group[1].first)
            } else {
                let shown: Vec<String> = first.iter().take(6).map(|value| format!("{value:.4}")).collect();
                format!("[{}, … {} numbers]\t{}", shown.join(", "), first.len(), group[0].first)
            };
            Prediction { line, fields }
        };
        Ok(examples.groups.read()?.iter().enumerate().map(predict).collect())
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        (!examples.labels.is_empty()).then(|| examples.labels.iter().map(f64::to_string).collect())
    }
}
