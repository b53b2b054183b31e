//! The right one of several texts.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{DataError, Table, Text, TextTokenizer, Wanted, collate};
use retune_metrics::{Bootstrap, MeanLoss, TopKAccuracy};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, Plan};
use tch::Tensor;

use super::groups::{GroupExamples, column};
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

    fn groups(table: &Table, plan: &DataPlan, columns: &[String]) -> Result<Vec<Vec<Text>>, TrainError> {
        let contexts = column(table, &plan.text[0])?;
        let openings = plan.text.get(1).map(|name| column(table, name)).transpose()?;
        let choices = choices(table, columns)?;
        let group = |(row, context): (usize, &String)| {
            let opened = |choice: &String| match &openings {
                Some(openings) => format!("{} {choice}", openings[row]),
                None => choice.clone(),
            };
            choices[row].iter().map(|choice| Text { first: context.clone(), second: Some(opened(choice)) }).collect()
        };
        Ok(contexts.iter().enumerate().map(group).collect())
    }
}

/// The choices of each row, as many in all.
fn choices(table: &Table, columns: &[String]) -> Result<Vec<Vec<String>>, DataError> {
    if let [list] = columns {
        let lists = table.lists(list)?;
        let rows: Vec<Vec<String>> =
            lists.iter().map(|row| row.iter().flatten().map(|choice| (*choice).to_owned()).collect()).collect();
        let expected = rows.first().map_or(0, Vec::len).max(2);
        return match rows.iter().position(|row| row.len() != expected) {
            None => Ok(rows),
            Some(row) => Err(DataError::WrongType {
                place: table.place(row),
                column: list.clone(),
                found: format!("{} choice(s)", rows[row].len()),
                expected: "as many choices as in the first row are wanted, at least 2",
            }),
        };
    }
    let columns = columns.iter().map(|name| column(table, name)).collect::<Result<Vec<_>, _>>()?;
    Ok((0..table.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect())
}

/// Which choice each row says is right: by number from 0, by letter from A, or by its words.
fn labels(table: &Table, name: &str, columns: &[String]) -> Result<Vec<u32>, DataError> {
    let (labels, choices) = (column(table, name)?, choices(table, columns)?);
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

impl Task for MultipleChoice {
    type Examples = GroupExamples<u32>;
    type Targets = Vec<u32>;

    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError> {
        let task = Self;
        let train = task.read_file(&plan.data.train, &plan.data, true)?;
        let strata = vec![0; train.labels.len()];
        let read = |path: &Path| task.read_file(path, &plan.data, true);
        let splits = texts::splits(plan, train, &strata, GroupExamples::select, read)?;
        Ok((task, splits))
    }

    fn of_model(_plan: &Plan, _config: &ModelConfig) -> Result<Self, TrainError> {
        Ok(Self)
    }

    fn read_file(&self, path: &Path, plan: &DataPlan, labelled: bool) -> Result<Self::Examples, TrainError> {
        let columns = plan.choices.clone().unwrap_or_default();
        let mut wanted: Vec<Wanted<'_>> = plan.text.iter().map(|name| Wanted::Text(name)).collect();
        match columns.as_slice() {
            [list] => wanted.push(Wanted::List(list)),
            many => wanted.extend(many.iter().map(|name| Wanted::Text(name))),
        }
        let name = label_column(plan);
        wanted.extend(labelled.then_some(Wanted::Text(name)));
        let table = texts::read_table(path, plan, &wanted)?;
        let groups = Self::groups(&table, plan, &columns)?;
        let labels = if labelled { labels(&table, name, &columns)? } else { Vec::new() };
        Ok(GroupExamples { path: path.to_owned(), groups, labels })
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
        Ok(GroupExamples { path: Default::default(), groups: vec![group(all)], labels: Vec::new() })
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
        Ok(examples.groups.iter().enumerate().map(predict).collect())
    }

    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>> {
        Some(examples.labels.iter().map(u32::to_string).collect())
    }
}
