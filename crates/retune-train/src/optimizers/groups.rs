//! Which parameter gets which learning rate and which weight decay.
//!
//! - No decay on biases and on the weights of norms, as in `transformers.Trainer`.
//! - Layer-wise decay of the learning rate: a layer's rate is `factor` times that of the layer above. The task's own
//!   parameters (head, pooler, a last norm) have the whole rate, the top layer `factor` of it, the embeddings, which
//!   lie below all layers, the lowest: `factor^(layers + 1)`. This is BEiT's count (Bao et al. 2022, arXiv 2106.08254;
//!   `timm`); ELECTRA (Clark et al. 2020, arXiv 2003.10555) skips one more power between head and top layer.
//! - LoRA+ (Hayou et al. 2024, arXiv 2402.12354): the rate of the B matrices is `ratio` times that of the A matrices.
//! - Patterns of names, with a rate and a decay of their own.

use retune_models::parameter_names::{layer_of, matches};
use tch::Tensor;

/// Parameters that share a learning rate and a weight decay.
#[derive(Debug)]
pub struct ParameterGroup {
    /// Their places in the list of gradients.
    pub members: Vec<usize>,
    /// Their names.
    pub names: Vec<String>,
    /// Handles of the model's own tensors.
    pub parameters: Vec<Tensor>,
    /// Their learning rate, as a factor of the step's.
    pub rate: f64,
    /// Their weight decay.
    pub weight_decay: f64,
}

/// How parameters are put into groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupSettings {
    /// The weight decay of all but biases and norms.
    pub weight_decay: f64,
    /// Layer-wise decay of the learning rate: the rate of a layer as a factor of that of the layer above; in `(0, 1]`.
    pub layer_decay: Option<f64>,
    /// LoRA+: the rate of parameters whose names contain `lora_B`, as a factor of the others'.
    pub lora_plus_ratio: Option<f64>,
    /// Rates and decays by name. Where several patterns match, the last that says something decides.
    pub patterns: Vec<PatternSettings>,
}

/// The rate and the decay of the parameters whose whole name matches a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternSettings {
    /// A name, in which `*` stands for any characters, dots too: `*.embeddings.*`.
    pub pattern: String,
    /// The rate, as a factor of the step's; in the place of what layer-wise decay and LoRA+ would give. 0 holds them
    /// still.
    pub rate: Option<f64>,
    /// The weight decay; in the place of the others', also for biases and norms.
    pub weight_decay: Option<f64>,
}

/// Settings of groups that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GroupError {
    /// A number outside its range.
    #[error("{what} is {value}, but must be {range}")]
    OutOfRange {
        /// Which number; with the pattern that it belongs to.
        what: String,
        /// Its value.
        value: f64,
        /// Where it may lie.
        range: &'static str,
    },
    /// A pattern that names nothing.
    #[error("no parameter is named '{pattern}'; there are {}, …", examples.join(", "))]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Some of the names that there are.
        examples: Vec<String>,
    },
    /// LoRA+ without LoRA.
    #[error("there is a rate for LoRA's B matrices (LoRA+), but the model has no parameter with lora_B in its name")]
    NoLora,
    /// Layer-wise decay without layers.
    #[error("there is a layer-wise decay of the learning rate, but no parameter's name holds the number of a layer")]
    NoLayers,
}

/// Puts parameters into groups: one for each pair of rate and decay that occurs, in the order in which they occur
/// first. A parameter's place in the list of gradients is its place in `parameters`.
///
/// # Errors
/// A number is outside its range, or a setting concerns no parameter.
pub fn groups<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    settings: &GroupSettings,
) -> Result<Vec<ParameterGroup>, GroupError> {
    let parameters: Vec<(&str, &Tensor)> = parameters.into_iter().collect();
    let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
    check(&names, settings)?;
    let layers = names.iter().filter_map(|name| layer_of(name)).max().map_or(0, |last| last + 1);
    let mut groups: Vec<ParameterGroup> = Vec::new();
    for (place, (name, tensor)) in parameters.into_iter().enumerate() {
        let (rate, weight_decay) = numbers(name, layers, settings);
        let same = |group: &ParameterGroup| group.rate == rate && group.weight_decay == weight_decay;
        let found = groups.iter().position(same).unwrap_or_else(|| {
            groups.push(ParameterGroup { members: vec![], names: vec![], parameters: vec![], rate, weight_decay });
            groups.len() - 1
        });
        let group = &mut groups[found];
        group.members.push(place);
        group.names.push(name.to_owned());
        group.parameters.push(tensor.shallow_clone());
    }
    Ok(groups)
}

/// Whether weight decay applies by default: not to biases, MPNet's table of position biases among them, and not to the
/// weights of norms, as in `transformers.Trainer`.
pub fn has_decay(name: &str) -> bool {
    let is_norm = name.to_lowercase().contains("norm") || name.split('.').any(|part| part.ends_with("_ln"));
    !name.contains("bias") && !is_norm
}

/// The rate and the decay of a parameter.
fn numbers(name: &str, layers: usize, settings: &GroupSettings) -> (f64, f64) {
    let mut rate = settings.layer_decay.map_or(1.0, |factor| factor.powi(depth(name, layers) as i32));
    if is_lora_b(name) {
        rate *= settings.lora_plus_ratio.unwrap_or(1.0);
    }
    let mut weight_decay = if has_decay(name) { settings.weight_decay } else { 0.0 };
    for one in settings.patterns.iter().filter(|one| matches(&one.pattern, name)) {
        rate = one.rate.unwrap_or(rate);
        weight_decay = one.weight_decay.unwrap_or(weight_decay);
    }
    (rate, weight_decay)
}

/// How many layers lie above a parameter, itself included; 0 for what belongs to no layer and is no embedding.
fn depth(name: &str, layers: usize) -> usize {
    match layer_of(name) {
        Some(layer) => layers - layer,
        None if is_embedding(name) => layers + 1,
        None => 0,
    }
}

/// Whether a parameter is an embedding, its norm or projection, or positions that all layers share; `encoder.LayerNorm`
/// is the norm of DeBERTa's.
pub(crate) fn is_embedding(name: &str) -> bool {
    let belongs = |part: &str| part.contains("embed") || part.starts_with("emb_") || part == "relative_attention_bias";
    name.split('.').any(belongs) || name.contains("encoder.LayerNorm.")
}

fn is_lora_b(name: &str) -> bool {
    name.contains("lora_B")
}

fn check(names: &[&str], settings: &GroupSettings) -> Result<(), GroupError> {
    let of_pattern = |what: &str, one: &PatternSettings| format!("the {what} of '{}'", one.pattern);
    let mut not_negative = vec![("the weight decay".to_owned(), Some(settings.weight_decay))];
    for one in &settings.patterns {
        not_negative.push((of_pattern("rate", one), one.rate));
        not_negative.push((of_pattern("weight decay", one), one.weight_decay));
    }
    for (what, value) in not_negative.into_iter().filter_map(|(what, value)| Some((what, value?))) {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(GroupError::OutOfRange { what, value, range: "0 or more" });
        }
    }
    if let Some(factor) = settings.layer_decay {
        if !(factor > 0.0 && factor <= 1.0) {
            let what = "the layer-wise decay of the learning rate".to_owned();
            return Err(GroupError::OutOfRange { what, value: factor, range: "above 0 and at most 1" });
        }
        if !names.iter().any(|name| layer_of(name).is_some()) {
            return Err(GroupError::NoLayers);
        }
    }
    if let Some(ratio) = settings.lora_plus_ratio {
        if !(ratio > 0.0 && ratio.is_finite()) {
            return Err(GroupError::OutOfRange { what: "LoRA+'s ratio".to_owned(), value: ratio, range: "above 0" });
        }
        if !names.iter().any(|name| is_lora_b(name)) {
            return Err(GroupError::NoLora);
        }
    }
    for PatternSettings { pattern, .. } in &settings.patterns {
        if !names.iter().any(|name| matches(pattern, name)) {
            let examples = names.iter().take(3).map(|name| (*name).to_owned()).collect();
            return Err(GroupError::NoMatch { pattern: pattern.clone(), examples });
        }
    }
    Ok(())
}
