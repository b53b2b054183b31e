//! From the host to a device and back, without waiting for it.

use std::fmt;

use tch::{Device, Tensor};

use crate::TorchError;
use crate::bridge::ffi;

/// A tensor on a device. What lies on the host goes to a GPU by way of pinned memory, so that the copy takes its place in the
/// device's queue and nobody waits for it: a copy from pageable memory would hold the host until all work that was queued
/// before it is done, once for each tensor of each step. The pinned block returns to libtorch's own cache when the copy has been made. Where
/// the system pins no more memory, the copy is a plain one.
pub fn to_device(tensor: &Tensor, device: Device) -> Tensor {
    if tensor.device() != Device::Cpu || !device.is_cuda() {
        return tensor.to_device(device);
    }
    let pinned = tensor.f_internal_pin_memory(device);
    let sent = pinned.and_then(|pinned| pinned.f_to_device_(device, tensor.kind(), true, false));
    sent.unwrap_or_else(|_| tensor.to_device(device))
}

/// A tensor on its way to the host: the device goes on with what is queued after it, and so does the host until it
/// [asks](Self::wait).
pub struct Arriving {
    tensor: Tensor,
    /// Where in the device's queue the copy is; `None` where there is nothing to wait for.
    mark: Option<cxx::UniquePtr<ffi::Mark>>,
}

impl Arriving {
    /// Sends a tensor: the copy takes its place in the device's queue, into pinned memory. What lies on the host already is
    /// there.
    ///
    /// # Errors
    /// libtorch refuses: there is no more memory to pin.
    pub fn send(tensor: &Tensor) -> Result<Self, TorchError> {
        let Device::Cuda(index) = tensor.device() else {
            return Ok(Self { tensor: tensor.to_device(Device::Cpu), mark: None });
        };
        let refused = |error: tch::TchError| TorchError::Refused { message: error.to_string() };
        let copy = tensor.f_to_device_(Device::Cpu, tensor.kind(), true, false).map_err(refused)?;
        Ok(Self { tensor: copy, mark: Some(ffi::mark(index as i32)?) })
    }

    /// The tensor, on the host; waits for what was queued before it, and for nothing that was queued later.
    ///
    /// # Errors
    /// What was queued before it failed.
    pub fn wait(self) -> Result<Tensor, TorchError> {
        if let Some(mark) = &self.mark {
            ffi::wait_for(mark)?;
        }
        Ok(self.tensor)
    }
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arriving({:?})", self.tensor.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_from_the_host_to_the_host() {
        let tensor = Tensor::from_slice(&[1i64, -2, 3]);
        let same = to_device(&tensor, Device::Cpu);
        assert_eq!(same.data_ptr(), tensor.data_ptr());
    }

    #[test]
    fn what_is_on_the_host_has_arrived() {
        let tensor = Tensor::from_slice(&[1f64, -2.0]);
        let arriving = Arriving::send(&tensor).unwrap();
        assert_eq!(arriving.wait().unwrap().data_ptr(), tensor.data_ptr());
    }

    /// Runs where there is a GPU.
    #[test]
    fn what_comes_back_is_what_was_there() {
        if let Err(reason) = crate::cuda::load() {
            println!("skipped: {reason}");
            return;
        }
        let large = Tensor::randn([2_000, 2_000], (tch::Kind::Float, Device::Cuda(0)));
        let mut sum = Tensor::zeros([2], (tch::Kind::Double, Device::Cuda(0)));
        let mut arriving = Vec::new();
        for step in 1..=8 {
            let _slow = large.matmul(&large);
            sum += f64::from(step);
            arriving.push(Arriving::send(&sum).unwrap());
        }
        for (arriving, step) in arriving.into_iter().zip(1..) {
            let expected = f64::from(step * (step + 1) / 2);
            assert_eq!(Vec::<f64>::try_from(arriving.wait().unwrap()).unwrap(), [expected; 2]);
        }
    }

    /// Runs where there is a GPU.
    #[test]
    fn what_arrives_is_what_was_sent() {
        if let Err(reason) = crate::cuda::load() {
            println!("skipped: {reason}");
            return;
        }
        for length in [0, 1, 5, 100_000] {
            let numbers: Vec<i64> = (0..length).map(|number| number * number - 7).collect();
            // The host's tensor is gone, and its pinned block may be used anew, before the device has been asked for anything.
            let sent: Vec<Tensor> = (0..8).map(|_| to_device(&Tensor::from_slice(&numbers), Device::Cuda(0))).collect();
            for sent in sent {
                assert_eq!(sent.device(), Device::Cuda(0));
                assert_eq!(Vec::<i64>::try_from(sent.to_device(Device::Cpu)).unwrap(), numbers);
            }
        }
    }
}
