//! Linear layers under autocast to bfloat16: what is multiplied is rounded to bfloat16, and so is the result, of sums in
//! float32. The weight's gradient stays as wide as the weight, where libtorch's is rounded on the way.

use half::bf16;
use half::slice::HalfFloatSliceExt;
use retune_torch::operation::Operation;
use retune_torch::pairs::PairProducts;
use retune_torch::slices::read;
use tch::{Kind, Tensor};

use super::kernel::{Factor, Shape};
use super::packing::{By, Right};
use super::product::{Product, pairs_of_rows};
use super::{gradients, is_mixed, of_bias, sides, single, with_last};
use crate::real::IS_PLAIN;

/// The operation: of `x: […, in]`, of float32 or bfloat16, `W: [out, in]` and perhaps `b: [out]`, of float32.
pub(super) struct MixedAffine {
    product: Product<PairProducts>,
    kept: Option<Kept>,
}

/// `x` and the weight in bfloat16, and the type that `x` had.
struct Kept {
    x: Tensor,
    weight: Tensor,
    kind: Kind,
}

impl MixedAffine {
    /// By products of pairs of such numbers.
    pub fn by(arithmetic: PairProducts) -> Option<Self> {
        let shape = Shape::of(pulp::Arch::new())?;
        // A result in bfloat16 is written once.
        Some(Self { product: Product { arithmetic, shape, longest: usize::MAX }, kept: None })
    }

    /// Whether it computes on such tensors: those that are [mixed](is_mixed), if a pair of numbers is one factor.
    pub fn supports(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
        is_mixed(x, weight, bias) && weight.size().iter().all(|side| side % 2 == 0)
    }
}

impl Operation for MixedAffine {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        let [x, weight] = [0, 1].map(|input| even(inputs[input].to_kind(Kind::BFloat16)));
        let bias = inputs.get(2).map(|bias| read::<f32>(bias).expect(IS_PLAIN));
        let [out, depth] = sides(&weight);
        let right = Right { factors: pairs(&weight), depth: depth / 2, columns: out, by: By::Columns };
        let y = self.product.of_rows::<bf16>(&with_last(&x, out), pairs(&x), &right, bias);
        self.kept = Some(Kept { x, weight, kind: inputs[0].kind() });
        y
    }

    fn backward(&self, _inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
        let Kept { x, weight, kind } = self.kept.as_ref().expect("libtorch calls it after the forward pass");
        let gradient = &even(gradient.contiguous());
        let [out, depth] = sides(weight);
        let dy = read::<bf16>(gradient).expect(IS_PLAIN);
        let rows = dy.len() / out;
        let of_x = || {
            let by_rows = pairs_of_rows(read(weight).expect(IS_PLAIN), depth);
            let factors = read(&by_rows).expect(IS_PLAIN);
            let right = Right { factors, depth: out / 2, columns: depth, by: By::Rows };
            match kind {
                Kind::Float => self.product.of_rows::<f32>(&x.size(), pairs(gradient), &right, None),
                _ => self.product.of_rows::<bf16>(&x.size(), pairs(gradient), &right, None),
            }
        };
        let of_weight = || {
            let [dy, x] =
                [(dy, out), (read(x).expect(IS_PLAIN), depth)].map(|(of, columns)| pairs_of_rows(of, columns));
            let [dy, x] = [&dy, &x].map(|factors| read::<Factor>(factors).expect(IS_PLAIN));
            let right = Right { factors: x, depth: rows.div_ceil(2), columns: depth, by: By::Rows };
            let product = Product { longest: single::STRETCH, ..self.product };
            product.of_columns::<f32>(&weight.size(), dy, out, &right)
        };
        gradients(needed, [&of_x, &of_weight, &|| of_bias(gradient, out)])
    }

    fn keeps_inputs(&self) -> bool {
        false
    }
}

/// The tensor, or a copy of it: beginning where a pair of numbers may.
fn even(tensor: Tensor) -> Tensor {
    if (tensor.data_ptr() as usize).is_multiple_of(size_of::<Factor>()) { tensor } else { tensor.copy() }
}

/// The numbers of a tensor that is [`even`] and whose rows are of even length, two by two.
fn pairs(tensor: &Tensor) -> &[Factor] {
    let numbers = read::<bf16>(tensor).expect(IS_PLAIN);
    pulp::bytemuck::try_cast_slice(numbers.reinterpret_cast()).expect(IS_PLAIN)
}
