//! Attaching: while a model is built, each linear layer and embedding passes here with its name.

use std::collections::BTreeSet;

use retune_attention::{Embedding, Linear};
use tch::{Device, Kind, Tensor};

use super::attached::{AdaptedModule, Adapter};
use super::files::StoredAdapter;
use super::method::{self, Method};
use super::targets::{Selection, Verdict, is_or_ends_in};
use super::{AdapterConfig, AdapterError, AdapterSource, defaults};
use crate::heads::HeadKind;
use crate::parameter_set::{ParameterSet, Part};
use crate::parameters::{Progress, Scope};
use crate::{LoadReport, ModelError, ShapeProblem};

/// What is to be attached to a model that is about to be built.
#[derive(Debug)]
pub(crate) struct Plan {
    config: AdapterConfig,
    method: Box<dyn Method>,
    selection: Selection,
    stored: Option<StoredAdapter>,
    /// What modules' names begin with in the model and not in an adapter's file: nothing, but for an encoder that no
    /// head stands beside.
    prefix: String,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct AdapterProgress {
    /// Modules that can have an adapter.
    candidates: Vec<String>,
    /// Those that have one.
    adapted: Vec<AdaptedModule>,
    /// The targets that found a module.
    found: BTreeSet<usize>,
    /// Names in the model that the stored adapter has given.
    taken: BTreeSet<String>,
    missing: Vec<String>,
    shapes: Vec<ShapeProblem>,
}

impl Plan {
    /// `head` is none for an encoder of sentences, whose names in an adapter's file lack `prefix`.
    pub fn new(
        source: AdapterSource<'_>,
        model_type: &str,
        head: Option<HeadKind>,
        prefix: &str,
    ) -> Result<Self, ModelError> {
        let (config, stored) = match source {
            AdapterSource::New(config) => (config.clone(), None),
            AdapterSource::Stored(directory) => {
                let (config, stored) = StoredAdapter::open(directory)?;
                // What `peft` has stored without a list has none.
                let modules_to_save = Some(config.modules_to_save.unwrap_or_default());
                (AdapterConfig { modules_to_save, ..config }, Some(stored))
            }
        };
        let config = defaults::resolve(&config, model_type, head)?;
        let method = method::of(&config.kind)?;
        let selection = Selection::new(&config, config.modules_to_save.clone().unwrap_or_default())?;
        Ok(Self { config, method, selection, stored, prefix: prefix.to_owned() })
    }

    fn bare<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }

    /// The value that the stored adapter has for a parameter of this name: `None` where it has none, an error where its
    /// shape is another.
    fn stored(
        &self,
        name: &str,
        shape: &[i64],
        progress: &mut AdapterProgress,
    ) -> Option<Result<Tensor, StoredProblem>> {
        let stored = self.stored.as_ref()?;
        let bare = self.bare(name);
        let (file_name, found) = stored.find(bare)?;
        progress.taken.insert(bare.to_owned());
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.to_vec());
            return Some(Err(StoredProblem::Shape(ShapeProblem { name: file_name.to_owned(), expected, found })));
        }
        match stored.tensor(file_name) {
            Ok(tensor) => tensor.map(|tensor| Ok(tensor.to_kind(Kind::Float))),
            Err(error) => Some(Err(StoredProblem::Read(error))),
        }
    }

    /// The adapter, once the model is built; `fresh` are parameters that the base model's checkpoint lacks.
    pub fn finish(
        mut self,
        progress: AdapterProgress,
        parameters: &ParameterSet,
        fresh: &[String],
        report: &mut LoadReport,
    ) -> Result<Adapter, ModelError> {
        self.require_targets(&progress, report)?;
        if let Some(stored) = &self.stored {
            let left = stored.names().filter(|name| !progress.taken.contains(*name)).map(str::to_owned);
            // Beside what the model itself has no use for: the pooler of an encoder of sentences.
            let is_beside = |name: &String| {
                let module = [".lora_", ".ia3_"].iter().find_map(|part| Some(name.split_once(part)?.0));
                module.is_some_and(|module| is_unused(module, report))
            };
            let (beside, unexpected): (Vec<String>, Vec<String>) = left.partition(is_beside);
            let AdapterProgress { missing, shapes, .. } = &progress;
            if !(missing.is_empty() && shapes.is_empty() && unexpected.is_empty()) {
                let (missing, shapes) = (missing.clone(), shapes.clone());
                return Err(AdapterError::Weights { directory: stored.directory(), missing, shapes, unexpected }.into());
            }
            report.unexpected.extend(beside);
        }
        for name in fresh {
            let bare = self.bare(name);
            if let (false, Some((module, _))) = (self.selection.saves(bare), bare.rsplit_once('.')) {
                let module = module.to_owned();
                self.selection.saved.push(module);
            }
        }
        let saved = &self.selection.saved;
        self.config.modules_to_save = (!saved.is_empty()).then(|| saved.clone());
        let names: Vec<&str> = progress.adapted.iter().map(|module| self.bare(&module.name)).collect();
        self.config.name_targets(&names);
        let Self { config, method, selection, prefix, .. } = self;
        let adapter = Adapter::new(config, method, progress.adapted, prefix);
        let is_whole = |bare: &str| selection.saves(bare) || progress.taken.contains(bare);
        Ok(adapter.with_whole(parameters, is_whole))
    }

    /// Refuses targets that found nothing.
    fn require_targets(&self, progress: &AdapterProgress, report: &LoadReport) -> Result<(), AdapterError> {
        let targets = self.selection.written();
        let is_lost = |(place, target): &(usize, &String)| {
            let is_beside = self.stored.is_some() && is_unused(target, report);
            !(is_beside || progress.found.contains(place))
        };
        let lost: Vec<String> = targets.iter().enumerate().filter(is_lost).map(|(_, target)| target.clone()).collect();
        if lost.is_empty() && !progress.adapted.is_empty() {
            return Ok(());
        }
        let targets = if lost.is_empty() { targets } else { lost };
        Err(AdapterError::NoTarget { targets, modules: progress.candidates.clone() })
    }
}

/// Whether the base model's checkpoint has a module of this name, or with this end of it, that the model has no use for.
fn is_unused(end: &str, report: &LoadReport) -> bool {
    let module = |name: &str| name.strip_suffix(".weight").is_some_and(|module| is_or_ends_in(module, end));
    report.unexpected.iter().any(|name| module(name))
}

/// Why a stored adapter does not give a parameter.
#[derive(Debug)]
enum StoredProblem {
    /// Its shape is another.
    Shape(ShapeProblem),
    /// It cannot be read.
    Read(ModelError),
}

impl Scope<'_> {
    /// What a parameter of the base model or of a head begins as: what the stored adapter has in its place (a module
    /// that was trained whole, a bias), else `base`, what the checkpoint has.
    pub(crate) fn with_stored_adapter(
        &self,
        name: &str,
        shape: &[i64],
        base: Option<Result<Tensor, ShapeProblem>>,
        progress: &mut Progress,
    ) -> Option<Result<Tensor, ShapeProblem>> {
        match self.plan().and_then(|plan| plan.stored(name, shape, &mut progress.adapter)) {
            None => base,
            Some(Ok(tensor)) => Some(Ok(tensor)),
            Some(Err(StoredProblem::Shape(problem))) if self.may_be_drawn() => Some(Err(problem)),
            Some(Err(StoredProblem::Shape(problem))) => {
                progress.adapter.shapes.push(problem);
                base
            }
            Some(Err(StoredProblem::Read(error))) => {
                progress.error.get_or_insert(error);
                base
            }
        }
    }

    /// The layer with what is planned to stand beside it.
    pub(crate) fn adapted_linear(&self, layer: Linear) -> Linear {
        let Some(plan) = self.verdict(true, &layer.weight) else { return layer };
        let adapter = plan.method.linear(plan.bare(self.name()), &layer, &mut |part, shape, start| {
            self.adapter_parameter(plan, part, shape, layer.weight.device(), start)
        });
        layer.with_adapter(adapter)
    }

    /// The table with what is planned to stand beside it.
    pub(crate) fn adapted_embedding(&self, table: Embedding) -> Embedding {
        let Some(plan) = self.verdict(false, &table.weight) else { return table };
        let adapter = plan.method.embedding(plan.bare(self.name()), &table, &mut |part, shape, start| {
            self.adapter_parameter(plan, part, shape, table.weight.device(), start)
        });
        match adapter {
            Some(adapter) => table.with_adapter(adapter),
            None => table,
        }
    }

    /// The plan, where it has an adapter for the module of this name, whose weight has been taken.
    fn verdict(&self, is_linear: bool, weight: &Tensor) -> Option<&Plan> {
        let plan = self.plan()?;
        if !is_linear && !plan.method.adapts_embeddings() {
            return None;
        }
        let mut progress = self.progress();
        let name = plan.bare(self.name()).to_owned();
        let verdict = plan.selection.verdict(&name, is_linear);
        let is_new = progress.fresh.iter().any(|fresh| fresh.strip_suffix(".weight") == Some(self.name()));
        // A weight that is missing has been reported, and has no size.
        let is_whole = weight.dim() == 2;
        let adapter = &mut progress.adapter;
        adapter.candidates.push(name);
        match verdict {
            Verdict::Adapted(target) | Verdict::Spared(target) => adapter.found.insert(target),
            Verdict::Other => false,
        };
        // What is new is trained whole.
        let attaches = matches!(verdict, Verdict::Adapted(_)) && is_whole && !(is_new && plan.stored.is_none());
        if attaches {
            adapter.adapted.push(AdaptedModule { name: self.name().to_owned(), is_linear });
        }
        attaches.then_some(plan)
    }

    /// One parameter of the adapter: new, or stored.
    fn adapter_parameter(
        &self,
        plan: &Plan,
        part: &str,
        shape: &[i64],
        device: Device,
        start: &dyn Fn() -> Tensor,
    ) -> Tensor {
        let name = self.at(part).name().to_owned();
        let mut progress = self.progress();
        let progress = &mut *progress;
        let tensor = match (&plan.stored, plan.stored(&name, shape, &mut progress.adapter)) {
            (None, _) => tch::no_grad(start),
            (Some(_), Some(Ok(tensor))) => tensor,
            (Some(_), problem) => {
                match problem {
                    Some(Err(StoredProblem::Shape(problem))) => progress.adapter.shapes.push(problem),
                    Some(Err(StoredProblem::Read(error))) => drop(progress.error.get_or_insert(error)),
                    _ => progress.adapter.missing.push(StoredAdapter::stored_name(plan.bare(&name))),
                }
                // Nothing computes with it: loading fails.
                Tensor::zeros(shape, (Kind::Float, Device::Cpu))
            }
        };
        let tensor = tensor.to_device(device).set_requires_grad(true);
        progress.parameters.push(name, tensor.shallow_clone(), Part::Adapter);
        tensor
    }
}
