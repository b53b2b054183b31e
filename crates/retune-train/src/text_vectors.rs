//! What a pretrained encoder gives for texts, before anything is trained: one vector each, for whoever looks at data.

use std::path::Path;

use retune_attention::Mode;
use retune_data::{Text, collate, evaluation_batches};
use retune_models::{HeadPolicy, LoadOptions, ModelConfig};
use tch::{Device, Kind};

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::model_directory::load_tokenizer;
use crate::network::Network;
use crate::task::OutputLayer;

/// A vector for each text: `[n, width]`, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct TextVectors {
    /// The numbers.
    pub values: Vec<f32>,
    /// How many each text has.
    pub width: usize,
}

/// Runs the encoder of a model directory once over texts, cut to `max_length` tokens, and pools as the directory's
/// modules say: the mean of the tokens where it has none. `progress` hears how many are done.
///
/// # Errors
/// A file of the model is missing or does not fit, `max_length` is more than its positions, or libtorch refuses a batch.
pub fn text_vectors(
    directory: &Path,
    texts: &[Text],
    max_length: usize,
    computation: &Computation,
    progress: &mut dyn FnMut(usize),
) -> Result<TextVectors, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let config = ModelConfig::read(directory)?;
    let options = LoadOptions::new(HeadPolicy::Require, computation.device);
    let (network, _) = Network::load(directory, &config, OutputLayer::Sentence(None), &options, max_length)?;
    let tokenized = load_tokenizer(directory, &network, max_length)?.encode(texts)?;
    let mut vectors = TextVectors { values: Vec::new(), width: 0 };
    let mut done = 0;
    for rows in evaluation_batches(&tokenized, computation.batch_size) {
        let packed = collate(&tokenized, &rows)?;
        let input = to_input(&packed, computation.device)?;
        let autocast = computation.autocast()?;
        let read = network.read(&input, Mode::Evaluate).to_kind(Kind::Float); // [b, d]
        drop(autocast);
        vectors.width = read.size()[1] as usize;
        vectors.values.resize(texts.len() * vectors.width, 0.0);
        let flat: Vec<f32> = Vec::try_from(read.to_device(Device::Cpu).contiguous().reshape([-1]))?;
        for (row, values) in packed.rows.iter().zip(flat.chunks(vectors.width)) {
            vectors.values[row * vectors.width..(row + 1) * vectors.width].copy_from_slice(values);
        }
        done += rows.len();
        progress(done);
    }
    Ok(vectors)
}
