//! Shared helpers of the workspace-wide tests: what Hugging Face Transformers computed, and how far this workspace is
//! from it.
//!
//! A [`Reference`] is a file of Python's results. [`measure`] has a model of ours compute the same and gives
//! [`Comparison`]s, which a test asserts and `cargo xtask parity` prints. [`Golden`] is a tiny model whose weights come
//! from [`formula`], so that its tests need neither Python nor a network.

pub mod adapters;
pub mod compare;
pub mod formula;
pub mod golden;
pub mod job;
pub mod measure;
pub mod reference;
pub mod tokenizer_forms;
pub mod zoo;

pub use compare::{Comparison, worst};
pub use golden::Golden;
pub use job::Job;
pub use measure::Bounds;
pub use reference::{Reference, Training};

/// What a test or a comparison stops at: its message is all that anybody needs.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// [`std::result::Result`] with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// libtorch's default generator, which belongs to the process, for one test at a time.
pub fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
