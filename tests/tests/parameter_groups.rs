//! Weight decay and layer-wise rates on the parameters of every architecture and head.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use expect_test::expect;
use retune_models::Model;
use retune_models::registry::{ARCHITECTURES, Architecture};
use retune_train::optimizers::{GroupSettings, groups, has_decay};
use serde::Deserialize;
use tch::Tensor;
use tests::golden::ModelDirectory;
use tests::{Reference, Result, zoo};

/// What marks an adapter's parameters.
const ADAPTED: [&str; 6] =
    ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "ia3_l"];

/// What Transformers says of an architecture's parameters, over all its heads and options.
#[derive(Deserialize)]
struct Names {
    decay: BTreeSet<String>,
    none: BTreeSet<String>,
}

fn golden() -> Result<BTreeMap<String, Names>> {
    Ok(serde_json::from_str(include_str!("../golden/decay.json"))?)
}

/// The golden model of an architecture with each of its heads.
fn models(architecture: &Architecture) -> Result<Vec<Model>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo");
    let load = |kind| {
        let stem = format!("{}.{}", architecture.model_type, zoo::head_name(kind));
        let reference = Reference::open(&folder.join(format!("{stem}.safetensors")))?;
        let config = zoo::golden_config(&folder.join(format!("{stem}.json")))?;
        let directory = ModelDirectory::new(&config, &zoo::formula_weights(&reference)?)?;
        Ok(zoo::load(directory.path(), kind, &reference)?.0)
    };
    architecture.heads.iter().copied().map(load).collect()
}

#[test]
fn weight_decay_is_where_transformers_has_it() -> Result<()> {
    let golden = golden()?;
    assert_eq!(golden.len(), ARCHITECTURES.len());
    for architecture in ARCHITECTURES {
        let Names { decay, none } = &golden[architecture.model_type];
        assert!(decay.len() > 10 && none.len() > 10, "{}", architecture.model_type);
        let other: Vec<&String> = decay.iter().filter(|name| !has_decay(name)).collect();
        assert!(other.is_empty(), "these decay: {other:?}");
        let other: Vec<&String> = none.iter().filter(|name| has_decay(name)).collect();
        assert!(other.is_empty(), "these do not decay: {other:?}");
        for model in models(architecture)? {
            for (name, _) in model.parameters().iter() {
                assert!(decay.contains(name) || none.contains(name), "Transformers has no {name}");
            }
        }
    }
    Ok(())
}

#[test]
fn weight_decay_of_adapters_is_where_transformers_has_it() -> Result<()> {
    let golden: BTreeMap<String, Names> = serde_json::from_str(include_str!("../golden/adapter_decay.json"))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/adapters");
    let mut seen = BTreeSet::new();
    for (variant, Names { decay, none }) in &golden {
        let other: Vec<&String> = decay.iter().filter(|name| !has_decay(name)).collect();
        assert!(other.is_empty(), "{variant}: these decay: {other:?}");
        let other: Vec<&String> = none.iter().filter(|name| has_decay(name)).collect();
        assert!(other.is_empty(), "{variant}: these do not decay: {other:?}");
        seen.extend(decay.iter().filter_map(|name| ADAPTED.into_iter().find(|part| name.contains(part))));
        // What PEFT trains has these names here too.
        let reference = Reference::open(&folder.join(variant).join("reference.safetensors"))?;
        let names: BTreeSet<String> = decay.union(none).cloned().collect();
        assert_eq!(reference.names("gradient").map(str::to_owned).collect::<BTreeSet<_>>(), names, "{variant}");
    }
    assert_eq!(seen, BTreeSet::from(ADAPTED), "kinds of parameters that decay");
    Ok(())
}

/// How many layers a list of parameters has, those that count as below them, above them, and as of a layer without
/// bearing its number.
fn places(names: &[&str]) -> Result<String> {
    let weight = Tensor::from_slice(&[1.0]);
    let settings = GroupSettings { layer_decay: Some(0.5), ..GroupSettings::default() };
    let groups = groups(names.iter().map(|name| (*name, &weight)), &settings)?;
    let depth = |rate: f64| -rate.log2() as usize;
    let lowest = groups.iter().map(|group| depth(group.rate)).max().unwrap();
    let layers = lowest - 1;
    let mut lists = BTreeMap::<String, BTreeSet<&str>>::new();
    for (group, name) in groups.iter().flat_map(|group| group.names.iter().map(move |name| (group, name))) {
        let place = match depth(group.rate) {
            0 => "above".to_owned(),
            depth if depth == lowest => "below".to_owned(),
            depth if name.contains(&format!(".{}.", layers - depth)) => continue,
            depth => format!("of layer {}", layers - depth),
        };
        lists.entry(place).or_default().insert(name.rsplit_once('.').unwrap().0);
    }
    let mut text = format!("{layers} layers\n");
    for (place, modules) in lists {
        writeln!(text, "  {place}")?;
        modules.iter().try_for_each(|module| writeln!(text, "    {module}"))?;
    }
    Ok(text)
}

#[test]
fn layer_wise_rates_know_every_architectures_layers() -> Result<()> {
    let mut found = String::new();
    for (architecture, Names { decay, none }) in golden()? {
        let names: Vec<&str> = decay.iter().chain(&none).map(String::as_str).collect();
        write!(found, "{architecture}, {}", places(&names)?)?;
    }
    expect![[r#"
        albert, 3 layers
          above
            albert.pooler
            classifier
            predictions
            predictions.LayerNorm
            predictions.decoder
            predictions.dense
            qa_outputs
          below
            albert.embeddings.LayerNorm
            albert.embeddings.position_embeddings
            albert.embeddings.token_type_embeddings
            albert.embeddings.word_embeddings
            albert.encoder.embedding_hidden_mapping_in
        bert, 2 layers
          above
            bert.pooler.dense
            classifier
            cls.predictions
            cls.predictions.transform.LayerNorm
            cls.predictions.transform.dense
            qa_outputs
          below
            bert.embeddings.LayerNorm
            bert.embeddings.position_embeddings
            bert.embeddings.token_type_embeddings
            bert.embeddings.word_embeddings
        camembert, 2 layers
          above
            classifier
            classifier.dense
            classifier.out_proj
            lm_head
            lm_head.dense
            lm_head.layer_norm
            qa_outputs
            roberta.pooler.dense
          below
            roberta.embeddings.LayerNorm
            roberta.embeddings.position_embeddings
            roberta.embeddings.token_type_embeddings
            roberta.embeddings.word_embeddings
        deberta-v2, 2 layers
          above
            classifier
            cls.predictions
            cls.predictions.transform.LayerNorm
            cls.predictions.transform.dense
            lm_predictions.lm_head
            lm_predictions.lm_head.LayerNorm
            lm_predictions.lm_head.dense
            pooler.dense
            qa_outputs
          below
            deberta.embeddings.LayerNorm
            deberta.embeddings.embed_proj
            deberta.embeddings.position_embeddings
            deberta.embeddings.token_type_embeddings
            deberta.embeddings.word_embeddings
            deberta.encoder.LayerNorm
            deberta.encoder.rel_embeddings
          of layer 0
            deberta.encoder.conv.LayerNorm
            deberta.encoder.conv.conv
        distilbert, 2 layers
          above
            classifier
            pre_classifier
            qa_outputs
            vocab_layer_norm
            vocab_projector
            vocab_transform
          below
            distilbert.embeddings.LayerNorm
            distilbert.embeddings.position_embeddings
            distilbert.embeddings.word_embeddings
        electra, 2 layers
          above
            classifier
            classifier.dense
            classifier.out_proj
            generator_lm_head
            generator_predictions.LayerNorm
            generator_predictions.dense
            qa_outputs
            sequence_summary.summary
          below
            electra.embeddings.LayerNorm
            electra.embeddings.position_embeddings
            electra.embeddings.token_type_embeddings
            electra.embeddings.word_embeddings
            electra.embeddings_project
        modernbert, 4 layers
          above
            classifier
            decoder
            head.dense
            head.norm
            model.final_norm
          below
            model.embeddings.norm
            model.embeddings.tok_embeddings
        mpnet, 2 layers
          above
            classifier
            classifier.dense
            classifier.out_proj
            lm_head
            lm_head.decoder
            lm_head.dense
            lm_head.layer_norm
            mpnet.pooler.dense
            qa_outputs
          below
            mpnet.embeddings.LayerNorm
            mpnet.embeddings.position_embeddings
            mpnet.embeddings.word_embeddings
            mpnet.encoder.relative_attention_bias
        nomic_bert, 2 layers
          above
            classifier
            cls.predictions
            cls.predictions.decoder
            cls.predictions.transform.dense
            cls.predictions.transform.layer_norm
            nomic_bert.pooler.dense
          below
            nomic_bert.emb_ln
            nomic_bert.embeddings.token_type_embeddings
            nomic_bert.embeddings.word_embeddings
        roberta, 2 layers
          above
            classifier
            classifier.dense
            classifier.out_proj
            lm_head
            lm_head.dense
            lm_head.layer_norm
            qa_outputs
            roberta.pooler.dense
          below
            roberta.embeddings.LayerNorm
            roberta.embeddings.position_embeddings
            roberta.embeddings.token_type_embeddings
            roberta.embeddings.word_embeddings
        xlm-roberta, 2 layers
          above
            classifier
            classifier.dense
            classifier.out_proj
            lm_head
            lm_head.dense
            lm_head.layer_norm
            qa_outputs
            roberta.pooler.dense
          below
            roberta.embeddings.LayerNorm
            roberta.embeddings.position_embeddings
            roberta.embeddings.token_type_embeddings
            roberta.embeddings.word_embeddings
    "#]]
    .assert_eq(&found);
    Ok(())
}
