//! A tag for each word: named entities, parts of speech.

mod sentences;

use std::ops::Range;
use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{Beside, ClassNames, FurtherPieces, LabelMap, Table, TextTokenizer, Wanted, collate};
use retune_metrics::{
    Average, Bootstrap, ClassScores, ConfusionMatrix, Decoding, Entity, EntityScores, MeanLoss, Scheme, entities,
};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, Plan};
use sentences::{SentenceExamples, Sentences, WordColumns, label_numbers, label_of};
use serde_json::{Value, json};
use tch::Tensor;

use super::probabilities::{arg_max, log_softmax, softmax};
use super::tables::Tables;
use super::texts::{self, label_column};
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Confusions, Evaluation, Score};
use crate::losses::{CrossEntropy, IGNORED};
use crate::note::Note;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, Examples, OutputLayer, Splits, Task};

/// A tag for each word: cross-entropy at the first sub-word of each, entities as seqeval reads them.
#[derive(Debug)]
pub struct TokenClassification {
    labels: LabelMap,
    loss: CrossEntropy,
}

/// What stands beside the tokens.
#[derive(Debug)]
pub struct WordTargets {
    /// The tag of each token, or [`IGNORED`], as [`label_of`] says.
    labels: Beside,
    /// The first token of each word of each sentence among all tokens; `None` where a word has none. Empty of sentences
    /// to learn from.
    first: Vec<Vec<Option<usize>>>,
}

impl WordTargets {
    /// Appends the label of each token of a sequence.
    fn read(&self, sequence: usize, labels: &mut Vec<i64>) -> Result<(), TrainError> {
        labels.extend(self.labels.read(sequence)?.into_iter().map(label_of));
        Ok(())
    }
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

    fn predicted(&self, targets: &WordTargets, outputs: &Outputs, sentence: usize) -> Vec<usize> {
        let outside = outside(&self.labels) as usize;
        let tag = |token: &Option<usize>| token.map_or(outside, |token| arg_max(outputs.row(token)));
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

/// The tag of words that are no tokens: outside, where there is such a tag.
fn outside(labels: &LabelMap) -> u32 {
    labels.id("O").unwrap_or(0)
}

/// Right, predicted and labelled entities of one sentence.
type Counts = (u64, u64, u64);

fn micro_f1(counts: impl Iterator<Item = Counts>) -> f64 {
    let (right, predicted, labelled) = counts.fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    if predicted + labelled == 0 { 0.0 } else { 2.0 * right as f64 / (predicted + labelled) as f64 }
}

impl Task for TokenClassification {
    type Examples = SentenceExamples;
    type Targets = WordTargets;

    fn read(plan: &Plan) -> Result<(Self, Splits<SentenceExamples>), TrainError> {
        let data = &plan.data;
        let column = label_column(data);
        let columns = WordColumns::of(data);
        let tables = Tables::of(&data.train, data, columns.wanted())?;
        let labels = texts::classes(data, || {
            let mut names = ClassNames::default();
            tables.each(|table| Ok(names.add_lists(table, column)?))?;
            Ok(names.finish_lists()?)
        })?;
        if labels.is_empty() {
            let path = data.train.display();
            let reason = format!("{path}: no word has a tag in column '{column}'; name another column with data.label");
            return Err(TrainError::Input { reason });
        }
        // Sentences that hold an entity are held out by its tag, the first by id; those without one together.
        let outside = outside(&labels);
        let (mut counts, mut strata) = (vec![0; labels.len()], Vec::new());
        let train = SentenceExamples::to_learn_from(&tables, columns.clone(), &labels, |tags| {
            tags.iter().for_each(|tag| counts[*tag as usize] += 1);
            strata.push(tags.iter().filter(|tag| **tag != outside).min().map_or(0, |tag| tag + 1));
        })?;
        let loss = texts::cross_entropy(&plan.task, &labels, &counts)?;
        let task = Self { labels, loss };
        let read = |path: &Path| task.read_labelled(path, data);
        let mut splits = texts::splits(plan, train, &strata, SentenceExamples::of_rows, read)?;
        splits.validation = splits.validation.hold()?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        let labels = texts::classes_of_model(&plan.data, config.labels()?)?;
        Ok(Self { labels, loss: CrossEntropy::plain() })
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<SentenceExamples, TrainError> {
        Ok(SentenceExamples::Held(Sentences::tagged(path, plan, &self.labels)?))
    }

    fn unlabelled_columns<'p>(&self, path: &Path, plan: &'p DataPlan) -> Result<Vec<Wanted<'p>>, TrainError> {
        Ok(vec![sentences::words_or_text(path, plan)?])
    }

    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        _before: Option<&SentenceExamples>,
    ) -> Result<SentenceExamples, TrainError> {
        Ok(SentenceExamples::Held(Sentences::untagged(table, &plan.text[0])?))
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<SentenceExamples, TrainError> {
        Ok(SentenceExamples::Held(Sentences::of_texts(texts.into_iter().flatten().collect())))
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

    fn encode(
        &self,
        examples: &SentenceExamples,
        tokenizer: &TextTokenizer,
    ) -> Result<Encoded<WordTargets>, TrainError> {
        let (tokenized, targets, cut_words) = match examples {
            SentenceExamples::File(file) => {
                let (tokenized, labels) = sentences::encode(file, tokenizer)?;
                let cut_words = tokenized.truncated;
                (tokenized, WordTargets { labels, first: Vec::new() }, cut_words)
            }
            SentenceExamples::Held(sentences) => {
                let mut encoded = tokenizer.encode_words(&sentences.words)?;
                let labels = match sentences.tags.is_empty() {
                    true => vec![IGNORED; encoded.words.len()],
                    false => encoded.align(&sentences.tags, FurtherPieces::Ignored)?,
                };
                let first = encoded.first_tokens();
                let tokenized = std::mem::take(&mut encoded.tokenized);
                let labels = label_numbers(&tokenized, &labels);
                (tokenized, WordTargets { labels, first }, encoded.cut_words)
            }
        };
        let more = tokenized.len().saturating_sub(examples.len());
        let notes = vec![
            Note::new("{} sequence(s) go on with sentences that are longer than data.max_length", [more]),
            Note::new("{} word(s) are longer than data.max_length and are cut", [cut_words]),
        ];
        Ok(Encoded { tokenized, per_row: 1, targets, notes })
    }

    fn batch(&self, encoded: &Encoded<WordTargets>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let mut labels = Vec::new(); // [t]
        packed.rows.iter().try_for_each(|row| encoded.targets.read(*row, &mut labels))?;
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
        examples: &SentenceExamples,
        encoded: &Encoded<WordTargets>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let (examples, targets) = (examples.held(), &encoded.targets);
        let (mut loss, mut labels) = (MeanLoss::new(), Vec::new());
        for sequence in 0..encoded.tokenized.len() {
            labels.clear();
            targets.read(sequence, &mut labels)?;
            let tokens = encoded.tokenized.range(sequence).zip(&labels);
            for (token, label) in tokens.filter(|(_, label)| **label != IGNORED) {
                loss.update(-log_softmax(outputs.row(token), 1.0)[*label as usize], 1)?;
            }
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
        examples: &SentenceExamples,
        encoded: &Encoded<WordTargets>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let examples = examples.held();
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

    fn label_column(&self, examples: &SentenceExamples) -> Option<Vec<String>> {
        let tags = |tags: &Vec<u32>| json!(self.names(tags.iter().map(|tag| *tag as usize))).to_string();
        Some(examples.held().tags.iter().map(tags).collect())
    }
}
