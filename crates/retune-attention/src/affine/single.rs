//! Linear layers in float32.

use retune_torch::operation::Operation;
use retune_torch::slices::read;
use tch::{Device, Kind, Tensor};

use super::kernel::{Shape, Single};
use super::packing::{By, Right};
use super::product::Product;
use super::{gradients, of_bias, sides, with_last};
use crate::real::IS_PLAIN;

/// The longest stretch of a sum that stays in registers: a tile's left numbers, 16 KiB of them, stay in the first cache.
pub(super) const STRETCH: usize = 512;

/// The operation: of `x: […, in]`, `W: [out, in]` and perhaps `b: [out]`, all plain.
pub(super) struct Affine(Product<Single>);

impl Affine {
    /// Where the processor has fused multiply-adds on vectors.
    pub fn on(arch: pulp::Arch) -> Option<Self> {
        let product = |shape| Product { arithmetic: Single(arch), shape, longest: STRETCH };
        Shape::of(arch).map(|shape| Self(product(shape)))
    }

    /// Whether it computes on such tensors.
    pub fn supports(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
        let is_plain = |tensor: &Tensor| tensor.device() == Device::Cpu && tensor.kind() == Kind::Float;
        [Some(x), Some(weight), bias].into_iter().flatten().all(is_plain)
    }
}

impl Operation for Affine {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        let [x, weight] = [0, 1].map(|input| read::<f32>(&inputs[input]).expect(IS_PLAIN));
        let bias = inputs.get(2).map(|bias| read::<f32>(bias).expect(IS_PLAIN));
        let [out, depth] = sides(&inputs[1]);
        let right = Right { factors: weight, depth, columns: out, by: By::Columns };
        self.0.of_rows::<f32>(&with_last(&inputs[0], out), x, &right, bias)
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
        let gradient = &gradient.contiguous();
        let [x, weight] = [0, 1].map(|input| read::<f32>(&inputs[input]).expect(IS_PLAIN));
        let dy = read::<f32>(gradient).expect(IS_PLAIN);
        let [out, depth] = sides(&inputs[1]);
        let rows = dy.len() / out;
        let of_x = || {
            let right = Right { factors: weight, depth: out, columns: depth, by: By::Rows };
            self.0.of_rows::<f32>(&inputs[0].size(), dy, &right, None)
        };
        let of_weight = || {
            let right = Right { factors: x, depth: rows, columns: depth, by: By::Rows };
            self.0.of_columns::<f32>(&inputs[1].size(), dy, out, &right)
        };
        gradients(needed, [&of_x, &of_weight, &|| of_bias(gradient, out)])
    }
}
