//! Sums that do not hang on the number of threads.
//!
//! libtorch splits a sum to a single number among its threads, and then adds their parts: another number of threads,
//! another rounding. Where many numbers come out, each is one thread's alone. So a long list is summed in blocks of a
//! fixed length.

use tch::Tensor;

/// The length of a block; below it libtorch sums on one thread (its limit is 32,768).
const BLOCK: i64 = 4096;

/// The sum of all elements, a tensor of no dimensions.
pub(super) fn sum(tensor: &Tensor) -> Tensor {
    let flat = tensor.contiguous().view(-1);
    let length = flat.size()[0];
    let blocks = length / BLOCK;
    if blocks <= 1 {
        return flat.sum(None);
    }
    let whole = flat.narrow(0, 0, blocks * BLOCK).view([blocks, BLOCK]).sum_dim_intlist(-1, false, None); // [blocks]
    let rest = flat.narrow(0, blocks * BLOCK, length - blocks * BLOCK).sum(None);
    sum(&whole) + rest
}

/// The root of the mean square, a tensor of no dimensions.
pub(super) fn root_mean_square(tensor: &Tensor) -> Tensor {
    (sum(&tensor.square()) / (tensor.numel().max(1) as f64)).sqrt()
}

/// The mean over the last dimension: `[..., r, c]` to `[..., r]`.
pub(super) fn mean_of_rows(tensor: &Tensor) -> Tensor {
    let mut shape = tensor.size();
    let length = shape.pop().unwrap_or(1);
    if shape.iter().product::<i64>() == 1 {
        return (sum(tensor) / length as f64).view(shape.as_slice());
    }
    tensor.contiguous().mean_dim(-1, false, None)
}

/// The mean over the last but one dimension: `[..., r, c]` to `[..., c]`.
pub(super) fn mean_of_columns(tensor: &Tensor) -> Tensor {
    // Sums down columns go over several at once, how many depends on the thread's share; sums along rows do not.
    mean_of_rows(&tensor.transpose(-1, -2))
}
