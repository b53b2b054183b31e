//! All parameters of a model, and which of them are trained.

use tch::Tensor;

/// All parameters of a model, in the order of construction, under the checkpoint's names.
#[derive(Debug, Default)]
pub struct ParameterSet {
    all: Vec<Parameter>,
}

/// One of them.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub tensor: Tensor,
    /// What it belongs to.
    pub part: Part,
}

impl Parameter {
    /// The same parameter: the value is shared.
    pub fn shallow_clone(&self) -> Self {
        Self { name: self.name.clone(), tensor: self.tensor.shallow_clone(), part: self.part }
    }
}

/// What a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The pretrained base model.
    Base,
    /// A head, or what else the checkpoint lacked.
    Head,
    /// An adapter.
    Adapter,
}

impl FromIterator<(String, Tensor)> for ParameterSet {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(named: I) -> Self {
        named.into_iter().map(|(name, tensor)| Parameter { name, tensor, part: Part::Base }).collect()
    }
}

impl FromIterator<Parameter> for ParameterSet {
    fn from_iter<I: IntoIterator<Item = Parameter>>(all: I) -> Self {
        Self { all: all.into_iter().collect() }
    }
}

impl ParameterSet {
    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.all.iter().map(|parameter| (parameter.name.as_str(), &parameter.tensor))
    }

    /// Those that are trained, in order.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(_, tensor)| tensor.requires_grad())
    }

    /// All of them with what they belong to.
    pub fn parameters(&self) -> &[Parameter] {
        &self.all
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor)
    }

    pub(crate) fn push(&mut self, name: String, tensor: Tensor, part: Part) {
        self.all.push(Parameter { name, tensor, part });
    }

    /// Adds the parameters of a module after the base model under new names.
    pub(crate) fn extend(&mut self, others: ParameterSet, rename: impl Fn(&str) -> String) {
        for Parameter { name, tensor, .. } in others.all {
            self.push(rename(&name), tensor, Part::Head);
        }
    }

    /// Takes away the parameters of a module.
    pub(crate) fn remove(&mut self, module: &str) {
        self.all.retain(|one| !one.name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.')));
    }

    /// What was a head is from now on part of what another head reads.
    pub(crate) fn become_base(&mut self) {
        for one in self.all.iter_mut().filter(|one| one.part == Part::Head) {
            one.part = Part::Base;
        }
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many numbers.
    pub fn elements(&self) -> usize {
        self.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// How many numbers are trained.
    pub fn trainable_elements(&self) -> usize {
        self.trainable().map(|(_, tensor)| tensor.numel()).sum()
    }
}
