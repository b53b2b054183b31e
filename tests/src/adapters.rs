//! Adapters beside what PEFT computed with the same weights (`parity/adapters.py`, whose head says what its files hold).

use std::collections::BTreeMap;
use std::path::Path;

use retune_attention::Mode;
use retune_models::adapters::AdapterSource;
use retune_models::{HeadKind, HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig, ParameterSet};
use tch::{Device, Kind, Tensor};

use crate::{Bounds, Comparison, Reference, Result, zoo};

/// The architecture and the head of a variant that is called `ARCHITECTURE.HEAD.NAME`.
///
/// # Errors
/// It is called otherwise.
pub fn parts(variant: &str) -> Result<(&str, HeadKind)> {
    let (architecture, rest) = variant.split_once('.').ok_or_else(|| format!("'{variant}' names no head"))?;
    let head = rest.split('.').next().unwrap_or_default();
    let kind = HeadKind::ALL.into_iter().find(|kind| zoo::head_name(*kind) == head);
    Ok((architecture, kind.ok_or_else(|| format!("'{variant}': there is no head '{head}'"))?))
}

/// Loads a base model with an adapter that is stored in a folder.
///
/// # Errors
/// Either does not load.
pub fn load(base: &Path, adapter: &Path, kind: HeadKind, reference: &Reference) -> Result<(Model, ModelConfig)> {
    let config = ModelConfig::read(base)?;
    let spec = HeadSpec { kind, outputs: reference.classes()? as i64 };
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::Stored(adapter));
    let (model, report) = Model::load_with(base, &config, spec, &options)?;
    if !report.unexpected.is_empty() {
        return Err(format!("tensors without a use: {}", report.unexpected.join(", ")).into());
    }
    Ok((model, config))
}

/// The logits, the loss, how many numbers are trained, and the gradient of every parameter that is.
///
/// # Errors
/// The reference lacks something or has another shape, or other parameters are trained.
pub fn compare(model: &Model, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    let input = reference.input()?;
    let logits = model.forward(&input, Mode::Train); // [n, c]
    let loss = zoo::loss(model.spec().kind, &logits, &reference.tensor("labels")?, input.layout.offsets()); // []
    let trained = Tensor::from(model.parameters().trainable_elements() as i64);
    let mut comparisons = vec![
        Comparison::absolute("logits", "", &logits, &reference.tensor("logits")?, bounds.forward)?,
        Comparison::absolute("loss", "", &loss, &reference.tensor("loss")?, bounds.forward)?,
        Comparison::absolute("trained numbers", "", &trained, &reference.tensor("trainable")?, 0.0)?,
    ];
    let trained: BTreeMap<&str, &Tensor> = model.parameters().trainable().collect();
    if !trained.keys().copied().eq(reference.names("gradient")) {
        let expected: Vec<&str> = reference.names("gradient").collect();
        return Err(format!("trained are\n  {:?}\nexpected\n  {expected:?}", trained.keys()).into());
    }
    let tensors: Vec<&Tensor> = trained.values().copied().collect();
    let found = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
    for (name, found) in trained.keys().zip(found) {
        let expected = reference.tensor(&format!("gradient.{name}"))?;
        // What has no part in the loss has no gradient here, and zeros there.
        let found = if found.defined() { found } else { expected.zeros_like() };
        comparisons.push(match expected.norm().double_value(&[]) < bounds.key_bias {
            true => Comparison::absolute("gradient (zero)", name, &found, &expected, bounds.key_bias)?,
            false => Comparison::relative("gradient", name, &found, &expected, bounds.gradient)?,
        });
    }
    Ok(comparisons)
}

/// The logits of the plain model that is merged, against those of the adapted one.
///
/// # Errors
/// The merged parameters do not load as a plain model.
pub fn compare_merged(
    model: &Model,
    merged: &ParameterSet,
    base: &Path,
    reference: &Reference,
    bound: f64,
) -> Result<Comparison> {
    let folder = tempfile::tempdir()?;
    let config = ModelConfig::read(base)?;
    retune_models::write_model(folder.path(), &config, merged.iter())?;
    let (plain, _) = zoo::load(folder.path(), model.spec().kind, reference)?;
    let _no_grad = tch::no_grad_guard();
    let input = reference.input()?;
    let [found, expected] = [&plain, model].map(|model| model.forward(&input, Mode::Evaluate).to_kind(Kind::Double));
    Comparison::absolute("merged", "", &found, &expected, bound)
}
