//! Products of whole matrices, on libtorch's threads.

use std::ops::Range;

use half::bf16;
use retune_torch::parallel::{self, Grid, Rectangle, for_each_block, for_each_rectangle};
use retune_torch::slices::{overwritten, read};
use tch::Tensor;

use super::kernel::{Arithmetic, Factor, Left, Multiply, Rows, Shape, Sum, Tiles, Written};
use super::packing::{Cut, Into, PairsOfRows, Right};
use crate::real::{IS_PLAIN, NO_REFUSAL};

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
        let cuts = Cuts::of(self.shape, (rows, right.columns), Blocks::OF_ROWS);
        self.in_blocks(size, &cuts, right, |own, mut block: Block<'_, '_, A, N>| {
            let left = Rows { factors: &left[own.start * depth..own.end.max(self.shape.rows) * depth], depth };
            for stretch in block.sum.all() {
                block.add(&left, &stretch, bias);
            }
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
        let cuts = Cuts::of(self.shape, (columns, right.columns), Blocks::OF_COLUMNS);
        self.in_blocks(size, &cuts, right, |own, mut block: Block<'_, '_, A, N>| {
            let padded = own.len().next_multiple_of(self.shape.rows);
            for stretch in block.sum.all() {
                let tiles = overwritten(&[(padded * stretch.len()) as i64], |to: &mut [Factor]| {
                    let rows = &left[stretch.start * columns..stretch.end * columns];
                    let cut = Cut { rows, length: columns, own: own.clone(), into: Into::Tiles, to };
                    self.arithmetic.dispatch(cut);
                });
                let left = Tiles { factors: read(&tiles).expect(IS_PLAIN), span: stretch.clone() };
                block.add(&left, &stretch, None);
            }
        })
    }

    /// Calls `work` for each block of the product, with its rows.
    fn in_blocks<N: Written<A>>(
        &self,
        size: &[i64],
        cuts: &Cuts,
        right: &Right<'_>,
        work: impl Fn(Range<usize>, Block<'_, '_, A, N>) + Sync,
    ) -> Tensor {
        let sum = Sum { depth: right.depth, longest: self.longest };
        let longest = sum.all().map(|stretch| stretch.len()).max().unwrap_or(0);
        overwritten(size, |out: &mut [N]| {
            let grid = Grid { numbers: out, rows: &cuts.rows, columns: &cuts.columns };
            let work = |i: usize, j: usize, out: Rectangle<'_, N>| {
                // In a tensor's memory, which begins where a line of the cache does.
                let width = out.columns().min(right.at_once(self.shape)).next_multiple_of(self.shape.columns);
                let _ = overwritten(&[(longest * width) as i64], |panels: &mut [Factor]| {
                    let block = Block { product: self, right, sum, first: cuts.columns[j], panels, out };
                    work(cuts.rows[i]..cuts.rows[i + 1], block);
                });
            };
            for_each_rectangle(grid, &work).expect(NO_REFUSAL);
        })
    }
}

/// How large blocks are.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    /// Rows with which a panel is multiplied, once it is laid out.
    pub most_rows: usize,
    pub least_rows: usize,
    pub of_a_thread: usize,
}

impl Blocks {
    /// Of rows as they are: as many as stay in a core's own cache.
    const OF_ROWS: Self = Self { most_rows: 512, least_rows: 96, of_a_thread: 2 };
    /// Of columns, which are laid out for each block.
    const OF_COLUMNS: Self = Self { most_rows: 192, least_rows: 96, of_a_thread: 1 };
}

/// Where a matrix is cut.
pub(super) struct Cuts {
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
}

impl Cuts {
    /// Where a product is cut into blocks: some tiles of this shape and some panels each, so many that all threads have
    /// something to do until the end. No block but an only one has fewer rows than a tile.
    pub fn of(shape: Shape, (rows, columns): (usize, usize), blocks: Blocks) -> Self {
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        let tiles = (rows / shape.rows).max(1);
        let panels = columns.div_ceil(shape.columns);
        let wanted = blocks.of_a_thread * threads;
        let down = rows.div_ceil(blocks.most_rows);
        let across = wanted.div_ceil(down).min(panels);
        let down = down.max(wanted.div_ceil(across).min(rows / blocks.least_rows));
        let cuts = |count: usize, parts: usize, side: usize, end: usize| {
            let starts = (0..parts).map(|part| part * count / parts * side);
            starts.chain([end]).collect()
        };
        Self { rows: cuts(tiles, down, shape.rows, rows), columns: cuts(panels, across, shape.columns, columns) }
    }
}

/// A block of the product of two matrices.
struct Block<'p, 'a, A, N> {
    product: &'p Product<A>,
    right: &'p Right<'p>,
    sum: Sum,
    /// The column at which it begins.
    first: usize,
    /// For the panels of the right matrix, in a stretch.
    panels: &'p mut [Factor],
    out: Rectangle<'a, N>,
}

impl<A: Arithmetic, N: Written<A>> Block<'_, '_, A, N> {
    /// Adds the products of a stretch.
    fn add(&mut self, left: &impl Left, stretch: &Range<usize>, bias: Option<&[f32]>) {
        let Product { arithmetic, shape, .. } = *self.product;
        let (width, at_once) = (self.out.columns(), self.right.at_once(shape));
        for start in (0..width).step_by(at_once) {
            let end = width.min(start + at_once);
            self.right.fill(self.panels, stretch.clone(), self.first + start..self.first + end, (arithmetic, shape));
            let panels = self.panels.chunks_exact(stretch.len() * shape.columns);
            for (panel, start) in panels.zip((start..end).step_by(shape.columns)) {
                let columns = start..end.min(start + shape.columns);
                let bias = bias.map(|bias| &bias[self.first + columns.start..self.first + columns.end]);
                let (stretch, out) = (stretch.clone(), &mut self.out);
                arithmetic.dispatch(Multiply { arithmetic, left, panel, stretch, bias, out, columns });
            }
        }
    }
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
        for_each_block([parallel::Blocks { slice: factors, offsets: &offsets }], &work).expect(NO_REFUSAL);
    })
}
