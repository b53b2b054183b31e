//! From the host to a device, without waiting for it.

use tch::{Device, Tensor};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_from_the_host_to_the_host() {
        let tensor = Tensor::from_slice(&[1i64, -2, 3]);
        let same = to_device(&tensor, Device::Cpu);
        assert_eq!(same.data_ptr(), tensor.data_ptr());
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
