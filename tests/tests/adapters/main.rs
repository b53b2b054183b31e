//! Adapters that PEFT wrote compute what PEFT computes with them (`golden/adapters`), and what of a model is trained.

mod mistakes;
mod new;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use retune_attention::Mode;
use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Bias, Lora, Targets};
use retune_models::{
    HeadKind, HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig, ModelError, PackedInput, ParameterSet,
    SentenceEncoder, Trainable, write_model,
};
use tch::Device;
use tests::compare::failures;
use tests::golden::ModelDirectory;
use tests::{Bounds, Golden, Reference, Result, adapters, zoo};

/// Logits and loss absolutely, gradients relative; a gradient of less than the third is zero but for rounding.
const BOUNDS: Bounds = Bounds { forward: 1e-5, gradient: 1e-4, key_bias: 1e-6, training: 0.0, trained: 0.0 };

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn variants() -> Result<Vec<String>> {
    let folders = std::fs::read_dir(golden().join("adapters"))?;
    let mut names: Vec<String> = folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// The base model of a variant, with the weights of the formula.
fn base(variant: &str) -> Result<ModelDirectory> {
    let (architecture, kind) = adapters::parts(variant)?;
    let stem = golden().join("zoo").join(format!("{architecture}.{}", zoo::head_name(kind)));
    let whole = Reference::open(Path::new(&format!("{}.safetensors", stem.display())))?;
    let config = zoo::golden_config(Path::new(&format!("{}.json", stem.display())))?;
    ModelDirectory::new(&config, &zoo::formula_weights(&whole)?)
}

fn peft(variant: &str) -> PathBuf {
    golden().join("adapters").join(variant)
}

/// Computes a variant with an adapter that stands in this folder.
fn check(variant: &str, base: &ModelDirectory, adapter: &Path) -> Result<Model> {
    let (_, kind) = adapters::parts(variant)?;
    let reference = Reference::open(&peft(variant).join("reference.safetensors"))?;
    let (model, _) = adapters::load(base.path(), adapter, kind, &reference)?;
    let mut comparisons = adapters::compare(&model, &reference, BOUNDS)?;
    comparisons.push(adapters::compare_merged(&model, &model.merged()?, base.path(), &reference, BOUNDS.forward)?);
    let failures = failures(&comparisons);
    assert!(failures.is_empty(), "{variant}\n{failures}");
    Ok(model)
}

#[test]
fn every_adapter_of_peft_equals_its_golden_and_comes_back_as_it_was() -> Result<()> {
    let _generator = tests::generator();
    let variants = variants()?;
    assert!(variants.len() >= 30, "{variants:?}");
    for variant in &variants {
        let told = |error: tests::Error| format!("{variant}: {error}");
        let directory = base(variant)?;
        let model = check(variant, &directory, &peft(variant)).map_err(told)?;
        let written = tempfile::tempdir()?;
        model.save_adapter(written.path())?;
        check(variant, &directory, written.path()).map_err(|error| format!("{variant}, written again: {error}"))?;
        assert_same_tensors(variant, &peft(variant), written.path())?;
    }
    Ok(())
}

/// The same names and the same bits, but for what PEFT writes twice.
fn assert_same_tensors(variant: &str, expected: &Path, found: &Path) -> Result<()> {
    let [expected, found] = [expected, found].map(|folder| Reference::open(&folder.join("adapter_model.safetensors")));
    let (expected, found) = (expected?, found?);
    let names = |file: &Reference| -> BTreeSet<String> {
        let all = file.names("base_model.model").map(str::to_owned);
        all.filter(|name| !name.contains(".original_module.") && !name.contains(".modules_to_save.")).collect()
    };
    assert_eq!(names(&found), names(&expected), "{variant}");
    for name in names(&expected) {
        let key = format!("base_model.model.{name}");
        assert!(found.tensor(&key)?.equal(&expected.tensor(&key)?), "{variant}: {name}");
    }
    Ok(())
}

#[test]
fn several_adapters_share_a_base_model() -> Result<()> {
    let _generator = tests::generator();
    let names = ["lora", "ia3", "rslora"].map(|name| format!("bert.sequence_classification.{name}"));
    let directory = base(&names[0])?;
    for variant in &names {
        check(variant, &directory, &peft(variant))?;
    }
    Ok(())
}

const BERT: &str = "bert.sequence_classification.lora";

fn lora(lora: Lora) -> AdapterConfig {
    AdapterConfig::new(AdapterKind::Lora(lora))
}

fn with_new(directory: &ModelDirectory, config: &AdapterConfig, policy: HeadPolicy) -> Result<Model, ModelError> {
    tch::manual_seed(3);
    let read = ModelConfig::read(directory.path())?;
    let options = LoadOptions::new(policy, Device::Cpu).with_adapter(AdapterSource::New(config));
    Ok(Model::load_with(directory.path(), &read, HeadSpec::sequence_classification(3), &options)?.0)
}

fn plain(directory: &ModelDirectory) -> Result<Model> {
    Ok(directory.load(HeadPolicy::Require)?.0)
}

fn input() -> Result<PackedInput> {
    Reference::open(&peft(BERT).join("reference.safetensors"))?.input()
}

fn randomise(parameters: &ParameterSet) {
    let _no_grad = tch::no_grad_guard();
    for (_, tensor) in parameters.trainable() {
        let _same = tensor.shallow_clone().g_add_(&(tensor.randn_like() * 0.1));
    }
}

fn trained(model: &Model) -> Vec<String> {
    model.parameters().trainable().map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn what_is_not_trained_has_no_gradient() -> Result<()> {
    let _generator = tests::generator();
    let directory = base(BERT)?;
    let input = input()?;
    let labels = Reference::open(&peft(BERT).join("reference.safetensors"))?.labels()?;
    let step = |model: &Model| {
        model.forward(&input, Mode::Train).cross_entropy_for_logits(&labels).backward();
        for (name, tensor) in model.parameters().iter() {
            assert_eq!(tensor.grad().defined(), tensor.requires_grad(), "{name}");
        }
    };
    let model = with_new(&directory, &lora(Lora::default()), HeadPolicy::Require)?;
    step(&model);
    let plain_model = plain(&directory)?;
    plain_model.select(Trainable::BitFit)?;
    assert!(trained(&plain_model).iter().all(|name| name.ends_with("bias") || name.starts_with("classifier")));
    assert_eq!(trained(&plain_model).len(), 2 * 8 + 1 + 1 + 2);
    step(&plain_model);
    let probe = plain(&directory)?;
    probe.select(Trainable::HeadOnly)?;
    assert_eq!(trained(&probe), ["classifier.weight", "classifier.bias"]);
    assert_eq!(probe.parameters().trainable_elements(), 16 * 3 + 3);
    step(&probe);
    let frozen = plain(&directory)?;
    frozen.parameters().freeze(&["bert.embeddings.*".to_owned(), "*.layer.0.*".to_owned()])?;
    let left = trained(&frozen);
    assert_eq!(left.first().map(String::as_str), Some("bert.encoder.layer.1.attention.self.query.weight"));
    step(&frozen);
    let error = frozen.parameters().freeze(&["bert.layers.*".to_owned()]).expect_err("no such layers");
    assert!(error.to_string().starts_with("'bert.layers.*' matches no parameter's name; there are: bert.embeddings."));
    let error = frozen.parameters().freeze(&["*".to_owned()]).expect_err("nothing is left");
    assert_eq!(error.to_string(), "freezing leaves nothing to train");
    let error = probe.select(Trainable::Adapter).expect_err("there is none");
    assert_eq!(error.to_string(), "the model has no adapter");
    frozen.select(Trainable::All)?;
    assert_eq!(frozen.parameters().trainable_elements(), frozen.parameters().elements());
    Ok(())
}

/// What PEFT 0.19 trains and does not store is stored here, under the name by which PEFT takes it.
#[test]
fn biases_of_adapted_modules_are_stored() -> Result<()> {
    let _generator = tests::generator();
    let directory = base(BERT)?;
    let config = lora(Lora { bias: Bias::LoraOnly, ..Lora::default() });
    let model = with_new(&directory, &config, HeadPolicy::Require)?;
    assert_eq!(trained(&model).iter().filter(|name| name.ends_with("query.bias")).count(), 2);
    let folder = tempfile::tempdir()?;
    model.save_adapter(folder.path())?;
    let stored = Reference::open(&folder.path().join("adapter_model.safetensors"))?;
    let biases: Vec<&str> = stored.names("base_model.model").filter(|name| name.contains("base_layer")).collect();
    let layer = "bert.encoder.layer.0.attention.self";
    assert_eq!(biases[..2], [format!("{layer}.query.base_layer.bias"), format!("{layer}.value.base_layer.bias")]);
    assert_eq!(biases.len(), 4);
    Ok(())
}

#[test]
fn sentence_encoders_have_adapters_without_the_base_models_name() -> Result<()> {
    let _generator = tests::generator();
    let directory = base(BERT)?;
    let read = ModelConfig::read(directory.path())?;
    let config = AdapterConfig { target_modules: Targets::AllLinear, ..lora(Lora::default()) };
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::New(&config));
    let encoder = SentenceEncoder::load_with(directory.path(), &read, &options)?;
    randomise(encoder.parameters());
    let input = input()?;
    let expected = encoder.forward(&input, Mode::Evaluate);
    let folder = tempfile::tempdir()?;
    encoder.save_adapter(folder.path())?;
    let stored = Reference::open(&folder.path().join("adapter_model.safetensors"))?;
    let first = stored.names("base_model.model").next();
    assert_eq!(first, Some("encoder.layer.0.attention.output.dense.lora_A.weight"));
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::Stored(folder.path()));
    let again = SentenceEncoder::load_with(directory.path(), &read, &options)?;
    assert!(again.forward(&input, Mode::Evaluate).equal(&expected));
    let whole = tempfile::tempdir()?;
    again.write(whole.path(), &read)?;
    let merged = SentenceEncoder::load(whole.path(), &read, Device::Cpu)?;
    assert!(merged.adapter().is_none());
    assert!(merged.forward(&input, Mode::Evaluate).allclose(&expected, 1e-5, 1e-5, false));
    Ok(())
}

#[test]
fn embeddings_that_an_output_layer_shares_are_not_merged() -> Result<()> {
    let _generator = tests::generator();
    let variant = "bert.masked_language_model.lora";
    let directory = base(variant)?;
    let read = ModelConfig::read(directory.path())?;
    let spec = HeadSpec { kind: HeadKind::MaskedLanguageModel, outputs: 61 };
    let config = lora(Lora::default()).with_targets(&["word_embeddings"]);
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::New(&config));
    let (model, _) = Model::load_with(directory.path(), &read, spec, &options)?;
    let error = model.merged().expect_err("the decoder shares them");
    assert_eq!(
        error.to_string(),
        "adapter: bert.embeddings.word_embeddings cannot be merged: the output layer shares its weights and must stay \
         without the adapter; save the adapter instead"
    );
    Ok(())
}

#[test]
fn a_plain_model_merges_to_itself() -> Result<()> {
    let _generator = tests::generator();
    let golden = Golden::read(Golden::GELU)?;
    let (model, _) = golden.directory()?.load(HeadPolicy::Require)?;
    let merged = model.merged()?;
    assert!(model.parameters().iter().zip(merged.iter()).all(|(a, b)| a.0 == b.0 && a.1.equal(b.1)));
    assert!(model.save_adapter(Path::new("unused")).is_err());
    let folder = tempfile::tempdir()?;
    write_model(folder.path(), &ModelConfig::read(golden.directory()?.path())?, merged.iter())?;
    Ok(())
}
