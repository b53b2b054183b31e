//! Mixed precision: matrix products in half as many bits, the rest as autocast's own lists say.

use tch::Device;

use crate::{TorchError, bridge::ffi};

/// The format of the matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow {
    /// The range of float32, 8 bits of precision.
    Bfloat16,
    /// 11 bits of precision; nothing beyond 65,504, and nothing below 6e-8.
    Float16,
}

impl Narrow {
    /// The instructions that multiply such numbers, where this machine's processor lacks them: without them, products are
    /// computed by way of float32.
    pub fn lacks_on_this_processor(self) -> Option<&'static str> {
        #[cfg(target_arch = "x86_64")]
        let (name, is_there) = match self {
            Self::Bfloat16 => ("AVX512_BF16", std::is_x86_feature_detected!("avx512bf16")),
            Self::Float16 => ("AVX512_FP16", std::is_x86_feature_detected!("avx512fp16")),
        };
        #[cfg(not(target_arch = "x86_64"))]
        let (name, is_there) = ("", true);
        (!is_there).then_some(name)
    }
}

/// While it lives, this thread's operations on `device` run under autocast (`torch.autocast`). Parameters
/// stay in fp32; their casted copies live until the guard is dropped.
#[derive(Debug)]
pub struct AutocastGuard {
    cuda: bool,
    before: ffi::Autocast,
}

impl AutocastGuard {
    /// Switches autocast on.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn to(narrow: Narrow, device: Device) -> Result<Self, TorchError> {
        let cuda = device.is_cuda();
        let before = ffi::autocast(cuda)?;
        ffi::set_autocast(cuda, ffi::Autocast { enabled: true, half: narrow == Narrow::Float16 })?;
        Ok(Self { cuda, before })
    }
}

impl Drop for AutocastGuard {
    fn drop(&mut self) {
        // Neither call throws for a device whose autocast was switched on above.
        let _ = ffi::set_autocast(self.cuda, self.before);
        if !self.before.enabled {
            let _ = ffi::clear_autocast_cache();
        }
    }
}

/// To what this thread's operations on a device are cast; `None` where they are not.
///
/// # Errors
/// libtorch refuses.
pub fn current(device: Device) -> Result<Option<Narrow>, TorchError> {
    let autocast = ffi::autocast(device.is_cuda())?;
    let narrow = if autocast.half { Narrow::Float16 } else { Narrow::Bfloat16 };
    Ok(autocast.enabled.then_some(narrow))
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
    fn products_are_narrow_only_under_a_guard() {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        let product = || a.matmul(&a).kind();
        {
            let _outer = AutocastGuard::to(Narrow::Bfloat16, Device::Cpu).unwrap();
            assert_eq!((product(), current(Device::Cpu).unwrap()), (Kind::BFloat16, Some(Narrow::Bfloat16)));
            {
                let _inner = AutocastGuard::to(Narrow::Float16, Device::Cpu).unwrap();
                assert_eq!((product(), current(Device::Cpu).unwrap()), (Kind::Half, Some(Narrow::Float16)));
            }
            assert_eq!(product(), Kind::BFloat16);
        }
        assert_eq!((product(), current(Device::Cpu).unwrap()), (Kind::Float, None));
    }
}
