//! Adapters that PEFT wrote compute what PEFT computes with them (`golden/adapters`); what is new begins as it should; and what
//! is wrong is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use retune_attention::Mode;
use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Bias, Ia3, Lora, LoraStart, Names, Targets};
use retune_models::{
    HeadKind, HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig, ModelError, PackedInput, ParameterSet,
    SentenceEncoder, Trainable, write_model,
};
use tch::{Device, Kind, Tensor};
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

fn kinds() -> Vec<AdapterConfig> {
    let all = |kind| AdapterConfig { target_modules: Targets::AllLinear, ..AdapterConfig::new(kind) };
    let dropout = Lora { dropout: 0.5, ..Lora::default() };
    let dora = Lora { use_dora: true, ..dropout.clone() };
    vec![
        lora(Lora { start: LoraStart::Gaussian, ..Lora::default() }),
        all(AdapterKind::Lora(dropout.clone())),
        lora(dropout).with_targets(&["word_embeddings", "query"]),
        all(AdapterKind::Lora(dora.clone())),
        lora(dora).with_targets(&["word_embeddings", "key"]),
        AdapterConfig::new(AdapterKind::Ia3(Ia3::default())),
        all(AdapterKind::Ia3(Ia3 { feedforward_modules: Some(Names::Ends(vec!["output.dense".to_owned()])) })),
    ]
}

#[test]
fn what_is_new_begins_as_the_base_model_and_comes_back_by_its_files() -> Result<()> {
    let directory = base(BERT)?;
    let input = input()?;
    let expected = plain(&directory)?.forward(&input, Mode::Evaluate);
    for config in kinds() {
        let model = with_new(&directory, &config, HeadPolicy::Require)?;
        let found = model.forward(&input, Mode::Evaluate);
        let is_dora = matches!(&config.kind, AdapterKind::Lora(lora) if lora.use_dora);
        match is_dora {
            // It divides by the norms and multiplies with them.
            true => assert!(found.allclose(&expected, 1e-6, 1e-6, false), "{config:?}"),
            false => assert!(found.equal(&expected), "{config:?}"),
        }
        randomise(model.parameters());
        let changed = model.forward(&input, Mode::Evaluate);
        assert!(!changed.allclose(&expected, 1e-3, 1e-3, false), "{config:?}");
        let folder = tempfile::tempdir()?;
        model.save_adapter(folder.path())?;
        let again = AdapterConfig::read(folder.path())?;
        assert_eq!(Some(&again), model.adapter().map(|adapter| adapter.config()));
        let read = ModelConfig::read(directory.path())?;
        let options =
            LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::Stored(folder.path()));
        let (second, _) = Model::load_with(directory.path(), &read, HeadSpec::sequence_classification(3), &options)?;
        assert!(second.forward(&input, Mode::Evaluate).equal(&changed), "{config:?}");
        assert_eq!(trained(&second), trained(&model));
    }
    Ok(())
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
fn dropout_of_an_adapter_is_drawn_in_training_alone() -> Result<()> {
    let directory = base(BERT)?;
    let input = input()?;
    let config = lora(Lora { dropout: 0.5, start: LoraStart::Random, ..Lora::default() });
    let model = with_new(&directory, &config, HeadPolicy::Require)?;
    let [first, second] = [(); 2].map(|()| model.forward(&input, Mode::Evaluate));
    assert!(first.equal(&second));
    let [one, two] = [(); 2].map(|()| model.forward(&input, Mode::Train));
    assert!(!one.allclose(&two, 1e-4, 1e-4, false) && !one.allclose(&first, 1e-4, 1e-4, false));
    Ok(())
}

#[test]
fn a_seed_decides_how_an_adapter_begins() -> Result<()> {
    let directory = base(BERT)?;
    let named = |model: &Model| -> BTreeMap<String, Tensor> {
        model.parameters().iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect()
    };
    let [first, second] = [(); 2].map(|()| with_new(&directory, &lora(Lora::default()), HeadPolicy::Require));
    let (first, second) = (named(&first?), named(&second?));
    assert!(first.iter().all(|(name, tensor)| tensor.equal(&second[name])));
    let a = &first["bert.encoder.layer.0.attention.self.query.lora_A.weight"];
    let bound = 1.0 / 16f64.sqrt(); // in = 16
    assert!(a.abs().max().double_value(&[]) <= bound && a.std(false).double_value(&[]) > 0.4 * bound, "{a}");
    assert_eq!(first["bert.encoder.layer.0.attention.self.query.lora_B.weight"].abs().max().double_value(&[]), 0.0);
    Ok(())
}

#[test]
fn a_new_head_is_trained_and_stored_with_the_adapter() -> Result<()> {
    let whole = base(BERT)?;
    let (full, _) = whole.load(HeadPolicy::Require)?;
    let bare: Vec<(String, Tensor)> = (full.parameters().iter())
        .filter(|(name, _)| !name.contains("pooler") && !name.contains("classifier"))
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
        .collect();
    let config = zoo::golden_config(&golden().join("zoo/bert.sequence_classification.json"))?;
    let directory = ModelDirectory::new(&config, &bare)?;
    let all = AdapterConfig { target_modules: Targets::AllLinear, ..lora(Lora::default()) };
    let model = with_new(&directory, &all, HeadPolicy::Draw)?;
    let saved = model.adapter().and_then(|adapter| adapter.config().modules_to_save.clone());
    assert_eq!(saved.as_deref(), Some(&["classifier", "score", "bert.pooler.dense"].map(str::to_owned)[..]));
    let names = trained(&model);
    let mut heads: Vec<&String> = names.iter().filter(|name| !name.contains(".lora_")).collect();
    heads.sort();
    assert_eq!(heads, ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"]);
    assert!(!names.iter().any(|name| name.starts_with("bert.pooler.dense.lora")));

    // The base model's checkpoint still lacks the head; the adapter brings it.
    let folder = tempfile::tempdir()?;
    model.save_adapter(folder.path())?;
    let read = ModelConfig::read(directory.path())?;
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::Stored(folder.path()));
    let (again, report) = Model::load_with(directory.path(), &read, HeadSpec::sequence_classification(3), &options)?;
    assert_eq!(report, Default::default());
    let input = input()?;
    assert!(again.forward(&input, Mode::Evaluate).equal(&model.forward(&input, Mode::Evaluate)));

    // With another number of classes the head begins anew, where it may.
    let options = LoadOptions { policy: HeadPolicy::Draw, ..options };
    let (other, report) = Model::load_with(directory.path(), &read, HeadSpec::sequence_classification(7), &options)?;
    assert_eq!(report.reshaped.len(), 2);
    assert_eq!(other.forward(&input, Mode::Evaluate).size()[1], 7);
    Ok(())
}

#[test]
fn what_is_not_trained_has_no_gradient() -> Result<()> {
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

fn assert_error(error: &(impl std::fmt::Display + ?Sized), folder: &Path, expected: &Expect) {
    expected.assert_eq(&format!("{error}\n").replace(&folder.display().to_string(), "DIR"));
}

#[test]
fn targets_that_find_nothing_are_named_with_what_there_is() -> Result<()> {
    let directory = base(BERT)?;
    let config = lora(Lora::default()).with_targets(&["query", "q_proj", "v_proj"]);
    let error = with_new(&directory, &config, HeadPolicy::Require).expect_err("BERT has no q_proj");
    assert_error(
        &error,
        directory.path(),
        &expect![[r#"
        adapter: target_modules: q_proj, v_proj found no module; there are: bert.embeddings.position_embeddings, bert.embeddings.token_type_embeddings, bert.embeddings.word_embeddings, bert.encoder.layer.*.attention.output.dense, bert.encoder.layer.*.attention.self.key, bert.encoder.layer.*.attention.self.query, bert.encoder.layer.*.attention.self.value, bert.encoder.layer.*.intermediate.dense, bert.encoder.layer.*.output.dense, bert.pooler.dense, classifier
    "#]],
    );
    let config = AdapterConfig::new(AdapterKind::Ia3(Ia3::default())).with_targets(&["word_embeddings"]);
    let error = with_new(&directory, &config, HeadPolicy::Require).expect_err("no embeddings with (IA)³");
    assert!(error.to_string().starts_with("adapter: target_modules: word_embeddings found no module"), "{error}");
    for (wrong, message) in [
        (Lora { rank: 0, ..Lora::default() }, "adapter: r = 0 must be at least 1"),
        (Lora { dropout: 1.0, ..Lora::default() }, "adapter: lora_dropout = 1 must be from 0 to below 1"),
    ] {
        let error = with_new(&directory, &lora(wrong), HeadPolicy::Require).expect_err("a wrong number");
        assert_eq!(error.to_string(), message);
    }
    Ok(())
}

/// A copy of a golden adapter's folder.
fn copy(variant: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(peft(variant).join(file), folder.path().join(file))?;
    }
    Ok(folder)
}

fn with_stored(directory: &ModelDirectory, folder: &Path) -> Result<Model, ModelError> {
    let read = ModelConfig::read(directory.path())?;
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu).with_adapter(AdapterSource::Stored(folder));
    Ok(Model::load_with(directory.path(), &read, HeadSpec::sequence_classification(3), &options)?.0)
}

#[test]
fn an_adapter_of_another_base_model_is_refused() -> Result<()> {
    let other = base("roberta.sequence_classification.lora")?;
    let error = with_stored(&other, &peft(BERT)).expect_err("RoBERTa is not BERT");
    let message = error.to_string();
    assert!(
        message.contains("base_model.model.roberta.encoder.layer.0.attention.self.query.lora_A.weight: missing"),
        "{message}"
    );
    assert!(message.contains("bert.encoder.layer.0.attention.self.query.lora_A.weight: the model has no use for it"));

    let directory = base(BERT)?;
    let folder = copy(BERT)?;
    let path = folder.path().join("adapter_model.safetensors");
    let file = Reference::open(&path)?;
    let mut tensors: Vec<(String, Tensor)> = (file.names("base_model.model"))
        .map(|name| format!("base_model.model.{name}"))
        .map(|name| file.tensor(&name).map(|tensor| (name, tensor)))
        .collect::<Result<_>>()?;
    tensors[0].1 = Tensor::zeros([9, 9], (Kind::Float, Device::Cpu));
    let _gone = tensors.remove(1);
    tests::golden::save(&path, &tensors)?;
    let error = with_stored(&directory, folder.path()).expect_err("two are wrong");
    assert_error(
        &error,
        folder.path(),
        &expect![[r#"
        DIR: the adapter does not fit the model:
          base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight: missing
          base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight: expected [4, 16], found [9, 9]; is this its base model?
    "#]],
    );
    Ok(())
}

#[test]
fn folders_that_hold_no_adapter_are_refused() -> Result<()> {
    let directory = base(BERT)?;
    let folder = copy(BERT)?;
    std::fs::rename(folder.path().join("adapter_model.safetensors"), folder.path().join("adapter_model.bin"))?;
    let error = with_stored(&directory, folder.path()).expect_err("pickle");
    assert_error(
        &error,
        folder.path(),
        &expect![[r#"
        DIR/adapter_model.bin: pickle can run code when it is loaded and is refused; convert it once in Python: PeftModel.from_pretrained(BASE, DIR).save_pretrained(DIR)
    "#]],
    );
    std::fs::remove_file(folder.path().join("adapter_model.bin"))?;
    let error = with_stored(&directory, folder.path()).expect_err("no weights");
    assert_error(
        &error,
        folder.path(),
        &expect![[r#"
        DIR holds no adapter's weights: adapter_model.safetensors is missing
    "#]],
    );
    Ok(())
}

#[test]
fn keys_without_an_effect_here_are_refused_by_name() -> Result<()> {
    let mut said = String::new();
    for (key, value) in [
        ("peft_type", "\"LOHA\""),
        ("use_qalora", "true"),
        ("layer_replication", "[[0, 2]]"),
        ("init_lora_weights", "\"pissa\""),
        ("lora_bias", "true"),
        ("fan_in_fan_out", "true"),
        ("trainable_token_indices", "[1]"),
        ("bias", "\"some\""),
        ("target_modules", "\"(\""),
        ("r", "\"four\""),
    ] {
        let folder = copy(BERT)?;
        let path = folder.path().join("adapter_config.json");
        let mut config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        config[key] = serde_json::from_str(value)?;
        std::fs::write(&path, config.to_string())?;
        let error = with_stored(&base(BERT)?, folder.path()).expect_err(key);
        said.push_str(&format!("{error}\n").replace(&folder.path().display().to_string(), "DIR"));
    }
    expect![[r#"
        DIR/adapter_config.json: peft_type = "LOHA" is not supported; supported: LORA, IA3
        DIR/adapter_config.json: use_qalora = true is not supported; supported: null or false
        DIR/adapter_config.json: layer_replication = [[0,2]] is not supported; supported: null or false
        DIR/adapter_config.json: init_lora_weights = "pissa" is not supported; supported: true, false, gaussian
        DIR/adapter_config.json: lora_bias = true is not supported; supported: null or false
        DIR/adapter_config.json: fan_in_fan_out = true is not supported; supported: null or false
        DIR/adapter_config.json: trainable_token_indices = [1] is not supported; supported: null or false
        DIR/adapter_config.json: bias = "some" is not supported; supported: none, all, lora_only
        adapter: target_modules: '(' is not a regular expression that is supported: error: unclosed group
        DIR/adapter_config.json: invalid type: string "four", expected i64 at line 1 column 631
    "#]]
    .assert_eq(&said);
    Ok(())
}

#[test]
fn embeddings_that_an_output_layer_shares_are_not_merged() -> Result<()> {
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
    let golden = Golden::read(Golden::GELU)?;
    let (model, _) = golden.directory()?.load(HeadPolicy::Require)?;
    let merged = model.merged()?;
    assert!(model.parameters().iter().zip(merged.iter()).all(|(a, b)| a.0 == b.0 && a.1.equal(b.1)));
    assert!(model.save_adapter(Path::new("unused")).is_err());
    let folder = tempfile::tempdir()?;
    write_model(folder.path(), &ModelConfig::read(golden.directory()?.path())?, merged.iter())?;
    Ok(())
}
