//! (IA)³ beside linear layers: its factors begin as ones.

use retune_attention::adapters::{EmbeddingAdapter, LinearAdapter, Rescaled, Rescaling};
use retune_attention::{Embedding, Linear};
use tch::{Device, Kind, Tensor};

use super::method::{Method, Take};
use super::targets::Matcher;
use super::{AdapterError, Ia3, Names};

/// [`Ia3`], ready to use.
#[derive(Debug)]
pub(super) struct Ia3Method {
    inputs: Matcher,
}

impl Ia3Method {
    pub fn new(ia3: &Ia3) -> Result<Self, AdapterError> {
        let names = ia3.feedforward_modules.clone().unwrap_or_else(|| Names::Ends(Vec::new()));
        Ok(Self { inputs: Matcher::new("feedforward_modules", &names)? })
    }

    /// `peft` compares ends without looking for a dot before them.
    pub fn rescaled(&self, module: &str) -> Rescaled {
        let is_input = match &self.inputs {
            Matcher::Ends(ends) => ends.iter().any(|end| module.ends_with(end.as_str())),
            pattern => pattern.find(module).is_some(),
        };
        if is_input { Rescaled::Inputs } else { Rescaled::Outputs }
    }
}

impl Method for Ia3Method {
    fn linear(&self, module: &str, layer: &Linear, take: &mut Take<'_>) -> Box<dyn LinearAdapter> {
        let size = layer.weight.size(); // [out, in]
        let rescaled = self.rescaled(module);
        let shape = match rescaled {
            Rescaled::Inputs => [1, size[1]],
            Rescaled::Outputs => [size[0], 1],
        };
        let factors = take("ia3_l", &shape, &|| Tensor::ones(shape, (Kind::Float, Device::Cpu)));
        Box::new(Rescaling { factors, rescaled })
    }

    fn embedding(&self, _module: &str, _table: &Embedding, _take: &mut Take<'_>) -> Option<Box<dyn EmbeddingAdapter>> {
        None
    }

    fn adapts_embeddings(&self) -> bool {
        false
    }
}
