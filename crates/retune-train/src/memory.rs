//! Memory that is not there: told apart from other panics, so that a batch can be computed in smaller parts.
//!
//! tch's operations panic where libtorch refuses, and a model's forward pass is written in them. A wrong shape is a
//! bug, and goes on as the panic that it is; memory that the machine lacks is an error.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use retune_torch::operation::PANICKED;

use crate::TrainError;

/// Whether a panic's, or an error's, words are libtorch's, or the C++ library's, for a lack of memory.
pub fn is_lack_of_memory(message: &str) -> bool {
    // The last two are oneDNN's, which says no more where it finds no room for a kernel that it compiles, or for what
    // that holds.
    let words = ["out of memory", "can't allocate memory", "not enough memory", "bad_alloc"];
    (words.iter().chain(&["could not create a primitive", "could not create a memory"]))
        .any(|words| message.contains(words))
}

/// What `compute` gives, or [`TrainError::OutOfMemory`] where it fails or panics for a lack of memory.
pub(crate) fn within_memory<R>(compute: impl FnOnce() -> Result<R, TrainError>) -> Result<R, TrainError> {
    let lacking = || {
        retune_torch::memory::give_back();
        Err(TrainError::OutOfMemory)
    };
    match catch_unwind(AssertUnwindSafe(compute)) {
        Ok(Err(error)) if is_lack_of_memory(&error.to_string()) => lacking(),
        // Of an operation of ours, which C++ called.
        Ok(Err(error)) if error.to_string().contains(PANICKED) => resume_unwind(Box::new(error.to_string())),
        Ok(computed) => computed,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            if message.is_some_and(is_lack_of_memory) { lacking() } else { resume_unwind(panic) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        // More than the address space of the machine.
        let huge = || Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu));
        let found = within_memory(|| Ok(huge()));
        assert!(matches!(found, Err(TrainError::OutOfMemory)), "{found:?}");
    }

    #[test]
    #[should_panic(expected = "shape")]
    fn a_wrong_shape_stays_a_panic() {
        let tensor = |size: i64| Tensor::zeros([size], (Kind::Float, Device::Cpu));
        let _ = within_memory(|| Ok(tensor(2).view([3])));
    }
}
