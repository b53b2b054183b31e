//! Files of what Transformers computed: the golden fixtures, and what `parity/reference.py dump` writes. Both have the
//! keys that `golden/README.md` lists.

use std::path::Path;

use retune_attention::SequenceLayout;
use retune_data::Tokenized;
use retune_models::{Checkpoint, PackedInput};
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::Result;

/// The numbers of a training: those of AdamW, of the schedule and of clipping.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Training {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The share of the steps in which the learning rate rises.
    pub warmup_ratio: f64,
    /// The global norm that gradients are clipped to.
    pub max_gradient_norm: f64,
}

/// What Transformers computed of `b` sequences with together `t` tokens.
#[derive(Debug)]
pub struct Reference {
    tensors: Checkpoint,
}

/// All tokens end to end in the order of their texts: the ids, of each token the text of a pair that it is of, and where
/// texts begin.
///
/// # Errors
/// They are in a file that cannot be read.
pub fn flat(tokenized: &Tokenized) -> Result<[Vec<i64>; 3]> {
    let (mut ids, mut type_ids, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
    for row in 0..tokenized.len() {
        tokenized.read(row, &mut ids, &mut type_ids)?;
        offsets.push(ids.len() as i64);
    }
    Ok([ids.into_iter().map(i64::from).collect(), type_ids.into_iter().map(i64::from).collect(), offsets])
}

impl Reference {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or is cut.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { tensors: Checkpoint::open_files(path.parent().unwrap_or(path), &[path.to_owned()])? })
    }

    /// The tensor of a key.
    ///
    /// # Errors
    /// The file has no such key.
    pub fn tensor(&self, key: &str) -> Result<Tensor> {
        let directory = self.tensors.directory();
        self.tensors
            .tensor(key)?
            .ok_or_else(|| format!("the reference in {} has no tensor '{key}'", directory.display()).into())
    }

    /// The names `x` of all keys `prefix.x`, sorted.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.tensors.names().filter_map(move |name| name.strip_prefix(prefix)?.strip_prefix('.'))
    }

    fn numbers(&self, key: &str) -> Result<Vec<i64>> {
        Ok(Vec::try_from(self.tensor(key)?)?)
    }

    /// All sequences in the file's order, as a model takes them.
    ///
    /// # Errors
    /// A key is missing, or the lengths describe no layout.
    pub fn input(&self) -> Result<PackedInput> {
        Ok(PackedInput {
            input_ids: self.tensor("input_ids")?,
            token_type_ids: self.tensor("token_type_ids")?,
            layout: SequenceLayout::from_offsets(self.numbers("cu_seqlens")?)?,
            embedding_noise: None,
            sparse_embeddings: false,
            inputs_embeds: None,
        })
    }

    /// All sequences, as they come from a tokenizer.
    ///
    /// # Errors
    /// A key is missing, or holds what no tokenizer gives.
    pub fn tokenized(&self) -> Result<Tokenized> {
        let ids: Vec<u32> = narrow(&self.numbers("input_ids")?)?;
        let type_ids: Vec<u8> = narrow(&self.numbers("token_type_ids")?)?;
        let offsets: Vec<usize> = narrow(&self.numbers("cu_seqlens")?)?;
        let row = |ends: &[usize]| (ends[0]..ends[1]).map(|token| (ids[token], type_ids[token]));
        Ok(Tokenized::from_rows(offsets.windows(2).map(row)))
    }

    /// The class of each sequence: `[b]`, int64.
    ///
    /// # Errors
    /// The key is missing.
    pub fn labels(&self) -> Result<Tensor> {
        Ok(self.tensor("labels")?.to_kind(Kind::Int64))
    }

    /// The same as the data pipeline has them.
    ///
    /// # Errors
    /// The key is missing, or a class is negative.
    pub fn label_ids(&self) -> Result<Vec<u32>> {
        narrow(&self.numbers("labels")?)
    }

    /// The number of classes, `c`.
    ///
    /// # Errors
    /// There are no logits.
    pub fn classes(&self) -> Result<usize> {
        let logits = self.tensor("logits")?; // [b, c]
        logits.size().get(1).map(|classes| *classes as usize).ok_or_else(|| "logits have no classes".into())
    }
}

fn narrow<T: TryFrom<i64>>(numbers: &[i64]) -> Result<Vec<T>> {
    let one = |number: &i64| T::try_from(*number).map_err(|_| format!("{number} is out of range"));
    Ok(numbers.iter().map(one).collect::<Result<_, _>>()?)
}
