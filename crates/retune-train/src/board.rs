//! The run as TensorBoard shows it: what `metrics.jsonl` says as scalars, norms of gradients by layer as histograms,
//! the plan and some predictions as texts.

use std::path::Path;

use retune_tensorboard::EventWriter;
use serde_json::Value;

use crate::TrainError;
use crate::gradient_norms::GradientNorms;

/// An example with what the model says of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The right answer, where it is known.
    pub label: Option<String>,
    /// The prediction with its text, on one line.
    pub line: String,
}

/// Writes the event file of a run.
#[derive(Debug)]
pub(crate) struct Board(EventWriter);

impl Board {
    /// Begins a file in a folder.
    pub fn create(folder: &Path) -> Result<Self, TrainError> {
        Ok(Self(EventWriter::create(folder)?))
    }

    /// The run begins, or goes on after so many steps; later ones of files that are there already do not count.
    pub fn start(&mut self, step: u64, plan: &str) -> Result<(), TrainError> {
        if step == 0 {
            // Indented by four, a text is shown as it is.
            let plan: String = plan.lines().map(|line| format!("    {line}\n")).collect();
            self.0.text("plan", 0, &plan)?;
        }
        self.0.start(step + 1)?;
        Ok(self.0.flush()?)
    }

    /// A line of `metrics.jsonl`: each of its numbers is a scalar of its own.
    pub fn record(&mut self, record: &Value) -> Result<(), TrainError> {
        let Some(step) = record["step"].as_u64() else { return Ok(()) };
        let (group, numbers) = match record["event"].as_str() {
            Some("train") => ("train", record),
            Some("evaluation") => (record["split"].as_str().unwrap_or("validation"), &record["scores"]),
            Some("final") => ("final", &record["scores"]),
            _ => return Ok(()),
        };
        for (name, number) in numbers.as_object().into_iter().flatten() {
            if let Some(number) = number.as_f64().filter(|_| !matches!(name.as_str(), "step" | "examples")) {
                self.0.scalar(&format!("{group}/{name}"), step, number)?;
            }
        }
        Ok(self.0.flush()?)
    }

    /// How the norms of the gradients of a layer's parameters are distributed, for each layer.
    pub fn gradients(&mut self, step: u64, norms: &GradientNorms) -> Result<(), TrainError> {
        for (layer, norms) in norms.by_layer() {
            self.0.histogram(&format!("gradient_norm/{layer}"), step, &norms)?;
        }
        Ok(())
    }

    /// Examples with what the model says of them.
    pub fn predictions(&mut self, step: u64, split: &str, examples: &[Shown]) -> Result<(), TrainError> {
        let mut table = String::from("| label | prediction |\n|---|---|\n");
        for example in examples {
            let cells = [example.label.as_deref().unwrap_or(""), &example.line].map(cell);
            table.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        self.0.text(&format!("predictions/{split}"), step, &table)?;
        Ok(self.0.flush()?)
    }
}

/// A cell of a table in Markdown: what would end it, or begin a tag, is written out.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for letter in text.chars().take(300) {
        match letter {
            '|' | '<' | '`' | '*' | '_' | '[' | '\\' => cell.extend(['\\', letter]),
            '\n' | '\r' | '\t' => cell.push(' '),
            letter => cell.push(letter),
        }
    }
    cell
}
