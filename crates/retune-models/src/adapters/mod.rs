//! Adapters: LoRA, DoRA and (IA)³ beside a pretrained model whose own weights stay as they are, in the format of `peft`.
//!
//! Which modules have one is decided by their names while a model is built: `Scope` of `parameters.rs` asks for each
//! linear layer and embedding, and a model's file knows nothing of it. The equations are in
//! [`retune_attention::adapters`].
//!
//! - [`AdapterConfig`] is `adapter_config.json`; [`LoadOptions`](crate::LoadOptions) attaches a new adapter, or one
//!   that is stored in a folder.
//! - [`Adapter`] is what is attached: which parameters it trains, its files, and the model with it merged.

mod attach;
mod attached;
mod config;
mod config_file;
mod defaults;
mod error;
mod files;
mod ia3;
mod lora;
mod method;
mod targets;

pub(crate) use attach::{AdapterProgress, Plan};
pub use attached::Adapter;
pub use config::{AdapterConfig, AdapterKind, Bias, Ia3, Lora, LoraStart, Names, Targets};
pub use error::AdapterError;

use std::path::Path;

/// Where an adapter comes from.
#[derive(Debug, Clone, Copy)]
pub enum AdapterSource<'a> {
    /// A new one, which begins as the identity.
    New(&'a AdapterConfig),
    /// A folder with `adapter_config.json` and `adapter_model.safetensors`, which this project or `peft` wrote.
    Stored(&'a Path),
}
