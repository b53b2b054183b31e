//! Tensors in safetensors files, mapped into memory: one file, or shards with an index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retune_torch::file::MappedFile;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::ModelError;

/// The tensors of a model directory, by name. Opening reads the headers alone.
#[derive(Debug)]
pub struct Checkpoint {
    directory: PathBuf,
    shards: Vec<Shard>,
    places: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    bytes: MappedFile,
}

#[derive(Debug)]
struct Place {
    shard: usize,
    dtype: Dtype,
    shape: Vec<i64>,
    /// Where in the shard's bytes the tensor's data lie.
    data: std::ops::Range<usize>,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens the weights of a model directory.
    ///
    /// # Errors
    /// There are none, they are pickle, a file is cut, or cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ModelError> {
        let single = directory.join("model.safetensors");
        let index = directory.join("model.safetensors.index.json");
        let pickle = directory.join("pytorch_model.bin");
        if single.exists() {
            Self::open_files(directory, &[single])
        } else if index.exists() {
            let text =
                std::fs::read_to_string(&index).map_err(|source| ModelError::Read { path: index.clone(), source })?;
            let parsed: Index = serde_json::from_str(&text)
                .map_err(|error| ModelError::Config { path: index, message: error.to_string() })?;
            let mut files: Vec<PathBuf> = parsed.weight_map.values().map(|name| directory.join(name)).collect();
            files.sort();
            files.dedup();
            Self::open_files(directory, &files)
        } else if pickle.exists() {
            Err(ModelError::Pickle { path: pickle })
        } else {
            Err(ModelError::NoWeights { directory: directory.to_owned() })
        }
    }

    /// Opens these safetensors files as one.
    ///
    /// # Errors
    /// A file is cut or cannot be read.
    pub fn open_files(directory: &Path, files: &[PathBuf]) -> Result<Self, ModelError> {
        let mut checkpoint = Self { directory: directory.to_owned(), shards: Vec::new(), places: BTreeMap::new() };
        for path in files {
            let bytes = MappedFile::open(path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
            checkpoint.places.extend(places(path, &bytes, checkpoint.shards.len())?);
            checkpoint.shards.push(Shard { path: path.clone(), bytes });
        }
        Ok(checkpoint)
    }

    /// The folder that the checkpoint was opened from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[i64]> {
        self.places.get(name).map(|place| place.shape.as_slice())
    }

    /// A copy of a floating-point tensor in its own type, on the CPU, if it is there: what a parameter is.
    ///
    /// # Errors
    /// Its element type is not a floating-point type that is read.
    pub fn weight(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        match self.tensor(name)? {
            Some(tensor) if !tensor.is_floating_point() => {
                let place = &self.places[name];
                Err(self.element_type(name, place))
            }
            found => Ok(found),
        }
    }

    fn element_type(&self, name: &str, place: &Place) -> ModelError {
        let path = self.shards[place.shard].path.clone();
        ModelError::ElementType { path, name: name.to_owned(), found: format!("{:?}", place.dtype) }
    }

    /// A copy of a tensor in its own type, on the CPU, if it is there.
    ///
    /// # Errors
    /// Its element type is not read.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        let Some(place) = self.places.get(name) else { return Ok(None) };
        let shard = &self.shards[place.shard];
        let kind = match place.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            Dtype::U8 => Kind::Uint8,
            _ => return Err(self.element_type(name, place)),
        };
        Ok(Some(Tensor::from_data_size(&shard.bytes[place.data.clone()], &place.shape, kind)))
    }
}

fn places(path: &Path, bytes: &[u8], shard: usize) -> Result<BTreeMap<String, Place>, ModelError> {
    let broken = |error: safetensors::SafeTensorError| ModelError::BrokenWeights {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let parsed = SafeTensors::deserialize(bytes).map_err(broken)?;
    let start = bytes.as_ptr() as usize;
    let place = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let offset = view.data().as_ptr() as usize - start;
        let shape = view.shape().iter().map(|size| *size as i64).collect();
        (name, Place { shard, dtype: view.dtype(), shape, data: offset..offset + view.data().len() })
    };
    Ok(parsed.tensors().into_iter().map(place).collect())
}
