//! An adapter beside a model: what it trains, its files, and the model with it merged.

use std::collections::BTreeSet;
use std::path::Path;

use retune_attention::{Embedding, Linear};
use tch::Tensor;

use super::method::Method;
use super::{AdapterConfig, AdapterKind, Bias, files};
use crate::ModelError;
use crate::parameter_set::{Parameter, ParameterSet, Part};

/// An adapter that stands beside the modules of a model.
#[derive(Debug)]
pub struct Adapter {
    config: AdapterConfig,
    method: Box<dyn Method>,
    modules: Vec<AdaptedModule>,
    /// What names in the model begin with, and those in files do not.
    prefix: String,
    /// Parameters of the base model that are stored with the adapter, as the model names them.
    whole: BTreeSet<String>,
}

/// A module that has an adapter.
#[derive(Debug)]
pub(crate) struct AdaptedModule {
    /// Its name in the model.
    pub name: String,
    /// Whether it is a linear layer, and not an embedding.
    pub is_linear: bool,
}

impl Adapter {
    pub(super) fn new(
        config: AdapterConfig,
        method: Box<dyn Method>,
        modules: Vec<AdaptedModule>,
        prefix: String,
    ) -> Self {
        Self { config, method, modules, prefix, whole: BTreeSet::new() }
    }

    /// The same, with parameters of the base model that are trained and stored whole: those that `is_whole` of their
    /// names in files, and biases as the configuration says.
    pub(super) fn with_whole(mut self, parameters: &ParameterSet, is_whole: impl Fn(&str) -> bool) -> Self {
        let base = parameters.parameters().iter().filter(|parameter| parameter.part != Part::Adapter);
        let whole = base.filter(|one| is_whole(self.bare(&one.name)) || self.trains_as_bias(&one.name));
        self.whole = whole.map(|parameter| parameter.name.clone()).collect();
        self
    }

    fn bare<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }

    /// Its configuration, in which everything is said: the targets, and the modules that are stored with it.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// Says where the base model is found.
    pub fn set_base_model(&mut self, name_or_path: &str) {
        self.config.base_model_name_or_path = Some(name_or_path.to_owned());
    }

    /// The names of the modules that it stands beside, as the model has them.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|module| module.name.as_str())
    }

    /// Whether a parameter is trained under it: its own, those of modules that are trained whole, and biases if it says
    /// so.
    pub fn trains(&self, parameter: &Parameter) -> bool {
        parameter.part == Part::Adapter || self.whole.contains(&parameter.name)
    }

    fn trains_as_bias(&self, name: &str) -> bool {
        match &self.config.kind {
            AdapterKind::Lora(lora) => match lora.bias {
                Bias::None => false,
                // As in `peft`: wherever the word stands.
                Bias::All => name.contains("bias"),
                Bias::LoraOnly => self.is_own_bias(name),
            },
            AdapterKind::Ia3(_) => false,
        }
    }

    /// Whether a parameter is the bias of a module that has an adapter.
    fn is_own_bias(&self, name: &str) -> bool {
        let module = name.strip_suffix(".bias");
        module.is_some_and(|module| self.modules.iter().any(|adapted| adapted.is_linear && adapted.name == module))
    }

    /// The parameters of a plain model that computes in evaluation what the adapted one does, within rounding: the
    /// adapter's own are gone, and what it changes is changed.
    pub fn merged(&self, parameters: &ParameterSet) -> ParameterSet {
        let mut changed: Vec<(String, Tensor)> = Vec::new();
        for AdaptedModule { name, is_linear } in &self.modules {
            let get = |part: &str| parameters.get(&format!("{name}.{part}")).map(Tensor::shallow_clone);
            let Some(weight) = get("weight") else { continue };
            // A model's own parameters are all there.
            let mut take = |part: &str, _: &[i64], start: &dyn Fn() -> Tensor| get(part).unwrap_or_else(start);
            let bare = self.bare(name);
            match is_linear {
                true => {
                    let layer = Linear::new(weight, get("bias"));
                    let merged = self.method.linear(bare, &layer, &mut take).merged(&layer);
                    changed.push((format!("{name}.weight"), merged.weight));
                    changed.extend(merged.bias.map(|bias| (format!("{name}.bias"), bias)));
                }
                false => {
                    let table = Embedding::new(weight, None);
                    let adapter = self.method.embedding(bare, &table, &mut take);
                    changed.extend(adapter.map(|adapter| (format!("{name}.weight"), adapter.merged(&table).weight)));
                }
            }
        }
        let kept = parameters.parameters().iter().filter(|parameter| parameter.part != Part::Adapter);
        kept.map(|Parameter { name, tensor, part }| {
            let new = changed.iter().find(|(changed, _)| changed == name).map(|(_, tensor)| tensor);
            let tensor = new.unwrap_or(tensor).shallow_clone();
            Parameter { name: name.clone(), tensor, part: *part }
        })
        .collect()
    }

    /// Writes `adapter_config.json` and `adapter_model.safetensors` into an existing folder, as `peft` reads them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, directory: &Path, parameters: &ParameterSet) -> Result<(), ModelError> {
        let trained = parameters.parameters().iter().filter(|parameter| self.trains(parameter));
        let named = trained.map(|parameter| {
            let is_own = self.is_own_bias(&parameter.name);
            (files::stored_name(self.bare(&parameter.name), is_own), &parameter.tensor)
        });
        files::write(directory, &self.config, &named.collect::<Vec<_>>())
    }
}
