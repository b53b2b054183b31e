//! A contrastive stage before the training itself, for few examples.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Float, Integer, Unset};
use crate::keys::{Kind, Range};

section! {
    /// A contrastive stage before the training itself, as in SetFit (Tunstall et al. 2022, arXiv 2209.11055): the keys
    /// under `few_shot`. Where `pairs` is unset, the others have no effect.
    FewShotPlan in "few_shot" {
        pairs: Option<usize> = AT_LEAST_ONE, Unset("unset: no contrastive stage"),
            "Train the encoder first, on so many pairs with a text of the same class, and of another, for each training text (SetFit; \
                20 is usual). The head is trained after it (classification).", flag "--few-shot";
        epochs: f64 = Kind::Float(Range::Positive), Float(1.0),
            "Passes over the pairs.";
        max_steps: Option<usize> = AT_LEAST_ONE, Unset("unset: few_shot.epochs decides"),
            "Stop the contrastive stage after so many optimiser steps.";
        batch_size: usize = AT_LEAST_ONE, Integer(16),
            "Pairs in an optimiser step.";
        learning_rate: f64 = Kind::Float(Range::PositiveToOne), Float(2e-5),
            "The highest learning rate of the contrastive stage.";
    }
}
