//! `adapter_config.json`, as `peft` writes and reads it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{AdapterConfig, AdapterError, AdapterKind, Bias, Ia3, Lora, LoraStart, Names, Targets};

/// The file's name.
pub(super) const FILE: &str = "adapter_config.json";
/// `peft`'s word for all linear layers.
const ALL_LINEAR: &str = "all-linear";
/// Keys that change nothing by themselves: who wrote the file, and numbers of what other keys switch on.
const IDLE: [&str; 8] = [
    "auto_mapping",
    "revision",
    "inference_mode",
    "peft_version",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
    "init_ia3_weights",
];

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }

    /// In `peft` one name is a regular expression.
    fn into_names(self) -> Names
    where
        T: Into<String>,
    {
        match self {
            Self::One(pattern) => Names::Pattern(pattern.into()),
            Self::Many(ends) => Names::Ends(ends.into_iter().map(Into::into).collect()),
        }
    }
}

/// The keys that are read. What `peft` fills in may be missing.
#[derive(Deserialize)]
struct File {
    peft_type: String,
    task_type: Option<String>,
    base_model_name_or_path: Option<String>,
    target_modules: Option<OneOrMany<String>>,
    exclude_modules: Option<OneOrMany<String>>,
    modules_to_save: Option<Vec<String>>,
    feedforward_modules: Option<OneOrMany<String>>,
    layers_to_transform: Option<OneOrMany<u64>>,
    layers_pattern: Option<OneOrMany<String>>,
    r: Option<i64>,
    lora_alpha: Option<f64>,
    lora_dropout: Option<f64>,
    use_rslora: Option<bool>,
    use_dora: Option<bool>,
    bias: Option<String>,
    rank_pattern: Option<Map<String, Value>>,
    alpha_pattern: Option<Map<String, Value>>,
    init_lora_weights: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl AdapterConfig {
    /// Reads the `adapter_config.json` of an adapter's folder.
    ///
    /// # Errors
    /// It is missing or no JSON, or a key asks for what is not supported.
    pub fn read(directory: &Path) -> Result<Self, AdapterError> {
        let path = directory.join(FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|source| AdapterError::Read { path: path.clone(), source })?;
        let file: File = serde_json::from_str(&text)
            .map_err(|error| AdapterError::Config { path: path.clone(), message: error.to_string() })?;
        file.into_config(&path)
    }

    /// The file's content.
    pub fn to_json(&self) -> Value {
        let names = |names: &Names| match names {
            Names::Ends(ends) => json!(ends),
            Names::Pattern(pattern) => json!(pattern),
        };
        let mut file = json!({
            "base_model_name_or_path": self.base_model_name_or_path,
            "exclude_modules": self.exclude_modules.as_ref().map(names),
            "fan_in_fan_out": false,
            "inference_mode": true,
            "modules_to_save": self.modules_to_save,
            "target_modules": match &self.target_modules {
                Targets::Default => Value::Null,
                Targets::AllLinear => json!(ALL_LINEAR),
                Targets::Named(named) => names(named),
            },
            "task_type": self.task_type,
        });
        match &self.kind {
            AdapterKind::Lora(lora) => {
                file["peft_type"] = json!("LORA");
                file["r"] = json!(lora.rank);
                file["lora_alpha"] = number(lora.alpha);
                file["lora_dropout"] = json!(lora.dropout);
                file["use_rslora"] = json!(lora.use_rslora);
                file["use_dora"] = json!(lora.use_dora);
                file["rank_pattern"] = lora.rank_pattern.iter().map(|(key, rank)| (key.clone(), json!(rank))).collect();
                file["alpha_pattern"] =
                    lora.alpha_pattern.iter().map(|(key, alpha)| (key.clone(), number(*alpha))).collect();
                file["bias"] = json!(match lora.bias {
                    Bias::None => "none",
                    Bias::All => "all",
                    Bias::LoraOnly => "lora_only",
                });
                file["init_lora_weights"] = match lora.start {
                    LoraStart::Default => json!(true),
                    LoraStart::Gaussian => json!("gaussian"),
                    LoraStart::Random => json!(false),
                };
                file["layers_to_transform"] = json!(self.layers_to_transform);
                let pattern = (!self.layers_pattern.is_empty()).then_some(&self.layers_pattern);
                file["layers_pattern"] = json!(pattern);
            }
            AdapterKind::Ia3(ia3) => {
                file["peft_type"] = json!("IA3");
                // `peft` wants a list as soon as it has targets.
                let own = ia3.feedforward_modules.as_ref().map(names);
                file["feedforward_modules"] = own.unwrap_or_else(|| json!([]));
            }
        }
        file
    }
}

/// Whole numbers as such: `peft` declares `lora_alpha` as one.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// Whether a key's value switches nothing on.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

impl File {
    fn into_config(self, path: &Path) -> Result<AdapterConfig, AdapterError> {
        let unsupported = |key: &str, found: &Value, supported: &'static str| AdapterError::Unsupported {
            path: PathBuf::from(path),
            key: key.to_owned(),
            found: found.to_string(),
            supported,
        };
        let is_lora = self.peft_type == "LORA";
        if !is_lora && self.peft_type != "IA3" {
            return Err(unsupported("peft_type", &json!(self.peft_type), "LORA, IA3"));
        }
        if !is_lora && self.layers_to_transform.is_some() {
            return Err(unsupported("layers_to_transform", &json!("…"), "null, with this peft_type"));
        }
        let other = self.rest.iter().find(|(key, value)| !IDLE.contains(&key.as_str()) && !is_off(value));
        if let Some((key, value)) = other {
            return Err(unsupported(key, value, "null or false"));
        }
        let kind = match is_lora {
            true => AdapterKind::Lora(Lora {
                rank: self.r.unwrap_or(8),
                alpha: self.lora_alpha.unwrap_or(8.0),
                dropout: self.lora_dropout.unwrap_or(0.0),
                use_rslora: self.use_rslora.unwrap_or(false),
                use_dora: self.use_dora.unwrap_or(false),
                rank_pattern: pattern(self.rank_pattern, |value| value.as_i64())
                    .map_err(|(key, value)| unsupported(&format!("rank_pattern.{key}"), &value, "whole numbers"))?,
                alpha_pattern: pattern(self.alpha_pattern, |value| value.as_f64())
                    .map_err(|(key, value)| unsupported(&format!("alpha_pattern.{key}"), &value, "numbers"))?,
                bias: match self.bias.as_deref() {
                    None | Some("none") => Bias::None,
                    Some("all") => Bias::All,
                    Some("lora_only") => Bias::LoraOnly,
                    Some(other) => return Err(unsupported("bias", &json!(other), "none, all, lora_only")),
                },
                start: match self.init_lora_weights {
                    None | Some(Value::Bool(true)) => LoraStart::Default,
                    Some(Value::Bool(false)) => LoraStart::Random,
                    Some(Value::String(word)) if word == "gaussian" => LoraStart::Gaussian,
                    Some(other) => return Err(unsupported("init_lora_weights", &other, "true, false, gaussian")),
                },
            }),
            false => AdapterKind::Ia3(Ia3 { feedforward_modules: self.feedforward_modules.map(OneOrMany::into_names) }),
        };
        let config = AdapterConfig {
            kind,
            target_modules: match self.target_modules {
                None => Targets::Default,
                Some(OneOrMany::One(word)) if word.eq_ignore_ascii_case(ALL_LINEAR) => Targets::AllLinear,
                Some(names) => Targets::Named(names.into_names()),
            },
            exclude_modules: self.exclude_modules.map(OneOrMany::into_names),
            layers_to_transform: self.layers_to_transform.map(OneOrMany::into_vec).filter(|list| !list.is_empty()),
            layers_pattern: self.layers_pattern.map(OneOrMany::into_vec).unwrap_or_default(),
            modules_to_save: self.modules_to_save,
            task_type: self.task_type,
            base_model_name_or_path: self.base_model_name_or_path,
        };
        config.check()?;
        Ok(config)
    }
}

/// The entries of a pattern in their order, or the first whose value is of another type.
fn pattern<T>(
    map: Option<Map<String, Value>>,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<(String, T)>, (String, Value)> {
    let one = |(key, value): (String, Value)| match read(&value) {
        Some(number) => Ok((key, number)),
        None => Err((key, value)),
    };
    map.unwrap_or_default().into_iter().map(one).collect()
}
