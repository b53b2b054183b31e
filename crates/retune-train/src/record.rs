//! Lines of `metrics.jsonl`, and the speed of training.

use std::time::Duration;

use serde_json::{Value, json};

use crate::evaluation::Evaluation;
use crate::event::StepReport;
use crate::gradient_norms::GradientNorms;

/// Time spent in training steps, and what went through them.
#[derive(Debug, Default)]
pub(crate) struct Throughput {
    time: Duration,
    tokens: usize,
    examples: usize,
}

impl Throughput {
    pub(crate) fn add(&mut self, report: &StepReport) {
        self.time += report.elapsed;
        self.tokens += report.tokens;
        self.examples += report.examples;
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    pub(crate) fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.time.as_secs_f64().max(1e-9)
    }

    pub(crate) fn examples_per_second(&self) -> f64 {
        self.examples as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// A line about training: means since the line before it.
pub(crate) fn train_record(report: &StepReport, loss: f64, tokens_per_second: f64, norms: &GradientNorms) -> Value {
    json!({
        "event": "train",
        "step": report.step,
        "epoch": report.epoch,
        "loss": loss,
        "learning_rate": report.learning_rate,
        "gradient_norm": report.gradient_norm,
        "gradient_norms": norms.to_json(),
        "tokens_per_second": tokens_per_second,
    })
}

/// A line about a loss far above those before it, and the rows that it is of.
pub(crate) fn spike_record(step: u64, loss: f64, mean: f64, rows: &[usize]) -> Value {
    json!({ "event": "spike", "step": step, "loss": loss, "mean": mean, "rows": rows })
}

/// A line about a step whose gradients were beyond float16's range, and the scale of the loss from then on.
pub(crate) fn overflow_record(step: u64, scale: f64) -> Value {
    json!({ "event": "overflow", "step": step, "loss_scale": scale })
}

/// A line about a batch that was left out.
pub(crate) fn skipped_record(step: u64, rows: &[usize], skipped: u64) -> Value {
    json!({ "event": "skipped", "step": step, "rows": rows, "skipped": skipped })
}

/// A line about an evaluation.
pub(crate) fn evaluation_record(split: &str, step: u64, epoch: f64, evaluation: &Evaluation) -> Value {
    json!({ "event": "evaluation", "split": split, "step": step, "epoch": epoch, "scores": evaluation.values() })
}

/// The line about the kept model's last evaluation, and how fast and how long training went (evaluation and saving left
/// out; of a resumed run, the part since).
pub(crate) fn final_record(
    split: &str,
    step: u64,
    epoch: f64,
    evaluation: &Evaluation,
    throughput: &Throughput,
) -> Value {
    json!({
        "event": "final",
        "split": split,
        "step": step,
        "epoch": epoch,
        "scores": evaluation.values(),
        "intervals": evaluation.intervals(),
        "examples_per_second": throughput.examples_per_second(),
        "tokens_per_second": throughput.tokens_per_second(),
        "training_seconds": throughput.time.as_secs_f64(),
    })
}
