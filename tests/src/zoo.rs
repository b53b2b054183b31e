//! Every architecture and head beside what Transformers computed with the same weights (`parity/zoo.py`, whose head
//! says what its files hold).

use std::path::Path;

use retune_attention::{Mode, recording_weights};
use retune_models::{HeadKind, HeadPolicy, HeadSpec, Model, ModelConfig, Trace};
use retune_torch::autocast::{AutocastGuard, Narrow};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::golden::Weights;
use crate::{Bounds, Comparison, Reference, Result, formula};

/// The label of a token that no loss counts.
const IGNORED: i64 = -100;
/// How many sequences a question of multiple choice has.
const CHOICES: i64 = 2;
/// A gradient this small beside all of the model's is zero but for rounding: that of a key's bias in plain attention.
const NOTHING: f64 = 1e-6;

/// The name that `zoo.py` has for a kind of head.
pub fn head_name(kind: HeadKind) -> &'static str {
    match kind {
        HeadKind::SequenceClassification => "sequence_classification",
        HeadKind::TokenClassification => "token_classification",
        HeadKind::QuestionAnswering => "question_answering",
        HeadKind::MaskedLanguageModel => "masked_language_model",
        HeadKind::MultipleChoice => "multiple_choice",
    }
}

/// Loads a model with as many outputs as the reference has.
///
/// # Errors
/// The directory does not load, or a parameter would be drawn.
pub fn load(directory: &Path, kind: HeadKind, reference: &Reference) -> Result<(Model, ModelConfig)> {
    let config = ModelConfig::read(directory)?;
    let spec = HeadSpec { kind, outputs: reference.classes()? as i64 };
    let (model, report) = Model::load(directory, &config, spec, HeadPolicy::Require, Device::Cpu)?;
    if !report.unexpected.is_empty() {
        return Err(format!("tensors without a use: {}", report.unexpected.join(", ")).into());
    }
    Ok((model, config))
}

/// The weights of a golden model by the formula: its parameters are those that the reference has gradients of.
///
/// # Errors
/// A parameter has a shape that the formula is not for.
pub fn formula_weights(reference: &Reference) -> Result<Weights> {
    let names: Vec<String> = reference.names("gradient").map(str::to_owned).collect();
    let weight = |name: String| {
        let shape = reference.tensor(&format!("gradient.{name}"))?.size();
        let value = formula::parameter_value(&name, &shape)?;
        Ok((name, value))
    };
    names.into_iter().map(weight).collect()
}

/// The configuration of a golden model.
///
/// # Errors
/// The file is missing, or no JSON.
pub fn golden_config(path: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// Everything that the reference holds: hidden states, pooled vectors, logits, loss, and the gradient of every
/// parameter.
///
/// # Errors
/// The reference lacks something or has another shape, or the parameters differ in name.
pub fn compare(model: &Model, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    let input = reference.input()?;
    let (output, weights) = recording_weights(|| model.forward_traced(&input, Mode::Train, Trace::HiddenStates));
    let mut comparisons = Vec::new();
    let mut compare = |what: &str, found: &Tensor, key: &str| -> Result<()> {
        comparisons.push(Comparison::absolute(what, key, found, &reference.tensor(key)?, bounds.forward)?);
        Ok(())
    };
    let layers = reference.names("hidden_states").count();
    if layers > 0 && output.hidden_states.len() != layers {
        return Err(format!("{} hidden states, expected {layers}", output.hidden_states.len()).into());
    }
    for (layer, states) in output.hidden_states.iter().enumerate().take(layers) {
        compare("hidden states", states, &format!("hidden_states.{layer}"))?; // [t, d]
    }
    // The goldens have none.
    for (layer, weights) in weights.iter().enumerate().take(reference.names("attentions").count()) {
        let flat: Vec<Tensor> = weights.iter().map(|sequence| sequence.flatten(0, -1)).collect();
        compare("attention", &Tensor::cat(&flat, 0), &format!("attentions.{layer}"))?; // [Σ h·l·l]
    }
    compare("pooled", &output.pooled, "pooled")?; // [n, d']
    compare("logits", &output.logits, "logits")?; // [n, c]
    let labels = reference.tensor("labels")?;
    let loss = loss(model.spec().kind, &output.logits, &labels, input.layout.offsets());
    compare("loss", &loss, "loss")?; // []
    comparisons.extend(gradients(model, &loss, reference, bounds)?);
    // The same where nobody asks for hidden states, as in training: of the last layer, what the head reads is computed,
    // and no more.
    let logits = model.forward(&input, Mode::Train);
    comparisons.push(Comparison::absolute(
        "logits alone",
        "logits",
        &logits,
        &reference.tensor("logits")?,
        bounds.forward,
    )?);
    let loss = self::loss(model.spec().kind, &logits, &labels, input.layout.offsets());
    comparisons.extend(gradients(model, &loss, reference, bounds)?);
    Ok(comparisons)
}

fn gradients(model: &Model, loss: &Tensor, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    let (names, tensors): (Vec<&str>, Vec<&Tensor>) = model.parameters().iter().unzip();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(reference.names("gradient")) {
        let expected: Vec<&str> = reference.names("gradient").collect();
        return Err(format!("the parameters are\n  {sorted:?}\nexpected\n  {expected:?}").into());
    }
    let found = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
    let expected: Vec<Tensor> =
        names.iter().map(|name| reference.tensor(&format!("gradient.{name}"))).collect::<Result<_>>()?;
    let all = expected.iter().map(|gradient| gradient.square().sum(Kind::Double).double_value(&[])).sum::<f64>().sqrt();
    let compare = |((name, found), expected): ((&&str, &Tensor), &Tensor)| {
        // What has no part in the loss has no gradient here, and zeros there.
        let found = if found.defined() { found.shallow_clone() } else { expected.zeros_like() };
        match expected.norm().double_value(&[]) < NOTHING * all {
            true => Comparison::absolute("gradient (zero)", name, &found, expected, bounds.key_bias),
            false => Comparison::relative("gradient", name, &found, expected, bounds.gradient),
        }
    };
    names.iter().zip(&found).zip(&expected).map(compare).collect()
}

/// The loss of each kind of head, as `zoo.py` defines it.
pub(crate) fn loss(kind: HeadKind, logits: &Tensor, labels: &Tensor, offsets: &[i64]) -> Tensor {
    match kind {
        HeadKind::SequenceClassification => logits.cross_entropy_for_logits(labels),
        HeadKind::MultipleChoice => logits.view([-1, CHOICES]).cross_entropy_for_logits(labels),
        HeadKind::QuestionAnswering => {
            let sides = offsets.windows(2).zip(0..).flat_map(|(pair, row)| {
                let own = logits.narrow(0, pair[0], pair[1] - pair[0]); // [l, 2]
                [0, 1].map(|side| {
                    own.select(1, side).unsqueeze(0).cross_entropy_for_logits(&labels.get(row).narrow(0, side, 1))
                })
            });
            Tensor::stack(&sides.collect::<Vec<_>>(), 0).mean(Kind::Float)
        }
        HeadKind::TokenClassification | HeadKind::MaskedLanguageModel => {
            let counted = labels.ne(IGNORED);
            let rows = counted.nonzero().squeeze_dim(1);
            logits.index_select(0, &rows).cross_entropy_for_logits(&labels.index_select(0, &rows))
        }
    }
}

/// How far the logits move under bfloat16, ours and the reference's: root mean square of the differences from fp32.
///
/// # Errors
/// libtorch refuses, or the reference has no such logits.
pub fn half_precision(model: &Model, reference: &Reference) -> Result<(f64, f64)> {
    let _no_grad = tch::no_grad_guard();
    let input = reference.input()?;
    let single = model.forward(&input, Mode::Evaluate);
    let guard = AutocastGuard::to(Narrow::Bfloat16, Device::Cpu)?;
    let half = model.forward(&input, Mode::Evaluate).to_kind(Kind::Float);
    drop(guard);
    let apart = |a: &Tensor, b: &Tensor| (a - b).square().mean(Kind::Double).sqrt().double_value(&[]);
    Ok((apart(&half, &single), apart(&reference.tensor("bf16.logits")?, &reference.tensor("logits")?)))
}
