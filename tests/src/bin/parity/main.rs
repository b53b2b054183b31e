//! The comparison with Hugging Face Transformers on a real model, in single precision on the processor, without dropout:
//! tokens, every hidden state, logits, loss, gradients, a training of twenty steps, and model directories both ways.
//!
//! `cargo xtask parity` makes the Python environment and starts this.

mod adapters;
mod board;
mod directories;
mod python;
mod sentences;
mod table;
mod zoo;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use retune_data::{Text, TextTokenizer};
use retune_hub::{DEFAULT_MODEL, Environment, ModelRequest, resolve_model};
use retune_models::{HeadPolicy, HeadSpec, Model, ModelConfig};
use retune_train::Network;
use serde::Deserialize;
use serde_json::json;
use tch::{Device, Tensor};
use tests::reference::flat;
use tests::{Bounds, Comparison, Reference, Result, Training, formula, measure, tokenizer_forms};

use crate::python::Python;

/// The bounds of the project's promise.
const BOUNDS: Bounds = Bounds { forward: 1e-5, gradient: 1e-4, key_bias: 1e-6, training: 1e-4, trained: 0.0 };

/// Compares with Hugging Face Transformers.
#[derive(Parser)]
#[command(name = "cargo xtask parity")]
struct Arguments {
    /// Python of an environment made from tests/parity/requirements.txt; by default it is made in the user's cache
    #[arg(long, value_name = "PYTHON")]
    python: PathBuf,
    /// Folder, or name on the Hugging Face Hub, of the model to compare with
    #[arg(long, value_name = "MODEL", default_value = DEFAULT_MODEL)]
    model: String,
    /// Which part: all of it, the pretrained model alone, the zoo of tiny configurations, adapters beside them,
    /// the forms of tokenizers, or event files as TensorBoard shows them
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// Files (plain or .gz) whose first 4000 lines the tokenizers read too
    #[arg(long, value_name = "FILE", num_args = 1..)]
    texts: Vec<PathBuf>,
    /// Of the zoo and of adapters, these architectures alone
    #[arg(long, value_name = "ARCHITECTURE", num_args = 1..)]
    only: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    All,
    Model,
    Zoo,
    Adapters,
    Tokenizers,
    Tensorboard,
}

/// What both sides compute: `tests/parity/texts.json`.
#[derive(Deserialize)]
struct Job {
    num_labels: usize,
    max_length: usize,
    texts: Vec<String>,
    labels: Vec<i64>,
    batches: Vec<Vec<usize>>,
    training: Training,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/texts.json");
    let python = Python::new(&arguments.python, &texts);
    let folder = tempfile::tempdir()?;
    let mut passes = true;
    let has = |part| [Part::All, part].contains(&arguments.part);
    if has(Part::Model) {
        passes &= pretrained(&arguments.model, &texts, &python, folder.path())?;
    }
    if has(Part::Zoo) {
        passes &= zoo::run(&python, &arguments.only, folder.path(), BOUNDS)?;
    }
    if has(Part::Adapters) {
        passes &= adapters::run(&python, &arguments.only, folder.path(), BOUNDS)?;
    }
    if has(Part::Tokenizers) {
        eprintln!("Tokenizers read thousands of lines …");
        let own = folder.path().join("tokenizers");
        fs::create_dir(&own)?;
        let rows = tokenizer_forms::compare(&arguments.python, &own, &arguments.texts)?;
        println!("{}", tokenizer_forms::render(&rows));
        passes &= rows.iter().all(|row| row.first.is_none());
    }
    if has(Part::Tensorboard) {
        eprintln!("TensorBoard reads event files …");
        let own = folder.path().join("tensorboard");
        fs::create_dir(&own)?;
        let comparisons = board::compare(&python, &own)?;
        println!("{}", table::render(&comparisons));
        passes &= comparisons.iter().all(Comparison::passes);
    }
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The pretrained model: prints a table; tells whether everything is within its bounds.
fn pretrained(model_name: &str, texts_file: &Path, python: &Python<'_>, folder: &Path) -> Result<bool> {
    let job: Job = serde_json::from_str(&fs::read_to_string(texts_file)?)
        .map_err(|error| format!("{}: {error}", texts_file.display()))?;
    let environment = Environment::from_process()?;
    let source =
        resolve_model(&ModelRequest::new(model_name), &environment, &mut |line| eprintln!("{line}"))?.directory;

    eprintln!("Transformers computes …");
    let dump = folder.join("dump.safetensors");
    let said = python.dump(&source, &dump)?;
    let reference = Reference::open(&dump)?;

    eprintln!("retune computes …");
    let model_directory = without_dropout(&source, &folder.join("without-dropout"))?;
    let config = ModelConfig::read(&model_directory)?;
    let network = Network::Headed(load(&model_directory, &config, job.num_labels, &said.seeded)?);
    let model = measure::model_of(&network)?;
    let mut comparisons = tokens(&model_directory, &job, &reference)?;
    comparisons.extend(measure::forward(&network, &reference, BOUNDS)?);
    comparisons.extend(measure::gradients(&network, &reference, BOUNDS)?);
    comparisons.extend(measure::training(&network, &reference, &job.training, &job.batches, BOUNDS)?);

    eprintln!("Each reads what the other wrote …");
    comparisons.extend(directories::both_ways(model, &config, &job, &source, python, folder, BOUNDS)?);

    eprintln!("Sentences are embedded …");
    comparisons.extend(sentences::compare(&source, &job, python, folder, BOUNDS)?);

    println!(
        "{} against Transformers {} with torch {}: {} texts, {} tokens, {} training steps of {}; fp32, CPU, dropout 0",
        model_name,
        said.transformers,
        said.torch,
        said.sequences,
        said.tokens,
        job.batches.len(),
        job.batches.first().map_or(0, Vec::len),
    );
    println!("\n{}", table::render(&comparisons));
    let failed = comparisons.iter().filter(|comparison| !comparison.passes()).count();
    if failed > 0 {
        println!("{failed} of {} comparisons FAILED", comparisons.len());
        return Ok(false);
    }
    println!("all {} comparisons are within their bounds", comparisons.len());
    Ok(true)
}

/// A model directory that equals `source`, but for dropout, which is 0 in its configuration.
fn without_dropout(source: &Path, target: &Path) -> Result<PathBuf> {
    fs::create_dir(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        std::os::unix::fs::symlink(fs::canonicalize(entry.path())?, target.join(entry.file_name()))?;
    }
    let path = target.join("config.json");
    let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    for key in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
        config[key] = json!(0.0);
    }
    // The link leads to the source's own file.
    fs::remove_file(&path)?;
    fs::write(&path, config.to_string())?;
    Ok(target.to_owned())
}

/// The pretrained model, whose new head has the formula's values, as Python's has.
fn load(directory: &Path, config: &ModelConfig, classes: usize, seeded: &[String]) -> Result<Model> {
    let (model, report) =
        Model::load(directory, config, HeadSpec::sequence_classification(classes), HeadPolicy::Draw, Device::Cpu)?;
    let mut drawn = report.drawn;
    drawn.sort();
    if drawn != seeded {
        return Err(format!("parameters that the checkpoint lacks: found {drawn:?}, expected {seeded:?}").into());
    }
    let _no_grad = tch::no_grad_guard();
    for (name, parameter) in model.parameters().iter().filter(|(name, _)| seeded.iter().any(|seed| seed == name)) {
        parameter.shallow_clone().copy_(&formula::parameter_value(name, &parameter.size())?);
    }
    Ok(model)
}

/// The tokens of all texts, exactly.
fn tokens(directory: &Path, job: &Job, reference: &Reference) -> Result<Vec<Comparison>> {
    let tokenizer = TextTokenizer::from_file(&directory.join("tokenizer.json"), job.max_length)?;
    let [ids, types, offsets] = flat(&tokenizer.encode(&texts(job))?)?;
    let compare = |what: &str, found: &Vec<i64>, key: &str| {
        Comparison::absolute(what, "", &Tensor::from_slice(found), &reference.tensor(key)?, 0.0)
    };
    Ok(vec![
        compare("sequence bounds", &offsets, "cu_seqlens")?,
        compare("token ids", &ids, "input_ids")?,
        compare("token types", &types, "token_type_ids")?,
        compare("labels", &job.labels, "labels")?,
    ])
}

fn texts(job: &Job) -> Vec<Text> {
    job.texts.iter().map(Text::single).collect()
}
