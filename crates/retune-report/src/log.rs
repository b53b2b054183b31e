//! `metrics.jsonl`: what happened in a run, line by line.

use serde_json::{Map, Value};

/// The lines of a run's log, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// Means of training steps.
    pub train: Vec<TrainPoint>,
    /// Evaluations on the way.
    pub evaluations: Vec<EvaluationPoint>,
    /// The end of a finished run.
    pub last: Option<FinalRecord>,
    /// Steps whose loss was far above those before it.
    pub spikes: Vec<u64>,
    /// Batches that were left out, since a number was not finite.
    pub skipped: usize,
    /// Lines that could not be read. The last line of a run that still goes on may be half written; it does not count.
    pub unreadable: usize,
}

/// Some training steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainPoint {
    /// The last of them.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// Their mean loss; NaN where the log has none.
    pub loss: f64,
    /// The learning rate of the last.
    pub learning_rate: f64,
    /// The norm of its gradient, before it was clipped.
    pub gradient_norm: f64,
    /// Their speed.
    pub tokens_per_second: f64,
}

/// An evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationPoint {
    /// The data.
    pub split: String,
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// Measures by name.
    pub scores: Vec<(String, f64)>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalRecord {
    /// The kept model's evaluation.
    pub evaluation: EvaluationPoint,
    /// 95 % intervals by name: low, high.
    pub intervals: Vec<(String, (f64, f64))>,
    /// Training examples a second.
    pub examples_per_second: Option<f64>,
    /// Training tokens a second.
    pub tokens_per_second: Option<f64>,
    /// Seconds spent in training steps, evaluation and saving left out.
    pub training_seconds: Option<f64>,
}

impl Log {
    /// Reads the text of the file.
    pub fn parse(text: &str) -> Self {
        let mut log = Self::default();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
        while let Some(line) = lines.next() {
            match serde_json::from_str::<Value>(line) {
                Ok(record) => log.add(&record),
                Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {}
                Err(_) => log.unreadable += 1,
            }
        }
        log
    }

    fn add(&mut self, record: &Value) {
        let number = |name: &str| record[name].as_f64().unwrap_or(f64::NAN);
        let step = record["step"].as_u64().unwrap_or(0);
        match record["event"].as_str() {
            Some("train") => self.train.push(TrainPoint {
                step,
                epoch: number("epoch"),
                loss: number("loss"),
                learning_rate: number("learning_rate"),
                gradient_norm: number("gradient_norm"),
                tokens_per_second: number("tokens_per_second"),
            }),
            Some("evaluation") => self.evaluations.push(evaluation(record, step)),
            Some("final") => {
                self.last = Some(FinalRecord {
                    evaluation: evaluation(record, step),
                    intervals: intervals(&record["intervals"]),
                    examples_per_second: record["examples_per_second"].as_f64(),
                    tokens_per_second: record["tokens_per_second"].as_f64(),
                    training_seconds: record["training_seconds"].as_f64(),
                });
            }
            Some("spike") => self.spikes.push(step),
            Some("skipped") => self.skipped += 1,
            // Another version's, of which this one knows nothing.
            _ => {}
        }
    }

    /// The last step that the log tells of.
    pub fn last_step(&self) -> u64 {
        let trained = self.train.last().map_or(0, |point| point.step);
        trained.max(self.evaluations.last().map_or(0, |point| point.step))
    }
}

impl EvaluationPoint {
    /// The value of a measure.
    pub fn score(&self, name: &str) -> Option<f64> {
        self.scores.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl FinalRecord {
    /// The interval of a measure.
    pub fn interval(&self, name: &str) -> Option<(f64, f64)> {
        self.intervals.iter().find(|(known, _)| known == name).map(|(_, interval)| *interval)
    }
}

fn evaluation(record: &Value, step: u64) -> EvaluationPoint {
    let scores = record["scores"].as_object();
    let numbers = |map: &Map<String, Value>| {
        map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
    };
    EvaluationPoint {
        split: record["split"].as_str().unwrap_or("validation").to_owned(),
        step,
        epoch: record["epoch"].as_f64().unwrap_or(f64::NAN),
        scores: scores.map(numbers).unwrap_or_default(),
    }
}

fn intervals(record: &Value) -> Vec<(String, (f64, f64))> {
    let bounds = |(name, interval): (&String, &Value)| {
        Some((name.clone(), (interval["low"].as_f64()?, interval["high"].as_f64()?)))
    };
    record.as_object().into_iter().flatten().filter_map(bounds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_far_as_it_goes() {
        let text = "{\"event\":\"train\",\"step\":10,\"epoch\":0.5,\"loss\":1.5,\"learning_rate\":1e-4,\"gradient_norm\":null}\n\
             {\"event\":\"evaluation\",\"split\":\"validation\",\"step\":20,\"epoch\":1.0,\"scores\":{\"examples\":7,\"accuracy\":0.5}}\n\
             not json\n{\"event\":\"spike\",\"step\":21}\n{\"event\":\"news\"}\n{\"event\":\"tra";
        let log = Log::parse(text);
        assert_eq!((log.train.len(), log.unreadable, log.last_step()), (1, 1, 20));
        assert!(log.train[0].gradient_norm.is_nan() && log.last.is_none());
        assert_eq!(log.evaluations[0].score("accuracy"), Some(0.5));
        assert_eq!(log.spikes, [21]);
    }

    #[test]
    fn the_end_of_a_run_has_intervals() {
        let text = "{\"event\":\"final\",\"split\":\"test\",\"step\":3,\"epoch\":1.0,\"scores\":{\"accuracy\":0.5},\
             \"intervals\":{\"accuracy\":{\"estimate\":0.5,\"low\":0.25,\"high\":0.75,\"level\":0.95}}}\n";
        let last = Log::parse(text).last.expect("the end");
        assert_eq!(last.interval("accuracy"), Some((0.25, 0.75)));
        assert_eq!(last.interval("loss"), None);
    }
}
