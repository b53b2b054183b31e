//! What a run's `metrics.jsonl` says of it.

use std::fs;
use std::path::Path;

use retune_recipe::SelectionMetric;
use serde_json::Value;

/// The measure of the model that a run keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The measure on the validation data.
    pub value: f64,
    /// The epoch of that model.
    pub epoch: f64,
    /// Epochs that were trained.
    pub trained: f64,
}

/// The measure `metric` of the epoch that `deciding` chooses, of the epochs up to `until`, or of all. `None` where there
/// is no evaluation yet, or none with a finite measure.
pub fn measured(
    run: &Path,
    metric: SelectionMetric,
    deciding: SelectionMetric,
    until: Option<u64>,
) -> Option<Measured> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    let mut best: Option<(f64, Measured)> = None;
    let mut trained = 0.0;
    // A line may be cut where the run was killed.
    for record in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if record["event"] != "evaluation" || record["split"] != "validation" {
            continue;
        }
        let Some(epoch) =
            record["epoch"].as_f64().filter(|epoch| until.is_none_or(|until| *epoch <= until as f64 + 1e-9))
        else {
            continue;
        };
        trained = epoch;
        let (Some(value), Some(decides)) = (score(&record, metric), score(&record, deciding)) else { continue };
        if best.is_none_or(|(before, _)| is_better(deciding, decides, before)) {
            best = Some((decides, Measured { value, epoch, trained }));
        }
    }
    best.map(|(_, measured)| Measured { trained, ..measured })
}

/// The newest step that was evaluated after at least `epoch` epochs.
pub(crate) fn step_of(run: &Path, epoch: u64) -> Option<u64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reached = records.filter(|record| {
        record["event"] == "evaluation" && record["epoch"].as_f64().is_some_and(|at| at >= epoch as f64 - 1e-9)
    });
    reached.filter_map(|record| record["step"].as_u64()).max()
}

/// Whether a value beats another; the earlier of equals is kept.
pub fn is_better(metric: SelectionMetric, value: f64, other: f64) -> bool {
    if metric.is_loss() { value < other } else { value > other }
}

/// The measure of that name, or else the first, which decides where the one asked for is not measured.
fn score(record: &Value, metric: SelectionMetric) -> Option<f64> {
    let scores = record["scores"].as_object()?;
    let first = || scores.iter().find(|(name, _)| *name != "examples").map(|(_, value)| value);
    scores.get(metric.as_str()).or_else(first)?.as_f64().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deciding_epoch_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let line = |epoch: f64, accuracy: f64, loss: f64| {
            format!(
                "{{\"event\":\"evaluation\",\"split\":\"validation\",\"step\":{},\"epoch\":{epoch},\"scores\":{{\"examples\":6,\
                 \"accuracy\":{accuracy},\"loss\":{loss}}}}}\n",
                epoch * 10.0
            )
        };
        let text = line(1.0, 0.7, 0.4) + &line(2.0, 0.9, 0.5) + &line(3.0, 0.9, 0.6) + "{\"event\":\"eval";
        fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        use SelectionMetric::{Accuracy, Loss, Mcc};
        let of = |metric, deciding, until| measured(folder.path(), metric, deciding, until);
        assert_eq!(of(Accuracy, Accuracy, None), Some(Measured { value: 0.9, epoch: 2.0, trained: 3.0 }));
        assert_eq!(of(Accuracy, Loss, None), Some(Measured { value: 0.7, epoch: 1.0, trained: 3.0 }));
        assert_eq!(of(Loss, Loss, Some(2)), Some(Measured { value: 0.4, epoch: 1.0, trained: 2.0 }));
        assert_eq!(of(Mcc, Mcc, Some(1)).unwrap().value, 0.7);
        assert_eq!(of(Accuracy, Accuracy, Some(0)), None);
        assert_eq!(measured(&folder.path().join("none"), Accuracy, Accuracy, None), None);
    }
}
