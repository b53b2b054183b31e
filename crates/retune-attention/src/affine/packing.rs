//! Matrices, laid out as the kernel reads them.

use std::ops::Range;

use half::bf16;
use pulp::Simd;

use super::kernel::{Arithmetic, Factor, NARROW, Shape, WIDE, is_wide};

/// A right matrix of `depth` rows and so many columns, as it lies in memory.
pub(super) struct Right<'a> {
    pub factors: &'a [Factor],
    pub depth: usize,
    pub columns: usize,
    pub by: By,
}

/// What lies side by side.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The factors of a row.
    Rows,
    /// The factors of a column.
    Columns,
}

impl Right<'_> {
    /// How many columns are best laid out at a time: of what lies row by row long pieces of each, so that memory is read in
    /// its order; else a panel, which then is in the first cache when it is multiplied.
    pub fn at_once(&self, shape: Shape) -> usize {
        match self.by {
            By::Rows => 8 * shape.columns,
            By::Columns => shape.columns,
        }
    }

    /// These columns of these rows in panels of as many as the processor's tile has, each panel row by row, and the last
    /// filled up with zeros.
    pub fn fill<A: Arithmetic>(
        &self,
        panels: &mut [Factor],
        rows: Range<usize>,
        columns: Range<usize>,
        (arithmetic, shape): (A, Shape),
    ) {
        match self.by {
            By::Rows => {
                let length = self.columns;
                let rows = &self.factors[rows.start * length..rows.end * length];
                arithmetic.dispatch(Cut { rows, length, own: columns, into: Into::Panels, to: panels });
            }
            By::Columns => {
                let starts = columns.clone().step_by(shape.columns);
                for (panel, start) in panels.chunks_exact_mut(rows.len() * shape.columns).zip(starts) {
                    let end = columns.end.min(start + shape.columns);
                    if end < start + shape.columns {
                        panel.fill(0.0);
                    }
                    let columns = &self.factors[start * self.depth..end * self.depth];
                    transpose(columns, self.depth, rows.clone(), panel, shape.columns);
                }
            }
        }
    }
}

/// Columns `own` of a matrix, whose rows are of `length` factors each, cut into panels or tiles: each row by row, and the
/// last filled up with zeros.
pub(super) struct Cut<'a> {
    pub rows: &'a [Factor],
    pub length: usize,
    pub own: Range<usize>,
    pub into: Into,
    pub to: &'a mut [Factor],
}

/// How wide the parts are.
#[derive(Clone, Copy)]
pub(super) enum Into {
    /// As many columns as a tile has: of a right matrix.
    Panels,
    /// As many as it has rows: of a left matrix that is read by columns.
    Tiles,
}

impl pulp::WithSimd for Cut<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match (self.into, is_wide::<S>()) {
            (Into::Panels, true) => self.copy::<48>(),
            (Into::Panels, false) => self.copy::<16>(),
            (Into::Tiles, true) => self.copy::<{ WIDE.0 }>(),
            (Into::Tiles, false) => self.copy::<{ NARROW.0 }>(),
        }
    }
}

impl Cut<'_> {
    #[inline(always)]
    fn copy<const W: usize>(self) {
        /// Rows that are read at a time: each whole, so that memory is read in its order, and so few that they stay in the
        /// first cache.
        const AT_A_TIME: usize = 16;
        let Self { rows, length, own, to, .. } = self;
        let count = rows.len() / length;
        let (to, _) = to.as_chunks_mut::<W>();
        for (first, rows) in (0..count).step_by(AT_A_TIME).zip(rows.chunks(AT_A_TIME * length)) {
            for (part, start) in own.clone().step_by(W).enumerate() {
                let rows = rows.chunks_exact(length).map(|row| &row[start..own.end]);
                for (to, row) in to[part * count + first..].iter_mut().zip(rows) {
                    match row.first_chunk() {
                        Some(whole) => *to = *whole,
                        None => {
                            to[..row.len()].copy_from_slice(row);
                            to[row.len()..].fill(0.0);
                        }
                    }
                }
            }
        }
    }
}

/// Of two rows of bfloat16 numbers, each pair that stands in one column; of a last row alone, with zeros.
pub(super) struct PairsOfRows<'a> {
    pub above: &'a [bf16],
    pub below: Option<&'a [bf16]>,
    pub to: &'a mut [Factor],
}

impl pulp::WithSimd for PairsOfRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pair = |low: &bf16, high: u16| Factor::from_bits(u32::from(low.to_bits()) | u32::from(high) << 16);
        let places = self.to.iter_mut().zip(self.above);
        match self.below {
            Some(below) => places.zip(below).for_each(|((to, low), high)| *to = pair(low, high.to_bits())),
            None => places.for_each(|(to, low)| *to = pair(low, 0)),
        }
    }
}

/// Writes factors `own` of every line side by side with those of the other lines: factor `i` of line `l`, of `length`
/// each, is `to[i * width + l]`.
pub(super) fn transpose(lines: &[Factor], length: usize, own: Range<usize>, to: &mut [Factor], width: usize) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        done = simd.vectorize(squares::Transpose { simd, lines, length, own: own.clone(), to, width });
    }
    // What is not part of a square.
    for (l, line) in lines.chunks_exact(length).enumerate() {
        let from = if l < lines.len() / length / SQUARE * SQUARE { done } else { 0 };
        let places = to.chunks_exact_mut(width).zip(&line[own.clone()]);
        places.skip(from).for_each(|(place, number)| place[l] = *number);
    }
}

/// The side of a square that is transposed in registers.
const SQUARE: usize = 8;

#[cfg(target_arch = "x86_64")]
mod squares {
    use pulp::x86::V3;
    use pulp::{Simd, cast};

    use super::{Factor, Range, SQUARE};

    /// Transposes what squares cover, of lines and of each line; returns how many of a line's numbers those are.
    pub struct Transpose<'a> {
        pub simd: V3,
        pub lines: &'a [Factor],
        pub length: usize,
        pub own: Range<usize>,
        pub to: &'a mut [Factor],
        pub width: usize,
    }

    impl pulp::NullaryFnOnce for Transpose<'_> {
        type Output = usize;

        #[inline(always)]
        fn call(self) -> usize {
            let Self { simd, lines, length, own, to, width } = self;
            for (group, eight) in lines.chunks_exact(SQUARE * length).enumerate() {
                for square in 0..own.len() / SQUARE {
                    let from = own.start + square * SQUARE;
                    let mut rows = [simd.splat_f32s(0.0); SQUARE];
                    for l in 0..SQUARE {
                        rows[l] = V3::as_simd_f32s(&eight[l * length + from..][..SQUARE]).0[0];
                    }
                    let rows = transposed(simd, rows);
                    for i in 0..SQUARE {
                        let place = &mut to[(square * SQUARE + i) * width + group * SQUARE..][..SQUARE];
                        V3::as_mut_simd_f32s(place).0[0] = rows[i];
                    }
                }
            }
            own.len() / SQUARE * SQUARE
        }
    }

    type Row = <V3 as Simd>::f32s;

    /// Of pairs of rows, of fours, of halves.
    #[inline(always)]
    fn transposed(simd: V3, rows: [Row; SQUARE]) -> [Row; SQUARE] {
        let avx = simd.avx;
        let [a, b, c, d, e, f, g, h] = rows.map(cast);
        let pairs = |a, b| (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
        let ((ab0, ab1), (cd0, cd1), (ef0, ef1), (gh0, gh1)) = (pairs(a, b), pairs(c, d), pairs(e, f), pairs(g, h));
        let fours = |ab, cd| (avx._mm256_shuffle_ps::<0x44>(ab, cd), avx._mm256_shuffle_ps::<0xEE>(ab, cd));
        let ((l0, l1), (l2, l3)) = (fours(ab0, cd0), fours(ab1, cd1));
        let ((r0, r1), (r2, r3)) = (fours(ef0, gh0), fours(ef1, gh1));
        let low = |l, r| cast(avx._mm256_permute2f128_ps::<0x20>(l, r));
        let high = |l, r| cast(avx._mm256_permute2f128_ps::<0x31>(l, r));
        [low(l0, r0), low(l1, r1), low(l2, r2), low(l3, r3), high(l0, r0), high(l1, r1), high(l2, r2), high(l3, r3)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transpose_is_one_whatever_squares_cover() {
        for (lines, length, own, width) in
            [(32, 40, 0..40, 32), (11, 21, 3..20, 16), (7, 9, 0..9, 16), (16, 8, 0..5, 16)]
        {
            let numbers: Vec<f32> = (0..lines * length).map(|number| number as f32).collect();
            let mut found = vec![-1.0; own.len() * width];
            transpose(&numbers, length, own.clone(), &mut found, width);
            for (i, row) in found.chunks(width).enumerate() {
                for (l, number) in row.iter().enumerate() {
                    let expected = if l < lines { (l * length + own.start + i) as f32 } else { -1.0 };
                    assert_eq!(*number, expected, "{lines} {length} {own:?}: line {l}, number {i}");
                }
            }
        }
    }
}
