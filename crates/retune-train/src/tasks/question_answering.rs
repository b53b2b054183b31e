//! The span of a context that answers a question, or that there is none.

mod questions;

use std::ops::Range;
use std::path::Path;

use questions::{Cut, Known, QuestionExamples, QuestionsOnContexts};

use retune_attention::SequenceLayout;
use retune_data::{AnswerOptions, Beside, DecodedAnswer, Table, TextTokenizer, WindowAnswers, collate, decode_answer};
use retune_metrics::{AnswerScores, Bootstrap, MeanLoss, Questions, UnanswerableScores};
use retune_models::registry::Architecture;
use retune_models::{HeadKind, HeadSpec, ModelConfig};
use retune_recipe::{DataPlan, EvaluationPlan, Plan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Tensor;

use super::kept::Kept;
use super::probabilities::log_softmax;
use super::texts;
use crate::TrainError;
use crate::divergences;
use crate::evaluate::Outputs;
use crate::evaluation::{Evaluation, Score};
use crate::losses::spans;
use crate::note::Note;
use crate::prediction::{Field, Prediction};
use crate::task::{Batch, Encoded, Examples, OutputLayer, Splits, Task};

/// The span of a context that answers a question: long contexts in windows, answers as SQuAD measures them.
#[derive(Debug)]
pub struct QuestionAnswering {
    max_length: usize,
    stride: usize,
    options: AnswerOptions,
    settings: Settings,
}

/// What the training data and validation have decided and the model directory keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Whether there are questions without an answer.
    unanswerable: bool,
    /// By how much the score of no answer must exceed that of the best answer.
    null_threshold: f32,
}

/// What stands beside the tokens.
#[derive(Debug)]
pub struct WindowTargets {
    /// The first and the last window of each example, the last excluded. Empty of questions to learn from, as the next.
    of_example: Vec<Range<usize>>,
    /// The characters of each token, by window.
    offsets: Vec<Vec<Option<(u32, u32)>>>,
    /// The first and last token of the answer in each window; empty where answers are not known.
    positions: Beside,
}

impl WindowTargets {
    /// The first and the last token of the answer in a window.
    fn position(&self, window: usize) -> Result<[usize; 2], TrainError> {
        let row = self.positions.read(window)?;
        Ok([row[0] as usize, row[1] as usize])
    }
}

impl QuestionAnswering {
    fn of_plan(plan: &Plan, settings: Settings) -> Self {
        let options = AnswerOptions {
            n_best_size: plan.task.n_best,
            max_answer_length: plan.task.max_answer_length,
            version_2_with_negative: settings.unanswerable,
            null_score_diff_threshold: settings.null_threshold,
        };
        Self { max_length: plan.data.max_length, stride: plan.task.stride, options, settings }
    }

    fn decode(
        &self,
        examples: &QuestionsOnContexts,
        targets: &WindowTargets,
        outputs: &Outputs,
        example: usize,
        options: &AnswerOptions,
    ) -> DecodedAnswer {
        let window = |window: usize| {
            let logits = outputs.of(window); // [tokens, 2]
            let side = |side: usize| logits.iter().skip(side).step_by(2).copied().collect::<Vec<f32>>();
            WindowAnswers::new(&targets.offsets[window], &side(0), &side(1), options)
        };
        let windows: Vec<WindowAnswers> = targets.of_example[example].clone().map(window).collect();
        decode_answer(&examples.contexts[example], &windows, options)
    }

    /// Each question's best answer, whatever the score of none, with how much that exceeds it.
    fn unanswerable_scores(
        &self,
        examples: &QuestionsOnContexts,
        targets: &WindowTargets,
        outputs: &Outputs,
    ) -> Result<UnanswerableScores, TrainError> {
        let options = AnswerOptions { null_score_diff_threshold: f32::INFINITY, ..self.options };
        let mut scores = UnanswerableScores::new();
        for example in 0..examples.questions.len() {
            let answer = self.decode(examples, targets, outputs, example, &options);
            let null = f64::from(answer.null_score_diff.unwrap_or(0.0));
            scores.update(&examples.texts_of(example), &answer.text, null)?;
        }
        Ok(scores)
    }
}

impl Task for QuestionAnswering {
    type Examples = QuestionExamples;
    type Targets = WindowTargets;

    fn read(plan: &Plan) -> Result<(Self, Splits<QuestionExamples>), TrainError> {
        let (mut train, mut known) = QuestionExamples::to_learn_from(&plan.data.train, &plan.data)?;
        let unanswerable = known.contains(&Known::None);
        let task = Self::of_plan(plan, Settings { unanswerable, null_threshold: 0.0 });
        // An answer that cannot be placed would teach that there is none.
        let rows: Vec<usize> = (0..train.len()).filter(|row| known[*row] != Known::Words).collect();
        if rows.len() < train.len() {
            train = train.select(&rows);
            known.retain(|known| *known != Known::Words);
        }
        let strata: Vec<u32> = known.iter().map(|known| u32::from(*known == Known::None)).collect();
        let read = |path: &Path| task.read_labelled(path, &plan.data);
        let mut splits = texts::splits(plan, train, &strata, QuestionExamples::select, read)?;
        splits.validation = splits.validation.hold()?;
        Ok((task, splits))
    }

    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError> {
        Ok(Self::of_plan(plan, config.settings()))
    }

    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<QuestionExamples, TrainError> {
        QuestionExamples::labelled(path, plan)
    }

    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        _before: Option<&QuestionExamples>,
    ) -> Result<QuestionExamples, TrainError> {
        QuestionExamples::unlabelled(table, plan)
    }

    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<QuestionExamples, TrainError> {
        Ok(QuestionExamples::given(texts))
    }

    fn texts_per_example(&self) -> Vec<&'static str> {
        vec!["a question", "its context"]
    }

    fn describe(&self) -> String {
        match self.settings.unanswerable {
            true => "questions, some without an answer".to_owned(),
            false => "questions".to_owned(),
        }
    }

    fn output(&self) -> OutputLayer {
        OutputLayer::Head(HeadSpec::new(HeadKind::QuestionAnswering, 2))
    }

    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig {
        let config = config.with_architecture(&architecture.class(HeadKind::QuestionAnswering));
        if self.settings == Settings::default() { config } else { config.with_settings(json!(self.settings)) }
    }

    fn encode(
        &self,
        examples: &QuestionExamples,
        tokenizer: &TextTokenizer,
    ) -> Result<Encoded<WindowTargets>, TrainError> {
        let cut = Cut { max_length: self.max_length, stride: self.stride };
        let (tokenized, targets) = match &examples.questions {
            Kept::File(file) => {
                let (tokenized, positions) = questions::encode(file, tokenizer, cut)?;
                (tokenized, WindowTargets { of_example: Vec::new(), offsets: Vec::new(), positions })
            }
            Kept::Held(questions) => {
                let (windows, positions) = questions.encode(tokenizer, cut)?;
                let mut of_example = vec![0..0; examples.len()];
                for (window, example) in windows.examples.iter().enumerate() {
                    let range: &mut Range<usize> = &mut of_example[*example];
                    *range = if range.end == 0 { window..window + 1 } else { range.start..window + 1 };
                }
                let offsets = (0..windows.examples.len()).map(|window| windows.offsets_of(window).to_vec()).collect();
                (windows.tokenized, WindowTargets { of_example, offsets, positions })
            }
        };
        let mut notes = examples.notes.clone();
        notes.push(Note::new(
            "{} of {} contexts are longer than data.max_length and are read in windows, {} in all",
            [tokenized.truncated, examples.len(), tokenized.len()],
        ));
        Ok(Encoded { tokenized, per_row: 1, targets, notes })
    }

    fn batch(&self, encoded: &Encoded<WindowTargets>, rows: &[usize], _epoch: u64) -> Result<Batch, TrainError> {
        let packed = collate(&encoded.tokenized, rows)?;
        let mut places = [Vec::new(), Vec::new()]; // [b] each
        for (at, row) in packed.rows.iter().enumerate() {
            let position = encoded.targets.position(*row)?;
            places
                .iter_mut()
                .zip(position)
                .for_each(|(places, place)| places.push(packed.cu_seqlens[at] + place as i64));
        }
        let targets = places.iter().map(|places| Tensor::from_slice(places)).collect();
        Ok(Batch { targets, weight: rows.len() as f64, ..Batch::of(packed) })
    }

    fn loss(&self, outputs: &Tensor, batch: &Batch, layout: &SequenceLayout) -> Tensor {
        spans(outputs, layout, &batch.targets[0], &batch.targets[1])
    }

    fn divergence(&self, first: &Tensor, second: &Tensor, _batch: &Batch, layout: &SequenceLayout) -> Option<Tensor> {
        Some(divergences::spans(first, second, layout))
    }

    fn score(
        &self,
        examples: &QuestionExamples,
        encoded: &Encoded<WindowTargets>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError> {
        let (examples, targets) = (examples.questions.held(), &encoded.targets);
        let mut loss = MeanLoss::new();
        for window in 0..targets.positions.len() {
            let logits = outputs.of(window);
            for (side, position) in targets.position(window)?.into_iter().enumerate() {
                let logits: Vec<f32> = logits.iter().skip(side).step_by(2).copied().collect();
                loss.update(-log_softmax(&logits, 1.0)[position], 1)?;
            }
        }
        let mut scores = Vec::new();
        if self.settings.unanswerable {
            let all = self.unanswerable_scores(examples, targets, outputs)?;
            let threshold = f64::from(self.settings.null_threshold);
            let of = |which| all.measures(which, threshold);
            let measures = of(Questions::All)?;
            let interval = |exact: bool| {
                let of_rows = |rows: &[usize]| {
                    let measures = all.select(rows).measures(Questions::All, threshold)?;
                    Ok(100.0 * if exact { measures.exact_match } else { measures.f1 })
                };
                bootstrap.map(|bootstrap| bootstrap.interval_of(examples.questions.len(), of_rows)).transpose()
            };
            scores.push(Score::titled("f1", "F1 of answers, %", 100.0 * measures.f1).within(interval(false)?));
            let exact = Score::titled("exact_match", "exact match, %", 100.0 * measures.exact_match);
            scores.push(exact.within(interval(true)?));
            for (which, f1, exact) in [
                (Questions::Answerable, "f1_answerable", "exact_match_answerable"),
                (Questions::Unanswerable, "f1_unanswerable", "exact_match_unanswerable"),
            ] {
                if let Ok(measures) = of(which) {
                    scores.push(Score::plain(f1, 100.0 * measures.f1));
                    scores.push(Score::plain(exact, 100.0 * measures.exact_match));
                }
            }
            let best = all.best_f1()?;
            scores.push(Score::plain("best_f1", 100.0 * best.value));
            scores.push(Score::plain("best_f1_threshold", best.threshold));
        } else {
            let (mut all, mut single) = (AnswerScores::new(), Vec::with_capacity(examples.questions.len()));
            for example in 0..examples.questions.len() {
                let answer = self.decode(examples, targets, outputs, example, &self.options);
                let mut one = AnswerScores::new();
                one.update(&examples.texts_of(example), &answer.text)?;
                single.push((one.f1()?, one.exact_match()?));
                all.merge(&one);
            }
            let interval = |side: fn(&(f64, f64)) -> f64| {
                let mean = |rows: &[usize]| {
                    100.0 * rows.iter().map(|row| side(&single[*row])).sum::<f64>() / rows.len() as f64
                };
                bootstrap.map(|bootstrap| bootstrap.interval_of(single.len(), |rows| Ok(mean(rows)))).transpose()
            };
            let f1 = interval(|one| one.0)?;
            scores.push(Score::titled("f1", "F1 of answers, %", 100.0 * all.f1()?).within(f1));
            let exact = interval(|one| one.1)?;
            scores.push(Score::titled("exact_match", "exact match, %", 100.0 * all.exact_match()?).within(exact));
        }
        scores.push(Score::titled("loss", "loss of a window", loss.mean()?));
        Ok(Evaluation { examples: examples.questions.len() as u64, scores, classes: Vec::new(), confusion: None })
    }

    fn tune(
        &mut self,
        examples: &QuestionExamples,
        encoded: &Encoded<WindowTargets>,
        outputs: &Outputs,
        plan: &EvaluationPlan,
    ) -> Result<Vec<String>, TrainError> {
        if !plan.tune_thresholds || !self.settings.unanswerable {
            return Ok(Vec::new());
        }
        let best = self.unanswerable_scores(examples.questions.held(), &encoded.targets, outputs)?.best_f1()?;
        self.settings.null_threshold = best.threshold as f32;
        self.options.null_score_diff_threshold = self.settings.null_threshold;
        Ok(vec![format!(
            "no answer where its score exceeds the best answer's by {:.4} (F1 {:.2} %)",
            best.threshold,
            100.0 * best.value
        )])
    }

    fn predict(
        &self,
        examples: &QuestionExamples,
        encoded: &Encoded<WindowTargets>,
        outputs: &Outputs,
        _raw: bool,
    ) -> Result<Vec<Prediction>, TrainError> {
        let examples = examples.questions.held();
        let predict = |example: usize| {
            let answer = self.decode(examples, &encoded.targets, outputs, example, &self.options);
            let chosen = answer.n_best.iter().find(|candidate| candidate.span == answer.span);
            let probability = chosen.map_or(0.0, |candidate| candidate.probability);
            let n_best: Vec<_> = answer
                .n_best
                .iter()
                .map(|one| {
                    let (start, end) =
                        (one.span.as_ref().map(|span| span.start), one.span.as_ref().map(|span| span.end));
                    json!({
                        "text": one.text, "start": start, "end": end, "probability": one.probability,
                        "start_logit": one.start_logit, "end_logit": one.end_logit,
                    })
                })
                .collect();
            let side = |place: Option<usize>| Field::Integer(place.map(|place| place as i64));
            let mut fields = vec![
                ("question", Field::Text(examples.questions[example].clone())),
                ("answer", Field::Text(answer.text.clone())),
                ("start", side(answer.span.as_ref().map(|span| span.start))),
                ("end", side(answer.span.as_ref().map(|span| span.end))),
                ("probability", Field::Number(probability)),
            ];
            if self.settings.unanswerable {
                fields.push(("null_score_diff", Field::Number(f64::from(answer.null_score_diff.unwrap_or(0.0)))));
            }
            fields.push(("n_best", Field::Json(json!(n_best))));
            let shown = match &answer.span {
                Some(span) => format!("{} ({}–{}, {probability:.3})", answer.text, span.start, span.end),
                None => format!("(no answer, {probability:.3})"),
            };
            Prediction { line: format!("{shown}\t{}", examples.questions[example]), fields }
        };
        Ok((0..examples.questions.len()).map(predict).collect())
    }

    fn label_column(&self, examples: &QuestionExamples) -> Option<Vec<String>> {
        let examples = examples.questions.held();
        let all = 0..examples.answers.len();
        Some(all.map(|example| json!(examples.texts_of(example)).to_string()).collect())
    }
}
