//! Optimisers: what a step does to the parameters, given their gradients.
//!
//! An [`Optimizer`] is a rule ([`UpdateRule`], one file each) applied to groups of parameters ([`groups`]) that share a
//! learning rate and a weight decay. A rule keeps what it remembers in tensors alone, so that a checkpoint holds all of
//! it, to the bit. `docs/optimizers.md` gives every rule's formula and source, and how to add one.

mod adafactor;
mod adamw;
mod groups;
mod lion;
mod reduction;
mod schedule_free;
mod sgd;

use std::fmt::Debug;

use retune_torch::TorchError;
use retune_torch::optim::scale;
use tch::{Device, Kind, Tensor};

pub use adafactor::Adafactor;
pub use adamw::AdamW;
pub(crate) use groups::is_embedding;
pub use groups::{GroupError, GroupSettings, ParameterGroup, PatternSettings, groups, has_decay};
pub use lion::Lion;
pub use schedule_free::ScheduleFreeAdamW;
pub use sgd::{Sgd, WeightDecay};

/// The numbers of one update that are not the rule's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateNumbers {
    /// The group's learning rate at this step.
    pub learning_rate: f64,
    /// The group's weight decay.
    pub weight_decay: f64,
    /// What every gradient is multiplied by first, where the rule [takes it](UpdateRule::takes_factor); else 1.
    pub gradient_factor: f64,
}

/// What one optimiser does to a list of parameters.
///
/// All that it remembers is in tensors, one for each of its slots and parameters; numbers are tensors of no dimensions.
/// A rule is the same whatever the number of threads.
pub trait UpdateRule: Debug + Send {
    /// The names of what is remembered of each parameter; torch's where torch has the optimiser (`exp_avg`).
    fn slots(&self) -> &'static [&'static str];

    /// The state of a parameter before its first step: a tensor for each slot, undefined (`Tensor::new()`) where this
    /// parameter has no such state.
    fn initial(&self, parameter: &Tensor) -> Vec<Tensor>;

    /// Whether the rule takes the sparse gradient of this parameter (coalesced, of one sparse dimension) as it is; else
    /// it gets a dense one.
    fn takes_sparse(&self, parameter: &Tensor) -> bool {
        let _ = parameter;
        false
    }

    /// Whether the rule multiplies these parameters' gradients itself by what clipping asks for, which saves a pass over
    /// them. It is asked of parameters on the processor, where the factor is known.
    fn takes_factor(&self, parameters: &[Tensor]) -> bool {
        let _ = parameters;
        false
    }

    /// Moves `parameters` and `state[slot][parameter]` in place. All lists are as long as `parameters`, and all
    /// gradients are defined. Called without a gradient graph.
    ///
    /// # Errors
    /// libtorch refuses.
    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError>;

    /// [`update`](Self::update) where `skip` (float32, no dimensions, on the parameters' device) is 0, and nothing where
    /// it is 1. Unless the rule has a kernel that reads it, the host does, for which it waits on a GPU.
    ///
    /// # Errors
    /// libtorch refuses.
    fn update_unless(
        &self,
        skip: &Tensor,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        if skip.double_value(&[]) == 0.0 { self.update(parameters, gradients, state, numbers) } else { Ok(()) }
    }

    /// The weights to evaluate and to keep, new tensors, where they are others than those that train.
    ///
    /// # Errors
    /// libtorch refuses.
    fn evaluation_weights(
        &self,
        parameters: &[Tensor],
        state: &[Vec<Tensor>],
    ) -> Result<Option<Vec<Tensor>>, TorchError> {
        let _ = (parameters, state);
        Ok(None)
    }
}

/// What a step takes besides the gradients.
#[derive(Debug, Clone, Copy)]
pub struct StepControl<'a> {
    /// The learning rate.
    pub learning_rate: f64,
    /// What gradients are multiplied by first, perhaps in place: of no dimensions, on their device.
    pub factor: Option<&'a Tensor>,
    /// Where this is 1, and not 0, nothing moves: float32 of no dimensions, on the gradients' device, so that a step can be
    /// left out whose numbers the host has not seen.
    pub skip: Option<&'a Tensor>,
}

impl StepControl<'_> {
    /// At this learning rate, by gradients as they are.
    pub fn at(learning_rate: f64) -> Self {
        Self { learning_rate, factor: None, skip: None }
    }
}

/// A rule, the parameters that it moves, and what it remembers of them.
#[derive(Debug)]
pub struct Optimizer {
    rule: Box<dyn UpdateRule>,
    groups: Vec<Group>,
    evaluates: bool,
}

#[derive(Debug)]
struct Group {
    group: ParameterGroup,
    /// By slot, then by parameter.
    state: Vec<Vec<Tensor>>,
    /// The weights that train, while others are in their place.
    resting: Option<Vec<Tensor>>,
}

impl Optimizer {
    /// Before the first step. The groups' parameters are handles: the model's own weights move.
    pub fn new(rule: Box<dyn UpdateRule>, groups: Vec<ParameterGroup>) -> Self {
        let with_state = |group: ParameterGroup| {
            let mut state: Vec<Vec<Tensor>> = rule.slots().iter().map(|_| Vec::new()).collect();
            for parameter in &group.parameters {
                let initial = tch::no_grad(|| rule.initial(parameter));
                assert_eq!(initial.len(), state.len(), "{rule:?}: a tensor for each slot");
                state.iter_mut().zip(initial).for_each(|(slot, tensor)| slot.push(tensor));
            }
            Group { group, state, resting: None }
        };
        let groups = groups.into_iter().map(with_state).collect();
        Self { rule, groups, evaluates: false }
    }

    /// Whether sparse gradients of tables spare anything: whether the rule takes them of any parameter.
    pub fn takes_sparse(&self) -> bool {
        self.groups().any(|group| group.parameters.iter().any(|parameter| self.rule.takes_sparse(parameter)))
    }

    /// The groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &ParameterGroup> {
        self.groups.iter().map(|group| &group.group)
    }

    /// One step; a group's members are places in `gradients`. A parameter whose gradient is undefined had no part in the
    /// loss: it keeps its value and its state, decay included, as in `torch.optim`.
    ///
    /// # Errors
    /// libtorch refuses a gradient.
    pub fn step(&mut self, gradients: &[Tensor], control: StepControl<'_>) -> Result<(), TorchError> {
        let StepControl { learning_rate, factor, skip } = control;
        let _no_grad = tch::no_grad_guard();
        self.to_training();
        for Group { group, state, .. } in &self.groups {
            let present: Vec<usize> =
                (0..group.members.len()).filter(|place| gradients[group.members[*place]].defined()).collect();
            // Clones of handles: the tensors that move are the group's own.
            let pick = |tensors: &[Tensor]| -> Vec<Tensor> {
                present.iter().map(|place| tensors[*place].shallow_clone()).collect()
            };
            let own = |place: &usize| {
                let gradient = &gradients[group.members[*place]];
                let as_it_is = !gradient.is_sparse() || self.rule.takes_sparse(&group.parameters[*place]);
                if as_it_is { gradient.shallow_clone() } else { gradient.to_dense(None, false) }
            };
            let own: Vec<Tensor> = present.iter().map(own).collect();
            let state: Vec<Vec<Tensor>> = state.iter().map(|slot| pick(slot)).collect();
            let parameters = pick(&group.parameters);
            let is_here = |tensor: &Tensor| tensor.device() == Device::Cpu;
            let gradient_factor = match factor {
                None => 1.0,
                Some(factor) if parameters.iter().all(is_here) && self.rule.takes_factor(&parameters) => {
                    factor.double_value(&[])
                }
                Some(factor) => {
                    scale(&own.iter().map(numbers_of).collect::<Vec<_>>(), factor)?;
                    1.0
                }
            };
            let numbers = UpdateNumbers {
                learning_rate: learning_rate * group.rate,
                weight_decay: group.weight_decay,
                gradient_factor,
            };
            match skip {
                None => self.rule.update(&parameters, &own, &state, &numbers)?,
                Some(skip) => self.rule.update_unless(skip, &parameters, &own, &state, &numbers)?,
            }
        }
        Ok(())
    }

    /// All state under names: `<parameter>.<slot>`, in the order of groups. The tensors are handles: what is copied into
    /// them is the optimiser's state from then on.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut named = Vec::new();
        for Group { group, state, .. } in &self.groups {
            for (place, name) in group.names.iter().enumerate() {
                for (slot, tensors) in self.rule.slots().iter().zip(state) {
                    if tensors[place].defined() {
                        named.push((format!("{name}.{slot}"), tensors[place].shallow_clone()));
                    }
                }
            }
        }
        named
    }

    /// Puts the weights to evaluate with into the model, where the rule has others than those that train; those are
    /// kept, and [`to_training`](Self::to_training) or the next step puts them back, to the bit. A checkpoint is
    /// written between the two modes never: it holds the weights that train.
    ///
    /// # Errors
    /// libtorch refuses; the model trains on with what it had.
    pub fn to_evaluation(&mut self) -> Result<(), TorchError> {
        let _no_grad = tch::no_grad_guard();
        if self.evaluates {
            return Ok(());
        }
        let weights = |Group { group, state, .. }: &Group| self.rule.evaluation_weights(&group.parameters, state);
        let weights = self.groups.iter().map(weights).collect::<Result<Vec<_>, _>>()?;
        for (group, weights) in self.groups.iter_mut().zip(weights) {
            let Some(weights) = weights else { continue };
            let parameters = &mut group.group.parameters;
            group.resting = Some(parameters.iter().map(Tensor::copy).collect());
            parameters.iter_mut().zip(&weights).for_each(|(parameter, weight)| parameter.copy_(weight));
        }
        self.evaluates = true;
        Ok(())
    }

    /// Puts the weights that train back into the model.
    pub fn to_training(&mut self) {
        let _no_grad = tch::no_grad_guard();
        for group in &mut self.groups {
            for (parameter, weight) in group.group.parameters.iter_mut().zip(group.resting.take().unwrap_or_default()) {
                parameter.copy_(&weight);
            }
        }
        self.evaluates = false;
    }
}

/// The handle of a tensor as a list, which is what the operations of `retune_torch::optim` take.
fn one(tensor: &Tensor) -> &[Tensor] {
    std::slice::from_ref(tensor)
}

/// A number that a rule remembers: on the host, where reading it waits for no device, and in float64.
fn number(value: f64) -> Tensor {
    Tensor::full([], value, (Kind::Double, Device::Cpu))
}

/// Reads a [`number`].
fn value(number: &Tensor) -> f64 {
    number.double_value(&[])
}

/// Writes a [`number`].
fn set(number: &Tensor, value: f64) {
    let _ = number.shallow_clone().fill_(value);
}

pub(crate) fn is_sparse(gradient: &Tensor) -> bool {
    gradient.defined() && gradient.is_sparse()
}

/// A gradient's own numbers: of a sparse one, which is coalesced, those of its rows.
pub(crate) fn numbers_of(gradient: &Tensor) -> Tensor {
    if is_sparse(gradient) { gradient.internal_values() } else { gradient.shallow_clone() }
}

#[cfg(test)]
mod tests;
