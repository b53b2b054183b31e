//! The boundary to C++. Tensors cross it as the addresses of `at::Tensor` objects, which is what tch's handles are.

use crate::operation::{BoxedOperation, operation_backward, operation_forward, operation_keeps_inputs};
use crate::parallel::{Work, do_work};

#[allow(unused_qualifications, reason = "cxx derives so")]
#[cxx::bridge(namespace = "retune")]
pub(crate) mod ffi {
    /// How a thread's operations on a kind of device are cast.
    #[derive(Debug, Clone, Copy)]
    struct Autocast {
        /// Whether they are.
        enabled: bool,
        /// To float16, and else to bfloat16.
        half: bool,
    }

    extern "Rust" {
        type BoxedOperation;
        fn operation_forward(operation: &mut BoxedOperation, inputs: &[usize]) -> Result<usize>;
        fn operation_backward(
            operation: &BoxedOperation,
            inputs: &[usize],
            gradient: usize,
            needed: &[bool],
        ) -> Result<Vec<usize>>;
        fn operation_keeps_inputs(operation: &BoxedOperation) -> bool;

        type Work<'a>;
        fn do_work(work: &Work<'_>, begin: usize, end: usize) -> Result<()>;
    }

    unsafe extern "C++" {
        include!("shim.h");

        /// Applies an operation of Rust's to `at::Tensor*` inputs, as a node of autograd; the result is a new tensor.
        unsafe fn apply_operation(operation: Box<BoxedOperation>, inputs: &[usize]) -> Result<usize>;

        /// Calls the work with parts of `0..count` on libtorch's threads.
        fn parallel_for(count: usize, grain: usize, work: &Work<'_>) -> Result<()>;

        /// One AdamW step over all tensors at once. Every slice has the same length; entries are `at::Tensor*`. `skip`
        /// is one too, 1 for no step at all, or 0 for none.
        #[allow(clippy::too_many_arguments)]
        unsafe fn fused_adamw(
            parameters: &[usize],
            gradients: &[usize],
            first_moments: &[usize],
            second_moments: &[usize],
            steps: &[usize],
            learning_rate: f64,
            beta1: f64,
            beta2: f64,
            weight_decay: f64,
            epsilon: f64,
            skip: usize,
        ) -> Result<()>;

        /// A place in the queue of work of a GPU's current stream.
        type Mark;

        /// Marks the end of what is queued now.
        fn mark(cuda_index: i32) -> Result<UniquePtr<Mark>>;

        /// Waits until all that was queued before the mark is done.
        fn wait_for(mark: &Mark) -> Result<()>;

        /// The 2-norm of all tensors taken as one vector, as a new `at::Tensor*` of no dimensions on their device.
        unsafe fn norms(tensors: &[usize]) -> Result<usize>;

        /// Multiplies each tensor in place by a tensor of no dimensions.
        unsafe fn scale(tensors: &[usize], factor: usize) -> Result<()>;

        /// Multiplies each tensor in place by a number.
        unsafe fn scale_by(tensors: &[usize], factor: f64) -> Result<()>;

        /// Adds `factor * other` to each tensor in place.
        unsafe fn add_scaled(tensors: &[usize], others: &[usize], factor: f64) -> Result<()>;

        /// Moves each tensor in place by `weight` of the way to its end.
        unsafe fn lerp(tensors: &[usize], ends: &[usize], weight: f64) -> Result<()>;

        /// Adds `factor * first * second`, element by element, to each tensor in place.
        unsafe fn add_product(tensors: &[usize], first: &[usize], second: &[usize], factor: f64) -> Result<()>;

        /// `_flash_attention_forward` of packed sequences; tensors are `at::Tensor*`, the result a new one.
        #[allow(clippy::too_many_arguments)]
        unsafe fn flash_attention(
            q: usize,
            k: usize,
            v: usize,
            query_offsets: usize,
            key_offsets: usize,
            longest_query: i64,
            longest_key: i64,
            dropout: f64,
            scale: f64,
            causal: bool,
            before: i64,
            after: i64,
        ) -> Result<usize>;

        /// `_efficient_attention_forward` of packed sequences; tensors are `at::Tensor*`, the result a new one.
        #[allow(clippy::too_many_arguments)]
        unsafe fn efficient_attention(
            q: usize,
            k: usize,
            v: usize,
            query_offsets: usize,
            key_offsets: usize,
            longest_query: i64,
            longest_key: i64,
            dropout: f64,
            scale: f64,
            causal: bool,
        ) -> Result<usize>;

        /// The state of a device's default random generator, as a new `at::Tensor*` of bytes.
        fn generator_state(cuda_index: i32) -> Result<usize>;

        /// Sets the state of a device's default random generator from a tensor of bytes.
        unsafe fn set_generator_state(cuda_index: i32, state: usize) -> Result<()>;

        /// How this thread's operations on the device are cast.
        fn autocast(cuda: bool) -> Result<Autocast>;

        /// Casts this thread's operations on the device so.
        fn set_autocast(cuda: bool, how: Autocast) -> Result<()>;

        /// Drops the casted copies of weights that autocast keeps within a step.
        fn clear_autocast_cache() -> Result<()>;

        /// Whether products of float32 on a GPU may be rounded to TF32, for the whole process.
        fn multiply_tf32(allowed: bool) -> Result<()>;
        fn multiplies_tf32() -> Result<bool>;
    }
}
