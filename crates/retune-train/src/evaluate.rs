//! A model over a whole data set, without gradients and without dropout.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use retune_attention::Mode;
use retune_data::evaluation_batches;
use retune_recipe::Precision;
use retune_torch::autocast::{AutocastGuard, Narrow};
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::features::Features;
use crate::memory::within_memory;
use crate::network::Network;
use crate::task::{Encoded, Task};

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
        self.narrow().map(|narrow| Ok(AutocastGuard::to(narrow, self.device)?)).transpose()
    }

    /// What products are cast to.
    fn narrow(&self) -> Option<Narrow> {
        match self.precision {
            // The products of a whole process are TF32's or not (`choose_products`).
            Precision::Fp32 | Precision::Tf32 => None,
            Precision::Bf16 => Some(Narrow::Bfloat16),
            Precision::Fp16 => Some(Narrow::Float16),
        }
    }

    /// That the precision does not make this machine's products faster, where it does not.
    pub fn advice(&self) -> Option<String> {
        let lacking = self.narrow().filter(|_| !self.device.is_cuda())?.lacks_on_this_processor()?;
        let precision = self.precision;
        Some(format!(
            "this processor has no instructions for {precision} ({lacking}): --precision fp32 is likely faster"
        ))
    }
}

/// What a model gives for every sequence, or every token, of a data set, in the data set's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// `[n, w]`, row-major.
    values: Vec<f32>,
    /// `w`.
    width: usize,
    /// The first row of each sequence, and the end of the last; `None` where each sequence has one.
    starts: Option<Vec<usize>>,
}

/// Runs the network, or its head on features that are there, over all sequences, the longest first; `progress` hears how
/// many are done.
///
/// # Errors
/// One sequence alone does not fit into memory, or libtorch refuses a batch.
pub fn evaluate<T: Task>(
    network: &Network,
    task: &T,
    encoded: &Encoded<T::Targets>,
    features: Option<&Features>,
    computation: &Computation,
    progress: &mut dyn FnMut(usize),
) -> Result<Outputs, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let tokenized = &encoded.tokenized;
    let starts = task.keeps_tokens(encoded).then(|| starts(tokenized.len(), |row| tokenized.length(row)));
    let rows = starts.as_ref().map_or(tokenized.len(), |starts| starts[tokenized.len()]);
    let mut outputs = Outputs { values: Vec::new(), width: 0, starts };
    let mut done = 0;
    let mut waiting: VecDeque<Vec<usize>> = evaluation_batches(tokenized, computation.batch_size).into();
    while let Some(sequences) = waiting.pop_front() {
        // Nothing is drawn in evaluation, so what did not fit into memory is computed in halves and gives the same.
        let computed = within_memory(|| one_batch(network, task, encoded, features, computation, &sequences));
        let (kept, order) = match computed {
            Err(TrainError::OutOfMemory) if sequences.len() > 1 => {
                let (first, second) = sequences.split_at(sequences.len() / 2);
                waiting.push_front(second.to_vec());
                waiting.push_front(first.to_vec());
                continue;
            }
            computed => computed?,
        };
        outputs.width = kept.size().get(1).copied().unwrap_or(1) as usize;
        outputs.values.resize(rows * outputs.width, 0.0);
        outputs.scatter(&order, &Vec::try_from(kept.reshape([-1]))?);
        done += order.len();
        progress(done);
    }
    Ok(outputs)
}

/// What is kept of the outputs of some sequences, `[n, w]`, and the order in which they stand there.
fn one_batch<T: Task>(
    network: &Network,
    task: &T,
    encoded: &Encoded<T::Targets>,
    features: Option<&Features>,
    computation: &Computation,
    sequences: &[usize],
) -> Result<(Tensor, Vec<usize>), TrainError> {
    let batch = task.evaluation_batch(encoded, sequences)?.on_device(computation.device);
    let input = to_input(&batch.packed, computation.device)?;
    let positions = batch.positions_on(computation.device);
    let autocast = computation.autocast()?;
    let output = match features {
        Some(features) => features.outputs(network, &batch.packed.rows, Mode::Evaluate, computation),
        None => network.forward(&input, positions.as_ref(), Mode::Evaluate),
    };
    drop(autocast);
    let kept = task.reduce(&output, &batch).to_device(Device::Cpu).contiguous(); // [n, w]
    Ok((kept, batch.packed.rows))
}

fn starts(sequences: usize, length: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut starts = vec![0];
    for row in 0..sequences {
        starts.push(starts[row] + length(row));
    }
    starts
}

impl Outputs {
    /// Puts a batch's values where its sequences stand in the data.
    fn scatter(&mut self, sequences: &[usize], values: &[f32]) {
        let mut from = 0;
        for sequence in sequences {
            let place = self.range(*sequence);
            let size = place.len();
            self.values[place].copy_from_slice(&values[from..from + size]);
            from += size;
        }
    }

    fn range(&self, sequence: usize) -> std::ops::Range<usize> {
        let (start, end) = match &self.starts {
            None => (sequence, sequence + 1),
            Some(starts) => (starts[sequence], starts[sequence + 1]),
        };
        start * self.width..end * self.width
    }

    /// How many sequences there are.
    pub fn len(&self) -> usize {
        match &self.starts {
            Some(starts) => starts.len() - 1,
            None => self.values.len() / self.width.max(1),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a row, `w`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The values of one sequence: `[w]`, or `[tokens, w]`.
    pub fn of(&self, sequence: usize) -> &[f32] {
        &self.values[self.range(sequence)]
    }

    /// The values of one row among all, `[w]`: of a sequence or, where there is a row for each token, of a token.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// As a tensor `[n, w]`.
    pub fn to_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).view([-1, self.width.max(1) as i64]).to_kind(Kind::Float)
    }
}
