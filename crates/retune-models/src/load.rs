//! How a model is loaded.

use tch::Device;

use crate::HeadPolicy;
use crate::adapters::AdapterSource;

/// How a model is loaded.
///
/// ```
/// use retune_models::adapters::{AdapterConfig, AdapterKind, AdapterSource, Lora};
/// use retune_models::{HeadPolicy, LoadOptions};
///
/// let config = AdapterConfig::new(AdapterKind::Lora(Lora { rank: 16, alpha: 32.0, ..Lora::default() }));
/// let options = LoadOptions::new(HeadPolicy::Draw, tch::Device::Cpu).with_adapter(AdapterSource::New(&config));
/// assert!(options.adapter.is_some());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions<'a> {
    /// What happens where the checkpoint lacks a head.
    pub policy: HeadPolicy,
    /// Where the parameters lie.
    pub device: Device,
    /// What stands beside the model. With an adapter, its parameters are marked as trained, and no others
    /// ([`Trainable::Adapter`](crate::Trainable)).
    pub adapter: Option<AdapterSource<'a>>,
}

impl<'a> LoadOptions<'a> {
    /// A model without an adapter.
    pub fn new(policy: HeadPolicy, device: Device) -> Self {
        Self { policy, device, adapter: None }
    }

    /// The same with an adapter.
    pub fn with_adapter(self, source: AdapterSource<'a>) -> Self {
        Self { adapter: Some(source), ..self }
    }
}
