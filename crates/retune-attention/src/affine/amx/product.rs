//! Products of whole matrices by AMX, on libtorch's threads.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use retune_torch::amx::{Amx, SIDE, Step, Sums, TERMS};
use retune_torch::pairs::PairProducts;
use retune_torch::parallel::{Grid, Rectangle, for_each_rectangle};
use retune_torch::slices::overwritten;
use tch::Tensor;

use super::super::kernel::{Before, Shape, Sum, Written, store, vectors};
use super::super::product::{Blocks, Cuts};
use super::packing::{Line, Matrix, Number, Pack, Side};
use crate::real::NO_REFUSAL;

/// What the processor has for it, and how sums are cut.
#[derive(Debug, Clone, Copy)]
pub struct Tiled {
    pub amx: Amx,
    pub pairs: PairProducts,
    /// The longest stretch of a sum, of which several are added up at the end.
    pub longest: usize,
}

/// Rows and columns that are computed at a time.
const SHAPE: Shape = Shape { rows: SIDE, columns: SIDE };

impl Tiled {
    /// What may be laid out of a block's rows, so that it stays in a core's own cache.
    const BYTES: usize = 1 << 20;

    /// `left · right + bias`, of the shape `size`.
    pub fn product<L: Number, R: Number, N: Written<PairProducts>>(
        self,
        size: &[i64],
        left: &Matrix<'_, L>,
        right: &Matrix<'_, R>,
        bias: Option<&[f32]>,
    ) -> Tensor {
        let ((rows, depth), (columns, _)) = (left.sides(), right.sides());
        let sum = Sum { depth, longest: self.longest };
        let longest = sum.all().map(|stretch| stretch.len().div_ceil(TERMS)).max().unwrap_or(0);
        let most_rows = Self::BYTES / (longest * size_of::<Step>()) * SIDE;
        let blocks = Blocks { most_rows: most_rows.clamp(SIDE, 512), least_rows: 96, of_a_thread: 1 };
        let cuts = Cuts::of(SHAPE, (rows, columns), blocks);
        overwritten(size, |numbers: &mut [N]| {
            let grid = Grid { numbers, rows: &cuts.rows, columns: &cuts.columns };
            let work = |i: usize, j: usize, out: Rectangle<'_, N>| {
                let (rows, columns) = (cuts.rows[i]..cuts.rows[i + 1], cuts.columns[j]..cuts.columns[j + 1]);
                Block { tiled: self, left, right, bias, sum, rows, columns, out }.compute(longest);
            };
            for_each_rectangle(grid, &work).expect(NO_REFUSAL);
        })
    }
}

/// A block of the product of two matrices.
struct Block<'p, 'a, L, R, N> {
    tiled: Tiled,
    left: &'p Matrix<'p, L>,
    right: &'p Matrix<'p, R>,
    bias: Option<&'p [f32]>,
    sum: Sum,
    rows: Range<usize>,
    columns: Range<usize>,
    out: Rectangle<'a, N>,
}

impl<L: Number, R: Number, N: Written<PairProducts>> Block<'_, '_, L, R, N> {
    /// Columns that are laid out at a time: of lines that are terms long pieces of each, so that memory is read in its
    /// order; else as many as are in the first cache when they are multiplied.
    fn at_once(&self) -> usize {
        match self.right.line {
            Line::Term => 8 * SIDE,
            Line::Summed => SIDE,
        }
    }

    /// Where no stretch has more than so many steps.
    fn compute(mut self, longest: usize) {
        let at_once = self.at_once().min(self.columns.len());
        let [rows, columns] = [self.rows.len(), at_once].map(|side| side.div_ceil(SIDE) * longest);
        let size = (rows + columns) * size_of::<Step>() / size_of::<f32>();
        // In a tensor's memory, which begins where a line of the cache does.
        let _ = overwritten(&[size as i64], |numbers: &mut [f32]| {
            let (left, right) = in_steps(numbers).split_at_mut(rows);
            for stretch in self.sum.all() {
                self.add(&stretch, left, right);
            }
        });
    }

    /// Adds the products of a stretch, with room for what is laid out of both matrices.
    fn add(&mut self, stretch: &Range<usize>, left: &mut [Step], right: &mut [Step]) {
        let steps = stretch.len().div_ceil(TERMS);
        let room = |own: &Range<usize>| own.len().div_ceil(SIDE) * steps;
        let Tiled { pairs, .. } = self.tiled;
        let terms = || stretch.clone();
        let left = &mut left[..room(&self.rows)];
        Pack { pairs, matrix: self.left, side: Side::Left, own: self.rows.clone(), terms: terms(), to: &mut *left }
            .run();
        for start in self.columns.clone().step_by(self.at_once()) {
            let own = start..self.columns.end.min(start + self.at_once());
            let to = &mut right[..room(&own)];
            Pack { pairs, matrix: self.right, side: Side::Right, own: own.clone(), terms: terms(), to: &mut *to }.run();
            for (right, start) in to.chunks_exact(steps).zip(own.clone().step_by(SIDE)) {
                self.multiply(stretch, left, right, start..own.end.min(start + SIDE));
            }
        }
    }

    /// Adds those of some columns.
    fn multiply(&mut self, stretch: &Range<usize>, left: &[Step], right: &[Step], columns: Range<usize>) {
        let Tiled { amx, pairs, .. } = self.tiled;
        let before = match self.bias {
            _ if stretch.start > 0 => Before::Sum,
            bias => Before::Bias(bias.map(|bias| &bias[columns.clone()])),
        };
        let columns = columns.start - self.columns.start..columns.end - self.columns.start;
        let out = &mut self.out;
        amx.multiply(left, right, |group, sums| {
            pairs.dispatch(Store { pairs, sums, before, out, first: group * SIDE, columns: columns.clone() });
        });
    }
}

/// Numbers as steps; their number is a multiple of a step's.
fn in_steps(numbers: &mut [f32]) -> &mut [Step] {
    numbers.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0
}

/// Adds sums to what was there before.
struct Store<'m, 'a, N> {
    pairs: PairProducts,
    sums: &'m Sums,
    before: Before<'m>,
    out: &'m mut Rectangle<'a, N>,
    /// The first of their rows, of which there may be fewer.
    first: usize,
    columns: Range<usize>,
}

impl<N: Written<PairProducts>> WithSimd for Store<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pairs, sums: Sums(sums), before, out, first, columns } = self;
        for (row, sums) in (first..out.rows()).zip(sums) {
            // It dispatches to vectors of sixteen numbers alone.
            let two = vectors::<S, 2>(simd, sums);
            store(simd, pairs, two, before, &mut out.row(row)[columns.clone()]);
        }
    }
}
