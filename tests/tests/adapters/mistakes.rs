//! What is said of adapters that are wrong or do not fit.

use std::path::Path;

use expect_test::{Expect, expect};
use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Ia3, Lora};
use retune_models::{HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig, ModelError};
use tch::{Device, Kind, Tensor};
use tests::golden::ModelDirectory;
use tests::{Reference, Result};

use crate::{BERT, base, lora, peft, with_new};

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
