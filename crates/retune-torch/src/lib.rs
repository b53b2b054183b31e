//! What libtorch has and tch leaves out; the only crate with `unsafe` code or C++.
//!
//! - [`optim`]: one fused AdamW step over all parameters, the global gradient norm, scaling without a host
//!   synchronisation.
//! - [`random`]: the state of the random generators, saved and restored.
//! - [`mod@attention`]: attention of variable-length sequences on CUDA.
//! - [`autocast`]: mixed precision with a chosen type, on the CPU too.
//! - [`cuda`]: finding CUDA at run time, so that one binary serves machines with and without a GPU.
//! - [`operation`]: differentiable operations written in Rust; [`slices`], [`parallel`], [`pairs`], [`amx`]: what they compute
//!   with.
//! - [`recompute`]: less memory for one more forward pass.
//! - [`transfer`]: what a step needs on a device, sent there without waiting.
//! - [`mod@file`]: files mapped into memory; [`memory`]: what the allocator does with freed memory.
//!
//! Every call that libtorch can refuse returns [`TorchError`]; nothing here panics on what a user gives.

pub mod amx;
pub mod attention;
pub mod autocast;
mod bridge;
pub mod cuda;
pub mod file;
pub mod memory;
pub mod operation;
pub mod optim;
pub mod pairs;
pub mod parallel;
pub mod random;
pub mod recompute;
pub mod slices;
pub mod transfer;

/// What libtorch refused, or could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// libtorch threw an exception; its first line.
    #[error("libtorch: {message}")]
    Refused {
        /// The exception's text.
        message: String,
    },
    /// Lists of tensors that must have one entry for each parameter differ in length.
    #[error("{what}: expected {expected} tensors, found {found}")]
    CountMismatch {
        /// Which list.
        what: &'static str,
        /// The number of parameters.
        expected: usize,
        /// The list's length.
        found: usize,
    },
    /// CUDA was asked for and is not to be had.
    #[error("CUDA is not available: {reason}")]
    NoCuda {
        /// Why, and what would mend it.
        reason: String,
    },
}

impl From<cxx::Exception> for TorchError {
    fn from(error: cxx::Exception) -> Self {
        // libtorch appends a C++ backtrace; the first line says what was wrong.
        Self::Refused { message: error.what().lines().next().unwrap_or_default().to_owned() }
    }
}

/// The version of libtorch that this program speaks to; tch 0.24 was generated for it.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// The addresses of the `at::Tensor` objects behind tch's handles. They stay valid as long as `tensors` is borrowed.
fn addresses(tensors: &[tch::Tensor]) -> Vec<usize> {
    tensors.iter().map(|tensor| tensor.as_ptr() as usize).collect()
}

/// Takes ownership of an `at::Tensor` that the shim allocated.
fn adopt(address: usize) -> tch::Tensor {
    // SAFETY: the shim returns the address of a fresh `new at::Tensor`, which nothing else owns.
    unsafe { tch::Tensor::from_ptr(address as *mut _) }
}
