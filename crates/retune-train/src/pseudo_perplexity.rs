//! How well a pretrained masked language model knows texts: pseudo-perplexity (J. Salazar, D. Liang, T. Q. Nguyen, K.
//! Kirchhoff, "Masked language model scoring", 2020): exp(−(1/N) Σ log p(wₜ | all other tokens)), each of the N tokens
//! masked by itself.

use std::collections::HashSet;
use std::path::Path;

use retune_attention::Mode;
use retune_data::{Text, Tokenized, collate, evaluation_batches};
use retune_models::{HeadKind, HeadPolicy, HeadSpec, LoadOptions, ModelConfig};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::batch::to_input;
use crate::evaluate::Computation;
use crate::model_directory::load_tokenizer;
use crate::network::Network;
use crate::task::OutputLayer;

/// A pretrained masked language model that texts are shown to.
pub struct MaskedReader {
    network: Network,
    tokenizer: retune_data::TextTokenizer,
    mask_id: u32,
    computation: Computation,
}

/// What a masked language model says of texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoPerplexity {
    /// exp of the mean negative log probability of a token.
    pub value: f64,
    /// Tokens that were masked.
    pub tokens: usize,
}

impl MaskedReader {
    /// Loads the model with its masked-LM head. `None` where the configuration says that its weights have none.
    ///
    /// # Errors
    /// A file of the model is missing or does not fit, or the tokenizer has no mask.
    pub fn open(directory: &Path, max_length: usize, computation: &Computation) -> Result<Option<Self>, TrainError> {
        let config = ModelConfig::read(directory)?;
        let class = config.values().get("architectures").and_then(|classes| classes.get(0)).and_then(Value::as_str);
        if !class.is_some_and(|class| class.ends_with("ForMaskedLM")) {
            return Ok(None);
        }
        let vocabulary = config.values().get("vocab_size").and_then(Value::as_u64).unwrap_or_default() as usize;
        let output = OutputLayer::Head(HeadSpec::new(HeadKind::MaskedLanguageModel, vocabulary));
        let options = LoadOptions::new(HeadPolicy::Require, computation.device);
        let (network, _) = Network::load(directory, &config, output, &options, max_length)?;
        let tokenizer = load_tokenizer(directory, &network, max_length)?;
        let mask_id = tokenizer.mask_id(directory)?;
        Ok(Some(Self { network, tokenizer, mask_id, computation: *computation }))
    }

    /// The pseudo-perplexity of texts, cut to the maximal length; `None` where no text has a token. `progress` hears
    /// how many of how many tokens are done.
    ///
    /// # Errors
    /// A text cannot be tokenised, or libtorch refuses a batch.
    pub fn read(
        &self,
        texts: &[Text],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<PseudoPerplexity>, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let special = self.ids(&self.tokenizer.encode(&[Text::single("")])?, 0)?;
        let special: HashSet<u32> = special.into_iter().map(|(id, _)| id).collect();
        let tokenized = self.tokenizer.encode(texts)?;
        // A copy of the text for each of its tokens, with that one masked.
        let (mut copies, mut masked) = (Vec::new(), Vec::new());
        for row in 0..tokenized.len() {
            let tokens = self.ids(&tokenized, row)?;
            for (place, (id, type_id)) in tokens.iter().enumerate().filter(|(_, (id, _))| !special.contains(id)) {
                let mut copy = tokens.clone();
                copy[place] = (self.mask_id, *type_id);
                copies.push(copy);
                masked.push((place, *id));
            }
        }
        let copies = Tokenized::from_rows(copies);
        let (mut sum, mut done) = (0.0, 0);
        for rows in evaluation_batches(&copies, self.computation.batch_size) {
            let packed = collate(&copies, &rows)?;
            let places = packed.rows.iter().zip(&packed.cu_seqlens).map(|(row, start)| *start + masked[*row].0 as i64);
            let places: Vec<i64> = places.collect();
            let wanted: Vec<i64> = packed.rows.iter().map(|row| i64::from(masked[*row].1)).collect();
            let device = self.computation.device;
            let (places, wanted) =
                (Tensor::from_slice(&places).to_device(device), Tensor::from_slice(&wanted).to_device(device));
            let input = to_input(&packed, device)?;
            let autocast = self.computation.autocast()?;
            let logits = self.network.forward(&input, Some(&places), Mode::Evaluate).to_kind(Kind::Float); // [b, v]
            drop(autocast);
            let logs = logits.log_softmax(-1, Kind::Float).gather(1, &wanted.unsqueeze(1), false); // [b, 1]
            sum += logs.sum(Kind::Double).to_device(Device::Cpu).double_value(&[]);
            done += rows.len();
            progress(done, masked.len());
        }
        let tokens = masked.len();
        Ok((tokens > 0).then(|| PseudoPerplexity { value: (-sum / tokens as f64).exp(), tokens }))
    }

    fn ids(&self, tokenized: &Tokenized, row: usize) -> Result<Vec<(u32, u8)>, TrainError> {
        let (mut ids, mut type_ids) = (Vec::new(), Vec::new());
        tokenized.read(row, &mut ids, &mut type_ids)?;
        Ok(ids.into_iter().zip(type_ids).collect())
    }
}
