//! Top layers that are drawn anew before training (Zhang et al. 2021, arXiv 2006.05987, section 4): what they have
//! learnt of pretraining's own task is further from a new one than chance is.

use tch::{Device, Kind, Tensor};

use crate::parameter_names::{is_of_pooler, is_of_shared_layers, layer_of};
use crate::{ModelError, ParameterSet};

impl ParameterSet {
    /// Draws the top `layers` of the encoder anew, and the pooler where there is one, as BERT begins: weights of linear
    /// layers normal with `deviation` (the configuration's `initializer_range`), biases 0, weights of norms 1. Gives
    /// the names of what was drawn. Draws come from libtorch's default generator on the processor, so that a seed gives
    /// the same on every device; none is made for 0 layers, of which the pooler is no part.
    ///
    /// # Errors
    /// There are not so many layers, or they are one layer that is used again and again; nothing is changed then.
    pub fn draw_top_layers(&self, layers: usize, deviation: f64) -> Result<Vec<&str>, ModelError> {
        if layers == 0 {
            return Ok(Vec::new());
        }
        if self.iter().any(|(name, _)| is_of_shared_layers(name)) {
            return Err(ModelError::SharedLayers);
        }
        let there = self.iter().filter_map(|(name, _)| layer_of(name)).max().map_or(0, |last| last + 1);
        if layers > there {
            return Err(ModelError::TooFewLayers { asked: layers, there });
        }
        let is_fresh = |name: &str| is_of_pooler(name) || layer_of(name).is_some_and(|layer| layer + layers >= there);
        let mut drawn = Vec::new();
        for (name, tensor) in self.iter().filter(|(name, _)| is_fresh(name)) {
            let options = (Kind::Float, Device::Cpu);
            let value = match tensor.dim() {
                _ if name.ends_with("bias") => Tensor::zeros(tensor.size(), options),
                // A layer's only vectors beside biases are the weights of its norms.
                0 | 1 => Tensor::ones(tensor.size(), options),
                _ => Tensor::randn(tensor.size(), options) * deviation,
            };
            tch::no_grad(|| tensor.shallow_clone().copy_(&value));
            drawn.push(name);
        }
        Ok(drawn)
    }
}
