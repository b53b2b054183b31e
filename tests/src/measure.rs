//! How far a classifier of ours is from what Transformers computed with the same weights: forward, backward, and a
//! training. Everything runs as users run it: packed, with the attention that models use, through `retune-train`'s step.

use std::num::NonZeroUsize;

use retune_attention::Mode;
use retune_data::LabelMap;
use retune_models::{Model, Trace};
use retune_recipe::{NonFinite, Precision};
use retune_train::losses::CrossEntropy;
use retune_train::tasks::Classification;
use retune_train::{
    AdamW, Computation, Encoded, GroupSettings, Network, Optimizer, Schedule, Shape, Span, StepRows, StepSettings,
    evaluate, groups, train_step,
};
use tch::{Device, Tensor};

use crate::{Comparison, Reference, Result, Training};

/// The largest differences that pass.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of any element of a hidden state, the pooled vectors, the logits, and of the loss.
    pub forward: f64,
    /// Of each parameter's gradient, relative in norm.
    pub gradient: f64,
    /// Of any element of the gradient of a key's bias, which is zero but for rounding.
    pub key_bias: f64,
    /// Of the training's losses, and, relative in norm, of the gradients' norms.
    pub training: f64,
    /// Of any element of a parameter after the training.
    pub trained: f64,
}

/// Learning rates are computed in float64 on both sides, by formulas that differ in the order of operations only.
const LEARNING_RATE_BOUND: f64 = 1e-15;

/// Single precision on the processor: what everything here is compared in.
pub fn computation() -> Computation {
    let batch_size = NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN);
    Computation { device: Device::Cpu, precision: Precision::Fp32, batch_size }
}

/// The classifier in a network.
///
/// # Errors
/// It has no head.
pub fn model_of(network: &Network) -> Result<&Model> {
    network.model().ok_or_else(|| "a network with a head is wanted".into())
}

/// The task and the data of a reference.
///
/// # Errors
/// The reference lacks something.
pub fn classification(reference: &Reference) -> Result<(Classification, Encoded<Vec<u32>>)> {
    let names = (0..reference.classes()?).map(|class| class.to_string());
    let encoded =
        Encoded { tokenized: reference.tokenized()?, per_row: 1, targets: reference.label_ids()?, notes: Vec::new() };
    Ok((Classification::of_labels(LabelMap::from_names(names)?), encoded))
}

/// The mean cross-entropy.
fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    CrossEntropy::plain().sum(logits, labels) / logits.size()[0] as f64
}

/// Every hidden state, the pooled vectors, the logits (packed in the reference's order, and as predictions are made: by
/// length, in batches), and the loss. Dropout must be 0.
///
/// # Errors
/// The reference lacks something, or has another shape.
pub fn forward(network: &Network, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    let _no_grad = tch::no_grad_guard();
    let model = model_of(network)?;
    let output = model.forward_traced(&reference.input()?, Mode::Train, Trace::HiddenStates);
    let layers = reference.names("hidden_states").count();
    if output.hidden_states.len() != layers {
        return Err(format!("{} hidden states, expected {layers}", output.hidden_states.len()).into());
    }
    let compare = |what: &str, found: &Tensor, key: &str| {
        Comparison::absolute(what, "", found, &reference.tensor(key)?, bounds.forward)
    };
    let mut comparisons = Vec::new();
    for (layer, states) in output.hidden_states.iter().enumerate() {
        let key = format!("hidden_states.{layer}");
        comparisons.push(compare(&format!("hidden state {layer}"), states, &key)?); // [t, d]
    }
    let (task, encoded) = classification(reference)?;
    let predictions = evaluate(network, &task, &encoded, None, &computation(), &mut |_| {})?;
    comparisons.push(compare("pooled", &output.pooled, "pooled")?); // [b, d]
    comparisons.push(compare("logits", &output.logits, "logits")?); // [b, c]
    comparisons.push(compare("logits as predicted", &predictions.to_tensor(), "logits")?); // [b, c]
    comparisons.push(compare("loss", &loss(&output.logits, &reference.labels()?), "loss")?); // []
    Ok(comparisons)
}

/// The gradient of the loss for every parameter. Dropout must be 0.
///
/// # Errors
/// The parameters are not the reference's, by name or shape, or libtorch refuses.
pub fn gradients(network: &Network, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    let model = model_of(network)?;
    let parameters: Vec<(&str, &Tensor)> = model.parameters().iter().collect();
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    if !names.iter().copied().eq(reference.names("gradient")) {
        let expected: Vec<&str> = reference.names("gradient").collect();
        return Err(format!("the parameters are {names:?}, expected {expected:?}").into());
    }
    let logits = model.forward(&reference.input()?, Mode::Train); // [b, c]
    let tensors: Vec<&Tensor> = parameters.iter().map(|(_, tensor)| *tensor).collect();
    let found = Tensor::f_run_backward(&[loss(&logits, &reference.labels()?)], &tensors, false, false)?;
    let compare = |((name, _), found): (&(&str, &Tensor), &Tensor)| {
        let expected = reference.tensor(&format!("gradient.{name}"))?;
        match is_key_bias(name) {
            true => Comparison::absolute("gradient (key bias)", name, found, &expected, bounds.key_bias),
            false => Comparison::relative("gradient", name, found, &expected, bounds.gradient),
        }
    };
    parameters.iter().zip(&found).map(compare).collect()
}

/// The losses, learning rates and gradient norms of a training, which moves the model.
///
/// # Errors
/// A step fails, or the reference has another number of steps.
pub fn training(
    network: &Network,
    reference: &Reference,
    numbers: &Training,
    batches: &[Vec<usize>],
    bounds: Bounds,
) -> Result<Vec<Comparison>> {
    let (task, encoded) = classification(reference)?;
    let Training { beta1, beta2, epsilon, weight_decay, .. } = *numbers;
    let groups = groups(network.parameters().iter(), &GroupSettings { weight_decay, ..GroupSettings::default() })?;
    let mut optimizer = Optimizer::new(Box::new(AdamW { beta1, beta2, epsilon }), groups);
    let schedule = Schedule::new(Shape::Linear, Span::Fraction(numbers.warmup_ratio), batches.len() as u64);
    let moved: Vec<(String, Tensor)> =
        network.parameters().iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
    let (mut losses, mut rates, mut norms) = (Vec::new(), Vec::new(), Vec::new());
    for (step, rows) in (0..).zip(batches) {
        let settings = StepSettings {
            loss_scale: None,
            computation: computation(),
            learning_rate: numbers.learning_rate * schedule.factor(step),
            max_gradient_norm: numbers.max_gradient_norm,
            max_gradient_value: 0.0,
            r_drop: 0.0,
            embedding_noise: None,
            sparse_embeddings: true,
            non_finite: NonFinite::Stop,
            step: step + 1,
        };
        let rows = StepRows { encoded: &encoded, features: None, epoch: 0, parts: vec![rows.clone()] };
        let seen = train_step(network, &moved, &task, &mut optimizer, &rows, &settings)?;
        losses.push(seen.loss);
        rates.push(settings.learning_rate);
        norms.push(seen.gradient_norm);
    }
    let [losses, rates, norms] = [losses, rates, norms].map(|values| Tensor::from_slice(&values)); // [steps]
    let key = |name: &str| reference.tensor(&format!("train.{name}"));
    Ok(vec![
        Comparison::absolute("training losses", "", &losses, &key("loss")?, bounds.training)?,
        Comparison::absolute("learning rates", "", &rates, &key("learning_rate")?, LEARNING_RATE_BOUND)?,
        Comparison::relative("gradient norms", "", &norms, &key("gradient_norm")?, bounds.training)?,
    ])
}

/// Every parameter after [`training`].
///
/// # Errors
/// The reference does not hold it.
pub fn trained(network: &Network, reference: &Reference, bounds: Bounds) -> Result<Vec<Comparison>> {
    // AdamW divides a gradient by its own size, also where it is nothing but rounding.
    let farthest = reference.tensor("train.learning_rate")?.sum(None).double_value(&[]);
    let compare = |(name, found): (&str, &Tensor)| {
        let expected = reference.tensor(&format!("trained.{name}"))?;
        match is_key_bias(name) {
            true => Comparison::absolute("trained (key bias)", name, found, &expected, farthest),
            false => Comparison::absolute("trained", name, found, &expected, bounds.trained),
        }
    };
    network.parameters().iter().map(compare).collect()
}

/// Whether the exact gradient is zero: one vector added to all keys changes no attention weight.
fn is_key_bias(name: &str) -> bool {
    name.ends_with("key.bias")
}
