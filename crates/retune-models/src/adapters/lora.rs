//! LoRA and DoRA beside linear layers and embeddings: parameters, and how they begin.

use retune_attention::adapters::{EmbeddingAdapter, LinearAdapter, LowRank, LowRankEmbedding, starting_magnitude};
use retune_attention::{Dropout, Embedding, Linear};
use tch::{Device, Kind, Tensor};

use super::method::{Method, Take};
use super::targets::Patterns;
use super::{AdapterError, Lora, LoraStart};

/// [`Lora`], ready to use.
#[derive(Debug)]
pub(super) struct LoraMethod {
    ranks: Patterns<i64>,
    alphas: Patterns<f64>,
    lora: Lora,
}

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

impl LoraMethod {
    pub fn new(lora: &Lora) -> Result<Self, AdapterError> {
        Ok(Self {
            ranks: Patterns::new("rank_pattern", &lora.rank_pattern, lora.rank)?,
            alphas: Patterns::new("alpha_pattern", &lora.alpha_pattern, lora.alpha)?,
            lora: lora.clone(),
        })
    }

    /// `r` and `s` of a module.
    fn numbers(&self, module: &str) -> (i64, f64) {
        let (rank, alpha) = (self.ranks.of(module), self.alphas.of(module));
        let scale = if self.lora.use_rslora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 };
        (rank, scale)
    }
}

/// Uniform between ±1/√in: what Kaiming's rule with a = √5 gives, and how a linear layer of PyTorch begins.
fn uniform(shape: [i64; 2]) -> Tensor {
    let bound = 1.0 / (shape[1] as f64).sqrt();
    Tensor::empty(shape, OPTIONS).uniform_(-bound, bound)
}

impl Method for LoraMethod {
    fn linear(&self, module: &str, layer: &Linear, take: &mut Take<'_>) -> Box<dyn LinearAdapter> {
        let size = layer.weight.size(); // [out, in]
        let (out, inputs) = (size[0], size[1]);
        let (r, scale) = self.numbers(module);
        let start = self.lora.start;
        let a = take("lora_A.weight", &[r, inputs], &|| match start {
            LoraStart::Gaussian => Tensor::randn([r, inputs], OPTIONS) / r as f64,
            LoraStart::Default | LoraStart::Random => uniform([r, inputs]),
        });
        let b = take("lora_B.weight", &[out, r], &|| match start {
            LoraStart::Random => uniform([out, r]),
            LoraStart::Default | LoraStart::Gaussian => Tensor::zeros([out, r], OPTIONS),
        });
        let mut adapter = LowRank { a, b, scale, dropout: Dropout { probability: self.lora.dropout }, magnitude: None };
        if self.lora.use_dora {
            let start = || starting_magnitude(&(&layer.weight + adapter.delta()), 1);
            let magnitude = take("lora_magnitude_vector", &[out], &start);
            adapter.magnitude = Some(magnitude);
        }
        Box::new(adapter)
    }

    fn embedding(&self, module: &str, table: &Embedding, take: &mut Take<'_>) -> Option<Box<dyn EmbeddingAdapter>> {
        let size = table.weight.size(); // [rows, d]
        let (rows, d) = (size[0], size[1]);
        let (r, scale) = self.numbers(module);
        let start = self.lora.start;
        let a = take("lora_embedding_A", &[r, rows], &|| match start {
            LoraStart::Random => Tensor::randn([r, rows], OPTIONS),
            LoraStart::Default | LoraStart::Gaussian => Tensor::zeros([r, rows], OPTIONS),
        });
        let b = take("lora_embedding_B", &[d, r], &|| Tensor::randn([d, r], OPTIONS));
        let mut adapter = LowRankEmbedding { a, b, scale, magnitude: None };
        if self.lora.use_dora {
            let start = || starting_magnitude(&(&table.weight + adapter.delta()), 0);
            let magnitude = take("lora_magnitude_vector", &[d], &start);
            adapter.magnitude = Some(magnitude);
        }
        Some(Box::new(adapter))
    }

    fn adapts_embeddings(&self) -> bool {
        true
    }
}
