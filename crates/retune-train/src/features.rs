//! What a head reads, computed once: where the encoder stays as it is, it gives the same in every epoch.

use retune_attention::Mode;
use retune_data::evaluation_batches;
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::network::Network;
use crate::task::{Encoded, Task};

/// What the head reads of each sequence of a data set, without dropout of the encoder: `[n, d]`.
#[derive(Debug)]
pub struct Features(Tensor);

impl Features {
    /// Runs the encoder over all sequences; `progress` hears how many are done. `None` where the network's head reads tokens:
    /// those would need as much memory as the data have tokens.
    ///
    /// # Errors
    /// libtorch refuses a batch.
    pub fn of<T: Task>(
        network: &Network,
        task: &T,
        encoded: &Encoded<T::Targets>,
        computation: &Computation,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Self>, TrainError> {
        let Some(model) = network.model().filter(|model| model.reads_sequences()) else { return Ok(None) };
        let _no_grad = tch::no_grad_guard();
        let (sequences, width) = (encoded.tokenized.len(), model.sizes().hidden);
        let values = Tensor::zeros([sequences as i64, width], (Kind::Float, computation.device));
        let mut done = 0;
        for sequences in evaluation_batches(&encoded.tokenized, computation.batch_size) {
            let batch = task.evaluation_batch(encoded, &sequences)?;
            let input = to_input(&batch.packed, computation.device)?;
            let autocast = computation.autocast()?;
            let read = model.read(&input, Mode::Evaluate).to_kind(Kind::Float); // [b, d]
            drop(autocast);
            let _ = values.shallow_clone().index_copy_(0, &places(&batch.packed.rows, computation), &read);
            done += batch.packed.sequences();
            progress(done);
        }
        Ok(Some(Self(values)))
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
        match network.model() {
            Some(model) => model.head_on(&read, mode), // [b, c]
            None => read,
        }
    }
}

fn places(sequences: &[usize], computation: &Computation) -> Tensor {
    let places: Vec<i64> = sequences.iter().map(|sequence| *sequence as i64).collect();
    Tensor::from_slice(&places).to_device(computation.device)
}
