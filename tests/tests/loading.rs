//! Model directories in the forms in which they occur, and what is said of those that are damaged.

use std::fs;

use expect_test::{Expect, expect};
use retune_models::{
    Checkpoint, HeadKind, HeadPolicy, HeadSpec, Model, ModelConfig, ModelError, SentenceEncoder, ShapeProblem,
    write_model,
};
use serde_json::json;
use tch::{Kind, Tensor};
use tests::golden::{ModelDirectory, Weights, save};
use tests::{Golden, Result};

fn gelu() -> Golden {
    Golden::read(Golden::GELU).expect("the fixture")
}

/// Fails unless the model's parameters are these, by name, kind and bit.
fn assert_parameters(model: &Model, expected: &[(String, Tensor)]) {
    assert_eq!(model.parameters().len(), expected.len());
    for ((name, found), (expected_name, expected)) in model.parameters().iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert_eq!(found.kind(), Kind::Float, "{name}");
        assert!(found.requires_grad(), "{name}");
        assert!(found.equal(expected), "{name} has other values");
    }
}

fn assert_message(directory: &ModelDirectory, expected: &Expect) {
    let error = directory.load(HeadPolicy::Draw).expect_err("the model must not load");
    expected.assert_eq(&directory.message(&error));
}

#[test]
fn a_base_model_saved_without_a_head_loads_and_the_head_is_drawn() -> Result<()> {
    let golden = gelu();
    let weights = golden.weights()?;
    let (head, base): (Weights, Weights) = weights
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .partition(|(name, _)| name.starts_with("classifier"));
    let bare: Weights = base
        .iter()
        .map(|(name, tensor)| (name.trim_start_matches("bert.").to_owned(), tensor.shallow_clone()))
        .chain([("embeddings.position_ids".to_owned(), Tensor::arange(40, (Kind::Int64, tch::Device::Cpu)))])
        .collect();
    let directory = ModelDirectory::new(&golden.config, &bare)?;

    tch::manual_seed(1);
    let (model, report) = directory.load(HeadPolicy::Draw)?;
    assert_eq!(report.drawn, ["classifier.weight", "classifier.bias"]);
    assert_eq!(report.reshaped, []);
    assert_eq!(report.unexpected, ["embeddings.position_ids"]);
    let parameters: Weights =
        model.parameters().iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    let (drawn, kept) = parameters.split_at(base.len());
    drawn.iter().zip(&base).for_each(|(found, expected)| assert!(found.0 == expected.0 && found.1.equal(&expected.1)));
    assert_eq!(
        kept.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        head.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let deviation = kept[0].1.std(false).double_value(&[]);
    assert!((deviation - 0.02).abs() < 0.005, "the head's deviation is {deviation}");
    assert_eq!(kept[1].1.abs().max().double_value(&[]), 0.0);

    let error = directory.load(HeadPolicy::Require).expect_err("there is no head");
    expect![[r#"
        DIR: the weights do not fit config.json:
          classifier.weight: missing
          classifier.bias: missing
    "#]]
    .assert_eq(&directory.message(&error));
    Ok(())
}

#[test]
fn what_is_written_loads_again_bit_by_bit() -> Result<()> {
    let golden = gelu();
    let first = golden.directory()?;
    let (model, _) = first.load(HeadPolicy::Require)?;
    let labels: Vec<String> = ["a", "b c", "ü", "\"", ""].map(str::to_owned).into();
    let config = ModelConfig::read(first.path())?.with_labels(
        "BertForSequenceClassification",
        &labels,
        Some("single_label_classification"),
    );
    let folder = tempfile::tempdir()?;
    write_model(folder.path(), &config, model.parameters().iter())?;

    let again = ModelConfig::read(folder.path())?;
    assert_eq!(again.values(), config.values());
    assert_eq!(again.labels()?, labels);
    let (second, report) = Model::load(
        folder.path(),
        &again,
        HeadSpec::sequence_classification(5),
        HeadPolicy::Require,
        tch::Device::Cpu,
    )?;
    assert_parameters(&second, &golden.weights()?);
    assert_eq!(report, Default::default());
    Ok(())
}

#[test]
fn half_precision_checkpoints_load_as_float32() -> Result<()> {
    let golden = gelu();
    for kind in [Kind::Half, Kind::BFloat16, Kind::Double] {
        let stored: Weights =
            golden.weights()?.into_iter().map(|(name, tensor)| (name, tensor.to_kind(kind))).collect();
        let (model, _) = ModelDirectory::new(&golden.config, &stored)?.load(HeadPolicy::Require)?;
        let expected: Weights = stored.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Float))).collect();
        assert_parameters(&model, &expected);
    }
    Ok(())
}

/// The golden model in two files with an index.
fn sharded(golden: &Golden) -> Result<ModelDirectory> {
    let directory = ModelDirectory::without_weights(&golden.config)?;
    let mut first = golden.weights()?;
    let second = first.split_off(first.len() / 2);
    let mut map = serde_json::Map::new();
    for (shard, file) in [(first, "model-00001-of-00002.safetensors"), (second, "model-00002-of-00002.safetensors")] {
        save(&directory.join(file), &shard)?;
        map.extend(shard.into_iter().map(|(name, _)| (name, json!(file))));
    }
    let index = json!({"metadata": {"total_size": 0}, "weight_map": map});
    fs::write(directory.join("model.safetensors.index.json"), index.to_string())?;
    Ok(directory)
}

#[test]
fn sharded_checkpoints_load() -> Result<()> {
    let golden = gelu();
    let (model, report) = sharded(&golden)?.load(HeadPolicy::Require)?;
    assert_parameters(&model, &golden.weights()?);
    assert_eq!(report, Default::default());
    Ok(())
}

#[test]
fn a_shard_that_is_missing_is_named() -> Result<()> {
    let directory = sharded(&gelu())?;
    fs::remove_file(directory.join("model-00002-of-00002.safetensors"))?;
    assert_message(
        &directory,
        &expect![[r#"
            DIR/model-00002-of-00002.safetensors: No such file or directory (os error 2)
        "#]],
    );
    Ok(())
}

#[test]
fn a_head_of_another_shape_is_drawn_and_reported() -> Result<()> {
    let golden = gelu();
    let directory = golden.directory()?;
    let config = ModelConfig::read(directory.path())?;
    let load =
        |policy| Model::load(directory.path(), &config, HeadSpec::sequence_classification(3), policy, tch::Device::Cpu);
    let (model, report) = load(HeadPolicy::Draw)?;
    let problem = |part: &str, expected: &[i64], found: &[i64]| ShapeProblem {
        name: format!("classifier.{part}"),
        expected: expected.to_vec(),
        found: found.to_vec(),
    };
    let problems = [problem("weight", &[3, 32], &[5, 32]), problem("bias", &[3], &[5])];
    assert_eq!((report.reshaped.as_slice(), report.drawn.len(), report.unexpected.len()), (&problems[..], 0, 0));
    let shapes: Vec<Vec<i64>> = model.parameters().iter().map(|(_, tensor)| tensor.size()).collect();
    assert!(shapes.ends_with(&[vec![3, 32], vec![3]]), "{shapes:?}");
    match load(HeadPolicy::Require) {
        Err(ModelError::Weights { missing, shapes, .. }) => {
            assert_eq!((missing.as_slice(), shapes.as_slice()), (&[][..], &problems[..]));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[test]
fn everything_that_does_not_fit_is_named_at_once() -> Result<()> {
    let golden = gelu();
    let mut config = golden.config.clone();
    config["vocab_size"] = json!(98);
    config["intermediate_size"] = json!(65);
    config["num_hidden_layers"] = json!(4);
    let directory = ModelDirectory::new(&config, &golden.weights()?)?;
    assert_message(
        &directory,
        &expect![[r#"
        DIR: the weights do not fit config.json:
          bert.encoder.layer.3.attention.self.query.weight: missing
          bert.encoder.layer.3.attention.self.query.bias: missing
          bert.encoder.layer.3.attention.self.key.weight: missing
          bert.encoder.layer.3.attention.self.key.bias: missing
          bert.encoder.layer.3.attention.self.value.weight: missing
          bert.encoder.layer.3.attention.self.value.bias: missing
          bert.encoder.layer.3.attention.output.dense.weight: missing
          bert.encoder.layer.3.attention.output.dense.bias: missing
          bert.encoder.layer.3.attention.output.LayerNorm.weight: missing
          bert.encoder.layer.3.attention.output.LayerNorm.bias: missing
          bert.encoder.layer.3.intermediate.dense.weight: missing
          bert.encoder.layer.3.intermediate.dense.bias: missing
          bert.encoder.layer.3.output.dense.weight: missing
          bert.encoder.layer.3.output.dense.bias: missing
          bert.encoder.layer.3.output.LayerNorm.weight: missing
          bert.encoder.layer.3.output.LayerNorm.bias: missing
          bert.embeddings.word_embeddings.weight: expected [98, 32], found [97, 32]
          bert.encoder.layer.0.intermediate.dense.weight: expected [65, 32], found [64, 32]
          bert.encoder.layer.0.intermediate.dense.bias: expected [65], found [64]
          bert.encoder.layer.0.output.dense.weight: expected [32, 65], found [32, 64]
          bert.encoder.layer.1.intermediate.dense.weight: expected [65, 32], found [64, 32]
          bert.encoder.layer.1.intermediate.dense.bias: expected [65], found [64]
          bert.encoder.layer.1.output.dense.weight: expected [32, 65], found [32, 64]
          bert.encoder.layer.2.intermediate.dense.weight: expected [65, 32], found [64, 32]
          bert.encoder.layer.2.intermediate.dense.bias: expected [65], found [64]
          bert.encoder.layer.2.output.dense.weight: expected [32, 65], found [32, 64]
    "#]],
    );
    Ok(())
}

#[test]
fn cut_files_are_named_wherever_they_are_cut() -> Result<()> {
    let golden = gelu();
    let directory = golden.directory()?;
    let path = directory.join("model.safetensors");
    let whole = fs::read(&path)?;
    for length in [0, 5, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length])?;
        match directory.load(HeadPolicy::Require) {
            Err(ModelError::BrokenWeights { path: named, .. }) => assert_eq!(named, path),
            other => panic!("cut to {length} bytes: {other:?}"),
        }
    }
    assert_message(
        &directory,
        &expect![[r#"
        DIR/model.safetensors: not a whole safetensors file (incomplete metadata, file not fully covered); download or copy it again
    "#]],
    );
    Ok(())
}

#[test]
fn integers_are_no_weights() -> Result<()> {
    let golden = gelu();
    let mut weights = golden.weights()?;
    weights[0].1 = weights[0].1.to_kind(Kind::Int64);
    assert_message(
        &ModelDirectory::new(&golden.config, &weights)?,
        &expect![[r#"
        DIR/model.safetensors: tensor 'bert.embeddings.word_embeddings.weight' has type I64; supported: F64, F32, F16, BF16
    "#]],
    );
    Ok(())
}

#[test]
fn pickle_is_refused_and_nothing_is_named() -> Result<()> {
    let directory = ModelDirectory::without_weights(&gelu().config)?;
    assert_message(
        &directory,
        &expect![[r#"
        DIR holds no weights: model.safetensors (or model.safetensors.index.json with its shards) is missing
    "#]],
    );
    fs::write(directory.join("pytorch_model.bin"), b"\x80\x02")?;
    assert_message(
        &directory,
        &expect![[r#"
        DIR/pytorch_model.bin: pickle can run code when it is loaded and is refused; convert it once in Python: AutoModel.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)
    "#]],
    );
    Ok(())
}

#[test]
fn configurations_that_are_not_supported_are_named() -> Result<()> {
    let golden = gelu();
    let with = |key: &str, value: serde_json::Value| -> Result<ModelDirectory> {
        let mut config = golden.config.clone();
        config[key] = value;
        ModelDirectory::new(&config, &golden.weights()?)
    };
    assert_message(
        &with("model_type", json!("gpt2"))?,
        &expect![[r#"
            DIR/config.json: model_type 'gpt2' is not supported; supported: bert, roberta, xlm-roberta, camembert, distilbert, mpnet, electra, albert, deberta-v2, modernbert, nomic_bert
        "#]],
    );
    assert_message(
        &with("model_type", json!(null))?,
        &expect![[r#"
        DIR/config.json: the key 'model_type' is missing; it names the architecture ("bert")
    "#]],
    );
    assert_message(
        &with("hidden_act", json!("mish"))?,
        &expect![[r#"
            DIR/config.json: hidden_act = 'mish' is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish, tanh, sigmoid, linear
        "#]],
    );
    assert_message(
        &with("position_embedding_type", json!("relative_key"))?,
        &expect![[r#"
        DIR/config.json: position_embedding_type = 'relative_key' is not supported; supported: absolute
    "#]],
    );
    assert_message(
        &with("hidden_size", json!("32"))?,
        &expect![[r#"
        DIR/config.json: invalid type: string "32", expected i64
    "#]],
    );
    assert_message(
        &with("num_attention_heads", json!(5))?,
        &expect![[r#"
            DIR/config.json: num_attention_heads = '5' is not supported; supported: divisors of the hidden size
        "#]],
    );
    assert_message(
        &with("num_attention_heads", json!(0))?,
        &expect![[r#"
        DIR/config.json: num_attention_heads = '0' is not supported; supported: numbers from 1 on
    "#]],
    );
    assert_message(
        &with("vocab_size", json!(-1))?,
        &expect![[r#"
        DIR/config.json: vocab_size = '-1' is not supported; supported: numbers from 1 on
    "#]],
    );
    assert_message(
        &with("vocab_size", json!(1_i64 << 60))?,
        &expect![[r#"
        DIR: the weights do not fit config.json:
          bert.embeddings.word_embeddings.weight: expected [1152921504606846976, 32], found [97, 32]
    "#]],
    );
    assert_message(
        &with("classifier_dropout", json!(1.5))?,
        &expect![[r#"
        DIR/config.json: classifier_dropout = '1.5' is not supported; supported: probabilities from 0 to below 1
    "#]],
    );
    assert_message(
        &with("id2label", json!({"0": "a", "2": "b"}))?,
        &expect![[r#"
        DIR/config.json: id2label must name the classes 0, 1, 2 … without a gap
    "#]],
    );
    Ok(())
}

/// Checkpoints that were converted from TensorFlow call a norm's weight gamma and its bias beta.
#[test]
fn old_names_of_norms_are_understood() -> Result<()> {
    let golden = gelu();
    let renamed =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let old: Weights = golden.weights()?.into_iter().map(|(name, tensor)| (renamed(&name), tensor)).collect();
    assert!(old.iter().any(|(name, _)| name.ends_with("gamma")));
    let (model, report) = ModelDirectory::new(&golden.config, &old)?.load(HeadPolicy::Require)?;
    assert_eq!(report, Default::default());
    assert_parameters(&model, &golden.weights()?);
    Ok(())
}

/// A masked language model's output is its word embeddings: one tensor, trained and written once.
#[test]
fn tied_weights_are_one_parameter() -> Result<()> {
    let golden = gelu();
    let mut weights: Weights = golden.weights()?.into_iter().filter(|(name, _)| name.starts_with("bert.")).collect();
    let options = (Kind::Float, tch::Device::Cpu);
    for (name, shape) in [
        ("cls.predictions.transform.dense.weight", vec![32, 32]),
        ("cls.predictions.transform.dense.bias", vec![32]),
        ("cls.predictions.transform.LayerNorm.weight", vec![32]),
        ("cls.predictions.transform.LayerNorm.bias", vec![32]),
        ("cls.predictions.bias", vec![97]),
        // Older checkpoints hold the tied tensor twice; the embeddings count.
        ("cls.predictions.decoder.weight", vec![97, 32]),
    ] {
        weights.push((name.to_owned(), Tensor::ones(shape, options)));
    }
    let directory = ModelDirectory::new(&golden.config, &weights)?;
    let config = ModelConfig::read(directory.path())?;
    let spec = HeadSpec { kind: HeadKind::MaskedLanguageModel, outputs: 97 };
    let (model, report) = Model::load(directory.path(), &config, spec, HeadPolicy::Require, tch::Device::Cpu)?;
    assert_eq!(
        report.unexpected,
        ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "cls.predictions.decoder.weight"]
    );
    let names: Vec<&str> = model.parameters().iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"bert.embeddings.word_embeddings.weight"));
    assert!(!names.iter().any(|name| name.contains("decoder")), "{names:?}");
    Ok(())
}

#[test]
fn a_sentence_encoder_keeps_what_it_does_not_use() -> Result<()> {
    let golden = gelu();
    let directory = golden.directory()?;
    let config = ModelConfig::read(directory.path())?;
    let encoder = SentenceEncoder::load(directory.path(), &config, tch::Device::Cpu)?;
    let folder = tempfile::tempdir()?;
    encoder.write(folder.path(), &config)?;
    let written = Checkpoint::open(folder.path())?;
    let names: Vec<&str> = written.names().collect();
    assert!(names.contains(&"pooler.dense.weight") && names.contains(&"classifier.weight"), "{names:?}");
    assert!(names.contains(&"embeddings.word_embeddings.weight"), "the base model stands alone: {names:?}");
    for (name, weight) in golden.weights()? {
        let stored = written.tensor(name.trim_start_matches("bert."))?.expect("every tensor is written");
        assert!(stored.equal(&weight), "{name}");
    }
    // It is read again as it was written, pooling included.
    let again = SentenceEncoder::load(folder.path(), &config, tch::Device::Cpu)?;
    assert_eq!(again.parameters().len(), encoder.parameters().len());
    Ok(())
}

#[test]
fn modules_that_are_not_known_are_named() -> Result<()> {
    let golden = gelu();
    let directory = golden.directory()?;
    let config = ModelConfig::read(directory.path())?;
    let modules = json!([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.LSTM"}]);
    fs::write(directory.join("modules.json"), modules.to_string())?;
    let error = SentenceEncoder::load(directory.path(), &config, tch::Device::Cpu).expect_err("an LSTM");
    expect![[r#"
        DIR/modules.json: type = 'sentence_transformers.models.LSTM' is not supported; supported: Transformer, Pooling, Dense, Normalize, Dropout
    "#]]
    .assert_eq(&directory.message(&error));
    Ok(())
}
