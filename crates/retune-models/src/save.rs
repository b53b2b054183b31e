//! Model directories as `save_pretrained` writes them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use safetensors::{Dtype, View};
use tch::{Device, Kind, Tensor};

use crate::{ModelConfig, ModelError};

/// Writes `config.json` and `model.safetensors` (metadata `format: pt`) into an existing folder.
///
/// # Errors
/// A file cannot be written: the disk is full, or the folder is not writable.
pub fn write_model<'a>(
    directory: &Path,
    config: &ModelConfig,
    parameters: impl Iterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), ModelError> {
    let path = directory.join("config.json");
    let mut text = serde_json::to_string_pretty(config.values())
        .map_err(|error| ModelError::Config { path: path.clone(), message: error.to_string() })?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|source| ModelError::Write { path, source })?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    save_safetensors(&directory.join("model.safetensors"), parameters, metadata)
}

/// Writes tensors as one safetensors file and waits until they are on disk.
///
/// # Errors
/// The file cannot be written.
pub fn save_safetensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a Tensor)>,
    metadata: HashMap<String, String>,
) -> Result<(), ModelError> {
    Snapshot::of(tensors).write(path, metadata)
}

/// Copies of tensors on the host, as they were at one moment: they can be written while the tensors move on.
pub struct Snapshot {
    tensors: Vec<(String, HostTensor)>,
}

impl Snapshot {
    /// Copies the tensors.
    pub fn of<'a>(tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Self {
        Self { tensors: tensors.map(|(name, tensor)| (name.to_owned(), HostTensor::new(tensor))).collect() }
    }

    /// Writes them as one safetensors file and waits until they are on disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(self, path: &Path, metadata: HashMap<String, String>) -> Result<(), ModelError> {
        let write_error = |source: std::io::Error| ModelError::Write { path: path.to_owned(), source };
        safetensors::serialize_to_file(self.tensors, Some(metadata), path).map_err(|error| match error {
            safetensors::SafeTensorError::IoError(source) => write_error(source),
            other => write_error(std::io::Error::other(other.to_string())),
        })?;
        File::open(path).and_then(|file| file.sync_all()).map_err(write_error)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tensors.iter().map(|(name, _)| name)).finish()
    }
}

/// A tensor's bytes on the host, in row-major order.
struct HostTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl HostTensor {
    fn new(tensor: &Tensor) -> Self {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let (dtype, tensor) = match tensor.kind() {
            Kind::Float => (Dtype::F32, tensor),
            Kind::Double => (Dtype::F64, tensor),
            Kind::Half => (Dtype::F16, tensor),
            Kind::BFloat16 => (Dtype::BF16, tensor),
            Kind::Int64 => (Dtype::I64, tensor),
            Kind::Uint8 => (Dtype::U8, tensor),
            _ => (Dtype::F32, tensor.to_kind(Kind::Float)),
        };
        let elements = tensor.numel();
        let mut bytes = vec![0; elements * tensor.kind().elt_size_in_bytes()];
        tensor.copy_data_u8(&mut bytes, elements);
        Self { dtype, shape: tensor.size().iter().map(|size| *size as usize).collect(), bytes }
    }
}

impl View for HostTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
