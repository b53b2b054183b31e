//! The right one of several texts.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{DataError, Table, Text, TextTokenizer, Wanted, collate};
use retune_metrics::{Bootstrap, MeanLoss, TopKAccuracy};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, Plan};
use tch::Tensor;

use super::groups::{self, GroupColumns, GroupExamples, choices, column};
use super::kept::Kept;
use super::probabilities::{arg_max, log_softmax, softmax};
use super::texts::{self, label_column};
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses::CrossEntropy;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// The right one of several texts, each read after the context: cross-entropy over an example's choices. Where a second
/// column of text is named, choices go on from it, as the endings of SWAG do.
#[derive(Debug)]
pub struct MultipleChoice;

impl MultipleChoice {
    /// The logits of one example's choices: `[k]`.
    fn logits(outputs: &Outputs, row: usize, choices: usize) -> Vec<f32> {
        (row * choices..(row + 1) * choices).map(|sequence| outputs.of(sequence)[0]).collect()
    }

    /// The outputs of a batch, `[n·k, 1]`, with those of an example side by side: `[n, k]`.
    fn by_example(outputs: &Tensor, batch: &Batch) -> Tensor {
        let places = &batch.targets[0]; // [n, k]
        outputs.squeeze_dim(1).index_select(0, &places.reshape([-1])).view_as(places)
    }
}

/// Which choice each row says is right: by number from 0, by letter from A, or by its words.
fn labels(table: &Table, name: &str, columns: &[String]) -> Result<Vec<u32>, DataError> {
    let (labels, choices) = (column(table, name)?, choices(table, columns, None)?);
    let label = |(row, label): (usize, &String)| {
        let text = label.trim();
        let choices = &choices[row];
        let by_number = text.parse::<usize>().ok();
        let by_letter = match text.as_bytes() {
            [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
            _ => None,
        };
        let by_words = choices.iter().position(|choice| choice == label);
        let found = by_words.or(by_number).or(by_letter).filter(|place| *place < choices.len());
        found.map(|place| place as u32).ok_or_else(|| DataError::WrongType {
            place: table.place(row),
            column: name.to_owned(),
            found: format!("'{text}'"),
            expected: "the right choice is wanted: its number from 0, its letter from A, or its words",
        })
    };
    labels.iter().enumerate().map(label).collect()
}

/// The columns of a plan's contexts and choices.
fn columns(plan: &DataPlan) -> GroupColumns {
    GroupColumns::Choices { text: plan.text.clone(), choices: plan.choices.clone().unwrap_or_default() }
}

impl Task for MultipleChoice {
    type Examples = GroupExamples<u32>;
    type Targets = Vec<u32>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let task = Self;
        let train = task.read_labelled(&plan.data.train, &plan.data)?;
        let strata = vec![0; train.labels.len()];
        let read = |path: &Path| task.read_labelled(path, &plan.data);
        let splits = texts::splits(plan, train, &strata, GroupExamples::select, read)?;
        Ok((task, splits))
    }

    fn of_model(_plan: &Plan, _config: &ModelConfig) -> Result<Self, TrainError> {
        Ok(Self)
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError> {
        let choices = plan.choices.as_deref().unwrap_or_default();
        let name = label_column(plan);
        GroupExamples::read(path, plan, columns(plan), Some(name), |table| labels(table, name, choices))
    }

    fn unlabelled_columns<'p>(&self, _path: &Path, plan: &'p DataPlan) -> Result<Vec<Wanted<'p>>, TrainError> {
        Ok(groups::wanted(&plan.text, plan.choices.as_deref().unwrap_or_default()))
    }

    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        before: Option<&Self::Examples>,
    ) -> Result<Self::Examples, TrainError> {
        GroupExamples::unlabelled(table, &columns(plan), before)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Self::Examples, TrainError> {
        let group = |texts: Vec<String>| match texts.split_first() {
            Some((context, choices)) => {
                choices.iter().map(|choice| Text { first: context.clone(), second: Some(choice.clone()) }).collect()
            }
            None => Vec::new(),
        };
        // All texts are one example: the context and its choices.
        let all: Vec<String> = texts.into_iter().flatten().collect();
        if all.len() < 3 {
            let reason = "give a context and at least two choices".to_owned();
            return Err(TrainError::Input { reason });
        }
        Ok(GroupExamples { path: Default::default(), groups: Kept::Held(vec![group(all)]), labels: Vec::new() })
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        vec!["context"]
    }

    fn example(&self) -> Vec<String> {
        ["a context", "a choice", "another choice"].map(str::to_owned).to_vec()
    }

    fn describe(&self) -> String {
        "choices".to_owned()
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::new(HeadKind::MultipleChoice, 1))
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        config.with_architecture(&architecture.class(HeadKind::MultipleChoice))
    }

    fn encode(&self, examples: &Self::Examples, tokenizer: &TextTokenizer) -> Result<Encoded<Vec<u32>>, TrainError> {
        examples.encode(tokenizer, examples.labels.clone())
    }

    fn batch(&self, encoded: &Encoded<Vec<u32>>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let sequences = encoded.sequences(rows);
        let batch = Batch::of(collate(&encoded.tokenized, &sequences)?);
        let places = batch.places(&sequences).view([rows.len() as i64, encoded.per_row as i64]); // [n, k]
        let labels: Vec<i64> = rows.iter().map(|row| i64::from(encoded.targets[*row])).collect();
        Ok(Batch { targets: vec![places, Tensor::from_slice(&labels)], weight: rows.len() as f64, ..batch })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        CrossEntropy::plain().sum(&Self::by_example(outputs, batch), &batch.targets[1])
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        let [first, second] = [first, second].map(|outputs| Self::by_example(outputs, batch)); // [n, k]
        Some(CrossEntropy::plain().divergence(&first, &second, &batch.targets[1]))
    }

    fn score(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Vec<u32>>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let choices = encoded.per_row;
        let (mut loss, mut second) = (MeanLoss::new(), TopKAccuracy::new(choices)?);
        let mut right = Vec::with_capacity(examples.labels.len());
        for (row, label) in examples.labels.iter().enumerate() {
            let logits = Self::logits(outputs, row, choices);
            loss.update(-log_softmax(&logits, 1.0)[*label as usize], 1)?;
            let scores: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
            second.update(*label as usize, &scores)?;
            right.push(arg_max(&logits) == *label as usize);
        }
        let share = |rows: &[usize]| rows.iter().filter(|row| right[**row]).count() as f64 / rows.len().max(1) as f64;
        let all: Vec<usize> = (0..right.len()).collect();
        let interval =
            bootstrap.map(|bootstrap| bootstrap.interval_of(all.len(), |rows| Ok(share(rows)))).transpose()?;
        let mut scores = vec![
            Score::titled("accuracy", "accuracy", share(&all)).within(interval),
            Score::titled("loss", "loss", loss.mean()?),
        ];
        if choices > 2 {
            scores.push(Score::plain("top_2_accuracy", second.accuracy(2)?));
        }
        Ok(Evaluation { examples: right.len() as u64, scores, classes: Vec::new(), confusion: None })
    }

    fn predict(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Vec<u32>>,
        outputs: &Outputs,
        raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let predict = |(row, group): (usize, &Vec<Text>)| {
            let logits = Self::logits(outputs, row, encoded.per_row);
            let probabilities = softmax(&logits, 1.0);
            let best = arg_max(&logits);
            let words = group[best].second.clone().unwrap_or_default();
            let numbered =
                |values: Vec<f64>| (0..).map(|place: usize| place.to_string()).zip(values).collect::<Vec<_>>();
            let mut fields = vec![
                ("text", Field::Text(group[best].first.clone())),
                ("predicted", Field::Text(best.to_string())),
                ("choice", Field::Text(words.clone())),
                ("confidence", Field::Number(probabilities[best])),
            ];
            let line = format!("{best} {:.3}\t{words}\t{}", probabilities[best], group[best].first);
            fields.push(("probabilities", Field::ByName("probability", numbered(probabilities))));
            if raw {
                let logits = logits.iter().map(|logit| f64::from(*logit)).collect();
                fields.push(("logits", Field::ByName("logit", numbered(logits))));
            }
            Prediction { line, fields }
        };
        Ok(examples.groups.read()?.iter().enumerate().map(predict).collect())
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        Some(examples.labels.iter().map(u32::to_string).collect())
    }
}
