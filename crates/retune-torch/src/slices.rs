//! The numbers of tensors on the processor, as slices.

use half::bf16;
use tch::{Device, Kind, Tensor};

/// A type of number that tensors hold.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// libtorch's name for it.
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
}

impl Element for i64 {
    const KIND: Kind = Kind::Int64;
}

impl Element for bf16 {
    const KIND: Kind = Kind::BFloat16;
}

impl Element for f64 {
    const KIND: Kind = Kind::Double;
}

/// The elements of a tensor in row-major order, where it lies on the processor without gaps and holds this type. Nothing
/// may write into the tensor while the slice lives: not through another handle, nor in place.
pub fn read<T: Element>(tensor: &Tensor) -> Option<&[T]> {
    if tensor.device() != Device::Cpu || tensor.kind() != T::KIND || !tensor.is_contiguous() {
        return None;
    }
    let elements = tensor.numel();
    if elements == 0 {
        return Some(&[]);
    }
    // SAFETY: a contiguous tensor of this kind on the processor has so many elements from its data pointer on, which
    // stay as long as the tensor does.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), elements) })
}

/// A new tensor of this shape, filled by `fill`, which is given zeros in row-major order.
pub fn filled<T: Element>(shape: &[i64], fill: impl FnOnce(&mut [T])) -> Tensor {
    let tensor = Tensor::zeros(shape, (T::KIND, Device::Cpu));
    let elements = tensor.numel();
    if elements > 0 {
        // SAFETY: as above, and the tensor is new: no other handle or slice of it exists.
        fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), elements) });
    }
    tensor
}

/// The same, but `fill` is given numbers that mean nothing, all of which it must write: to clear them first takes as
/// long as many a kernel.
pub fn overwritten<T: Element>(shape: &[i64], fill: impl FnOnce(&mut [T])) -> Tensor {
    let tensor = Tensor::empty(shape, (T::KIND, Device::Cpu));
    let elements = tensor.numel();
    if elements > 0 {
        // SAFETY: as above. Every pattern of bits is a number of these types, and what a foreign allocator gave is some
        // pattern.
        fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), elements) });
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_the_tensors_own_numbers() {
        let tensor = filled(&[2, 3], |numbers: &mut [f32]| numbers.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(tensor.size(), [2, 3]);
        assert_eq!(read::<f32>(&tensor).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(read::<f32>(&tensor.narrow(0, 1, 1)).unwrap(), [4.0, 5.0, 6.0]);
        assert!(read::<f64>(&tensor).is_none(), "another type");
        assert!(read::<f32>(&tensor.transpose(0, 1)).is_none(), "another order");
        assert!(read::<f64>(&filled(&[0, 4], |_: &mut [f64]| ())).unwrap().is_empty());
    }
}
