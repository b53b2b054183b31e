//! Linear layers under autocast to bfloat16, by the unit that some processors have for products of matrices (AMX).

mod packing;
mod product;

use half::bf16;
use retune_torch::amx::Amx;
use retune_torch::operation::Operation;
use retune_torch::pairs::PairProducts;
use retune_torch::slices::read;
use tch::{Kind, Tensor};

use super::kernel::Written;
use super::{gradients, of_bias, sides, with_last};
use crate::real::IS_PLAIN;
use packing::{Line, Matrix, Number};
use product::Tiled;

/// The operation: of `x: […, in]`, of float32 or bfloat16, `W: [out, in]` and perhaps `b: [out]`, of float32. What is
/// multiplied is rounded to bfloat16, and so is the result, of sums in float32; the weight's gradient is not.
pub(super) struct AmxAffine {
    of_rows: Tiled,
    of_weight: Tiled,
}

/// The longest stretch of a sum that is laid out at a time: of 32 columns, 64 KiB.
const STRETCH: usize = 1024;

impl AmxAffine {
    /// Where the processor has the unit.
    pub fn detect() -> Option<Self> {
        let (amx, pairs) = (Amx::detect()?, PairProducts::detect()?);
        // A result in bfloat16 is written once.
        let [of_rows, of_weight] = [usize::MAX, STRETCH].map(|longest| Tiled { amx, pairs, longest });
        Some(Self { of_rows, of_weight })
    }

    /// Of `x` of this type.
    fn of<X: Number>(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let [out, depth] = sides(weight);
        let bias = bias.map(|bias| read::<f32>(bias).expect(IS_PLAIN));
        let [left, right] = [Line::Summed; 2];
        let (left, right) = (matrix::<X>(x, depth, left), matrix::<f32>(weight, depth, right));
        self.of_rows.product::<_, _, bf16>(&with_last(x, out), &left, &right, bias)
    }

    /// The gradients of `x`, of this type, the weight and the bias.
    fn gradients<X: Number + Written<PairProducts>>(
        &self,
        inputs: &[Tensor],
        gradient: &Tensor,
        needed: &[bool],
    ) -> Vec<Tensor> {
        let [out, depth] = sides(&inputs[1]);
        let of_x = || {
            let left = matrix::<bf16>(gradient, out, Line::Summed);
            let right = matrix::<f32>(&inputs[1], depth, Line::Term);
            self.of_rows.product::<_, _, X>(&inputs[0].size(), &left, &right, None)
        };
        let of_weight = || {
            let left = matrix::<bf16>(gradient, out, Line::Term);
            let right = matrix::<X>(&inputs[0], depth, Line::Term);
            self.of_weight.product::<_, _, f32>(&inputs[1].size(), &left, &right, None)
        };
        gradients(needed, [&of_x, &of_weight, &|| of_bias(gradient, out)])
    }
}

impl Operation for AmxAffine {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        match inputs[0].kind() {
            Kind::Float => self.of::<f32>(&inputs[0], &inputs[1], inputs.get(2)),
            _ => self.of::<bf16>(&inputs[0], &inputs[1], inputs.get(2)),
        }
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
        let gradient = &gradient.contiguous();
        match inputs[0].kind() {
            Kind::Float => self.gradients::<f32>(inputs, gradient, needed),
            _ => self.gradients::<bf16>(inputs, gradient, needed),
        }
    }
}

/// A tensor, of which a line is so many numbers, as a matrix.
fn matrix<T: Number>(tensor: &Tensor, length: usize, line: Line) -> Matrix<'_, T> {
    Matrix { numbers: read(tensor).expect(IS_PLAIN), length, line }
}
