//! Model directories both ways: what retune writes gives the same logits in Python, without a warning; what Python
//! writes gives the same logits here.

use std::fs;
use std::path::Path;

use retune_models::registry::Architecture;
use retune_models::{HeadKind, Model, ModelConfig, write_model};
use retune_recipe::{Plan, Recipe};
use retune_train::Predictor;
use retune_train::tasks::{Classification, Kept, TextExamples};
use tch::{Device, Tensor};
use tests::{Bounds, Comparison, Result, measure};

use crate::python::{Logits, Python};
use crate::{Job, texts};

/// Names that a careless writer or reader of JSON would spoil.
const NAMES: [&str; 4] = ["plain", "two words", "Über-naïve, 世界", "quoted \"\\"];

/// Writes the model as a run's end writes it, has Python read it and write it again, and reads that.
pub fn both_ways(
    model: &Model,
    config: &ModelConfig,
    job: &Job,
    source: &Path,
    python: &Python<'_>,
    folder: &Path,
    bounds: Bounds,
) -> Result<Vec<Comparison>> {
    let (written, saved) = (folder.join("by-retune"), folder.join("by-python"));
    let names: Vec<String> = (0..job.num_labels)
        .map(|class| NAMES.get(class).map_or_else(|| format!("class {class}"), |name| (*name).to_owned()))
        .collect();
    write(model, config, &names, source, &written)?;
    let expected = python.logits(&written, &folder.join("logits.json"), &saved)?;
    Ok(vec![
        compare("logits: retune wrote, Python reads", &written, job, &expected, &names, bounds)?,
        compare("logits: Python wrote, retune reads", &saved, job, &expected, &names, bounds)?,
    ])
}

/// Our logits of a model directory, as `predict` gives them, beside Python's.
fn compare(
    what: &str,
    directory: &Path,
    job: &Job,
    expected: &Logits,
    names: &[String],
    bounds: Bounds,
) -> Result<Comparison> {
    let predictor = Predictor::<Classification>::open(directory, &plan(job.max_length)?, Device::Cpu)?;
    let labels = predictor.task().labels();
    if labels.names() != names || expected.id2label != names {
        let (ours, pythons) = (labels.names(), &expected.id2label);
        return Err(format!("{what}: the classes are {ours:?} and {pythons:?}, expected {names:?}").into());
    }
    let examples = TextExamples { path: Default::default(), texts: Kept::Held(texts(job)), labels: Vec::new() };
    let found = predictor.run(&examples, &measure::computation(), &mut |_| {})?.outputs.to_tensor(); // [b, c]
    let expected = Tensor::from_slice2(&expected.logits); // [b, c]
    Comparison::absolute(what, "", &found, &expected, bounds.forward)
}

/// The plan of a classifier whose texts have at most so many tokens.
fn plan(max_length: usize) -> Result<Plan> {
    let mut recipe = Recipe::new();
    for (key, value) in
        [("model.path", "model"), ("data.train", "train.csv"), ("data.text", "text"), ("data.label", "label")]
    {
        recipe.set(key, value, "parity");
    }
    Ok(recipe.set("data.max_length", &max_length.to_string(), "parity").resolve()?)
}

fn write(model: &Model, config: &ModelConfig, names: &[String], source: &Path, target: &Path) -> Result<()> {
    fs::create_dir(target)?;
    let class = Architecture::of(config)?.class(HeadKind::SequenceClassification);
    write_model(
        target,
        &config.with_labels(&class, names, Some("single_label_classification")),
        model.parameters().iter(),
    )?;
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"] {
        if source.join(file).exists() {
            fs::copy(source.join(file), target.join(file))?;
        }
    }
    Ok(())
}
