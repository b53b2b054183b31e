//! The product of two matrices in float32, by blocks whose sums stay in registers.
//!
//! Every number of the result is the sum of its products in their order, each added with one rounding, in stretches of at
//! most [`STRETCH`] whose sums are added up at the end. It depends on nothing but its row and its column: not on the
//! other rows, nor on threads, nor on how wide the processor's vectors are.
//!
//! The blocks are those of the BLIS library (Van Zee and van de Geijn 2015, <https://doi.org/10.1145/2764454>): panels of
//! the right matrix lie in memory in the order in which they are read, and a tile of a few rows of the left one passes
//! over them.
#![allow(clippy::needless_range_loop, reason = "loops of a constant length over several arrays, which are unrolled")]

use std::ops::Range;

use pulp::Simd;

/// Vectors in a row of a tile.
pub(super) const VECTORS: usize = 2;
/// The longest stretch of a sum that stays in registers; a tile's left numbers, 18 KiB of them, stay in the first cache.
pub(super) const STRETCH: usize = 384;

/// The rows and columns of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub rows: usize,
    pub columns: usize,
}

impl Shape {
    /// What this processor computes at a time; `None` where it has no fused multiply-add on vectors.
    pub fn of(arch: pulp::Arch) -> Option<Self> {
        struct Measure;
        impl pulp::WithSimd for Measure {
            type Output = Option<Shape>;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Option<Shape> {
                (S::F32_LANES >= 8).then(|| Shape { rows: rows_of::<S>(), columns: VECTORS * S::F32_LANES })
            }
        }
        arch.dispatch(Measure)
    }
}

/// As many rows as there are registers for: sums, the right vectors and the left number fill 27 of 32, or 15 of 16.
const fn rows_of<S: Simd>() -> usize {
    if S::F32_LANES >= 16 { 12 } else { 6 }
}

/// How many stretches a sum of so many products has.
pub(super) fn stretches(depth: usize) -> usize {
    depth.div_ceil(STRETCH)
}

/// A stretch of a sum of so many products; they are as even as can be.
pub(super) fn stretch(depth: usize, number: usize) -> Range<usize> {
    let count = stretches(depth);
    number * depth / count..(number + 1) * depth / count
}

/// Some stretches of the rows of a matrix that has `depth` of them, cut into panels of `shape.columns` columns, of which
/// the last is filled up with zeros: for each stretch all panels, and each panel row by row.
#[derive(Debug, Clone)]
pub(super) struct Panels<'a> {
    pub numbers: &'a [f32],
    pub depth: usize,
    pub columns: usize,
    pub stretches: Range<usize>,
}

impl Panels<'_> {
    /// The part of the sum that these stretches are.
    pub fn span(&self) -> Range<usize> {
        let stretch = |number| stretch(self.depth, number);
        stretch(self.stretches.start).start..stretch(self.stretches.end - 1).end
    }
}

/// Rows of the left matrix that are multiplied with all panels.
#[derive(Debug)]
pub(super) struct Multiply<'a, L> {
    pub left: L,
    pub right: Panels<'a>,
    /// A number for each column that is added to the product: `right.columns` or none.
    pub bias: Option<&'a [f32]>,
    /// The rows' products: `right.columns` each.
    pub out: &'a mut [f32],
}

/// How a left matrix lies in memory. It has at least as many rows as a tile, of which there may be more than are asked for.
pub(super) trait Left {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// `R` rows in a stretch of the sum.
    type Tile<'t, const R: usize>: Tile
    where
        Self: 't;

    /// The rows from `row` on, and `length` columns from `start` on. Its slices are cut to just this length, so that the
    /// compiler sees that no index is beyond.
    fn tile<const R: usize>(&self, row: usize, start: usize, length: usize) -> Self::Tile<'_, R>;
}

/// A tile's left numbers in a stretch.
pub(super) trait Tile: Copy {
    /// The number of a row and a column, in each place of a vector.
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s;
}

/// A matrix row by row, with `depth` numbers each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub numbers: &'a [f32],
    pub depth: usize,
}

impl Left for Rows<'_> {
    type Tile<'t, const R: usize>
        = [&'t [f32]; R]
    where
        Self: 't;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.numbers.len() / self.depth
    }

    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize, start: usize, length: usize) -> [&[f32]; R] {
        let rows = &self.numbers[row * self.depth..(row + R) * self.depth];
        let mut tile: [&[f32]; R] = [&[]; R];
        // A loop, and no `from_fn`: that stays a loop in the machine's code, which then knows of no slice's length.
        for r in 0..R {
            tile[r] = &rows[r * self.depth + start..][..length];
        }
        tile
    }
}

impl<const R: usize> Tile for [&[f32]; R] {
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        simd.splat_f32s(self[row][column])
    }
}

/// Some columns of a matrix, cut into tiles of as many rows as the processor's: each tile column by column.
#[derive(Debug, Clone)]
pub(super) struct Tiles<'a> {
    pub numbers: &'a [f32],
    /// The part of the sum that they are: which columns.
    pub span: Range<usize>,
}

impl Left for Tiles<'_> {
    type Tile<'t, const R: usize>
        = &'t [[f32; R]]
    where
        Self: 't;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.numbers.len() / self.span.len()
    }

    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize, start: usize, length: usize) -> &[[f32; R]] {
        let tile = &self.numbers[row * self.span.len()..(row + R) * self.span.len()];
        &tile.as_chunks().0[start - self.span.start..][..length]
    }
}

impl<const R: usize> Tile for &[[f32; R]] {
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        simd.splat_f32s(self[column][row])
    }
}

impl<L: Left> pulp::WithSimd for Multiply<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES >= 16 {
            self.run::<S, 12>(simd);
        } else {
            self.run::<S, 6>(simd);
        }
    }
}

impl<L: Left> Multiply<'_, L> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Panels { numbers, depth, columns, .. } = self.right;
        let width = VECTORS * S::F32_LANES;
        let padded = columns.next_multiple_of(width);
        let rows = self.out.len() / columns;
        let span = self.right.span();
        for stretch in self.right.stretches.clone().map(|number| stretch(depth, number)) {
            let panels = &numbers[(stretch.start - span.start) * padded..(stretch.end - span.start) * padded];
            for (number, panel) in panels.chunks_exact(stretch.len() * width).enumerate() {
                let (vectors, _) = S::as_simd_f32s(panel);
                let (panel, _) = vectors.as_chunks::<VECTORS>();
                let start = number * width;
                let end = (start + width).min(columns);
                let before =
                    if stretch.start > 0 { Before::Sum } else { Before::Bias(self.bias.map(|bias| &bias[start..end])) };
                for row in (0..rows).step_by(R) {
                    // Where no tile is left, the last one takes up some rows again.
                    let first = row.min(self.left.rows() - R);
                    let sums = sums::<S, L, R>(simd, &self.left, first, stretch.clone(), panel);
                    for r in 0..R {
                        if (row..rows).contains(&(first + r)) {
                            let out = &mut self.out[(first + r) * columns..][start..end];
                            store(simd, sums[r], before, out);
                        }
                    }
                }
            }
        }
    }
}

/// What the sums of a stretch are added to.
#[derive(Clone, Copy)]
enum Before<'a> {
    /// Nothing, or the bias.
    Bias(Option<&'a [f32]>),
    /// The sums of the stretches before.
    Sum,
}

/// The sums of one stretch, of a tile's rows and a panel's columns.
#[inline(always)]
fn sums<S: Simd, L: Left, const R: usize>(
    simd: S,
    left: &L,
    row: usize,
    stretch: Range<usize>,
    panel: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; R] {
    let length = stretch.len();
    let left = left.tile::<R>(row, stretch.start, length);
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
    for (i, right) in panel.iter().enumerate().take(length) {
        for r in 0..R {
            let number = left.spread(simd, r, i);
            for v in 0..VECTORS {
                sums[r][v] = simd.mul_add_f32s(number, right[v], sums[r][v]);
            }
        }
    }
    sums
}

/// Adds a row's sums to what was there before.
#[inline(always)]
fn store<S: Simd>(simd: S, sums: [S::f32s; VECTORS], before: Before<'_>, out: &mut [f32]) {
    let before = match before {
        Before::Sum => vectors(simd, out),
        Before::Bias(Some(bias)) => vectors(simd, bias),
        Before::Bias(None) => [simd.splat_f32s(0.0); VECTORS],
    };
    let whole: [S::f32s; VECTORS] = std::array::from_fn(|v| simd.add_f32s(before[v], sums[v]));
    match S::as_mut_simd_f32s(out) {
        (out, []) if out.len() == VECTORS => out.copy_from_slice(&whole),
        // The last panel may be less wide.
        _ => {
            for (part, whole) in out.chunks_mut(S::F32_LANES).zip(whole) {
                simd.partial_store_f32s(part, whole);
            }
        }
    }
}

/// Numbers side by side, and zeros where there are no more.
#[inline(always)]
pub(super) fn vectors<S: Simd>(simd: S, numbers: &[f32]) -> [S::f32s; VECTORS] {
    match S::as_simd_f32s(numbers) {
        (&[first, second], []) => [first, second],
        _ => {
            let mut parts = numbers.chunks(S::F32_LANES);
            std::array::from_fn(|_| simd.partial_load_f32s(parts.next().unwrap_or_default()))
        }
    }
}
