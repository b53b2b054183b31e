//! The architectures there are. A new one is its file and a line of [`ARCHITECTURES`].

use retune_attention::{Linear, Mode};
use tch::Tensor;

use crate::heads::{Head, HeadKind, HeadSpec};
use crate::parameters::Scope;
use crate::{
    EncoderOutput, ModelConfig, ModelError, PackedInput, Trace, albert, bert, deberta_v2, distilbert, electra,
    modernbert, mpnet, nomic_bert, roberta,
};

/// What every architecture gives: hidden states of packed batches, and its own form of each head.
pub trait Encoder: std::fmt::Debug {
    /// The hidden states of a packed batch.
    fn forward(&self, input: &PackedInput, mode: Mode, trace: Trace) -> EncoderOutput;

    /// What the last layer gives for each sequence's first token: `[b, d]`. An architecture that can computes no more
    /// of that layer than these rows need: a head that reads nothing else has the same logits and gradients for less.
    fn first_tokens(&self, input: &PackedInput, mode: Mode, trace: Trace) -> Tensor {
        let last = self.forward(input, mode, trace).last; // [t, d]
        last.index_select(0, &input.layout.first_tokens(last.device())) // [b, d]
    }

    /// A head as this architecture's class in transformers has it. It is asked only for kinds that its line in
    /// [`ARCHITECTURES`] names.
    fn head(&self, spec: HeadSpec, places: &HeadPlaces<'_>) -> Head;

    /// Its sizes.
    fn sizes(&self) -> Sizes;

    /// The embeddings of its vocabulary: `[v, e]`.
    fn word_embeddings(&self) -> &Tensor;
}

/// What those who use an encoder need to know of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// `d`.
    pub hidden: i64,
    /// `v`.
    pub vocabulary: usize,
    /// The longest sequence that the positions allow, in tokens.
    pub max_length: usize,
    /// The deviation of the normal distribution from which new weights are drawn.
    pub initializer_range: f64,
}

/// Where a head's parameters are, in the checkpoint and in the model. All of them may be drawn where the checkpoint
/// lacks them.
#[derive(Debug)]
pub struct HeadPlaces<'a> {
    /// Beside the base model: `classifier`.
    pub(crate) root: Scope<'a>,
    /// Inside the base model: the pooler that belongs to heads.
    pub(crate) base: Scope<'a>,
}

impl HeadPlaces<'_> {
    /// The output of a masked language model: the word embeddings, `[v, d]`, where they are tied, with the bias of
    /// `bias`; else a layer of its own.
    pub(crate) fn vocabulary(&self, tied: Option<&Tensor>, decoder: &str, bias: &str, (v, d): (i64, i64)) -> Linear {
        match tied {
            Some(embeddings) => Linear::new(embeddings.shallow_clone(), Some(self.root.at(bias).bias(v))),
            None => {
                // transformers keeps the bias that would be tied, though nothing reads it.
                if bias != decoder {
                    let _unread = self.root.at(bias).bias(v);
                }
                // An output layer has no adapter, as in `peft`.
                let decoder = self.root.at(decoder);
                Linear::new(decoder.weight(v, d), Some(decoder.bias(v)))
            }
        }
    }
}

/// One architecture.
#[derive(Debug)]
pub struct Architecture {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// What the base model is called in checkpoints where a head stands beside it.
    pub base: &'static str,
    /// The beginning of the names of transformers' classes: `Bert` of `BertForSequenceClassification`.
    pub class: &'static str,
    /// The heads that transformers has for it.
    pub heads: &'static [HeadKind],
    build: Build,
}

/// Takes an encoder's parameters from a checkpoint, by name.
type Build = fn(&ModelConfig, &Scope<'_>) -> Result<Box<dyn Encoder>, ModelError>;

/// All architectures.
#[rustfmt::skip]
pub const ARCHITECTURES: &[Architecture] = &[
    architecture("bert", "bert", "Bert", |config, scope| Ok(Box::new(bert::Bert::build(config, scope)?))),
    architecture("roberta", "roberta", "Roberta", |config, scope| Ok(Box::new(roberta::Roberta::build(config, scope)?))),
    architecture("xlm-roberta", "roberta", "XLMRoberta", |config, scope| Ok(Box::new(roberta::Roberta::build(config, scope)?))),
    architecture("camembert", "roberta", "Camembert", |config, scope| Ok(Box::new(roberta::Roberta::build(config, scope)?))),
    architecture("distilbert", "distilbert", "DistilBert", |config, scope| Ok(Box::new(distilbert::DistilBert::build(config, scope)?))),
    architecture("mpnet", "mpnet", "MPNet", |config, scope| Ok(Box::new(mpnet::Mpnet::build(config, scope)?))),
    architecture("electra", "electra", "Electra", |config, scope| Ok(Box::new(electra::Electra::build(config, scope)?))),
    architecture("albert", "albert", "Albert", |config, scope| Ok(Box::new(albert::Albert::build(config, scope)?))),
    architecture("deberta-v2", "deberta", "DebertaV2", |config, scope| Ok(Box::new(deberta_v2::DebertaV2::build(config, scope)?))),
    architecture("modernbert", "model", "ModernBert", |config, scope| Ok(Box::new(modernbert::ModernBert::build(config, scope)?))),
    Architecture { heads: nomic_bert::HEADS, ..architecture("nomic_bert", "nomic_bert", "NomicBert", |config, scope| Ok(Box::new(nomic_bert::NomicBert::build(config, scope)?))) },
];

const fn architecture(model_type: &'static str, base: &'static str, class: &'static str, build: Build) -> Architecture {
    Architecture { model_type, base, class, heads: &HeadKind::ALL, build }
}

impl Architecture {
    /// The architecture that a configuration names.
    ///
    /// # Errors
    /// The name is missing, or not among [`ARCHITECTURES`].
    pub fn of(config: &ModelConfig) -> Result<&'static Self, ModelError> {
        let name = config.model_type()?;
        ARCHITECTURES.iter().find(|architecture| architecture.model_type == name).ok_or_else(|| {
            ModelError::UnknownArchitecture {
                path: config.path().to_owned(),
                found: name.to_owned(),
                supported: ARCHITECTURES.iter().map(|architecture| architecture.model_type).collect(),
            }
        })
    }

    /// The class in transformers that loads a model with such a head.
    pub fn class(&self, kind: HeadKind) -> String {
        format!("{}{}", self.class, kind.class_suffix())
    }

    pub(crate) fn build(&self, config: &ModelConfig, scope: &Scope<'_>) -> Result<Box<dyn Encoder>, ModelError> {
        (self.build)(config, scope)
    }
}
