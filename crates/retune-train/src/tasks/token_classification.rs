//! A tag for each word: named entities, parts of speech.

mod sentences;

use std::ops::Range;
use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{FurtherPieces, LabelMap, TextTokenizer, Wanted, collate};
use retune_metrics::{
    Average, Bootstrap, ClassScores, ConfusionMatrix, Decoding, Entity, EntityScores, MeanLoss, Scheme, entities,
};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, Plan};
use sentences::{Sentences, tagged, untagged};
use serde_json::{Value, json};
use tch::Tensor;

use super::probabilities::{arg_max, log_softmax, softmax};
use super::texts::{self, label_column};
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Confusions, Evaluation, Score};
use crate::losses::{CrossEntropy, IGNORED};
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, OutputLayer, Splits, Task};

/// A tag for each word: cross-entropy at the first sub-word of each, entities as seqeval reads them.
#[derive(Debug)]
pub struct TokenClassification {
    labels: LabelMap,
    loss: CrossEntropy,
}

/// What stands beside the tokens.
#[derive(Debug)]
pub struct WordTargets {
    /// The tag of each token, or [`IGNORED`].
    labels: Vec<i64>,
    /// The first token of each word of each sentence among all tokens; `None` where a word has none.
    first: Vec<Vec<Option<usize>>>,
}

impl TokenClassification {
    /// Whether the tags mark spans, as `B-PER` does, and not kinds of words, as `NOUN`.
    fn marks_spans(&self) -> bool {
        let is_span = |name: &String| {
            name == "O"
                || matches!(name.split_once('-'), Some(("B" | "I" | "E" | "S" | "L" | "U", kind)) if !kind.is_empty())
        };
        self.labels.names().iter().all(is_span) && self.labels.len() > 1
    }

    /// How entities are read: as seqeval does unless told otherwise, or by the one scheme that it has to be told.
    fn decoding(&self) -> Decoding {
        let is_bilou = |name: &String| name.starts_with("L-") || name.starts_with("U-");
        match self.labels.names().iter().any(is_bilou) {
            true => Decoding::Strict(Scheme::Bilou),
            false => Decoding::Lenient,
        }
    }

    /// The tag of words that are no tokens: outside, where there is such a tag.
    fn outside(&self) -> usize {
        self.labels.id("O").unwrap_or(0) as usize
    }

    fn predicted(&self, targets: &WordTargets, outputs: &Outputs, sentence: usize) -> Vec<usize> {
        let tag = |token: &Option<usize>| token.map_or(self.outside(), |token| arg_max(outputs.row(token)));
        targets.first[sentence].iter().map(tag).collect()
    }

    fn names(&self, tags: impl Iterator<Item = usize>) -> Vec<&str> {
        tags.map(|tag| self.labels.names()[tag].as_str()).collect()
    }

    /// An entity for a program: its kind, words, characters, and the mean probability of its tags.
    fn describe_entity(&self, entity: &Entity, text: &(String, Vec<Range<usize>>), certainty: &[f64]) -> Value {
        let (words, places) = (entity.start..entity.end, &text.1);
        let (start, end) = (places[words.start].start, places[words.end - 1].end);
        let score = certainty[words.clone()].iter().sum::<f64>() / words.len() as f64;
        let surface: String = text.0.chars().skip(start).take(end - start).collect();
        json!({
            "text": surface, "label": entity.kind, "start": start, "end": end,
            "first_word": words.start, "last_word": words.end - 1, "score": score,
        })
    }
}

/// Right, predicted and labelled entities of one sentence.
type Counts = (u64, u64, u64);

fn micro_f1(counts: impl Iterator<Item = Counts>) -> f64 {
    let (right, predicted, labelled) = counts.fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    if predicted + labelled == 0 { 0.0 } else { 2.0 * right as f64 / (predicted + labelled) as f64 }
}

impl Task for TokenClassification {
    type Examples = Sentences;
    type Targets = WordTargets;

    fn read(plan: &Plan) -> Result<(Self, Splits<Sentences>), TrainError> {
        let data = &plan.data;
        let column = label_column(data);
        let table = texts::read_table(&data.train, data, &[Wanted::List(&data.text[0]), Wanted::List(column)])?;
        let labels = texts::classes(data, || Ok(LabelMap::from_lists(&table, column)?))?;
        if labels.is_empty() {
            let path = data.train.display();
            let reason = format!("{path}: no word has a tag in column '{column}'; name another column with data.label");
            return Err(TrainError::Input { reason });
        }
        let train = tagged(&data.train, &table, data, &labels)?;
        let loss = texts::cross_entropy(&plan.task, &labels, train.tags.iter().flatten().copied())?;
        let task = Self { labels, loss };
        // Sentences that hold an entity are held out by its tag, the first by id; those without one together.
        let outside = task.outside() as u32;
        let stratum = |tags: &Vec<u32>| tags.iter().filter(|tag| **tag != outside).min().map_or(0, |tag| tag + 1);
        let strata: Vec<u32> = train.tags.iter().map(stratum).collect();
        let splits = texts::splits(plan, train, &strata, Sentences::select, |path| task.read_file(path, data, true))?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        let labels = texts::classes_of_model(&plan.data, config.labels()?)?;
        Ok(Self { labels, loss: CrossEntropy::plain() })
    }

    fn read_file(&self, path: &Path, plan: &DataPlan, labelled: bool) -> Result<Sentences, TrainError> {
        if labelled {
            let wanted = [Wanted::List(&plan.text[0]), Wanted::List(label_column(plan))];
            return tagged(path, &texts::read_table(path, plan, &wanted)?, plan, &self.labels);
        }
        untagged(path, plan)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Sentences, TrainError> {
        Ok(Sentences::of_texts(Path::new(""), texts.into_iter().flatten().collect()))
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        vec!["a text"]
    }

    fn describe(&self) -> String {
        format!("{} tags", self.labels.len())
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::new(HeadKind::TokenClassification, self.labels.len()))
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        config.with_labels(&architecture.class(HeadKind::TokenClassification), self.labels.names(), None)
    }

    fn encode(&self, examples: &Sentences, tokenizer: &TextTokenizer) -> Result<Encoded<WordTargets>, TrainError> {
        let mut encoded = tokenizer.encode_words(&examples.words)?;
        let labels = match examples.tags.is_empty() {
            true => vec![IGNORED; encoded.words.len()],
            false => encoded.align(&examples.tags, FurtherPieces::Ignored)?,
        };
        let first = encoded.first_tokens();
        let tokenized = std::mem::take(&mut encoded.tokenized);
        let mut notes = Vec::new();
        if tokenized.len() > examples.words.len() {
            let more = tokenized.len() - examples.words.len();
            notes.push(format!("{more} sequence(s) go on with sentences that are longer than data.max_length"));
        }
        if encoded.cut_words > 0 {
            notes.push(format!("{} word(s) are longer than data.max_length and are cut", encoded.cut_words));
        }
        Ok(Encoded { tokenized, per_row: 1, targets: WordTargets { labels, first }, notes })
    }

    fn batch(&self, encoded: &Encoded<WordTargets>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let labels = &encoded.targets.labels;
        let of_row = |row: &usize| labels[encoded.tokenized.range(*row)].iter().copied();
        let labels: Vec<i64> = packed.rows.iter().flat_map(of_row).collect(); // [t]
        let weight = self.loss.weight(labels.iter().copied());
        Ok(Batch { targets: vec![Tensor::from_slice(&labels)], weight, ..Batch::of(packed) })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        self.loss.sum(outputs, &batch.targets[0])
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        Some(self.loss.divergence(first, second, &batch.targets[0]))
    }

    fn score(
        &self,
        examples: &Sentences,
        encoded: &Encoded<WordTargets>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let targets = &encoded.targets;
        let mut loss = MeanLoss::new();
        for (token, label) in targets.labels.iter().enumerate().filter(|(_, label)| **label != IGNORED) {
            loss.update(-log_softmax(outputs.row(token), 1.0)[*label as usize], 1)?;
        }
        let mut matrix = ConfusionMatrix::new(self.labels.len())?;
        let (mut lenient, mut strict) = (EntityScores::new(), EntityScores::new());
        let mut counts: Vec<Counts> = Vec::with_capacity(examples.words.len());
        for (sentence, tags) in examples.tags.iter().enumerate() {
            let predicted = self.predicted(targets, outputs, sentence);
            for (label, predicted) in tags.iter().zip(&predicted) {
                matrix.update(*label as usize, *predicted)?;
            }
            if self.marks_spans() {
                let labels = self.names(tags.iter().map(|tag| *tag as usize));
                let predicted = self.names(predicted.into_iter());
                lenient.update(&labels, &predicted, self.decoding())?;
                // Tags of another scheme have no strict reading as this one.
                let _ = strict.update(&labels, &predicted, Decoding::Strict(Scheme::Iob2));
                let (labels, predicted) = (entities(&labels, self.decoding())?, entities(&predicted, self.decoding())?);
                let right = predicted.iter().filter(|entity| labels.contains(entity)).count();
                counts.push((right as u64, predicted.len() as u64, labels.len() as u64));
            }
        }
        let mut scores = Vec::new();
        if self.marks_spans() {
            let resampled = |rows: &[usize]| Ok(micro_f1(rows.iter().map(|row| counts[*row])));
            let interval = bootstrap.map(|bootstrap| bootstrap.interval_of(counts.len(), resampled)).transpose()?;
            let f1 = lenient.f1(Average::Micro)?;
            scores.push(Score::titled("entity_f1", "F1 of entities", f1).within(interval));
            scores.push(Score::titled("entity_precision", "precision of entities", lenient.precision(Average::Micro)?));
            scores.push(Score::titled("entity_recall", "recall of entities", lenient.recall(Average::Micro)?));
            scores.push(Score::plain("entity_f1_macro", lenient.f1(Average::Macro)?));
            if strict.sequences() == lenient.sequences() {
                scores.push(Score::plain("entity_f1_strict", strict.f1(Average::Micro)?));
            }
        }
        let accuracy = ConfusionMatrix::accuracy;
        let interval = match bootstrap {
            Some(bootstrap) if !self.marks_spans() => Some(bootstrap.interval(&matrix, accuracy)?),
            _ => None,
        };
        scores.push(Score::titled("accuracy", "tags right", accuracy(&matrix)?).within(interval));
        scores.push(Score::plain("f1_macro", matrix.f1(Average::Macro)?));
        scores.push(Score::titled("loss", "loss", loss.mean()?));
        let names = self.labels.names().to_vec();
        let of_tags = || names.iter().cloned().zip(matrix.class_scores()).collect();
        let of_entities =
            || lenient.type_scores().into_iter().map(|(name, scores)| (name.to_owned(), scores)).collect();
        let classes: Vec<(String, ClassScores)> = if self.marks_spans() { of_entities() } else { of_tags() };
        let confusion = (!self.marks_spans()).then_some(Confusions { matrix, names });
        Ok(Evaluation { examples: examples.words.len() as u64, scores, classes, confusion })
    }

    fn predict(
        &self,
        examples: &Sentences,
        encoded: &Encoded<WordTargets>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let predict = |(sentence, text): (usize, &(String, Vec<Range<usize>>))| {
            let tags = self.predicted(&encoded.targets, outputs, sentence);
            let certainty: Vec<f64> = encoded.targets.first[sentence]
                .iter()
                .zip(&tags)
                .map(|(token, tag)| token.map_or(1.0, |token| softmax(outputs.row(token), 1.0)[*tag]))
                .collect();
            let names = self.names(tags.into_iter());
            let words = &examples.words[sentence];
            let mut fields = vec![("text", Field::Text(text.0.clone()))];
            let shown: Vec<String> = if self.marks_spans() {
                let found = entities(&names, self.decoding())?;
                let found: Vec<Value> =
                    found.iter().map(|entity| self.describe_entity(entity, text, &certainty)).collect();
                let shown = found.iter().map(|entity| {
                    let score = entity["score"].as_f64().unwrap_or_default();
                    let (label, text) = (entity["label"].as_str(), entity["text"].as_str());
                    format!("{} {} {score:.3}", label.unwrap_or_default(), text.unwrap_or_default())
                });
                let shown = shown.collect();
                fields.push(("entities", Field::Json(json!(found))));
                shown
            } else {
                words.iter().zip(&names).map(|(word, tag)| format!("{word}/{tag}")).collect()
            };
            fields.push(("words", Field::Json(json!(words))));
            fields.push(("tags", Field::Json(json!(names))));
            let line = match self.marks_spans() {
                true if shown.is_empty() => format!("(none)\t{}", text.0),
                true => format!("{}\t{}", shown.join(", "), text.0),
                false => shown.join(" "),
            };
            Ok(Prediction { line, fields })
        };
        examples.texts.iter().enumerate().map(predict).collect()
    }

    fn label_column(&self, examples: &Sentences) -> Option<Vec<String>> {
        let tags = |tags: &Vec<u32>| json!(self.names(tags.iter().map(|tag| *tag as usize))).to_string();
        Some(examples.tags.iter().map(tags).collect())
    }
}
