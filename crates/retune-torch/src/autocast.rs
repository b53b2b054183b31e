//! Mixed precision: matrix products in bfloat16, the rest as autocast's own lists say.

use tch::Device;

use crate::{TorchError, bridge::ffi};

/// While it lives, this thread's operations on `device` run under autocast to bfloat16 (`torch.autocast`). Parameters
/// stay in fp32; their casted copies live until the guard is dropped.
#[derive(Debug)]
pub struct AutocastGuard {
    cuda: bool,
    before: bool,
}

impl AutocastGuard {
    /// Switches autocast on.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn bfloat16(device: Device) -> Result<Self, TorchError> {
        let cuda = device.is_cuda();
        Ok(Self { cuda, before: ffi::set_autocast_bfloat16(cuda, true)? })
    }
}

impl Drop for AutocastGuard {
    fn drop(&mut self) {
        // Neither call throws for a device whose autocast was switched on above.
        let _ = ffi::set_autocast_bfloat16(self.cuda, self.before);
        if !self.before {
            let _ = ffi::clear_autocast_cache();
        }
    }
}

/// Whether this thread's operations on a device run under autocast.
///
/// # Errors
/// libtorch refuses.
pub fn is_on(device: Device) -> Result<bool, TorchError> {
    Ok(ffi::is_autocast_enabled(device.is_cuda())?)
}

/// Drops the casted copies of weights that autocast keeps.
///
/// # Errors
/// libtorch refuses.
pub fn clear() -> Result<(), TorchError> {
    Ok(ffi::clear_autocast_cache()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn products_are_bfloat16_only_under_the_guard() {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        {
            let _guard = AutocastGuard::bfloat16(Device::Cpu).unwrap();
            assert_eq!(a.matmul(&a).kind(), Kind::BFloat16);
            assert!(is_on(Device::Cpu).unwrap());
        }
        assert_eq!(a.matmul(&a).kind(), Kind::Float);
        assert!(!is_on(Device::Cpu).unwrap());
    }
}
