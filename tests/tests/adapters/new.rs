//! Adapters that are new: how they begin, and that their files bring them back.

use std::collections::BTreeMap;

use retune_attention::Mode;
use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Ia3, Lora, LoraStart, Names, Targets};
use retune_models::{HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig};
use tch::{Device, Tensor};
use tests::golden::ModelDirectory;
use tests::{Result, zoo};

use crate::{BERT, base, golden, input, lora, plain, randomise, trained, with_new};

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
    let _generator = tests::generator();
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

#[test]
fn dropout_of_an_adapter_is_drawn_in_training_alone() -> Result<()> {
    let _generator = tests::generator();
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
    let _generator = tests::generator();
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
    let _generator = tests::generator();
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
