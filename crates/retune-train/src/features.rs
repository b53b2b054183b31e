//! What a head reads, computed once: where the encoder stays as it is, it gives the same in every epoch.

use retune_attention::Mode;
use retune_data::evaluation_batches_of;
use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::network::Network;
use crate::task::{Encoded, Task};

/// What the head reads of each sequence of a data set, without dropout of the encoder: `[n, d]`, zero where it was not
/// asked for.
#[derive(Debug)]
pub struct Features(Tensor);

impl Features {
    /// Runs the encoder over the sequences of these rows; `progress` hears how many are done. `None` where the
    /// network's head reads tokens: those would need as much memory as the data have tokens.
    ///
    /// # Errors
    /// libtorch refuses a batch.
    pub fn of<T: Task>(
        network: &Network,
        task: &T,
        encoded: &Encoded<T::Targets>,
        rows: &[usize],
        computation: &Computation,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Self>, TrainError> {
        if !network.reads_sequences() {
            return Ok(None);
        }
        let _no_grad = tch::no_grad_guard();
        let count = encoded.tokenized.len() as i64;
        let mut values: Option<Tensor> = None;
        let mut done = 0;
        for sequences in evaluation_batches_of(encoded.sequences(rows), &encoded.tokenized, computation.batch_size) {
            let batch = task.evaluation_batch(encoded, &sequences)?;
            let input = to_input(&batch.packed, computation.device)?;
            let autocast = computation.autocast()?;
            let read = network.read(&input, Mode::Evaluate).to_kind(Kind::Float); // [b, d]
            drop(autocast);
            let options = (Kind::Float, computation.device);
            let values = values.get_or_insert_with(|| Tensor::zeros([count, read.size()[1]], options)); // [n, d]
            let _ = values.index_copy_(0, &places(&batch.packed.rows, computation), &read);
            done += batch.packed.sequences();
            progress(done);
        }
        Ok(values.map(Self))
    }

    /// The network's outputs for these sequences: `[b, c]`.
    pub(crate) fn outputs(
        &self,
        network: &Network,
        sequences: &[usize],
        mode: Mode,
        computation: &Computation,
    ) -> Tensor {
        let read = self.0.index_select(0, &places(sequences, computation)); // [b, d]
        network.head_on(&read, mode) // [b, c]
    }
}

fn places(sequences: &[usize], computation: &Computation) -> Tensor {
    let places: Vec<i64> = sequences.iter().map(|sequence| *sequence as i64).collect();
    to_device(&Tensor::from_slice(&places), computation.device)
}
