//! What a run keeps to go on from.

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Integer, Unset};

section! {
    /// What a run keeps to go on from: the keys under `checkpoint`.
    CheckpointPlan in "checkpoint" {
        every: Option<usize> = AT_LEAST_ONE, Unset("unset: at the end of each epoch"),
            "Steps between two checkpoints.";
        keep: usize = AT_LEAST_ONE, Integer(1),
            "How many checkpoints stay on disk; the older ones are removed.";
    }
}
