//! Heads: what stands between an encoder's last hidden state and the logits of a task.
//!
//! All heads of all architectures are one pipeline, of which each architecture names the parts:
//!
//! ```text
//! read (first token | last token | mean | every token) → dropout → dense → activation → norm → dropout → output
//! ```

use retune_attention::{Activation, Dropout, LayerNorm, Linear, Mode, SequenceLayout};
use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

/// What a head is for. Its names are those of transformers' classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadKind {
    /// A class, or a number, for each sequence.
    SequenceClassification,
    /// A class for each token.
    TokenClassification,
    /// For each token, how well an answer would start there, and end there.
    QuestionAnswering,
    /// For each token, the token that stands there.
    MaskedLanguageModel,
    /// A number for each sequence, which is one of several choices.
    MultipleChoice,
}

impl HeadKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::SequenceClassification,
        Self::TokenClassification,
        Self::QuestionAnswering,
        Self::MaskedLanguageModel,
        Self::MultipleChoice,
    ];

    /// The end of the name of transformers' class: `ForSequenceClassification`.
    pub fn class_suffix(self) -> &'static str {
        match self {
            Self::SequenceClassification => "ForSequenceClassification",
            Self::TokenClassification => "ForTokenClassification",
            Self::QuestionAnswering => "ForQuestionAnswering",
            Self::MaskedLanguageModel => "ForMaskedLM",
            Self::MultipleChoice => "ForMultipleChoice",
        }
    }

    /// Whether there is one row of logits for each token, and not for each sequence.
    pub fn is_per_token(self) -> bool {
        matches!(self, Self::TokenClassification | Self::QuestionAnswering | Self::MaskedLanguageModel)
    }
}

/// A kind of head with the size of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadSpec {
    /// What it is for.
    pub kind: HeadKind,
    /// The number of logits in a row, `c`.
    pub outputs: i64,
}

impl HeadSpec {
    /// A classifier of sequences into `labels` classes.
    pub fn sequence_classification(labels: usize) -> Self {
        Self::new(HeadKind::SequenceClassification, labels)
    }

    /// A head with so many logits in a row.
    pub fn new(kind: HeadKind, outputs: usize) -> Self {
        Self { kind, outputs: outputs as i64 }
    }
}

/// Which of the hidden states a head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Each sequence's first token: `[b, d]`.
    FirstToken,
    /// Each sequence's last token: `[b, d]`.
    LastToken,
    /// The mean over each sequence's tokens: `[b, d]`.
    Mean,
    /// Every token: `[t, d]`.
    Tokens,
}

/// The layer before a head's output.
#[derive(Debug)]
pub struct Transform {
    /// `[d', d]`; `None` where there is the activation alone.
    pub dense: Option<Linear>,
    /// Of its result.
    pub activation: Activation,
    /// Of the activation's result.
    pub norm: Option<LayerNorm>,
}

/// A head. `n` is `b` sequences or `t` tokens, as [`Reads`] says.
#[derive(Debug)]
pub struct Head {
    /// Which hidden states it reads.
    pub reads: Reads,
    /// Dropout of what it reads.
    pub input_dropout: Dropout,
    /// The layer before the output, where there is one.
    pub transform: Option<Transform>,
    /// Dropout before the output.
    pub dropout: Dropout,
    /// The output: `[c, d']`.
    pub output: Linear,
}

/// What a head computes.
#[derive(Debug)]
pub struct HeadOutput {
    /// What the output layer reads, before dropout: `[n, d']`.
    pub pooled: Tensor,
    /// `[n, c]`.
    pub logits: Tensor,
}

impl Head {
    /// A linear layer on every token, with dropout before it.
    pub fn on_tokens(dropout: f64, output: Linear) -> Self {
        let none = Dropout { probability: 0.0 };
        Self {
            reads: Reads::Tokens,
            input_dropout: none,
            transform: None,
            dropout: Dropout { probability: dropout },
            output,
        }
    }

    /// A masked language model: a transform of every token, and the vocabulary's logits.
    pub fn on_vocabulary(transform: Transform, output: Linear) -> Self {
        Self { transform: Some(transform), ..Self::on_tokens(0.0, output) }
    }

    /// A layer on the first token of each sequence, dropout, and the output: BERT's pooler with a classifier.
    pub fn on_first_token(transform: Transform, dropout: f64, output: Linear) -> Self {
        Self { reads: Reads::FirstToken, ..Self::on_vocabulary(transform, output) }.with_dropout(dropout)
    }

    /// The same with another dropout before the output.
    pub fn with_dropout(self, probability: f64) -> Self {
        Self { dropout: Dropout { probability }, ..self }
    }

    /// The same with dropout of what is read.
    pub fn with_input_dropout(self, probability: f64) -> Self {
        Self { input_dropout: Dropout { probability }, ..self }
    }

    /// `last` is `[t, d]`.
    pub fn forward(&self, last: &Tensor, layout: &SequenceLayout, mode: Mode) -> HeadOutput {
        self.on(&self.read(last, layout), mode)
    }

    /// What it reads of the last hidden state, `[t, d]`: `[n, d]`.
    pub fn read(&self, last: &Tensor, layout: &SequenceLayout) -> Tensor {
        match self.reads {
            Reads::FirstToken => last.index_select(0, &layout.first_tokens(last.device())), // [b, d]
            Reads::LastToken => last.index_select(0, &layout.last_tokens(last.device())),   // [b, d]
            Reads::Mean => mean_of_sequences(last, layout),                                 // [b, d]
            Reads::Tokens => last.shallow_clone(),                                          // [t, d]
        }
    }

    /// What it makes of what it [read](Self::read), `[n, d]`.
    pub fn on(&self, read: &Tensor, mode: Mode) -> HeadOutput {
        let read = self.input_dropout.forward(read, mode); // [n, d]
        let pooled = match &self.transform {
            None => read,
            Some(Transform { dense, activation, norm }) => {
                let projected = dense.as_ref().map_or_else(|| read.shallow_clone(), |dense| dense.forward(&read, mode)); // [n, d']
                let activated = activation.forward(&projected); // [n, d']
                norm.as_ref().map_or_else(|| activated.shallow_clone(), |norm| norm.forward(&activated)) // [n, d']
            }
        };
        let logits = self.output.forward(&self.dropout.forward(&pooled, mode), mode); // [n, c]
        HeadOutput { pooled, logits }
    }
}

/// The mean of each sequence's tokens, in float32 at least: `last` is `[t, d]`, the result `[b, d]`.
pub fn mean_of_sequences(last: &Tensor, layout: &SequenceLayout) -> Tensor {
    let kind = if last.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let lengths: Vec<i64> = layout.ranges().map(|range| range.end - range.start).collect();
    let lengths = to_device(&Tensor::from_slice(&lengths), last.device()).to_kind(kind).unsqueeze(1); // [b, 1]
    let sums = Tensor::zeros([layout.sequences() as i64, last.size()[1]], (kind, last.device())); // [b, d]
    let sums = sums.index_add(0, &layout.sequence_of_token(last.device()), &last.to_kind(kind)); // [b, d]
    (sums / lengths).to_kind(last.kind())
}
