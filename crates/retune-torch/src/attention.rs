//! Attention of variable-length sequences on CUDA, by libtorch's own kernels. The results have gradients: libtorch keeps
//! the lengths and the random state of dropout for the backward pass.
//!
//! tch binds the backward passes alone. Nothing here runs on a processor: a kernel that is asked to is refused.

use tch::Tensor;

use crate::{TorchError, adopt, bridge::ffi};

/// The lengths of a packed batch of `b` sequences, and what both kernels take besides.
#[derive(Debug, Clone, Copy)]
pub struct VariableLength<'a> {
    /// Cumulative lengths of the sequences of queries: `[b + 1]`, int32, on the device.
    pub query_offsets: &'a Tensor,
    /// Cumulative lengths of the sequences of keys: `[b + 1]`, int32, on the device.
    pub key_offsets: &'a Tensor,
    /// The largest number of queries of a sequence.
    pub longest_query: i64,
    /// The largest number of keys of a sequence.
    pub longest_key: i64,
    /// The probability with which a weight is dropped.
    pub dropout: f64,
    /// The factor of the scores.
    pub scale: f64,
}

/// What a query may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CausalMask {
    /// Every key of its sequence.
    None,
    /// The keys up to its own place. Places count from the first token; [`flash`] counts from the last, which differs
    /// where a sequence's numbers of queries and keys do.
    Causal,
}

/// FlashAttention-2 (`aten::_flash_attention_forward`): `q` is `[t_q, h, k]`, `k` and `v` are `[t_k, h_kv, k]` in
/// float16 or bfloat16, with `k` a multiple of 8 up to 256; the result is `[t_q, h, k]`. `window` is how many keys
/// before and after its own place a query sees.
///
/// # Errors
/// libtorch refuses: another device, type or size.
pub fn flash(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &VariableLength<'_>,
    mask: CausalMask,
    window: Option<(i64, i64)>,
) -> Result<Tensor, TorchError> {
    // To the kernel, −1 is no bound.
    let (before, after) = window.unwrap_or((-1, -1));
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    Ok(adopt(unsafe {
        ffi::flash_attention(
            q.as_ptr() as usize,
            k.as_ptr() as usize,
            v.as_ptr() as usize,
            lengths.query_offsets.as_ptr() as usize,
            lengths.key_offsets.as_ptr() as usize,
            lengths.longest_query,
            lengths.longest_key,
            lengths.dropout,
            lengths.scale,
            mask == CausalMask::Causal,
            before,
            after,
        )?
    }))
}

/// Memory-efficient attention (`aten::_efficient_attention_forward`): `q` is `[t_q, h, k]`, `k` and `v` are `[t_k, h,
/// k]`, single or half precision; the result is `[t_q, h, k]`.
///
/// # Errors
/// libtorch refuses: another device, type or size.
pub fn memory_efficient(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &VariableLength<'_>,
    mask: CausalMask,
) -> Result<Tensor, TorchError> {
    // The kernel knows the packed batch as one row of many.
    let [q, k, v] = [q, k, v].map(|tensor| tensor.unsqueeze(0)); // [1, t, h, k]
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    let mixed = adopt(unsafe {
        ffi::efficient_attention(
            q.as_ptr() as usize,
            k.as_ptr() as usize,
            v.as_ptr() as usize,
            lengths.query_offsets.as_ptr() as usize,
            lengths.key_offsets.as_ptr() as usize,
            lengths.longest_query,
            lengths.longest_key,
            lengths.dropout,
            lengths.scale,
            mask == CausalMask::Causal,
        )?
    });
    Ok(mixed.squeeze_dim(0)) // [t_q, h, k]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn the_processor_is_refused_with_libtorchs_words() {
        let q = Tensor::zeros([4, 2, 8], (Kind::Half, Device::Cpu));
        let offsets = Tensor::from_slice(&[0i32, 4]);
        let lengths = VariableLength {
            query_offsets: &offsets,
            key_offsets: &offsets,
            longest_query: 4,
            longest_key: 4,
            dropout: 0.0,
            scale: 1.0,
        };
        for refused in [
            flash(&q, &q, &q, &lengths, CausalMask::None, None),
            memory_efficient(&q, &q, &q, &lengths, CausalMask::Causal),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(message.starts_with("libtorch: ") && message.contains("CPU"), "{message}");
        }
    }
}
