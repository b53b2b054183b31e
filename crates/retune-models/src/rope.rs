//! Rotary positions as `config.json` describes them: the keys and defaults of transformers' `modeling_rope_utils`
//! (5.17), those of older files among them.

use retune_attention::positions::rotary::{Planes, Rotary, Scaling};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{ModelConfig, ModelError};

/// What a description leaves to its model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RopeSizes {
    /// `k`; all of it is rotated.
    pub head_size: i64,
    /// The base of the frequencies where none is given.
    pub base: f64,
    /// The longest sequence, in tokens: `max_position_embeddings`.
    pub longest: i64,
}

/// One description. Which keys must be there depends on the type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Description {
    rope_type: Option<String>,
    /// What `rope_type` was called at first; where both are given, they are the same.
    #[serde(rename = "type")]
    old_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<i64>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    short_factor: Option<Vec<f64>>,
    long_factor: Option<Vec<f64>>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
}

/// The rotary positions of a model whose layers are all alike: `rope_parameters`, or `rope_scaling` beside `rope_theta`.
pub(crate) fn of_model(config: &ModelConfig, sizes: RopeSizes) -> Result<Rotary, ModelError> {
    let values = config.values();
    let mut keys = ["rope_scaling", "rope_parameters"]
        .iter()
        .find_map(|key| values.get(*key)?.as_object().filter(|keys| !keys.is_empty()))
        .cloned()
        .unwrap_or_default();
    for key in ["rope_theta", "partial_rotary_factor"] {
        if let Some(value) = values.get(key)
            && !keys.contains_key(key)
        {
            keys.insert(key.to_owned(), value.clone());
        }
    }
    // Here what stands outside is the stronger.
    if let Some(value) = values.get("original_max_position_embeddings") {
        keys.insert("original_max_position_embeddings".to_owned(), value.clone());
    }
    read(config, keys, sizes)
}

/// The rotary positions of one type of layers: `rope_parameters[layer_type]`, or `theta_key` beside `rope_scaling`.
pub(crate) fn of_layer_type(
    config: &ModelConfig,
    layer_type: &str,
    theta_key: &str,
    sizes: RopeSizes,
) -> Result<Rotary, ModelError> {
    let values = config.values();
    let of_type = values.get("rope_parameters").and_then(|types| types.get(layer_type)?.as_object());
    let mut keys = of_type.cloned().unwrap_or_default();
    if let Some(scaling) = values.get("rope_scaling").and_then(Value::as_object) {
        keys.extend(scaling.clone());
    }
    if let Some(theta) = values.get(theta_key)
        && !keys.contains_key("rope_theta")
    {
        keys.insert("rope_theta".to_owned(), theta.clone());
    }
    read(config, keys, sizes)
}

fn read(config: &ModelConfig, keys: Map<String, Value>, sizes: RopeSizes) -> Result<Rotary, ModelError> {
    let broken = |message: String| ModelError::Config { path: config.path().to_owned(), message };
    let description: Description = serde_json::from_value(Value::Object(keys))
        .map_err(|error| broken(format!("rotary positions (rope_parameters): {error}")))?;
    let base = description.rope_theta.unwrap_or(sizes.base);
    if base <= 0.0 {
        return Err(config.unsupported("rope_theta", base.to_string(), "numbers above 0"));
    }
    if sizes.head_size % 2 != 0 {
        return Err(broken(format!("rotary positions need heads of an even size, found {}", sizes.head_size)));
    }
    if let Some(part) = description.partial_rotary_factor.filter(|part| *part != 1.0) {
        return Err(config.unsupported("partial_rotary_factor", part.to_string(), "1"));
    }
    if description.truncate == Some(false) {
        return Err(config.unsupported("truncate", "false".to_owned(), "true"));
    }
    let kind = description.rope_type.as_deref().or(description.old_type.as_deref()).unwrap_or("default");
    let needed = |value: Option<f64>, key: &str| {
        value.ok_or_else(|| broken(format!("rotary positions of type '{kind}' need the key '{key}'")))
    };
    let scaling = match kind {
        "default" => Scaling::Default,
        "linear" => Scaling::Linear { factor: needed(description.factor, "factor")? },
        "dynamic" => Scaling::Dynamic { factor: needed(description.factor, "factor")?, trained: sizes.longest },
        "yarn" => yarn(needed(description.factor, "factor")?, &description, sizes),
        "llama3" => Scaling::Llama3 {
            factor: needed(description.factor, "factor")?,
            trained: description.trained(sizes),
            low: needed(description.low_freq_factor, "low_freq_factor")?,
            high: needed(description.high_freq_factor, "high_freq_factor")?,
        },
        "longrope" => {
            let factors = |list: Option<&Vec<f64>>, key| match list {
                Some(list) if list.len() as i64 == sizes.head_size / 2 => Ok(list.clone()),
                _ => Err(broken(format!("'{key}' must list {} numbers, half the head size", sizes.head_size / 2))),
            };
            let trained = description.trained(sizes);
            Scaling::LongRope {
                short: factors(description.short_factor.as_ref(), "short_factor")?,
                long: factors(description.long_factor.as_ref(), "long_factor")?,
                trained,
                factor: description.factor.unwrap_or(sizes.longest as f64 / trained as f64),
                attention_factor: description.attention_factor,
            }
        }
        other => {
            let supported = "default, linear, dynamic, yarn, llama3, longrope";
            return Err(config.unsupported("rope_type", other.to_owned(), supported));
        }
    };
    Ok(Rotary { rotated: sizes.head_size, base, planes: Planes::Halves, scaling })
}

fn yarn(factor: f64, description: &Description, sizes: RopeSizes) -> Scaling {
    let present = |value: Option<f64>| value.filter(|value| *value != 0.0);
    let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
    let of_scales = match (present(description.mscale), present(description.mscale_all_dim)) {
        (Some(own), Some(all)) => Some(scale(own) / scale(all)),
        _ => None,
    };
    Scaling::Yarn {
        factor,
        trained: description.trained(sizes),
        beta_fast: present(description.beta_fast).unwrap_or(32.0),
        beta_slow: present(description.beta_slow).unwrap_or(1.0),
        attention_factor: description.attention_factor.or(of_scales),
    }
}

impl Description {
    /// The trained length in tokens.
    fn trained(&self, sizes: RopeSizes) -> i64 {
        self.original_max_position_embeddings.unwrap_or(sizes.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SIZES: RopeSizes = RopeSizes { head_size: 4, base: 1000.0, longest: 64 };

    fn config(values: Value) -> ModelConfig {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), values.to_string()).unwrap();
        ModelConfig::read(directory.path()).unwrap()
    }

    fn scaling(values: Value) -> Scaling {
        of_model(&config(values), SIZES).unwrap().scaling
    }

    #[test]
    fn what_is_missing_is_the_models() {
        assert_eq!(of_model(&config(json!({})), SIZES).unwrap(), Rotary::new(4, 1000.0));
        let old = config(json!({"rope_theta": 50.0, "rope_scaling": {"type": "linear", "factor": 2}}));
        let expected = Rotary { scaling: Scaling::Linear { factor: 2.0 }, ..Rotary::new(4, 50.0) };
        assert_eq!(of_model(&old, SIZES).unwrap(), expected);
        let both = config(json!({"rope_theta": 50.0, "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}));
        assert_eq!(of_model(&both, SIZES).unwrap(), Rotary::new(4, 7.0));
    }

    #[test]
    fn trained_lengths_and_factors_are_filled_in() {
        let dynamic = scaling(json!({"rope_parameters": {"rope_type": "dynamic", "factor": 3.0}}));
        assert_eq!(dynamic, Scaling::Dynamic { factor: 3.0, trained: 64 });
        let lists = json!({"rope_type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [3.0, 4.0]});
        let long = scaling(json!({"rope_parameters": lists, "original_max_position_embeddings": 16}));
        let (short, long_factors) = (vec![1.0, 2.0], vec![3.0, 4.0]);
        let expected =
            Scaling::LongRope { short, long: long_factors, trained: 16, factor: 4.0, attention_factor: None };
        assert_eq!(long, expected);
    }

    #[test]
    fn layer_types_have_descriptions_of_their_own() {
        let old = config(json!({"global_rope_theta": 160000, "local_rope_theta": 9.0}));
        let of = |config: &ModelConfig, layer_type, key| of_layer_type(config, layer_type, key, SIZES).unwrap();
        assert_eq!(of(&old, "full_attention", "global_rope_theta"), Rotary::new(4, 160_000.0));
        assert_eq!(of(&old, "sliding_attention", "local_rope_theta"), Rotary::new(4, 9.0));
        let new = config(json!({
            "local_rope_theta": 9.0,
            "rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 7.0}},
        }));
        assert_eq!(of(&new, "full_attention", "global_rope_theta"), Rotary::new(4, 1000.0));
        let expected = Rotary { scaling: Scaling::Linear { factor: 2.0 }, ..Rotary::new(4, 7.0) };
        assert_eq!(of(&new, "sliding_attention", "local_rope_theta"), expected);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let message = |parameters: Value| {
            let error = of_model(&config(json!({"rope_parameters": parameters})), SIZES).unwrap_err().to_string();
            error.split_once("config.json: ").unwrap().1.to_owned()
        };
        assert_eq!(
            message(json!({"rope_type": "proportional"})),
            "rope_type = 'proportional' is not supported; supported: default, linear, dynamic, yarn, llama3, longrope"
        );
        assert_eq!(message(json!({"rope_type": "yarn"})), "rotary positions of type 'yarn' need the key 'factor'");
        assert_eq!(
            message(json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0, 2.0]})),
            "'short_factor' must list 2 numbers, half the head size"
        );
        assert_eq!(
            message(json!({"partial_rotary_factor": 0.5})),
            "partial_rotary_factor = '0.5' is not supported; supported: 1"
        );
    }
}
