//! The words that masks stand for: to go on with pretraining, on text alone.

mod lines;

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::{Masking, Table, TextTokenizer, collate};
use retune_metrics::{Bootstrap, Perplexity};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, Plan};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

pub use lines::Lines;

use super::texts::{self, cut_note};
use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses::{CrossEntropy, IGNORED};
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, Examples, OutputLayer, Splits, Task};

/// How many words are given for a mask.
const BEST: i64 = 5;

/// Evaluations mask alike, whatever epoch they follow.
const EVALUATION: u64 = u64::MAX;

/// The words that masks stand for. The output layer is computed for masked tokens alone: it is the dearest of the model,
/// and the others have no loss.
#[derive(Debug)]
pub struct MaskedLanguageModel {
    masking: Masking,
    /// Whether each line is a sequence of its own, and not all text one.
    line_by_line: bool,
    /// The tokens by id, and the mask's name among them.
    vocabulary: Vec<String>,
    /// The number of tokens that the model has embeddings for; at least as many.
    outputs: usize,
}

/// What stands beside the tokens.
#[derive(Debug)]
pub struct MaskTargets {
    /// Whether the texts hold masks that are to be filled in.
    to_fill: bool,
}

impl MaskedLanguageModel {
    fn of_plan(plan: &Plan, config_vocabulary: usize) -> Self {
        Self {
            masking: Masking {
                probability: plan.task.mask_probability,
                whole_word: plan.task.whole_word_masking,
                mask_id: 0,
                vocabulary: 0,
                seed: plan.run.seed,
            },
            line_by_line: plan.task.line_by_line,
            vocabulary: Vec::new(),
            outputs: config_vocabulary,
        }
    }

    /// Masks the sequences of a packed batch.
    fn masked(&self, encoded: &Encoded<MaskTargets>, sequences: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        let mut packed = collate(&encoded.tokenized, sequences)?;
        let mut pieces = Vec::new();
        let (mut positions, mut labels, mut of_sequence) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in packed.rows.iter().enumerate() {
            let range = packed.cu_seqlens[place] as usize..packed.cu_seqlens[place + 1] as usize;
            let ids: Vec<u32> = packed.input_ids[range.clone()].iter().map(|id| *id as u32).collect();
            pieces.clear();
            encoded.tokenized.read_pieces(*row, &mut pieces)?;
            let masked = self.masking.apply(&ids, &pieces, epoch, *row);
            for ((position, id), label) in range.zip(masked.ids).zip(masked.labels) {
                packed.input_ids[position] = i64::from(id);
                if label != IGNORED {
                    positions.push(position as i64);
                    labels.push(label);
                    of_sequence.push(place as i64);
                }
            }
        }
        let weight = labels.len() as f64;
        let targets = vec![Tensor::from_slice(&labels), Tensor::from_slice(&of_sequence)]; // [m], [m]
        Ok(Batch { packed, positions: Some(positions), targets, weight })
    }

    /// The masks of a packed batch as they stand in the texts.
    fn masks(&self, encoded: &Encoded<MaskTargets>, sequences: &[usize]) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, sequences)?;
        let mask = i64::from(self.masking.mask_id);
        let positions = (0..).zip(&packed.input_ids).filter(|(_, id)| **id == mask).map(|(at, _)| at).collect();
        Ok(Batch { positions: Some(positions), ..Batch::of(packed) })
    }
}

impl Task for MaskedLanguageModel {
    type Examples = Lines;
    type Targets = MaskTargets;

    fn read(plan: &Plan) -> Result<(Self, Splits<Lines>), TrainError> {
        let task = Self::of_plan(plan, 0);
        let train = task.read_labelled(&plan.data.train, &plan.data)?;
        let strata = vec![0; train.len()];
        let read = |path: &Path| task.read_labelled(path, &plan.data);
        let splits = texts::splits(plan, train, &strata, Lines::select, read)?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        let mut task = Self::of_plan(plan, 0);
        task.size(config);
        Ok(task)
    }

    fn size(&mut self, config: &ModelConfig) {
        self.outputs = config.values().get("vocab_size").and_then(Value::as_u64).unwrap_or_default() as usize;
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Lines, TrainError> {
        Lines::to_learn_from(path, plan)
    }

    fn unlabelled(&self, table: &Table, plan: &DataPlan, _before: Option<&Lines>) -> Result<Lines, TrainError> {
        Lines::to_fill(table, plan)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Lines, TrainError> {
        Lines::given(texts.into_iter().flatten().collect())
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        vec!["a text with a [MASK] in it"]
    }

    fn example(&self) -> Vec<String> {
        let mask = self.vocabulary.get(self.masking.mask_id as usize).map_or("[MASK]", String::as_str);
        vec![format!("a text with a {mask} in it")]
    }

    fn describe(&self) -> String {
        "masked language modelling".to_owned()
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::new(HeadKind::MaskedLanguageModel, self.outputs))
    }

    fn keeps_tokens(&self, encoded: &Encoded<MaskTargets>) -> bool {
        encoded.targets.to_fill
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        config.with_architecture(&architecture.class(HeadKind::MaskedLanguageModel))
    }

    fn prepare(&mut self, tokenizer: &TextTokenizer, directory: &Path) -> Result<(), TrainError> {
        self.masking.mask_id = tokenizer.mask_id(directory)?;
        self.vocabulary = tokenizer.vocabulary();
        self.masking.vocabulary = self.vocabulary.len() as u32;
        Ok(())
    }

    fn encode(&self, examples: &Lines, tokenizer: &TextTokenizer) -> Result<Encoded<MaskTargets>, TrainError> {
        let tokenized = examples.encode(tokenizer, self.line_by_line)?;
        let notes = vec![cut_note(tokenized.truncated, examples.len())];
        let targets = MaskTargets { to_fill: examples.to_fill };
        Ok(Encoded { tokenized, per_row: 1, targets, notes })
    }

    fn batch(&self, encoded: &Encoded<MaskTargets>, rows: &[usize], epoch: u64) -> Result<Batch, TrainError> {
        self.masked(encoded, rows, epoch)
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Tensor {
        CrossEntropy::plain().sum(outputs, &batch.targets[0])
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, batch: &Batch, _layout: &SequenceLayout) -> Option<Tensor> {
        Some(CrossEntropy::plain().divergence(first, second, &batch.targets[0]))
    }

    fn evaluation_batch(&self, encoded: &Encoded<MaskTargets>, sequences: &[usize]) -> Result<Batch, TrainError> {
        if encoded.targets.to_fill {
            return self.masks(encoded, sequences);
        }
        self.masked(encoded, sequences, EVALUATION)
    }

    /// Of masks made here, for each sequence the sum of the losses, how many are right, and how many there are: `[b,
    /// 3]`. Of masks to fill in, for each token the likeliest words, their probabilities first: `[t, 10]`, zeros
    /// elsewhere.
    fn reduce(&self, outputs: &Tensor, batch: &Batch) -> Tensor {
        let logs = outputs.log_softmax(-1, Kind::Float); // [m, v]
        let device = (Kind::Float, outputs.device());
        let [labels, of_sequence] = batch.targets.as_slice() else {
            // Models may have more outputs than there are tokens.
            let tokens = logs.size()[1].min(self.vocabulary.len() as i64);
            let (best, ids) = logs.narrow(1, 0, tokens).exp().topk(BEST, -1, true, true); // [m, 5]
            let rows = Tensor::cat(&[best, ids.to_kind(Kind::Float)], 1); // [m, 10]
            let all = Tensor::zeros([batch.packed.tokens() as i64, 2 * BEST], device);
            return match batch.positions_on(outputs.device()) {
                Some(positions) => all.index_copy(0, &positions, &rows),
                None => all,
            };
        };
        let losses = -logs.gather(1, &labels.unsqueeze(1), false); // [m, 1]
        let right = logs.argmax(-1, true).eq_tensor(&labels.unsqueeze(1)).to_kind(Kind::Float); // [m, 1]
        let rows = Tensor::cat(&[&losses, &right, &losses.ones_like()], 1); // [m, 3]
        Tensor::zeros([batch.packed.sequences() as i64, 3], device).index_add(0, of_sequence, &rows)
    }

    fn score(
        &self,
        examples: &Lines,
        encoded: &Encoded<MaskTargets>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let rows: Vec<[f64; 3]> =
            (0..outputs.len()).map(|sequence| [0, 1, 2].map(|place| f64::from(outputs.of(sequence)[place]))).collect();
        let mut all = Perplexity::new();
        let mut right = 0.0;
        for [loss, hits, masks] in &rows {
            all.update(*loss, *masks as u64)?;
            right += hits;
        }
        if all.tokens() == 0 {
            let (path, probability) = (examples.path.display(), self.masking.probability);
            let reason = format!(
                "{path}: too little text to be measured on: of {} tokens none was masked (task.mask_probability is \
                 {probability}); give more, or name another file as data.validation",
                encoded.tokenized.tokens()
            );
            return Err(TrainError::Input { reason });
        }
        let share = |sequences: &[usize], place: usize| {
            let sum = |place: usize| sequences.iter().map(|sequence| rows[*sequence][place]).sum::<f64>();
            sum(place) / sum(2).max(1.0)
        };
        let interval = |place: usize| {
            let share = |sequences: &[usize]| Ok(share(sequences, place));
            bootstrap.map(|bootstrap| bootstrap.interval_of(rows.len(), share)).transpose()
        };
        let accuracy = right / (all.tokens() as f64).max(1.0);
        let scores = vec![
            Score::titled("loss", "loss of a masked token", all.mean_loss()?).within(interval(0)?),
            Score::titled("perplexity", "perplexity", all.perplexity()?),
            Score::titled("accuracy", "masked tokens right", accuracy).within(interval(1)?),
            Score::plain("masked_tokens", all.tokens() as f64),
        ];
        Ok(Evaluation { examples: encoded.tokenized.len() as u64, scores, classes: Vec::new(), confusion: None })
    }

    fn predict(
        &self,
        examples: &Lines,
        encoded: &Encoded<MaskTargets>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        if !encoded.targets.to_fill {
            return Ok(Vec::new());
        }
        let best = BEST as usize;
        let token = |id: f32| self.vocabulary.get(id as usize).cloned().unwrap_or_default();
        let predict = |(row, text): (usize, &String)| {
            let tokens = outputs.of(row).chunks(2 * best).filter(|token| token[0] > 0.0);
            let filled: Vec<Vec<(String, f32)>> =
                tokens.map(|one| (0..best).map(|place| (token(one[best + place]), one[place])).collect()).collect();
            let shown = |mask: &Vec<(String, f32)>| {
                mask.iter()
                    .map(|(token, probability)| format!("{token} {probability:.3}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let line = match filled.is_empty() {
                true => format!("(no mask)\t{text}"),
                false => format!("{}\t{text}", filled.iter().map(shown).collect::<Vec<_>>().join(" | ")),
            };
            let value = |(token, probability): &(String, f32)| json!({ "token": token, "probability": probability });
            let masks: Vec<Vec<Value>> = filled.iter().map(|mask| mask.iter().map(value).collect()).collect();
            Prediction { line, fields: vec![("text", Field::Text(text.clone())), ("masks", Field::Json(json!(masks)))] }
        };
        Ok(examples.held().iter().enumerate().map(predict).collect())
    }

    fn label_column(&self, _examples: &Lines) -> Option<Vec<String>> {
        None
    }
}
