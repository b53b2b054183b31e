//! What sentence-transformers puts after an encoder, and its layout of files (`modules.json`, a folder for each module):
//!
//! ```text
//! pooling (modes side by side) → dense layers → normalisation → classifier
//! ```
//!
//! A classifier is a dense layer without an activation that gives logits. Its module is called `classifier`, for which
//! sentence-transformers has no meaning: there it is the last module, and what the model encodes a text into are the
//! logits.

use std::fs;
use std::path::Path;

use retune_attention::{Activation, Linear, SequenceLayout};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use crate::parameter_set::Part;
use crate::pooling::PoolingMode;
use crate::registry::Sizes;
use crate::{Checkpoint, HeadPolicy, Loader, ModelError, ParameterSet, save_safetensors};

/// The modules after an encoder.
#[derive(Debug)]
pub(crate) struct Modules {
    pub pooling: Vec<PoolingMode>,
    dense: Vec<Dense>,
    pub normalise: bool,
    pub classifier: Option<Linear>,
}

impl Default for Modules {
    /// Of an encoder alone sentence-transformers takes the tokens' mean.
    fn default() -> Self {
        Self { pooling: vec![PoolingMode::Mean], dense: Vec::new(), normalise: false, classifier: None }
    }
}

/// `sentence_transformers.models.Dense`: a linear layer and an activation.
#[derive(Debug)]
struct Dense {
    linear: Linear,
    activation: Activation,
}

/// One line of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    name: String,
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `config.json` of a dense layer.
#[derive(Deserialize)]
struct DenseConfig {
    in_features: i64,
    out_features: i64,
    bias: bool,
    activation_function: String,
}

impl Modules {
    /// Reads the modules of a directory, and adds the parameters of dense layers to those of the encoder.
    pub fn read(directory: &Path, device: Device, parameters: &mut ParameterSet) -> Result<Self, ModelError> {
        let mut found = Self::default();
        let path = directory.join("modules.json");
        if !path.exists() {
            return Ok(found);
        }
        let modules: Vec<Module> = read_json(&path)?;
        for module in modules {
            let folder = directory.join(&module.path);
            // The last part of the name is the class, wherever a version of sentence-transformers keeps it.
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" | "Dropout" => {}
                "Pooling" => found.pooling = pooling_modes(&folder.join("config.json"))?,
                "Dense" if module.name == CLASSIFIER => {
                    let dense = Dense::read(&folder, device, &format!("{CLASSIFIER}."), parameters)?;
                    found.classifier = Some(dense.linear);
                }
                "Dense" if found.normalise => {
                    let found = "a Dense module after Normalize".to_owned();
                    return Err(ModelError::UnsupportedValue {
                        path,
                        key: "type",
                        found,
                        supported: "Normalize as the last",
                    });
                }
                "Dense" => {
                    let prefix = dense_prefix(found.dense.len());
                    found.dense.push(Dense::read(&folder, device, &prefix, parameters)?);
                }
                "Normalize" => found.normalise = true,
                _ => {
                    return Err(ModelError::UnsupportedValue {
                        path,
                        key: "type",
                        found: module.kind,
                        supported: "Transformer, Pooling, Dense, Normalize, Dropout",
                    });
                }
            }
        }
        Ok(found)
    }

    /// Puts a new classifier with so many logits after the others, in place of the one that there may be: its weight is
    /// normal with this deviation, drawn on the CPU, so that a seed gives the same on every device; its bias is zero.
    /// What is before it is its base from now on, and no head.
    pub fn draw_classifier(
        &mut self,
        (inputs, classes): (i64, i64),
        deviation: f64,
        device: Device,
        parameters: &mut ParameterSet,
    ) {
        parameters.remove(CLASSIFIER);
        parameters.become_base();
        let options = (Kind::Float, Device::Cpu);
        let weight = (Tensor::randn([classes, inputs], options) * deviation).to_device(device).set_requires_grad(true);
        let bias = Tensor::zeros([classes], options).to_device(device).set_requires_grad(true);
        for (name, tensor) in [("weight", &weight), ("bias", &bias)] {
            parameters.push(format!("{CLASSIFIER}.linear.{name}"), tensor.shallow_clone(), Part::Head);
        }
        self.classifier = Some(Linear::new(weight, Some(bias)));
    }

    /// Takes the classifier away, if there is one.
    pub fn drop_classifier(&mut self, parameters: &mut ParameterSet) {
        parameters.remove(CLASSIFIER);
        self.classifier = None;
    }

    /// The size `e` of an embedding, where a token's vector has `hidden` numbers.
    pub fn size(&self, hidden: i64) -> i64 {
        self.dense.last().map_or(hidden * self.pooling.len() as i64, |dense| dense.linear.weight.size()[0])
    }

    /// `tokens` is `[t, d]`; the embeddings are `[b, e]`.
    pub fn forward(&self, tokens: &Tensor, layout: &SequenceLayout) -> Tensor {
        let parts: Vec<Tensor> = self.pooling.iter().map(|mode| mode.forward(tokens, layout)).collect();
        self.after_pooling(Tensor::cat(&parts, 1))
    }

    /// Whether nothing but each sequence's first token is read.
    pub fn reads_first_tokens(&self) -> bool {
        self.pooling == [PoolingMode::Cls]
    }

    /// `vectors` is `[b, modes · d]`; the embeddings are `[b, e]`.
    pub fn after_pooling(&self, mut vectors: Tensor) -> Tensor {
        for Dense { linear, activation } in &self.dense {
            vectors = activation.forward(&linear.plain(&vectors)); // [b, e]
        }
        if !self.normalise {
            return vectors; // [b, e]
        }
        // As torch.nn.functional.normalize: no vector is divided by less than this.
        let norms = vectors.norm_scalaropt_dim(2.0, [1], true).clamp_min(1e-12); // [b, 1]
        vectors / norms // [b, e]
    }

    /// Writes the modules' files, as every version of sentence-transformers reads them.
    pub fn write(&self, directory: &Path, sizes: Sizes, parameters: &ParameterSet) -> Result<(), ModelError> {
        let mut modules = vec![(String::new(), "Transformer"), ("1_Pooling".to_owned(), "Pooling")];
        let mut pooling = Map::from_iter([("word_embedding_dimension".to_owned(), json!(sizes.hidden))]);
        pooling.extend(PoolingMode::ALL.map(|mode| (mode.switch().to_owned(), json!(self.pooling.contains(&mode)))));
        pooling.insert("include_prompt".to_owned(), json!(true));
        write_json(&directory.join("1_Pooling/config.json"), &Value::Object(pooling))?;
        for (place, Dense { linear, activation }) in self.dense.iter().enumerate() {
            let name = format!("{}_Dense", modules.len());
            write_dense(&directory.join(&name), linear, *activation, &dense_prefix(place), parameters)?;
            modules.push((name, "Dense"));
        }
        if self.normalise {
            let name = format!("{}_Normalize", modules.len());
            let folder = directory.join(&name);
            fs::create_dir_all(&folder).map_err(|source| ModelError::Write { path: folder, source })?;
            modules.push((name, "Normalize"));
        }
        if let Some(linear) = &self.classifier {
            let name = format!("{}_Dense", modules.len());
            let prefix = format!("{CLASSIFIER}.");
            write_dense(&directory.join(&name), linear, Activation::Identity, &prefix, parameters)?;
            modules.push((name, "Dense"));
        }
        let last = modules.len() - 1;
        let lines = modules.iter().enumerate().map(|(index, (path, kind))| {
            let kind = format!("sentence_transformers.models.{kind}");
            let name =
                if self.classifier.is_some() && index == last { CLASSIFIER.to_owned() } else { index.to_string() };
            json!({ "idx": index, "name": name, "path": path, "type": kind })
        });
        write_json(&directory.join("modules.json"), &Value::Array(lines.collect()))?;
        let longest = json!({ "max_seq_length": sizes.max_length, "do_lower_case": false });
        write_json(&directory.join("sentence_bert_config.json"), &longest)
    }
}

impl Dense {
    /// Its parameters are added under names that begin with `prefix`.
    fn read(folder: &Path, device: Device, prefix: &str, parameters: &mut ParameterSet) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let config: DenseConfig = read_json(&path)?;
        let activation = match config.activation_function.rsplit('.').next().unwrap_or_default() {
            "Tanh" => Activation::Tanh,
            "ReLU" => Activation::Relu,
            "GELU" => Activation::Gelu,
            "SiLU" => Activation::Silu,
            "Sigmoid" => Activation::Sigmoid,
            "Identity" => Activation::Identity,
            _ => {
                return Err(ModelError::UnsupportedValue {
                    path,
                    key: "activation_function",
                    found: config.activation_function,
                    supported: "Tanh, ReLU, GELU, SiLU, Sigmoid, Identity of torch.nn.modules",
                });
            }
        };
        let checkpoint = Checkpoint::open(folder)?;
        let loader = Loader::new(&checkpoint, "linear", device, HeadPolicy::Require);
        let linear = loader.base("linear").linear_with(config.in_features, config.out_features, config.bias);
        let (own, _) = loader.finish()?;
        parameters.extend(own, |name| format!("{prefix}{name}"));
        Ok(Self { linear, activation })
    }
}

/// Writes a dense layer whose parameters' names begin with `prefix`.
fn write_dense(
    folder: &Path,
    linear: &Linear,
    activation: Activation,
    prefix: &str,
    parameters: &ParameterSet,
) -> Result<(), ModelError> {
    let size = linear.weight.size(); // [out, in]
    let class = match activation {
        Activation::Tanh => "activation.Tanh",
        Activation::Relu => "activation.ReLU",
        Activation::Gelu | Activation::GeluTanh => "activation.GELU",
        Activation::Silu => "activation.SiLU",
        Activation::Sigmoid => "activation.Sigmoid",
        Activation::Identity => "linear.Identity",
    };
    let config = json!({
        "in_features": size[1],
        "out_features": size[0],
        "bias": linear.bias.is_some(),
        "activation_function": format!("torch.nn.modules.{class}"),
    });
    write_json(&folder.join("config.json"), &config)?;
    let own = parameters.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
    save_safetensors(&folder.join("model.safetensors"), own, [("format".to_owned(), "pt".to_owned())].into())
}

/// What the module of a classifier is called, and what the names of its parameters begin with.
const CLASSIFIER: &str = "classifier";

/// What the parameters of a dense layer begin with, in the set of all parameters.
fn dense_prefix(place: usize) -> String {
    format!("dense.{place}.")
}

/// The modes of a pooling's configuration: the name or names of today, or the switches of before.
fn pooling_modes(path: &Path) -> Result<Vec<PoolingMode>, ModelError> {
    let config: Map<String, Value> = read_json(path)?;
    let said: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => {
            let on = |mode: &PoolingMode| config.get(mode.switch()) == Some(&Value::Bool(true));
            let modes: Vec<_> = PoolingMode::ALL.into_iter().filter(on).collect();
            return Ok(if modes.is_empty() { vec![PoolingMode::Mean] } else { modes });
        }
    };
    let mode = |name: &&str| {
        PoolingMode::ALL.into_iter().find(|mode| mode.name() == *name).ok_or_else(|| ModelError::UnsupportedValue {
            path: path.to_owned(),
            key: "pooling_mode",
            found: (*name).to_owned(),
            supported: "cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken",
        })
    };
    said.iter().map(mode).collect()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text)
        .map_err(|error| ModelError::Config { path: path.to_owned(), message: error.to_string() })
}

fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let text = format!("{value:#}\n");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|source| ModelError::Write { path: path.to_owned(), source })
}
