//! Sentence embeddings beside sentence-transformers: every pooling, dense layers, normalisation; directories both ways.

use std::fs;
use std::path::Path;

use retune_attention::{Mode, SequenceLayout};
use retune_data::{Text, TextTokenizer};
use retune_models::{ModelConfig, PackedInput, SentenceEncoder};
use serde::Deserialize;
use tch::{Device, Tensor};
use tests::{Bounds, Comparison, Result};

use crate::Job;
use crate::python::Python;

/// How many of the texts are embedded; `sentences.py` has the same number.
const TEXTS: usize = 16;

#[derive(Deserialize)]
struct Embeddings {
    embeddings: Vec<Vec<f64>>,
}

/// Compares every kind of pooling that `sentences.py` makes.
pub fn compare(
    source: &Path,
    job: &Job,
    python: &Python<'_>,
    folder: &Path,
    bounds: Bounds,
) -> Result<Vec<Comparison>> {
    let dump = folder.join("sentences");
    fs::create_dir(&dump)?;
    python.sentences("dump", source, &dump)?;
    let mut comparisons = Vec::new();
    for kind in ["mean-normalised", "cls", "all-dense"] {
        let directory = dump.join(kind);
        let expected = read(&dump.join(format!("{kind}.json")))?;
        let config = ModelConfig::read(&directory)?;
        let encoder = SentenceEncoder::load(&directory, &config, Device::Cpu)?;
        let tokenizer = TextTokenizer::from_file(&directory.join("tokenizer.json"), encoder.sizes().max_length)?;
        let found = embed(&encoder, &tokenizer, job)?;
        let what = format!("embeddings, {kind}");
        comparisons.push(Comparison::absolute(&what, "", &found, &expected, bounds.forward)?);

        let written = dump.join(format!("{kind}.retune"));
        fs::create_dir(&written)?;
        encoder.write(&written, &config)?;
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(directory.join(file), written.join(file))?;
        }
        let out = dump.join(format!("{kind}.retune.json"));
        python.sentences("check", &written, &out)?;
        let what = format!("{what}: retune wrote, Python reads");
        comparisons.push(Comparison::absolute(&what, "", &found, &read(&out)?, bounds.forward)?);
    }
    Ok(comparisons)
}

fn embed(encoder: &SentenceEncoder, tokenizer: &TextTokenizer, job: &Job) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let texts: Vec<Text> = job.texts.iter().take(TEXTS).map(Text::single).collect();
    let [ids, types, offsets] = tests::reference::flat(&tokenizer.encode(&texts)?)?;
    let input = PackedInput {
        input_ids: Tensor::from_slice(&ids),
        token_type_ids: Tensor::from_slice(&types),
        layout: SequenceLayout::from_offsets(offsets)?,
        embedding_noise: None,
        sparse_embeddings: false,
        inputs_embeds: None,
    };
    Ok(encoder.forward(&input, Mode::Evaluate)) // [b, e]
}

fn read(path: &Path) -> Result<Tensor> {
    let parsed: Embeddings = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok(Tensor::from_slice2(&parsed.embeddings)) // [b, e]
}
