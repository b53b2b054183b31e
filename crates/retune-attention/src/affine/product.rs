//! Products of whole matrices, on libtorch's threads.

use std::ops::Range;

use half::bf16;
use retune_torch::parallel::{Blocks, for_each_block};
use retune_torch::slices::{overwritten, read};
use tch::Tensor;

use super::kernel::{Arithmetic, Factor, Multiply, Panels, Rows, Shape, Sum, Tiles, Written};
use super::packing::{Columns, PairsOfRows, Right};
use super::{IS_PLAIN, NO_REFUSAL};

/// How matrices are multiplied on this processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<A> {
    pub arithmetic: A,
    pub shape: Shape,
    /// The longest stretch of a sum.
    pub longest: usize,
}

impl<A: Arithmetic> Product<A> {
    /// `left · right + bias`, of a left matrix that lies row by row, each as long as the right one is deep.
    pub fn of_rows<N: Written<A>>(
        &self,
        size: &[i64],
        left: &[Factor],
        right: &Right<'_>,
        bias: Option<&[f32]>,
    ) -> Tensor {
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
        self.in_rounds(size, rows, right, &|own, panels, out: &mut [N]| {
            let left = Rows { factors: &left[own.start * depth..own.end.max(self.shape.rows) * depth], depth };
            self.arithmetic.dispatch(Multiply { arithmetic: self.arithmetic, left, right: panels, bias, out });
        })
    }

    /// `leftᵀ · right`, of a left matrix that has so many columns, and as many rows as the right one.
    pub fn of_columns<N: Written<A>>(
        &self,
        size: &[i64],
        left: &[Factor],
        columns: usize,
        right: &Right<'_>,
    ) -> Tensor {
        self.in_rounds(size, columns, right, &|own, panels, out: &mut [N]| {
            let span = panels.sum.span(&panels.stretches);
            let padded = own.len().next_multiple_of(self.shape.rows);
            let tiles = overwritten(&[(padded * span.len()) as i64], |to: &mut [Factor]| {
                pulp::Arch::new().dispatch(Columns { left, columns, own, rows: span.clone(), to });
            });
            let left = Tiles { factors: read(&tiles).expect(IS_PLAIN), span };
            self.arithmetic.dispatch(Multiply { arithmetic: self.arithmetic, left, right: panels, bias: None, out });
        })
    }

    /// Calls `work` for every round of the sum with its panels, and for every block of the product's rows with these.
    fn in_rounds<N: Written<A>>(
        &self,
        size: &[i64],
        rows: usize,
        right: &Right<'_>,
        work: &(impl Fn(Range<usize>, Panels<'_>, &mut [N]) + Sync),
    ) -> Tensor {
        let sum = Sum { depth: right.depth, longest: self.longest };
        let blocks = self.blocks(rows);
        let offsets: Vec<usize> = blocks.iter().map(|row| row * right.columns).collect();
        overwritten(size, |out: &mut [N]| {
            for round in rounds(sum, right.columns) {
                let factors = self.panels(right, sum, &round);
                let panels =
                    Panels { factors: read(&factors).expect(IS_PLAIN), sum, columns: right.columns, stretches: round };
                let work =
                    |block: usize, [out]: [&mut [N]; 1]| work(blocks[block]..blocks[block + 1], panels.clone(), out);
                for_each_block([Blocks { slice: out, offsets: &offsets }], &work).expect(NO_REFUSAL);
            }
        })
    }

    /// The panels of these stretches, in a tensor's memory, which begins where a line of the cache does.
    pub fn panels(&self, right: &Right<'_>, sum: Sum, stretches: &Range<usize>) -> Tensor {
        let width = self.shape.columns;
        let count = right.columns.div_ceil(width);
        let places: Vec<(Range<usize>, usize)> = stretches
            .clone()
            .flat_map(|number| (0..count).map(move |panel| (sum.stretch(number), panel * width)))
            .collect();
        let mut offsets = vec![0];
        offsets.extend(places.iter().scan(0, |end, (rows, _)| {
            *end += rows.len() * width;
            Some(*end)
        }));
        let length = offsets.last().copied().unwrap_or(0);
        overwritten(&[length as i64], |panels: &mut [Factor]| {
            let work = |place: usize, [panel]: [&mut [Factor]; 1]| {
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
fn rounds(sum: Sum, columns: usize) -> impl Iterator<Item = Range<usize>> {
    const MOST_FACTORS: usize = 1 << 20;
    let count = sum.stretches();
    let of_a_round = (MOST_FACTORS / (columns * sum.depth.div_ceil(count))).max(1);
    (0..count).step_by(of_a_round).map(move |first| first..count.min(first + of_a_round))
}

/// A matrix of bfloat16 numbers, `[n, columns]`, as factors whose pairs stand below each other: `[⌈n/2⌉, columns]`.
pub(super) fn pairs_of_rows(numbers: &[bf16], columns: usize) -> Tensor {
    /// Pairs of rows that one thread takes at a time.
    const PAIRS: usize = 16;
    let pairs = (numbers.len() / columns).div_ceil(2);
    let offsets: Vec<usize> = (0..pairs).step_by(PAIRS).chain([pairs]).map(|pair| pair * columns).collect();
    overwritten(&[pairs as i64, columns as i64], |factors: &mut [Factor]| {
        let work = |block: usize, [to]: [&mut [Factor]; 1]| {
            let own = &numbers[2 * offsets[block]..numbers.len().min(2 * offsets[block + 1])];
            for (rows, to) in own.chunks(2 * columns).zip(to.chunks_exact_mut(columns)) {
                let (above, below) = rows.split_at(columns);
                let below = (!below.is_empty()).then_some(below);
                pulp::Arch::new().dispatch(PairsOfRows { above, below, to });
            }
        };
        for_each_block([Blocks { slice: factors, offsets: &offsets }], &work).expect(NO_REFUSAL);
    })
}
