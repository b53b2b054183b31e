//! By which rule parameters move.

use super::section;
use crate::keys::Fallback::{Derived, Float, Switch, Text, Unset};
use crate::keys::{Kind, Range};
use crate::strategy::{Factors, OptimizerKind};

section! {
    /// By which rule parameters move: the keys under `optimizer`. What belongs to other optimisers has no effect.
    OptimizerPlan in "optimizer" {
        kind: OptimizerKind = Kind::Choice(OptimizerKind::NAMES), Text("adamw"),
            "The optimiser. schedule-free has a warm-up, and then the same rate, whatever schedule.kind is.", flag "--optimizer";
        beta1: f64 = Kind::Float(Range::BelowOne), Derived("0.9; 0 for adafactor"),
            "Decay of the running mean of gradients; adafactor keeps none where it is 0.";
        beta2: f64 = Kind::Float(Range::BelowOne), Derived("0.999; 0.99 for lion"),
            "Decay of the running mean of squared gradients (of gradients, for lion).";
        epsilon: f64 = Kind::Float(Range::Positive), Float(1e-8),
            "Added to the denominator (AdamW).";
        momentum: f64 = Kind::Float(Range::BelowOne), Float(0.9),
            "Momentum of SGD; 0 for none.";
        nesterov: bool = Kind::Switch, Switch(false),
            "Nesterov's momentum (SGD).";
        layer_decay: f64 = Kind::Float(Range::PositiveToOne), Float(1.0),
            "What the learning rate is multiplied by for each layer further from the head; 1 for the same rate everywhere.";
        rates: Option<Factors> = Kind::Factors, Unset("unset: all at the learning rate"),
            "Factors of the learning rate by name of parameter, as \"classifier.*=10\"; the first that fits counts.";
        decays: Option<Factors> = Kind::Factors, Unset("unset: train.weight_decay"),
            "Weight decays by name of parameter, likewise, in place of train.weight_decay.";
    }
}
