//! Parameters of a model under construction: taken from a checkpoint by name, or drawn where a head is new.

use std::cell::{RefCell, RefMut};

use retune_attention::{Embedding, LayerNorm, Linear};
use tch::{Device, Kind, Tensor};

use crate::adapters::{Adapter, AdapterProgress, Plan};
use crate::parameter_set::{ParameterSet, Part};
use crate::{Checkpoint, ModelError, ShapeProblem};

/// What happens where the checkpoint lacks a head's parameter, or has it in another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadPolicy {
    /// It is drawn anew: the head of a model that is about to be trained.
    Draw,
    /// It is an error: a model that is about to be used.
    Require,
}

/// What a checkpoint held and lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of a head that were drawn anew, since the checkpoint lacks them.
    pub drawn: Vec<String>,
    /// Parameters of a head that were drawn anew, since the checkpoint's have another shape.
    pub reshaped: Vec<ShapeProblem>,
    /// Tensors of the checkpoint that the model has no use for.
    pub unexpected: Vec<String>,
}

/// Builds parameters one after another. Problems are collected, so that all are named at once.
#[derive(Debug)]
pub struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    device: Device,
    policy: HeadPolicy,
    /// The base model's prefix in this checkpoint (`bert.`), or nothing where it was saved without a head.
    base_prefix: String,
    plan: Option<Plan>,
    progress: RefCell<Progress>,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub parameters: ParameterSet,
    taken: Vec<String>,
    missing: Vec<String>,
    shapes: Vec<ShapeProblem>,
    /// Parameters that were drawn, as the model names them.
    pub fresh: Vec<String>,
    report: LoadReport,
    pub error: Option<ModelError>,
    pub adapter: AdapterProgress,
}

/// A place in the tree of names: `loader.base().at("encoder").at("layer").at(3)`.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    loader: &'a Loader<'a>,
    /// The name that the parameter bears in the model and in what is written.
    name: String,
    /// The name that it has in this checkpoint.
    stored: String,
    origin: Origin,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    /// Pretrained: it must be there.
    Base,
    /// A head: it may be drawn, normal with this deviation (biases are zero).
    Head { deviation: f64 },
}

impl<'a> Loader<'a> {
    /// A loader for a base model that is called `base` (`bert`) where a head stands beside it.
    pub fn new(checkpoint: &'a Checkpoint, base: &str, device: Device, policy: HeadPolicy) -> Self {
        let prefix = format!("{base}.");
        let prefixed = checkpoint.names().any(|name| name.starts_with(&prefix));
        let base_prefix = if prefixed { prefix } else { String::new() };
        Self { checkpoint, device, policy, base_prefix, plan: None, progress: RefCell::default() }
    }

    /// The same loader, which attaches an adapter to what is built.
    pub(crate) fn with_adapter(self, plan: Option<Plan>) -> Self {
        Self { plan, ..self }
    }

    /// The root of the base model, whose parameters must be there.
    pub fn base(&'a self, base: &str) -> Scope<'a> {
        let stored = self.base_prefix.trim_end_matches('.').to_owned();
        Scope { loader: self, name: base.to_owned(), stored, origin: Origin::Base, part: Part::Base }
    }

    /// The root of a head, whose parameters may be drawn (normal with this deviation, biases zero).
    pub fn head(&'a self, deviation: f64) -> Scope<'a> {
        let origin = Origin::Head { deviation };
        Scope { loader: self, name: String::new(), stored: String::new(), origin, part: Part::Head }
    }

    /// The parameters in order of construction, and what the checkpoint held besides.
    ///
    /// # Errors
    /// Every parameter that is missing or of another shape, named at once.
    pub fn finish(self) -> Result<(ParameterSet, LoadReport), ModelError> {
        let (parameters, report, _) = self.finish_adapted()?;
        Ok((parameters, report))
    }

    /// The same with the adapter, if one was planned.
    pub(crate) fn finish_adapted(self) -> Result<(ParameterSet, LoadReport, Option<Adapter>), ModelError> {
        let mut progress = self.progress.into_inner();
        if let Some(error) = progress.error {
            return Err(error);
        }
        if !progress.missing.is_empty() || !progress.shapes.is_empty() {
            let directory = self.checkpoint.directory().to_owned();
            return Err(ModelError::Weights { directory, missing: progress.missing, shapes: progress.shapes });
        }
        progress.taken.sort();
        let unused = |name: &&str| progress.taken.binary_search_by(|taken| taken.as_str().cmp(name)).is_err();
        progress.report.unexpected = self.checkpoint.names().filter(unused).map(str::to_owned).collect();
        let Progress { parameters, mut report, fresh, adapter, .. } = progress;
        let finish = |plan: Plan| plan.finish(adapter, &parameters, &fresh, &mut report);
        let adapter = self.plan.map(finish).transpose()?;
        Ok((parameters, report, adapter))
    }
}

/// How a head's parameter begins that the checkpoint lacks.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Normal, with the head's deviation.
    Normal,
    /// Zero: a bias.
    Zeros,
    /// One: the weight of a norm.
    Ones,
}

impl Scope<'_> {
    /// The scope below this one; `part` may hold dots.
    pub fn at(&self, part: impl std::fmt::Display) -> Self {
        let join = |path: &str| if path.is_empty() { part.to_string() } else { format!("{path}.{part}") };
        Self { name: join(&self.name), stored: join(&self.stored), ..self.clone() }
    }

    /// The same scope with parameters that may be drawn: the part of a base model that belongs to a head (a pooler).
    pub fn as_head(&self, deviation: f64) -> Self {
        Self { origin: Origin::Head { deviation }, ..self.clone() }
    }

    /// The name in the model.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.loader.plan.as_ref()
    }

    pub(crate) fn progress(&self) -> RefMut<'_, Progress> {
        self.loader.progress.borrow_mut()
    }

    /// `weight: [out, in]` and `bias: [out]`.
    pub fn linear(&self, inputs: i64, outputs: i64) -> Linear {
        self.adapted_linear(Linear::new(self.weight(outputs, inputs), Some(self.bias(outputs))))
    }

    /// `weight: [out, in]` and, where the configuration asks for it, `bias: [out]`.
    pub fn linear_with(&self, inputs: i64, outputs: i64, bias: bool) -> Linear {
        self.adapted_linear(Linear::new(self.weight(outputs, inputs), bias.then(|| self.bias(outputs))))
    }

    /// `weight: [rows, d]`.
    pub fn embedding(&self, rows: i64, size: i64, padding_row: Option<i64>) -> Embedding {
        self.adapted_embedding(Embedding::new(self.weight(rows, size), padding_row))
    }

    /// `weight: [d]` and `bias: [d]`.
    pub fn layer_norm(&self, size: i64, epsilon: f64) -> LayerNorm {
        // In the order in which the checkpoint's own model has them.
        let norm = self.layer_norm_without_bias(size, epsilon);
        LayerNorm { bias: Some(self.bias(size)), ..norm }
    }

    /// `weight: [d]`.
    pub fn layer_norm_without_bias(&self, size: i64, epsilon: f64) -> LayerNorm {
        LayerNorm { weight: self.parameter("weight", &[size], Start::Ones), bias: None, epsilon }
    }

    /// `weight: [rows, columns]`.
    pub fn weight(&self, rows: i64, columns: i64) -> Tensor {
        self.tensor("weight", &[rows, columns])
    }

    /// `bias: [size]`.
    pub fn bias(&self, size: i64) -> Tensor {
        self.parameter("bias", &[size], Start::Zeros)
    }

    /// A weight of another name or shape than a layer's.
    pub fn tensor(&self, part: &str, shape: &[i64]) -> Tensor {
        self.parameter(part, shape, Start::Normal)
    }

    pub(crate) fn may_be_drawn(&self) -> bool {
        matches!((self.origin, self.loader.policy), (Origin::Head { .. }, HeadPolicy::Draw))
    }

    /// One parameter in float32 on the model's device, ready for gradients.
    fn parameter(&self, own_name: &str, shape: &[i64], start: Start) -> Tensor {
        let at = self.at(own_name);
        let loader = self.loader;
        let mut progress = loader.progress.borrow_mut();
        let base = loader.stored_tensor(&at.stored, shape, &mut progress);
        let found = self.with_stored_adapter(&at.name, shape, base, &mut progress);
        let mut part = self.part;
        let tensor = match (found, self.origin, loader.policy) {
            (Some(Ok(tensor)), ..) => tensor,
            (found, Origin::Head { deviation }, HeadPolicy::Draw) => {
                match found {
                    Some(Err(expected_and_found)) => progress.report.reshaped.push(expected_and_found),
                    _ => progress.report.drawn.push(at.name.clone()),
                }
                progress.fresh.push(at.name.clone());
                part = Part::Head;
                draw(start, shape, deviation)
            }
            (found, ..) => {
                match found {
                    Some(Err(problem)) => progress.shapes.push(problem),
                    _ => progress.missing.push(at.stored.clone()),
                }
                // Nothing computes with it: loading fails. The size that was asked for may be absurd.
                Tensor::zeros([0], (Kind::Float, Device::Cpu))
            }
        };
        let tensor = tensor.to_device(loader.device).set_requires_grad(true);
        progress.parameters.push(at.name, tensor.shallow_clone(), part);
        tensor
    }
}

impl Loader<'_> {
    /// The name as the checkpoint has it: those converted from TensorFlow call a norm's weight and bias gamma and beta.
    fn stored_name(&self, name: &str) -> String {
        if self.checkpoint.shape(name).is_none() {
            for (new, old) in [(".weight", ".gamma"), (".bias", ".beta")] {
                if let Some(stem) = name.strip_suffix(new)
                    && self.checkpoint.shape(&format!("{stem}{old}")).is_some()
                {
                    return format!("{stem}{old}");
                }
            }
        }
        name.to_owned()
    }

    /// The tensor of this name: `None` where the checkpoint lacks it, an error where its shape is another.
    fn stored_tensor(
        &self,
        name: &str,
        shape: &[i64],
        progress: &mut Progress,
    ) -> Option<Result<Tensor, ShapeProblem>> {
        let name = &self.stored_name(name);
        let found = self.checkpoint.shape(name)?.to_vec();
        progress.taken.push(name.to_owned());
        if found != shape {
            return Some(Err(ShapeProblem { name: name.to_owned(), expected: shape.to_vec(), found }));
        }
        match self.checkpoint.weight(name) {
            Ok(tensor) => tensor.map(|tensor| Ok(tensor.to_kind(Kind::Float))),
            Err(error) => {
                progress.error.get_or_insert(error);
                Some(Ok(Tensor::zeros(shape, (Kind::Float, Device::Cpu))))
            }
        }
    }
}

/// Drawn on the CPU, so that a seed gives the same head on every device.
fn draw(start: Start, shape: &[i64], deviation: f64) -> Tensor {
    let options = (Kind::Float, Device::Cpu);
    match start {
        Start::Normal => Tensor::randn(shape, options) * deviation,
        Start::Zeros => Tensor::zeros(shape, options),
        Start::Ones => Tensor::ones(shape, options),
    }
}
