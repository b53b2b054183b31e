//! What the model is fine-tuned for.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Derived, Float, Integer, Switch, Text, Unset};
use crate::keys::{Kind, Range};
use crate::task::{HeadChoice, LossChoice, PoolingChoice, TaskKind, Weights};

section! {
    /// What the model is fine-tuned for: the keys under `task`. What belongs to other tasks has no effect.
    TaskPlan in "task" {
        kind: TaskKind = Kind::Choice(TaskKind::NAMES), Text("classification"),
            "What the model is fine-tuned for.", flag "--task";
        loss: LossChoice = Kind::Choice(LossChoice::NAMES), Text("auto"),
            "What training makes small; auto is the task's own.";
        head: HeadChoice = Kind::Choice(HeadChoice::NAMES),
            Derived("architecture; sentence-embedding where few_shot.pairs is set"),
            "What classifies: the head that transformers puts on the architecture, or a linear layer on the sentence embedding, in a \
                directory that sentence-transformers loads (classification).";
        label_smoothing: f64 = Kind::Float(Range::BelowOne), Float(0.0),
            "The share of each label that is spread over all classes (cross-entropy).";
        class_weights: Weights = Kind::Weights, Text("none"),
            "Weights of the classes in cross-entropy: none, balanced, or by name, as \"urgent=5, spam=0.5\".";
        positive_weights: Weights = Kind::Weights, Text("none"),
            "Weights of each label's positive examples in binary cross-entropy, likewise.";
        focal_gamma: f64 = Kind::Float(Range::NotNegative), Float(2.0),
            "How much less the focal loss counts what is right already; 0 is cross-entropy.";
        huber_delta: f64 = Kind::Float(Range::Positive), Float(1.0),
            "The error from which on Huber's loss is linear.";
        label_separator: Option<String> = Kind::Text, Unset("unset: labels are lists in the file"),
            "What stands between the labels of one example, where they are one text (multi-label).";
        mask_probability: f64 = Kind::Float(Range::Between), Float(0.15),
            "The share of tokens that masked language modelling asks for.";
        whole_word_masking: bool = Kind::Switch, Switch(false),
            "Mask all sub-words of a word, or none.";
        line_by_line: bool = Kind::Switch, Switch(false),
            "Take each line of text for itself, instead of cutting all text into blocks of data.max_length (masked-lm).";
        stride: usize = Kind::Integer { min: 0 }, Integer(128),
            "Tokens that two windows of a long context share (question answering).";
        max_answer_length: usize = AT_LEAST_ONE, Integer(30),
            "The longest answer, in tokens.";
        n_best: usize = AT_LEAST_ONE, Integer(20),
            "Starts and ends that answers are sought among.";
        pooling: PoolingChoice = Kind::Choice(PoolingChoice::NAMES), Text("auto"),
            "How the vectors of a text's tokens become one (embeddings); auto goes by the model directory.";
        scale: f64 = Kind::Float(Range::Positive), Float(20.0),
            "What cosines are multiplied by in the loss of in-batch negatives.";
        margin: f64 = Kind::Float(Range::Positive), Float(5.0),
            "By how much nearer a triplet's partner shall be than its negative, in Euclidean distance.";
    }
}
