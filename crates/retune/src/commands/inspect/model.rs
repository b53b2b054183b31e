//! The pretrained model of a plan, as far as looking at data needs it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use retune_data::{Text, TextTokenizer};
use retune_inspect::features::DenseRows;
use retune_inspect::tokens::TokenCounts;
use retune_recipe::Plan;
use retune_train::{Computation, Event, MaskedReader, choose_products, resolve_device, text_vectors};

use crate::commands::finetune::resolve;
use crate::terminal::Terminal;

/// A model directory with its tokenizer.
pub struct Pretrained {
    directory: PathBuf,
    tokenizer: TextTokenizer,
    max_length: usize,
    computation: Computation,
}

impl Pretrained {
    /// Finds, or fetches, the plan's model.
    pub fn of(plan: &Plan, terminal: &Terminal) -> anyhow::Result<Self> {
        let device = resolve_device(plan.run.device)?;
        choose_products(plan.run.precision, device)?;
        if let Some(threads) = plan.run.threads {
            tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        }
        let directory = resolve(plan, terminal)?.directory;
        let max_length = plan.data.max_length;
        Ok(Self {
            tokenizer: TextTokenizer::from_directory(&directory, max_length)?,
            directory,
            max_length,
            computation: Computation {
                device,
                precision: plan.run.precision,
                batch_size: NonZeroUsize::new(plan.evaluation.batch_size).unwrap_or(NonZeroUsize::MIN),
            },
        })
    }

    /// The tokens of each text before anything is cut.
    pub fn count(&self, texts: &[Text]) -> anyhow::Result<Vec<TokenCounts>> {
        let counts = self.tokenizer.count_pieces(texts)?;
        let of = |counts: retune_data::PieceCounts| TokenCounts {
            tokens: counts.tokens,
            pieces: counts.pieces,
            unknown: counts.unknown,
        };
        Ok(counts.into_iter().map(of).collect())
    }

    /// Its masked language model, where its weights have one.
    pub fn masked(&self) -> anyhow::Result<Option<MaskedReader>> {
        Ok(MaskedReader::open(&self.directory, self.max_length, &self.computation)?)
    }

    /// A vector for each text: `[n, d]`.
    pub fn vectors(&self, texts: &[Text], terminal: &mut Terminal) -> anyhow::Result<DenseRows> {
        let total = texts.len();
        let mut progress = |done| terminal.event(Event::Evaluating { done, total });
        let vectors = text_vectors(&self.directory, texts, self.max_length, &self.computation, &mut progress)?;
        Ok(DenseRows::new(vectors.values.into_iter().map(f64::from).collect(), vectors.width)?)
    }
}
