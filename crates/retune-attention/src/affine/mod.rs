//! `y = x Wᵀ + b` in float32 on the processor. libtorch leaves it to a library that multiplies on processors of other
//! makers than its own with vectors half as wide as they have (docs/performance.md), and whose sums depend on how many
//! rows there are.
//!
//! Backward, with `dy: [t, out]`: `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy` over the rows.

mod kernel;
mod packing;

use std::ops::Range;

use retune_torch::autocast;
use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block};
use retune_torch::slices::{overwritten, read};
use tch::{Device, Kind, Tensor};

use kernel::{Multiply, Panels, Rows, Shape, Tiles, stretch, stretches};
use packing::{By, Columns, Right};

/// Why slices of tensors are there.
const IS_PLAIN: &str = "contiguous, of float32, on the processor";
/// Why a loop on libtorch's threads has no error to report.
const NO_REFUSAL: &str = "libtorch refuses no loop";

/// `x` is `[…, in]`, `weight` `[out, in]`, `bias` `[out]`; the result is `[…, out]`.
///
/// In float32 on a processor with AVX2 or AVX-512, and outside of autocast, by a kernel of our own; else by libtorch's.
pub(crate) fn affine(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let Some(shape) = Shape::of(pulp::Arch::new()).filter(|_| supports(x, weight, bias)) else {
        return x.linear(weight, bias);
    };
    let mut inputs = vec![x.contiguous(), weight.shallow_clone()];
    inputs.extend(bias.map(Tensor::shallow_clone));
    match apply(Affine { shape }, &inputs) {
        Ok(y) => y,
        #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
        Err(error) => panic!("linear layer: {error}"),
    }
}

/// Whether the kernel computes on such tensors.
fn supports(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
    let is_plain = |tensor: &Tensor| tensor.device() == Device::Cpu && tensor.kind() == Kind::Float;
    let [out, depth] = weight.size()[..] else { return false };
    let fits = x.size().last() == Some(&depth) && bias.is_none_or(|bias| bias.size() == [out]);
    let all_plain = [Some(x), Some(weight), bias].into_iter().flatten().all(is_plain);
    let is_contiguous = weight.is_contiguous() && bias.is_none_or(Tensor::is_contiguous);
    fits && all_plain && is_contiguous && x.numel() > 0 && out > 0 && matches!(autocast::current(Device::Cpu), Ok(None))
}

/// The operation: of `x: […, in]`, `W: [out, in]` and perhaps `b: [out]`.
struct Affine {
    shape: Shape,
}

impl Operation for Affine {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        let [x, weight] = [0, 1].map(|input| read::<f32>(&inputs[input]).expect(IS_PLAIN));
        let bias = inputs.get(2).map(|bias| read::<f32>(bias).expect(IS_PLAIN));
        let (out, depth) = sides(&inputs[1]);
        let mut size = inputs[0].size();
        if let Some(last) = size.last_mut() {
            *last = out as i64;
        }
        self.product(&size, x, &Right { numbers: weight, depth, columns: out, by: By::Columns }, bias)
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
        let gradient = &gradient.contiguous();
        let [x, weight] = [0, 1].map(|input| read::<f32>(&inputs[input]).expect(IS_PLAIN));
        let dy = read::<f32>(gradient).expect(IS_PLAIN);
        let (out, depth) = sides(&inputs[1]);
        let rows = dy.len() / out;
        let of_x = || {
            let right = Right { numbers: weight, depth: out, columns: depth, by: By::Rows };
            self.product(&inputs[0].size(), dy, &right, None)
        };
        let of_weight = || {
            let right = Right { numbers: x, depth: rows, columns: depth, by: By::Rows };
            self.product_of_columns(&inputs[1].size(), dy, out, &right)
        };
        let of_bias = || gradient.view([rows as i64, out as i64]).sum_dim_intlist(0, false, Kind::Float);
        let gradients: [&dyn Fn() -> Tensor; 3] = [&of_x, &of_weight, &of_bias];
        needed.iter().zip(gradients).map(|(needed, of)| if *needed { of() } else { Tensor::new() }).collect()
    }
}

/// `out` and `in` of a weight.
fn sides(weight: &Tensor) -> (usize, usize) {
    let size = weight.size();
    (size[0] as usize, size[1] as usize)
}

impl Affine {
    /// The product of a matrix that lies row by row, whose rows are as long as the right one is deep.
    fn product(&self, size: &[i64], left: &[f32], right: &Right<'_>, bias: Option<&[f32]>) -> Tensor {
        let depth = right.depth;
        let rows = left.len() / depth;
        let mut filled_up = Vec::new();
        let left = if rows < self.shape.rows {
            filled_up.resize(self.shape.rows * depth, 0.0);
            filled_up[..left.len()].copy_from_slice(left);
            &filled_up
        } else {
            left
        };
        self.in_rounds(size, rows, right, &|own, panels, out| {
            let left = Rows { numbers: &left[own.start * depth..own.end.max(self.shape.rows) * depth], depth };
            pulp::Arch::new().dispatch(Multiply { left, right: panels, bias, out });
        })
    }

    /// The product of the transpose of a matrix that has so many columns, and as many rows as the right one.
    fn product_of_columns(&self, size: &[i64], left: &[f32], columns: usize, right: &Right<'_>) -> Tensor {
        self.in_rounds(size, columns, right, &|own, panels, out| {
            let span = panels.span();
            let padded = own.len().next_multiple_of(self.shape.rows);
            let tiles = overwritten(&[(padded * span.len()) as i64], |to: &mut [f32]| {
                pulp::Arch::new().dispatch(Columns { left, columns, own, rows: span.clone(), to });
            });
            let left = Tiles { numbers: read(&tiles).expect(IS_PLAIN), span };
            pulp::Arch::new().dispatch(Multiply { left, right: panels, bias: None, out });
        })
    }

    /// Calls `work` for every round of the sum with its panels, and for every block of the product's rows with these.
    fn in_rounds(
        &self,
        size: &[i64],
        rows: usize,
        right: &Right<'_>,
        work: &(impl Fn(Range<usize>, Panels<'_>, &mut [f32]) + Sync),
    ) -> Tensor {
        let blocks = self.blocks(rows);
        let offsets: Vec<usize> = blocks.iter().map(|row| row * right.columns).collect();
        overwritten(size, |out: &mut [f32]| {
            for round in rounds(right.depth, right.columns) {
                let numbers = self.panels(right, &round);
                let panels = Panels {
                    numbers: read(&numbers).expect(IS_PLAIN),
                    depth: right.depth,
                    columns: right.columns,
                    stretches: round,
                };
                let work =
                    |block: usize, [out]: [&mut [f32]; 1]| work(blocks[block]..blocks[block + 1], panels.clone(), out);
                for_each_block([Blocks { slice: out, offsets: &offsets }], &work).expect(NO_REFUSAL);
            }
        })
    }

    /// The panels of these stretches, in a tensor's memory, which begins where a line of the cache does.
    fn panels(&self, right: &Right<'_>, stretches: &Range<usize>) -> Tensor {
        let width = self.shape.columns;
        let count = right.columns.div_ceil(width);
        let places: Vec<(Range<usize>, usize)> = stretches
            .clone()
            .flat_map(|number| (0..count).map(move |panel| (stretch(right.depth, number), panel * width)))
            .collect();
        let mut offsets = vec![0];
        offsets.extend(places.iter().scan(0, |sum, (rows, _)| {
            *sum += rows.len() * width;
            Some(*sum)
        }));
        let length = offsets.last().copied().unwrap_or(0);
        overwritten(&[length as i64], |panels: &mut [f32]| {
            let work = |place: usize, [panel]: [&mut [f32]; 1]| {
                let (rows, start) = &places[place];
                right.fill(panel, rows.clone(), *start, self.shape);
            };
            for_each_block([Blocks { slice: panels, offsets: &offsets }], &work).expect(NO_REFUSAL);
        })
    }

    /// Where the blocks of rows begin that one thread takes at a time, and where the last ends: some tiles each, few
    /// enough that all threads have something to do until the end. No block but an only one has less than a tile.
    fn blocks(&self, rows: usize) -> Vec<usize> {
        const MOST_TILES: usize = 4;
        const BLOCKS_OF_A_THREAD: usize = 8;
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        let tiles = rows.div_ceil(self.shape.rows);
        let of_a_block = (tiles / (threads * BLOCKS_OF_A_THREAD)).clamp(1, MOST_TILES) * self.shape.rows;
        let starts = (0..rows).step_by(of_a_block).filter(|start| *start == 0 || rows - start >= self.shape.rows);
        starts.chain([rows]).collect()
    }
}

/// The stretches of a sum, cut into rounds whose panels together fit a cache that threads share.
fn rounds(depth: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    const MOST_NUMBERS: usize = 1 << 20;
    let count = stretches(depth);
    let of_a_round = (MOST_NUMBERS / (columns * depth.div_ceil(count))).max(1);
    (0..count).step_by(of_a_round).map(move |first| first..count.min(first + of_a_round))
}

#[cfg(test)]
mod tests;
