//! How the model is trained.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Derived, Float, Integer, Switch, Text, Unset};
use crate::keys::{Kind, Range};
use crate::strategy::{NonFinite, Sampling, Trained};

section! {
    /// How the model is trained: the keys under `train`.
    TrainPlan in "train" {
        epochs: f64 = Kind::Float(Range::Positive), Derived("3; 50 where few_shot.pairs is set"),
            "Passes over the training data; may be fractional.", flag "--epochs";
        max_steps: Option<usize> = AT_LEAST_ONE, Unset("unset: train.epochs decides"),
            "Stop after so many optimiser steps, where train.epochs would go on for longer.", flag "--max-steps";
        batch_size: usize = AT_LEAST_ONE, Integer(32),
            "Examples in an optimiser step.", flag "--batch-size";
        micro_batch_size: Option<usize> = AT_LEAST_ONE, Unset("unset: the whole batch at once"),
            "Examples that are computed at a time; their gradients add up to those of the batch. Saves memory.";
        micro_batch_tokens: Option<usize> = AT_LEAST_ONE, Unset("unset: the whole batch at once"),
            "Tokens that are computed at a time, likewise; an example that has more is computed alone.";
        sampling: Sampling = Kind::Choice(Sampling::NAMES), Text("shuffled"),
            "How rows are drawn in an epoch: shuffled; in batches of like lengths; or as many of each class as of the others.";
        learning_rate: f64 = Kind::Float(Range::PositiveToOne),
            Derived("5e-5; 0.01 where few_shot.pairs is set"),
            "The highest learning rate, reached when warm-up ends.", flag "--learning-rate";
        weight_decay: f64 = Kind::Float(Range::NotNegative), Float(0.01),
            "Decoupled weight decay. Biases and the weights of norms have none.";
        max_grad_norm: f64 = Kind::Float(Range::NotNegative), Float(1.0),
            "The global norm that gradients are clipped to; 0 turns clipping off.";
        max_grad_value: f64 = Kind::Float(Range::NotNegative), Float(0.0),
            "The size that each element of a gradient is clipped to, before the norm is; 0 turns it off.";
        trained: Trained = Kind::Choice(Trained::NAMES), Derived("all; head where few_shot.pairs is set"),
            "Which parameters move: all, only biases and the head (BitFit), or the head alone. With an adapter: its own and the head.",
            flag "--trained";
        frozen: Option<Vec<String>> = Kind::Names, Unset("unset: none"),
            "Parameters that stay as they are, by name; * stands for any letters, as in *.embeddings.*.";
        unfreeze_every: Option<usize> = AT_LEAST_ONE, Unset("unset: all layers from the first step"),
            "Train the head alone at first, and after each so many steps one layer more, from the top (gradual unfreezing).";
        recompute: bool = Kind::Switch, Switch(false),
            "Compute each layer again in the backward pass instead of keeping what it computed: less memory, a third more time.";
        non_finite: NonFinite = Kind::Choice(NonFinite::NAMES), Text("stop"),
            "What happens at a loss or gradient that is infinite or not a number: stop, or skip the batch and count it.";
        log_every: usize = AT_LEAST_ONE, Integer(50),
            "Steps between two lines of the training log.";
    }
}
