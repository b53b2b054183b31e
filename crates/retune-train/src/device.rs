//! Where a run computes.

use retune_recipe::{DeviceChoice, Precision};
use tch::Device;

use crate::TrainError;

/// The device that a plan's choice means on this machine.
///
/// # Errors
/// CUDA was asked for by name and is not there, or has fewer GPUs.
pub fn resolve_device(choice: DeviceChoice) -> Result<Device, TrainError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(match retune_torch::cuda::load() {
            Ok(_) => Device::Cuda(0),
            Err(reason) => {
                tracing::debug!(%reason, "computing on the CPU");
                Device::Cpu
            }
        }),
        DeviceChoice::Cuda(index) => {
            let gpus = retune_torch::cuda::load()?;
            if index < gpus { Ok(Device::Cuda(index)) } else { Err(TrainError::NoSuchGpu { asked: index, gpus }) }
        }
    }
}

/// Has this process's products of float32 on a GPU computed as a precision says.
///
/// # Errors
/// TF32 is asked for, and the device has none.
pub fn choose_products(precision: Precision, device: Device) -> Result<(), TrainError> {
    match precision {
        Precision::Tf32 if !device.is_cuda() => Err(TrainError::NoTf32 { device: device_name(device) }),
        precision => Ok(retune_torch::cuda::multiply_tf32(precision == Precision::Tf32)?),
    }
}

/// A device's name as recipes write it.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}
