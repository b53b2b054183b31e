//! Which parameters are trained: all, an adapter's, biases alone, the head alone; and what stays as it is by name.

use crate::ModelError;
use crate::adapters::{Adapter, AdapterError};
use crate::parameter_names::matches;
use crate::parameter_set::{Parameter, ParameterSet, Part};

/// What is trained of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trainable {
    /// Everything.
    All,
    /// What the adapter says: its own parameters, the modules that are stored with it, and biases if it is so
    /// configured.
    Adapter,
    /// Biases and the head (BitFit: Ben Zaken et al. 2022, arXiv 2106.10199).
    BitFit,
    /// The head, and what else the checkpoint lacked: a linear probe.
    HeadOnly,
}

impl Trainable {
    fn name(self) -> &'static str {
        match self {
            Self::All => "training everything",
            Self::Adapter => "training the adapter",
            Self::BitFit => "BitFit (biases and the head)",
            Self::HeadOnly => "training the head only",
        }
    }

    /// Whether it includes a parameter.
    fn includes(self, parameter: &Parameter, adapter: Option<&Adapter>) -> bool {
        match self {
            Self::All => true,
            Self::Adapter => adapter.is_some_and(|adapter| adapter.trains(parameter)),
            Self::BitFit => parameter.part == Part::Head || parameter.name.ends_with("bias"),
            Self::HeadOnly => parameter.part == Part::Head,
        }
    }
}

impl ParameterSet {
    /// Marks what is trained: whatever is not has no gradient, and nothing is computed for one.
    ///
    /// # Errors
    /// There is no adapter, though one is to be trained, or nothing would be trained.
    pub fn select(&self, trainable: Trainable, adapter: Option<&Adapter>) -> Result<(), ModelError> {
        if trainable == Trainable::Adapter && adapter.is_none() {
            return Err(AdapterError::NoAdapter.into());
        }
        for parameter in self.parameters() {
            let _same = parameter.tensor.set_requires_grad(trainable.includes(parameter, adapter));
        }
        self.require_any(trainable.name())
    }

    /// Leaves parameters as they are whose whole name matches one of the patterns; `*` stands for any characters.
    ///
    /// # Errors
    /// A pattern matches none, or nothing would be trained.
    pub fn freeze(&self, patterns: &[String]) -> Result<(), ModelError> {
        for pattern in patterns {
            let mut matching = self.iter().filter(|(name, _)| matches(pattern, name)).peekable();
            if matching.peek().is_none() {
                let names = self.iter().map(|(name, _)| name.to_owned()).collect();
                return Err(ModelError::NoParameter { pattern: pattern.clone(), names });
            }
            for (_, tensor) in matching {
                let _same = tensor.set_requires_grad(false);
            }
        }
        self.require_any("freezing")
    }

    fn require_any(&self, selection: &str) -> Result<(), ModelError> {
        match self.trainable().next() {
            Some(_) => Ok(()),
            None => Err(ModelError::NothingToTrain { selection: selection.to_owned() }),
        }
    }
}
