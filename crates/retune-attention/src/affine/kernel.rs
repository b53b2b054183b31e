//! The product of two matrices, by blocks whose sums stay in registers, in float32.
//!
//! Every number of the result is the sum of its products in their order, in stretches whose sums are added up at the
//! end. It depends on nothing but its row and its column: not on the other rows, nor on threads, nor on how wide the
//! processor's vectors are.
//!
//! What is multiplied is a [`Factor`]: a float32 number, or two of bfloat16 side by side, which here are as many bits
//! and are only moved.
//!
//! The blocks are those of the BLIS library (Van Zee and van de Geijn 2015, <https://doi.org/10.1145/2764454>): panels of
//! the right matrix lie in memory in the order in which they are read, and tiles of a few rows of the left one pass over
//! them.
#![allow(clippy::needless_range_loop, reason = "loops of a constant length over several arrays, which are unrolled")]

use std::ops::Range;

use half::bf16;
use pulp::{Simd, WithSimd, cast};
use retune_torch::pairs::PairProducts;
use retune_torch::parallel::Rectangle;
use retune_torch::slices::Element;

use crate::real::Stored;

/// The numbers in a row of the widest tile.
const WIDEST: usize = 48;

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
        impl WithSimd for Measure {
            type Output = Option<Shape>;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Option<Shape> {
                let (rows, vectors) = if is_wide::<S>() { WIDE } else { NARROW };
                (S::F32_LANES >= 8).then_some(Shape { rows, columns: vectors * S::F32_LANES })
            }
        }
        arch.dispatch(Measure)
    }
}

/// Rows of a tile and vectors in each, where there are 32 registers: sums, the right vectors and the left number fill 28. Of
/// the shapes of 24 sums, of which each takes a multiplication a step, this one reads 11 times a step where twelve rows
/// of two vectors read 14.
pub(super) const WIDE: (usize, usize) = (8, 3);
/// Where there are 16, of which 15 are filled.
pub(super) const NARROW: (usize, usize) = (6, 2);

/// Whether vectors are such that there are 32 registers.
pub(super) const fn is_wide<S: Simd>() -> bool {
    S::F32_LANES >= 16
}

/// A sum of `depth` products, or pairs of them, in stretches of at most `longest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub depth: usize,
    pub longest: usize,
}

impl Sum {
    /// How many stretches it has.
    pub fn stretches(self) -> usize {
        self.depth.div_ceil(self.longest)
    }

    /// A stretch; they are as even as can be.
    pub fn stretch(self, number: usize) -> Range<usize> {
        let count = self.stretches();
        number * self.depth / count..(number + 1) * self.depth / count
    }

    /// All stretches, in order.
    pub fn all(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.stretches()).map(move |number| self.stretch(number))
    }
}

/// What is multiplied: a number, or the bits of two.
pub(super) type Factor = f32;

/// What becomes of two factors.
pub(super) trait Arithmetic: Copy + Send + Sync {
    /// Calls `work`, compiled for the widest vectors of the processor.
    fn dispatch<W: WithSimd>(self, work: W) -> W::Output;

    /// The sums, and the factors' products.
    fn add<S: Simd>(self, simd: S, left: S::f32s, right: S::f32s, sums: S::f32s) -> S::f32s;
}

/// Factors are numbers, and each product is added with one rounding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Single(pub pulp::Arch);

impl Arithmetic for Single {
    fn dispatch<W: WithSimd>(self, work: W) -> W::Output {
        self.0.dispatch(work)
    }

    #[inline(always)]
    fn add<S: Simd>(self, simd: S, left: S::f32s, right: S::f32s, sums: S::f32s) -> S::f32s {
        simd.mul_add_f32s(left, right, sums)
    }
}

/// Factors are pairs of numbers.
impl Arithmetic for PairProducts {
    fn dispatch<W: WithSimd>(self, work: W) -> W::Output {
        self.dispatch(work)
    }

    #[inline(always)]
    fn add<S: Simd>(self, _: S, left: S::f32s, right: S::f32s, sums: S::f32s) -> S::f32s {
        // It dispatches to vectors of this size alone.
        cast(self.add(cast(left), cast(right), cast(sums)))
    }
}

/// Numbers that sums of this arithmetic are written as.
pub(super) trait Written<A>: Element {
    /// As many as there are, of vectors side by side; zeros where there are no more.
    fn read<S: Simd, const V: usize>(simd: S, numbers: &[Self]) -> [S::f32s; V];

    /// As many as there are.
    fn write<S: Simd, const V: usize>(simd: S, arithmetic: A, sums: [S::f32s; V], numbers: &mut [Self]);
}

impl<A: Arithmetic> Written<A> for f32 {
    #[inline(always)]
    fn read<S: Simd, const V: usize>(simd: S, numbers: &[Self]) -> [S::f32s; V] {
        vectors(simd, numbers)
    }

    #[inline(always)]
    fn write<S: Simd, const V: usize>(simd: S, _: A, sums: [S::f32s; V], numbers: &mut [Self]) {
        match S::as_mut_simd_f32s(numbers) {
            (whole, []) if whole.len() == V => whole.copy_from_slice(&sums),
            // The last panel may be less wide.
            _ => {
                for (part, sums) in numbers.chunks_mut(S::F32_LANES).zip(sums) {
                    simd.partial_store_f32s(part, sums);
                }
            }
        }
    }
}

impl Written<PairProducts> for bf16 {
    #[inline(always)]
    fn read<S: Simd, const V: usize>(simd: S, numbers: &[Self]) -> [S::f32s; V] {
        let mut wide = [0.0; WIDEST];
        wide.iter_mut().zip(numbers).for_each(|(wide, number)| *wide = number.widen());
        vectors(simd, &wide[..V * S::F32_LANES])
    }

    #[inline(always)]
    fn write<S: Simd, const V: usize>(_: S, pairs: PairProducts, sums: [S::f32s; V], numbers: &mut [Self]) {
        for v in 0..V {
            let end = numbers.len().min((v + 1) * S::F32_LANES);
            let Some(part) = numbers.get_mut(v * S::F32_LANES..end) else { return };
            let rounded = pairs.round(cast(sums[v]));
            match part.first_chunk_mut() {
                Some(whole) => *whole = rounded,
                None => part.copy_from_slice(&rounded[..part.len()]),
            }
        }
    }
}

/// Rows of the left matrix that are multiplied with one panel of the right one, in one stretch of the sum.
#[derive(Debug)]
pub(super) struct Multiply<'m, 'a, A, L, N> {
    pub arithmetic: A,
    pub left: &'m L,
    /// Some columns of the right matrix, as many as a tile has, and the last filled up with zeros: row by row.
    pub panel: &'m [Factor],
    /// Which rows of it.
    pub stretch: Range<usize>,
    /// A number for each column that is added to the product, or none.
    pub bias: Option<&'m [f32]>,
    /// The rows' products, of which these columns are the panel's.
    pub out: &'m mut Rectangle<'a, N>,
    pub columns: Range<usize>,
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
    /// The factor of a row and a column, in each place of a vector.
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s;
}

/// A matrix row by row, with `depth` factors each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub factors: &'a [Factor],
    pub depth: usize,
}

impl Left for Rows<'_> {
    type Tile<'t, const R: usize>
        = [&'t [Factor]; R]
    where
        Self: 't;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.factors.len() / self.depth
    }

    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize, start: usize, length: usize) -> [&[Factor]; R] {
        let rows = &self.factors[row * self.depth..(row + R) * self.depth];
        let mut tile: [&[Factor]; R] = [&[]; R];
        // A loop, and no `from_fn`: that stays a loop in the machine's code, which then knows of no slice's length.
        for r in 0..R {
            tile[r] = &rows[r * self.depth + start..][..length];
        }
        tile
    }
}

impl<const R: usize> Tile for [&[Factor]; R] {
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        simd.splat_f32s(self[row][column])
    }
}

/// Some columns of a matrix, cut into tiles of as many rows as the processor's: each tile column by column.
#[derive(Debug, Clone)]
pub(super) struct Tiles<'a> {
    pub factors: &'a [Factor],
    /// The part of the sum that they are: which columns.
    pub span: Range<usize>,
}

impl Left for Tiles<'_> {
    type Tile<'t, const R: usize>
        = &'t [[Factor; R]]
    where
        Self: 't;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.factors.len() / self.span.len()
    }

    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize, start: usize, length: usize) -> &[[Factor; R]] {
        let tile = &self.factors[row * self.span.len()..(row + R) * self.span.len()];
        &tile.as_chunks().0[start - self.span.start..][..length]
    }
}

impl<const R: usize> Tile for &[[Factor; R]] {
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, row: usize, column: usize) -> S::f32s {
        simd.splat_f32s(self[column][row])
    }
}

impl<A: Arithmetic, L: Left, N: Written<A>> WithSimd for Multiply<'_, '_, A, L, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if is_wide::<S>() {
            self.run::<S, { WIDE.0 }, { WIDE.1 }>(simd);
        } else {
            self.run::<S, { NARROW.0 }, { NARROW.1 }>(simd);
        }
    }
}

impl<A: Arithmetic, L: Left, N: Written<A>> Multiply<'_, '_, A, L, N> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize>(self, simd: S) {
        let Self { arithmetic, left, panel, stretch, bias, out, columns } = self;
        let (vectors, _) = S::as_simd_f32s(panel);
        let (panel, _) = vectors.as_chunks::<V>();
        let before = if stretch.start > 0 { Before::Sum } else { Before::Bias(bias) };
        let rows = out.rows();
        for row in (0..rows).step_by(R) {
            // Where no tile is left, the last one takes up some rows again.
            let first = row.min(left.rows() - R);
            let sums = sums::<S, A, L, R, V>(simd, arithmetic, left, first, stretch.clone(), panel);
            if first == row && row + R <= rows {
                for r in 0..R {
                    store(simd, arithmetic, sums[r], before, &mut out.row(row + r)[columns.clone()]);
                }
                continue;
            }
            for r in 0..R {
                if (row..rows).contains(&(first + r)) {
                    store(simd, arithmetic, sums[r], before, &mut out.row(first + r)[columns.clone()]);
                }
            }
        }
    }
}

/// What the sums of a stretch are added to.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// Nothing, or the bias.
    Bias(Option<&'a [f32]>),
    /// The sums of the stretches before.
    Sum,
}

/// The sums of one stretch, of a tile's rows and a panel's columns.
#[inline(always)]
fn sums<S: Simd, A: Arithmetic, L: Left, const R: usize, const V: usize>(
    simd: S,
    arithmetic: A,
    left: &L,
    row: usize,
    stretch: Range<usize>,
    panel: &[[S::f32s; V]],
) -> [[S::f32s; V]; R] {
    let length = stretch.len();
    let left = left.tile::<R>(row, stretch.start, length);
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    // Of the left numbers' length, so that the loop has one end and no index is looked at twice.
    let panel = &panel[..length];
    for i in 0..length {
        let right = &panel[i];
        for r in 0..R {
            let factor = left.spread(simd, r, i);
            for v in 0..V {
                sums[r][v] = arithmetic.add(simd, factor, right[v], sums[r][v]);
            }
        }
    }
    sums
}

/// Adds a row's sums to what was there before.
#[inline(always)]
pub(super) fn store<S: Simd, A: Arithmetic, N: Written<A>, const V: usize>(
    simd: S,
    arithmetic: A,
    sums: [S::f32s; V],
    before: Before<'_>,
    out: &mut [N],
) {
    let before = match before {
        Before::Sum => N::read(simd, out),
        Before::Bias(Some(bias)) => vectors(simd, bias),
        Before::Bias(None) => [simd.splat_f32s(0.0); V],
    };
    let mut all = [simd.splat_f32s(0.0); V];
    for v in 0..V {
        all[v] = simd.add_f32s(before[v], sums[v]);
    }
    N::write(simd, arithmetic, all, out);
}

/// Numbers side by side, and zeros where there are no more.
#[inline(always)]
pub(super) fn vectors<S: Simd, const V: usize>(simd: S, numbers: &[f32]) -> [S::f32s; V] {
    if let (whole, []) = S::as_simd_f32s(numbers)
        && let Some(whole) = whole.as_array()
    {
        return *whole;
    }
    let mut parts = numbers.chunks(S::F32_LANES);
    std::array::from_fn(|_| simd.partial_load_f32s(parts.next().unwrap_or_default()))
}
