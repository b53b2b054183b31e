//! What every kind of adapter gives: its parameters beside a module, and the arithmetic of it.

use std::fmt::Debug;

use retune_attention::adapters::{EmbeddingAdapter, LinearAdapter};
use retune_attention::{Embedding, Linear};
use tch::Tensor;

use super::ia3::Ia3Method;
use super::lora::LoraMethod;
use super::{AdapterError, AdapterKind};

/// Gives the parameter of a name below the module's (`lora_A.weight`) and a shape; what is new begins as the function
/// says.
pub(super) type Take<'t> = dyn FnMut(&str, &[i64], &dyn Fn() -> Tensor) -> Tensor + 't;

/// A kind of adapter. A new one is a file that implements this, a variant of [`AdapterKind`], and the keys of
/// `adapter_config.json` that are its own.
pub(super) trait Method: Debug {
    /// What stands beside a linear layer, `W: [out, in]`.
    fn linear(&self, module: &str, layer: &Linear, take: &mut Take<'_>) -> Box<dyn LinearAdapter>;

    /// What stands beside an embedding, `W: [rows, d]`; asked where [`Method::adapts_embeddings`] alone.
    fn embedding(&self, module: &str, table: &Embedding, take: &mut Take<'_>) -> Option<Box<dyn EmbeddingAdapter>>;

    /// Whether embeddings can be targets.
    fn adapts_embeddings(&self) -> bool;
}

/// The method of a configuration.
pub(super) fn of(kind: &AdapterKind) -> Result<Box<dyn Method>, AdapterError> {
    Ok(match kind {
        AdapterKind::Lora(lora) => Box::new(LoraMethod::new(lora)?),
        AdapterKind::Ia3(ia3) => Box::new(Ia3Method::new(ia3)?),
    })
}
