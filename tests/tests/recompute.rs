//! Layers that are computed again in the backward pass: gradients are the same to the bit, with every architecture, and
//! a run takes less memory.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use retune_attention::Mode;
use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Lora, Targets};
use retune_models::registry::ARCHITECTURES;
use retune_models::{HeadKind, HeadPolicy, HeadSpec, LoadOptions, Model, ModelConfig};
use retune_torch::autocast::{AutocastGuard, Narrow};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tests::golden::{ModelDirectory, Weights, save};
use tests::{Golden, Job, Reference, Result, formula, zoo};

/// A golden model with all its dropouts at one tenth.
struct Case {
    directory: ModelDirectory,
    reference: Reference,
    kind: HeadKind,
}

/// How gradients are computed.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    recomputing: bool,
    autocast: bool,
    adapter: Option<&'a AdapterConfig>,
}

impl Case {
    fn of(architecture: &str, kind: HeadKind) -> Result<Self> {
        Self::changed(architecture, kind, |_, _| Ok(()))
    }

    /// The same with another configuration and weights.
    fn changed(
        architecture: &str,
        kind: HeadKind,
        change: impl FnOnce(&mut Value, &mut Weights) -> Result<()>,
    ) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo");
        let stem = format!("{architecture}.{}", zoo::head_name(kind));
        let reference = Reference::open(&folder.join(format!("{stem}.safetensors")))?;
        let mut config = zoo::golden_config(&folder.join(format!("{stem}.json")))?;
        for (key, value) in config.as_object_mut().ok_or("an object")? {
            if key.contains("dropout") && value.is_number() {
                *value = json!(0.1);
            }
        }
        let mut weights = zoo::formula_weights(&reference)?;
        change(&mut config, &mut weights)?;
        let directory = ModelDirectory::new(&config, &weights)?;
        Ok(Self { directory, reference, kind })
    }

    /// The gradient of every trained parameter, after the same seed; and what the generator draws next.
    fn gradients(&self, way: Way<'_>) -> Result<(Vec<(String, Tensor)>, i64)> {
        retune_torch::random::seed(23);
        let config = ModelConfig::read(self.directory.path())?;
        let spec = HeadSpec { kind: self.kind, outputs: self.reference.classes()? as i64 };
        let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu);
        let options = way.adapter.map_or(options, |adapter| options.with_adapter(AdapterSource::New(adapter)));
        let (model, _) = Model::load_with(self.directory.path(), &config, spec, &options)?;
        let model = if way.recomputing { model.recomputing() } else { model };
        // B begins at zero, which would leave A without a gradient.
        for (_, tensor) in model.parameters().iter().filter(|(name, _)| name.contains("lora_B")) {
            let _same = tch::no_grad(|| tensor.shallow_clone().uniform_(-0.1, 0.1));
        }
        let guard = way.autocast.then(|| AutocastGuard::to(Narrow::Bfloat16, Device::Cpu)).transpose()?;
        let logits = model.forward(&self.reference.input()?, Mode::Train).to_kind(Kind::Float);
        drop(guard);
        let loss = (logits.square() + logits).mean(Kind::Float);
        let trained: Vec<(&str, &Tensor)> = model.parameters().trainable().collect();
        let tensors: Vec<&Tensor> = trained.iter().map(|(_, tensor)| *tensor).collect();
        let found = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        let named = trained.iter().map(|(name, _)| (*name).to_owned()).zip(found).collect();
        Ok((named, Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0])))
    }

    /// Fails where a gradient differs, computed once and again, by more than `bound` of its largest number.
    fn check(&self, way: Way<'_>, bound: f64, what: &str) -> Result<()> {
        let (plain, next) = self.gradients(way)?;
        let (again, next_again) = self.gradients(Way { recomputing: true, ..way })?;
        assert_eq!(next, next_again, "{what}: the generator stands elsewhere");
        let mut some = 0;
        for ((name, plain), (_, again)) in plain.iter().zip(&again) {
            assert_eq!(plain.defined(), again.defined(), "{what}: {name}");
            if !plain.defined() {
                continue;
            }
            let largest = plain.abs().max().double_value(&[]);
            let apart = (plain - again).abs().max().double_value(&[]);
            assert!(apart <= bound * largest, "{what}: the gradient of {name} is {apart} apart of {largest}");
            some += usize::from(largest > 0.0);
        }
        assert!(some * 2 > plain.len(), "{what}: {some} gradients of {}", plain.len());
        Ok(())
    }
}

const PLAIN: Way<'static> = Way { recomputing: false, autocast: false, adapter: None };

/// All golden models of some heads.
fn cases(heads: &[HeadKind]) -> Vec<(&'static str, HeadKind)> {
    let of =
        |kind: HeadKind| ARCHITECTURES.iter().filter(move |one| one.heads.contains(&kind)).map(move |one| (one, kind));
    heads.iter().flat_map(|kind| of(*kind)).map(|(one, kind)| (one.model_type, kind)).collect()
}

#[test]
fn gradients_are_the_same_to_the_bit_with_every_architecture() -> Result<()> {
    let _generator = tests::generator();
    for (name, kind) in cases(&[HeadKind::SequenceClassification, HeadKind::MaskedLanguageModel]) {
        Case::of(name, kind)?.check(PLAIN, 0.0, name)?;
    }
    Ok(())
}

/// The first layer reads the embeddings twice then: as its hidden state, and through the convolution.
#[test]
fn they_are_with_debertas_convolution_and_projections_of_positions_of_their_own() -> Result<()> {
    let _generator = tests::generator();
    let case = Case::changed("deberta-v2", HeadKind::SequenceClassification, |config, weights| {
        config["conv_kernel_size"] = json!(3);
        config["share_att_key"] = json!(false);
        let kernel = formula::parameter_value("kernel", &[16, 48])?.view([16, 16, 3]);
        weights.push(("deberta.encoder.conv.conv.weight".to_owned(), kernel));
        let mut add = |name: String, shape: &[i64]| -> Result<()> {
            weights.push((format!("deberta.encoder.{name}"), formula::parameter_value(&name, shape)?));
            Ok(())
        };
        for name in ["conv.conv.bias", "conv.LayerNorm.weight", "conv.LayerNorm.bias"] {
            add(name.to_owned(), &[16])?;
        }
        for layer in 0..config["num_hidden_layers"].as_u64().ok_or("layers")? {
            for name in ["pos_key_proj", "pos_query_proj"] {
                add(format!("layer.{layer}.attention.self.{name}.weight"), &[16, 16])?;
                add(format!("layer.{layer}.attention.self.{name}.bias"), &[16])?;
            }
        }
        Ok(())
    })?;
    case.check(PLAIN, 0.0, "deberta-v2")
}

#[test]
fn they_are_in_half_precision_unless_layers_share_a_weight() -> Result<()> {
    let _generator = tests::generator();
    for (name, kind) in cases(&[HeadKind::SequenceClassification]) {
        // Without it, the gradients of a shared weight's uses are added in bfloat16; with it, in float32.
        let bound = if name == "albert" { 0.02 } else { 0.0 };
        Case::of(name, kind)?.check(Way { autocast: true, ..PLAIN }, bound, name)?;
    }
    Ok(())
}

#[test]
fn adapters_have_the_same_gradients() -> Result<()> {
    let _generator = tests::generator();
    let lora = Lora { rank: 2, dropout: 0.1, ..Lora::default() };
    let mut config = AdapterConfig::new(AdapterKind::Lora(lora));
    config.target_modules = Targets::AllLinear;
    for (name, kind) in cases(&[HeadKind::SequenceClassification]) {
        Case::of(name, kind)?.check(Way { adapter: Some(&config), ..PLAIN }, 0.0, name)?;
    }
    Ok(())
}

/// The most memory that a training run of a deep model has had, in KiB, as the system counts it.
fn peak(job: &Job, recompute: bool) -> Result<u64> {
    let setting = format!("train.recompute={recompute}");
    let name = setting.replace('=', "-");
    let more = ["--max-steps", "2", "--set", "train.batch_size=1024", "--output", &name, "--set", &setting];
    let mut child = job.finetune(&more).stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait()?.success() && peak > 0, "{setting}");
    Ok(peak)
}

#[test]
fn a_run_takes_less_memory_and_leaves_the_same_model() -> Result<()> {
    let _generator = tests::generator();
    const LAYERS: usize = 24;
    let (job, golden) = (Job::new()?, Golden::read("bert_tiny_gelu")?);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(job.model().join("config.json"))?)?;
    config["num_hidden_layers"] = json!(LAYERS);
    fs::write(job.model().join("config.json"), config.to_string())?;
    let weights = golden.weights()?;
    let (first, others): (Vec<_>, Vec<_>) = weights.into_iter().partition(|(name, _)| name.contains(".layer.0."));
    let mut deep: Vec<(String, Tensor)> = others.into_iter().filter(|(name, _)| !name.contains(".layer.")).collect();
    for layer in 0..LAYERS {
        let named =
            |(name, tensor): &(String, Tensor)| (name.replace(".layer.0.", &format!(".layer.{layer}.")), tensor.copy());
        deep.extend(first.iter().map(named));
    }
    save(&job.model().join("model.safetensors"), &deep)?;
    let row = |row: usize| if row.is_multiple_of(2) { "good film,positive\n" } else { "bad film,negative\n" };
    let rows: String = (0..1024).map(|number| format!("{}{}", "very ".repeat(12), row(number))).collect();
    job.write("train.csv", format!("text,label\n{rows}"))?;

    let (plain, recomputing) = (peak(&job, false)?, peak(&job, true)?);
    // The activations of 24 layers against those of one, beside what the program itself takes.
    assert!(recomputing + 150 * 1024 < plain, "{recomputing} KiB with recompute, {plain} KiB without");
    let model = |name: &str| fs::read(job.path(name).join("model/model.safetensors"));
    assert!(model("train.recompute-true")? == model("train.recompute-false")?, "the models differ");
    Ok(())
}
