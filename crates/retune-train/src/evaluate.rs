//! A model over a whole data set, without gradients and without dropout.

use std::num::NonZeroUsize;

use retune_attention::Mode;
use retune_data::{Tokenized, collate_unlabelled, evaluation_batches};
use retune_metrics::{ConfusionMatrix, MeanLoss};
use retune_models::Model;
use retune_recipe::Precision;
use retune_torch::autocast::AutocastGuard;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::tasks::sequence_classification::Scores;

/// How batches are computed.
#[derive(Debug, Clone, Copy)]
pub struct Computation {
    /// Where.
    pub device: Device,
    /// In which number format.
    pub precision: Precision,
    /// Examples in an evaluation batch.
    pub batch_size: NonZeroUsize,
}

impl Computation {
    /// Under autocast while the guard lives, where the precision asks for it.
    pub(crate) fn autocast(&self) -> Result<Option<AutocastGuard>, TrainError> {
        Ok(match self.precision {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(AutocastGuard::bfloat16(self.device)?),
        })
    }
}

/// The model's logits for every example, in the data set's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// `[n, c]`, row-major.
    logits: Vec<f32>,
    classes: usize,
}

/// Runs the model over all sequences, the longest first; `progress` hears how many are done.
///
/// # Errors
/// libtorch refuses a batch.
pub fn evaluate(
    model: &Model,
    tokenized: &Tokenized,
    classes: usize,
    computation: &Computation,
    progress: &mut dyn FnMut(usize),
) -> Result<Predictions, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let mut logits = vec![0f32; tokenized.len() * classes];
    let mut done = 0;
    for rows in evaluation_batches(tokenized, computation.batch_size) {
        let batch = collate_unlabelled(tokenized, &rows);
        let input = to_input(&batch, computation.device)?;
        let autocast = computation.autocast()?;
        let output = model.forward(&input, Mode::Evaluate); // [b, c]
        drop(autocast);
        let output: Vec<f32> = Vec::try_from(output.to_kind(Kind::Float).to_device(Device::Cpu).reshape([-1]))?;
        for (row, values) in batch.rows.iter().zip(output.chunks(classes)) {
            logits[row * classes..(row + 1) * classes].copy_from_slice(values);
        }
        done += batch.sequences();
        progress(done);
    }
    Ok(Predictions { logits, classes })
}

impl Predictions {
    /// How many examples.
    pub fn len(&self) -> usize {
        self.logits.len() / self.classes
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.logits.is_empty()
    }

    /// The logits of one example: `[c]`.
    pub fn logits(&self, row: usize) -> &[f32] {
        &self.logits[row * self.classes..(row + 1) * self.classes]
    }

    /// The class with the largest logit; the first of equals.
    pub fn predicted(&self, row: usize) -> usize {
        let mut best = 0;
        for (class, value) in self.logits(row).iter().enumerate() {
            if *value > self.logits(row)[best] {
                best = class;
            }
        }
        best
    }

    /// The softmax of one example's logits, in float64: `[c]`.
    pub fn probabilities(&self, row: usize) -> Vec<f64> {
        let log_sum = self.log_sum_exp(row);
        self.logits(row).iter().map(|logit| (f64::from(*logit) - log_sum).exp()).collect()
    }

    /// How predictions and labels meet, and the scores that follow. The loss is the mean cross-entropy, in float64.
    ///
    /// # Errors
    /// There is no example, or a logit is not a number.
    pub fn score(&self, labels: &[u32]) -> Result<(ConfusionMatrix, Scores), TrainError> {
        let mut matrix = ConfusionMatrix::new(self.classes)?;
        let mut loss = MeanLoss::new();
        for (row, label) in labels.iter().enumerate() {
            let label = *label as usize;
            matrix.update(label, self.predicted(row))?;
            loss.update(self.log_sum_exp(row) - f64::from(self.logits(row)[label]), 1)?;
        }
        let scores = Scores::new(&matrix, loss.mean()?)?;
        Ok((matrix, scores))
    }

    fn log_sum_exp(&self, row: usize) -> f64 {
        let logits = self.logits(row);
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        largest + logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum::<f64>().ln()
    }

    /// As a tensor `[n, c]`, for comparisons.
    pub fn to_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.logits).view([-1, self.classes as i64])
    }
}
