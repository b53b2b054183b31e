//! The numbers of a checkpoint.

use retune_data::OrderState;
use serde::{Deserialize, Deserializer, Serialize};

use crate::loss_scale::LossScale;
use crate::schedules::PlateauState;
use crate::watch::LossWatch;

/// Where training stands: all that a run knows besides its tensors and its data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Optimiser steps done, those that were skipped among them.
    pub step: u64,
    /// The place in the data.
    pub order: OrderState,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub without_better: u64,
    /// What a schedule that looks at evaluations has seen.
    pub plateau: PlateauState,
    /// Losses since the last line of the log: their sum and number.
    pub unlogged: (f64, u64),
    /// Batches that were left out, since their loss or gradient was not finite.
    pub skipped: u64,
    /// Of these, the last ones in a row.
    pub skipped_in_a_row: u64,
    /// The most tokens that are computed at a time, since more did not fit into memory.
    pub part_tokens: Option<usize>,
    /// What losses have been like.
    pub losses: LossWatch,
    /// What the loss is multiplied by where products are in float16.
    #[serde(default)]
    pub loss_scale: LossScale,
}

/// The evaluation whose model is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
    /// The value of the metric that decides. JSON knows no number that is none: it is written as null.
    #[serde(deserialize_with = "null_is_not_a_number")]
    pub value: f64,
}

fn null_is_not_a_number<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_best_value_that_is_no_number_reads_back() -> Result<(), serde_json::Error> {
        for value in [0.5, f64::NAN, f64::INFINITY] {
            let state = TrainingState { best: Some(Best { epoch: 1, step: 2, value }), ..TrainingState::default() };
            let read: TrainingState = serde_json::from_str(&serde_json::to_string(&state)?)?;
            let found = read.best.map(|best| best.value);
            assert!(
                found.is_some_and(|found| found == value || !(found.is_finite() || value.is_finite())),
                "{found:?}"
            );
        }
        Ok(())
    }
}
