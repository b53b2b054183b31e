//! The state of libtorch's default random generators: dropout draws from them.

use tch::{Device, Tensor};

use crate::{TorchError, adopt, bridge::ffi};

/// Seeds the default generators of all devices.
pub fn seed(seed: u64) {
    // The generator takes the number's 64 bits; tch's type for them is signed.
    tch::manual_seed(seed as i64);
}

/// The state of a device's default generator, as bytes that [`set_state`] takes back.
///
/// # Errors
/// The device has no generator (CUDA that is not there).
pub fn state(device: Device) -> Result<Vec<u8>, TorchError> {
    let bytes = adopt(ffi::generator_state(cuda_index(device))?);
    Vec::<u8>::try_from(&bytes).map_err(|error| TorchError::Refused { message: error.to_string() })
}

/// Restores what [`state`] gave.
///
/// # Errors
/// The bytes are not a state of this kind of device's generator.
pub fn set_state(device: Device, bytes: &[u8]) -> Result<(), TorchError> {
    let state = Tensor::from_slice(bytes);
    // SAFETY: the address is that of a live tensor, borrowed for the length of the call.
    unsafe { ffi::set_generator_state(cuda_index(device), state.as_ptr() as usize)? };
    Ok(())
}

fn cuda_index(device: Device) -> i32 {
    match device {
        Device::Cuda(index) => index as i32,
        _ => -1,
    }
}

/// The default generator, which belongs to the process, for one test at a time.
#[cfg(test)]
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_restored_state_draws_the_same_again() {
        let _generator = alone();
        seed(7);
        let saved = state(Device::Cpu).unwrap();
        let first = Tensor::rand([64], (Kind::Float, Device::Cpu));
        let second = Tensor::rand([64], (Kind::Float, Device::Cpu));
        set_state(Device::Cpu, &saved).unwrap();
        assert!(Tensor::rand([64], (Kind::Float, Device::Cpu)).equal(&first));
        assert!(!first.equal(&second));
        assert!(matches!(set_state(Device::Cpu, &[1, 2, 3]), Err(TorchError::Refused { .. })));
    }
}
