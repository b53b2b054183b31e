//! What a model is fine-tuned for, as the trainer sees it. Each task is a file in [`tasks`](crate::tasks) that ties
//! columns, head, loss, measures and predictions together.

use std::fmt::Debug;
use std::path::Path;

use retune_data::{PackedBatch, Table, TextTokenizer, Tokenized, Wanted, collate};
use retune_metrics::Bootstrap;
use retune_models::registry::Architecture;
use retune_models::{HeadSpec, ModelConfig, PoolingMode};
use retune_recipe::{DataPlan, EvaluationPlan, Plan};
use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::evaluate::Outputs;
use crate::evaluation::Evaluation;
use crate::note::Note;
use crate::prediction::Prediction;

/// A task with what it knows of the data: the names of its classes, the weights of its loss, its thresholds.
pub trait Task: Debug + Sized {
    /// The examples of one data set, as read and checked.
    type Examples: Examples;
    /// What stands beside the tokens of a data set: labels, or where words begin.
    type Targets: Debug;

    /// Reads and checks every file of a plan.
    ///
    /// # Errors
    /// All that can be wrong with a file.
    fn read(plan: &Plan) -> Result<(Self, Splits<Self::Examples>), TrainError>;

    /// The task of a finished model.
    ///
    /// # Errors
    /// The configuration does not name what the task needs.
    fn of_model(plan: &Plan, config: &ModelConfig) -> Result<Self, TrainError>;

    /// Reads one file of examples with their labels, for a model that is there.
    ///
    /// # Errors
    /// All that can be wrong with a file; a label that the model lacks.
    fn read_labelled(&self, path: &Path, plan: &DataPlan) -> Result<Self::Examples, TrainError>;

    /// The columns that are read of a file whose examples have no labels: the plan's texts, where nothing else is said.
    ///
    /// # Errors
    /// The file has to be looked at to know, and cannot be read.
    fn unlabelled_columns<'p>(&self, _path: &Path, plan: &'p DataPlan) -> Result<Vec<Wanted<'p>>, TrainError> {
        Ok(plan.text.iter().map(|name| Wanted::Text(name)).collect())
    }

    /// The examples of a table of these columns. Where its rows are not the file's first, `before` are examples that stand
    /// before them.
    ///
    /// # Errors
    /// A row is no example, or is not like those before it.
    fn unlabelled(
        &self,
        table: &Table,
        plan: &DataPlan,
        before: Option<&Self::Examples>,
    ) -> Result<Self::Examples, TrainError>;

    /// Examples to be predicted from texts of the command line, each as many texts as [`Task::texts_per_example`] says.
    ///
    /// # Errors
    /// A text is not what the task takes.
    fn examples_of(&self, texts: Vec<Vec<String>>) -> Result<Self::Examples, TrainError>;

    /// How many texts an example on the command line has, in words: `["a text"]`, `["first text", "second text"]`.
    fn texts_per_example(&self) -> Vec<&'static str>;

    /// Takes what it needs from the pretrained model's configuration, before [`Task::output`] is asked.
    fn size(&mut self, _config: &ModelConfig) {}

    /// What stands on the command line to predict an example, in words; as [`Task::texts_per_example`] unless there is
    /// more to say.
    fn example(&self) -> Vec<String> {
        self.texts_per_example().into_iter().map(str::to_owned).collect()
    }

    /// What it is, in a few words, for the terminal and the model card: `5 classes`.
    fn describe(&self) -> String;

    /// What goes onto the encoder.
    fn output(&self) -> OutputLayer;

    /// The pretrained model's configuration with what this task decides.
    fn configure(&self, config: &ModelConfig, architecture: &Architecture) -> ModelConfig;

    /// Takes what it needs from the model directory's tokenizer, before anything is encoded.
    ///
    /// # Errors
    /// The tokenizer lacks what the task needs.
    fn prepare(&mut self, _tokenizer: &TextTokenizer, _directory: &Path) -> Result<(), TrainError> {
        Ok(())
    }

    /// Tokenises.
    ///
    /// # Errors
    /// The tokenizer refuses a text.
    fn encode(
        &self,
        examples: &Self::Examples,
        tokenizer: &TextTokenizer,
    ) -> Result<Encoded<Self::Targets>, TrainError>;

    /// A batch to learn from; `rows` are those that an epoch's order gives.
    ///
    /// # Errors
    /// Stored tokens cannot be read.
    fn batch(&self, encoded: &Encoded<Self::Targets>, rows: &[usize], epoch: u64) -> Result<Batch, TrainError>;

    /// Whether a batch may be computed in parts: not where its examples are compared with each other.
    fn splits(&self) -> bool {
        true
    }

    /// The class of a training row, where each has one.
    fn class_of(&self, _examples: &Self::Examples, _row: usize) -> Option<usize> {
        None
    }

    /// The loss of a batch, summed over its items: `outputs` is what the output layer gives for it, and the targets are
    /// on its device.
    fn loss(&self, outputs: &Tensor, batch: &Batch, layout: &retune_attention::SequenceLayout) -> Tensor;

    /// How far apart two outputs of the output layer for one batch are, summed and weighed as the loss is
    /// ([`divergences`](crate::divergences)): R-Drop makes it small. `None` where the outputs are neither distributions
    /// nor numbers.
    fn divergence(
        &self,
        _first: &Tensor,
        _second: &Tensor,
        _batch: &Batch,
        _layout: &retune_attention::SequenceLayout,
    ) -> Option<Tensor> {
        None
    }

    /// A batch to be evaluated; `sequences` are places in the tokenised data.
    ///
    /// # Errors
    /// Stored tokens cannot be read.
    fn evaluation_batch(&self, encoded: &Encoded<Self::Targets>, sequences: &[usize]) -> Result<Batch, TrainError> {
        Ok(Batch::of(collate(&encoded.tokenized, sequences)?))
    }

    /// What an evaluation keeps of the outputs: `[b, w]` or, where the output is [`OutputLayer::is_per_token`], `[t,
    /// w]`.
    fn reduce(&self, outputs: &Tensor, _batch: &Batch) -> Tensor {
        outputs.to_kind(Kind::Float)
    }

    /// Whether [`Task::reduce`] keeps a row for each token.
    fn keeps_tokens(&self, _encoded: &Encoded<Self::Targets>) -> bool {
        self.output().is_per_token()
    }

    /// Measures outputs against labels; with intervals where a bootstrap is given.
    ///
    /// # Errors
    /// There is no example, or an output is not a number.
    fn score(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Self::Targets>,
        outputs: &Outputs,
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Evaluation, TrainError>;

    /// Chooses thresholds and temperatures on the validation data, and says what it chose, a line each.
    ///
    /// # Errors
    /// As [`Task::score`].
    fn tune(
        &mut self,
        _examples: &Self::Examples,
        _encoded: &Encoded<Self::Targets>,
        _outputs: &Outputs,
        _plan: &EvaluationPlan,
    ) -> Result<Vec<String>, TrainError> {
        Ok(Vec::new())
    }

    /// What a person wants to know of each example; with the outputs as they are where `raw`.
    ///
    /// # Errors
    /// An output is not a number.
    fn predict(
        &self,
        examples: &Self::Examples,
        encoded: &Encoded<Self::Targets>,
        outputs: &Outputs,
        raw: bool,
    ) -> Result<Vec<Prediction>, TrainError>;

    /// Of a sequence's outputs the one whose grounds a person wants to know; `None` where a sequence has no outputs of
    /// its own.
    fn explained_output(&self, _outputs: &[f32]) -> Option<usize> {
        None
    }

    /// What the right answers were, as a column of the table of predictions.
    fn label_column(&self, examples: &Self::Examples) -> Option<Vec<String>>;
}

/// The examples of one data set.
pub trait Examples: Debug {
    /// How many.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The data sets of a plan.
#[derive(Debug)]
pub struct Splits<E> {
    /// Examples to train on.
    pub train: E,
    /// Examples that decide which epoch's model is kept.
    pub validation: E,
    /// Examples for the final test, where the plan names any.
    pub test: Option<E>,
    /// Whether the validation examples were split off the training file.
    pub validation_is_split: bool,
}

/// What goes onto the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLayer {
    /// A head.
    Head(HeadSpec),
    /// Pooling into one vector for each sequence; `None` for the model directory's own.
    Sentence(Option<PoolingMode>),
    /// A classifier into so many classes of the vector that the model directory's own pooling gives.
    SentenceClassifier(usize),
}

impl OutputLayer {
    /// Whether it gives a row for each token, and not for each sequence.
    pub fn is_per_token(self) -> bool {
        matches!(self, Self::Head(spec) if spec.kind.is_per_token())
    }
}

/// A tokenised data set.
#[derive(Debug)]
pub struct Encoded<Y> {
    /// Ids of tokens, all sequences end to end.
    pub tokenized: Tokenized,
    /// Sequences of each row that training draws; they follow each other.
    pub per_row: usize,
    /// What stands beside them.
    pub targets: Y,
    /// What the user should know: texts that were cut, answers that were not found.
    pub notes: Vec<Note>,
}

impl<Y> Encoded<Y> {
    /// Rows that an epoch passes over.
    pub fn rows(&self) -> usize {
        self.tokenized.len() / self.per_row
    }

    /// The sequences of these rows.
    pub fn sequences(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().flat_map(|row| row * self.per_row..(row + 1) * self.per_row).collect()
    }
}

/// One batch: tokens, and what the loss compares.
#[derive(Debug)]
pub struct Batch {
    /// The tokens, and which sequence of the data stands where.
    pub packed: PackedBatch,
    /// The packed tokens whose outputs are wanted; `None` for all.
    pub positions: Option<Vec<i64>>,
    /// The task's own tensors, in the order of the packed sequences.
    pub targets: Vec<Tensor>,
    /// What the summed loss is divided by: items, or their weights.
    pub weight: f64,
}

impl Batch {
    /// A batch without targets.
    pub fn of(packed: PackedBatch) -> Self {
        Self { packed, positions: None, targets: Vec::new(), weight: 0.0 }
    }

    /// The places that undo the order of the batch: the outputs of sequence `sequences[i]` stand at place i of the
    /// result: `[b]`, int64.
    pub fn places(&self, sequences: &[usize]) -> Tensor {
        let mut place = std::collections::HashMap::with_capacity(self.packed.rows.len());
        for (at, row) in self.packed.rows.iter().enumerate() {
            place.insert(*row, at as i64);
        }
        Tensor::from_slice(&sequences.iter().map(|sequence| place[sequence]).collect::<Vec<_>>())
    }
}

impl Batch {
    /// With its targets on a device.
    pub(crate) fn on_device(mut self, device: tch::Device) -> Self {
        self.targets = self.targets.iter().map(|target| to_device(target, device)).collect();
        self
    }

    pub(crate) fn positions_on(&self, device: tch::Device) -> Option<Tensor> {
        self.positions.as_ref().map(|positions| to_device(&Tensor::from_slice(positions), device))
    }
}
