//! How the learning rate changes.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Float, Integer, Text, Unset};
use crate::keys::{Kind, Range};
use crate::strategy::{DecayShape, ScheduleKind};

section! {
    /// How the learning rate changes over the steps: the keys under `schedule`. What belongs to other schedules has no
    /// effect.
    SchedulePlan in "schedule" {
        kind: ScheduleKind = Kind::Choice(ScheduleKind::NAMES), Text("linear"),
            "The form of the learning rate after warm-up.", flag "--schedule";
        warmup_fraction: f64 = Kind::Float(Range::ZeroToOne), Float(0.1),
            "The share of the steps over which the learning rate rises from 0 in a line.";
        warmup_steps: Option<usize> = Kind::Integer { min: 0 }, Unset("unset: schedule.warmup_fraction decides"),
            "The steps over which the learning rate rises, in place of a share.";
        min_factor: f64 = Kind::Float(Range::BelowOne), Float(0.0),
            "The lowest rate, as a share of the highest (cosine, polynomial, warmup-stable-decay, plateau).";
        cycles: usize = AT_LEAST_ONE, Integer(1),
            "How many times the rate starts from the top again (cosine-restarts).";
        power: f64 = Kind::Float(Range::Positive), Float(1.0),
            "The exponent of the polynomial; 1 is a line.";
        decay_fraction: f64 = Kind::Float(Range::ZeroToOne), Float(0.2),
            "The share of the steps, at the end, over which the rate falls (warmup-stable-decay).";
        decay_shape: DecayShape = Kind::Choice(DecayShape::NAMES), Text("linear"),
            "How it falls there.";
        plateau_factor: f64 = Kind::Float(Range::Between), Float(0.1),
            "What the rate is multiplied by where evaluations get no better (plateau).";
        plateau_patience: usize = Kind::Integer { min: 0 }, Integer(1),
            "Evaluations without a better value that are waited for before (plateau).";
    }
}
