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

    /// One step; `gradients` are in the model's order. A parameter whose gradient is undefined had no part in the loss: it
    /// keeps its value and its state, decay included, as in `torch.optim.AdamW`.
    ///
    /// # Errors
    /// libtorch refuses a gradient.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<(), TorchError> {
        for group in &self.groups {
            let present: Vec<usize> =
                (0..group.members.len()).filter(|place| gradients[group.members[*place]].defined()).collect();
            let pick = |tensors: &[Tensor]| present.iter().map(|place| tensors[*place].shallow_clone()).collect();
            let own: Vec<Tensor> =
                present.iter().map(|place| gradients[group.members[*place]].shallow_clone()).collect();
            // Clones of handles: the tensors that move are the group's own.
            let parameters: Vec<Tensor> = pick(&group.parameters);
            let mut state = AdamWState {
                first_moments: pick(&group.state.first_moments),
                second_moments: pick(&group.state.second_moments),
                steps: pick(&group.state.steps),
            };
            let step = AdamWStep {
                learning_rate,
                beta1: self.settings.beta1,
                beta2: self.settings.beta2,
                weight_decay: group.weight_decay,
                epsilon: self.settings.epsilon,
            };
            fused_adamw(&parameters, &own, &mut state, &step)?;
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
    fn a_parameter_without_a_gradient_stays() -> Result<(), TorchError> {
        let parameters: ParameterSet = [("a.weight", 1.0), ("b.weight", 2.0)]
            .map(|(name, value)| (name.to_owned(), Tensor::from_slice(&[value])))
            .into_iter()
            .collect();
        let settings = AdamWSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.5 };
        let mut optimizer = AdamW::new(&parameters, settings);
        optimizer.step(&[Tensor::from_slice(&[1.0]), Tensor::new()], 0.1)?;
        let values: Vec<f64> = parameters.iter().map(|(_, tensor)| tensor.double_value(&[0])).collect();
        assert!(values[0] < 0.95 && values[1] == 2.0, "{values:?}");
        let steps: Vec<f64> = optimizer.groups[0].state.steps.iter().map(|step| step.double_value(&[])).collect();
        assert_eq!(steps, [1.0, 0.0]);
        Ok(())
    }

    #[test]
    fn biases_and_norms_do_not_decay() {
        assert!(has_decay("bert.encoder.layer.0.attention.self.query.weight"));
        assert!(has_decay("bert.embeddings.word_embeddings.weight"));
        assert!(!has_decay("classifier.bias"));
        assert!(!has_decay("bert.encoder.layer.0.output.LayerNorm.weight"));
    }
}
