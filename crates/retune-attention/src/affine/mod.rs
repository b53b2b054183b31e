//! `y = x Wᵀ + b` on the processor, in float32 and under autocast to bfloat16.
//!
//! libtorch leaves the product to libraries of which one multiplies on processors of other makers than its own with
//! vectors half as wide as they have, and the other compiles a kernel for each number of rows (docs/performance.md).
//!
//! Backward, with `dy: [t, out]`: `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy` over the rows.

mod amx;
mod kernel;
mod mixed;
mod packing;
mod product;
mod single;

use retune_torch::autocast::{self, Narrow};
use retune_torch::operation::apply;
use retune_torch::pairs::PairProducts;
use tch::{Device, Kind, Tensor};

use amx::AmxAffine;
use mixed::MixedAffine;
use single::Affine;

/// `x` is `[…, in]`, `weight` `[out, in]`, `bias` `[out]`; the result is `[…, out]`.
///
/// By a kernel of our own in float32 on a processor with AVX2 or AVX-512, and under autocast to bfloat16 on one with
/// AVX512_BF16 or AMX; else by libtorch's.
pub(crate) fn affine(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let inputs = || {
        let inputs = [Some(x.contiguous()), Some(weight.shallow_clone()), bias.map(Tensor::shallow_clone)];
        inputs.into_iter().flatten().collect::<Vec<Tensor>>()
    };
    let applied = match choice(x, weight, bias) {
        Choice::Amx(operation) => apply(operation, &inputs()),
        Choice::Single(operation) => apply(operation, &inputs()),
        Choice::Mixed(operation) => apply(operation, &inputs()),
        Choice::Libtorch => return x.linear(weight, bias),
    };
    match applied {
        Ok(y) => y,
        #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
        Err(error) => panic!("linear layer: {error}"),
    }
}

/// Who computes.
enum Choice {
    Amx(AmxAffine),
    Single(Affine),
    Mixed(MixedAffine),
    Libtorch,
}

fn choice(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Choice {
    let chosen = match autocast::current(Device::Cpu) {
        _ if !fits(x, weight, bias) => None,
        Ok(None) if Affine::supports(x, weight, bias) => Affine::on(pulp::Arch::new()).map(Choice::Single),
        Ok(Some(Narrow::Bfloat16)) => {
            let amx = AmxAffine::detect().filter(|_| is_mixed(x, weight, bias)).map(Choice::Amx);
            let pairs = || PairProducts::detect().filter(|_| MixedAffine::supports(x, weight, bias));
            amx.or_else(|| pairs().and_then(MixedAffine::by).map(Choice::Mixed))
        }
        _ => None,
    };
    chosen.unwrap_or(Choice::Libtorch)
}

/// Whether the shapes are those of a linear layer, of some rows, and the weight lies row by row.
fn fits(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
    let [out, depth] = weight.size()[..] else { return false };
    let is_contiguous = weight.is_contiguous() && bias.is_none_or(Tensor::is_contiguous);
    let match_up = x.size().last() == Some(&depth) && bias.is_none_or(|bias| bias.size() == [out]);
    is_contiguous && match_up && x.numel() > 0 && out > 0
}

/// Whether they are of the types of a linear layer under autocast, on the processor: `x` in float32 or already in bfloat16,
/// the others in float32.
fn is_mixed(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
    let is_here = |tensor: &Tensor| tensor.device() == Device::Cpu;
    let is_plain = |tensor: &Tensor| is_here(tensor) && tensor.kind() == Kind::Float;
    let x_fits = is_here(x) && matches!(x.kind(), Kind::Float | Kind::BFloat16);
    x_fits && is_plain(weight) && bias.is_none_or(is_plain)
}

/// The gradients that are needed of those of `x`, the weight and the bias; else undefined tensors.
fn gradients(needed: &[bool], each: [&dyn Fn() -> Tensor; 3]) -> Vec<Tensor> {
    needed.iter().zip(each).map(|(needed, of)| if *needed { of() } else { Tensor::new() }).collect()
}

/// The gradient of the bias, in float32.
fn of_bias(gradient: &Tensor, out: usize) -> Tensor {
    gradient.view([-1, out as i64]).sum_dim_intlist(0, false, Kind::Float)
}

/// `out` and `in` of a weight.
fn sides(weight: &Tensor) -> [usize; 2] {
    let size = weight.size();
    [0, 1].map(|side| size[side] as usize)
}

/// A tensor's size with another last dimension.
fn with_last(tensor: &Tensor, last: usize) -> Vec<i64> {
    let mut size = tensor.size();
    if let Some(place) = size.last_mut() {
        *place = last as i64;
    }
    size
}

#[cfg(test)]
mod tests;
