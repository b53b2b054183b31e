//! AdamW over a model's parameters, in two groups: with decay, and without (biases and norms).

use retune_models::ParameterSet;
use retune_torch::TorchError;
use retune_torch::optim::{AdamWState, AdamWStep, fused_adamw};
use tch::Tensor;

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of the parameters that have any.
    pub weight_decay: f64,
}

/// AdamW (Loshchilov and Hutter 2019): bias-corrected moments, decoupled decay, none on biases and norms.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    groups: [Group; 2],
}

#[derive(Debug)]
struct Group {
    weight_decay: f64,
    /// Which of the model's parameters, in the model's order.
    members: Vec<usize>,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    state: AdamWState,
}

impl AdamW {
    /// For all parameters of a model, before the first step.
    pub fn new(parameters: &ParameterSet, settings: AdamWSettings) -> Self {
        let group = |decays: bool, weight_decay| {
            let (mut members, mut names, mut tensors) = (Vec::new(), Vec::new(), Vec::new());
            for (index, (name, tensor)) in parameters.iter().enumerate() {
                if has_decay(name) == decays {
                    members.push(index);
                    names.push(name.to_owned());
                    tensors.push(tensor.shallow_clone());
                }
            }
            Group { weight_decay, members, names, state: AdamWState::new(&tensors), parameters: tensors }
        };
        Self { settings, groups: [group(true, settings.weight_decay), group(false, 0.0)] }
    }

    /// One step; `gradients` are in the model's order.
    ///
    /// # Errors
    /// libtorch refuses a gradient.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<(), TorchError> {
        for group in &mut self.groups {
            let own: Vec<Tensor> = group.members.iter().map(|index| gradients[*index].shallow_clone()).collect();
            let step = AdamWStep {
                learning_rate,
                beta1: self.settings.beta1,
                beta2: self.settings.beta2,
                weight_decay: group.weight_decay,
                epsilon: self.settings.epsilon,
            };
            fused_adamw(&group.parameters, &own, &mut group.state, &step)?;
        }
        Ok(())
    }

    /// All state under names: `<parameter>.exp_avg`, `.exp_avg_sq`, `.step`, as torch calls them.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut named = Vec::new();
        for group in &self.groups {
            for (i, name) in group.names.iter().enumerate() {
                named.push((format!("{name}.exp_avg"), group.state.first_moments[i].shallow_clone()));
                named.push((format!("{name}.exp_avg_sq"), group.state.second_moments[i].shallow_clone()));
                named.push((format!("{name}.step"), group.state.steps[i].shallow_clone()));
            }
        }
        named
    }
}

/// Whether weight decay applies: not to biases, and not to the weights of norms (as in `transformers.Trainer`).
fn has_decay(name: &str) -> bool {
    !name.ends_with("bias") && !name.to_lowercase().contains("norm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_and_norms_do_not_decay() {
        assert!(has_decay("bert.encoder.layer.0.attention.self.query.weight"));
        assert!(has_decay("bert.embeddings.word_embeddings.weight"));
        assert!(!has_decay("classifier.bias"));
        assert!(!has_decay("bert.encoder.layer.0.output.LayerNorm.weight"));
    }
}
