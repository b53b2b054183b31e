//! Matrices of float32 or bfloat16 numbers, rounded to bfloat16 and laid out as AMX reads them.
#![allow(clippy::needless_range_loop, reason = "loops of a constant length over several arrays, which are unrolled")]

use std::ops::Range;

use half::bf16;
use pulp::{Simd, WithSimd, bytemuck, cast};
use retune_torch::amx::{SIDE, Step, TERMS, Tile};
use retune_torch::pairs::PairProducts;
use retune_torch::slices::Element;

use super::super::packing::transpose;

/// A matrix of a product, line by line, each of so many numbers.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    pub numbers: &'a [T],
    pub length: usize,
    pub line: Line,
}

/// What its lines are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A row of the left matrix, or a column of the right one: the sum runs along it.
    Summed,
    /// A term of each sum: a column of the left matrix, or a row of the right one.
    Term,
}

impl<T> Matrix<'_, T> {
    /// How many rows of the product the left matrix gives, or columns the right one; and how many terms each sum has.
    pub fn sides(&self) -> (usize, usize) {
        let lines = self.numbers.len() / self.length;
        match self.line {
            Line::Summed => (lines, self.length),
            Line::Term => (self.length, lines),
        }
    }
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// A type of number that is multiplied. Only inside [`PairProducts::dispatch`] are these a few instructions.
pub trait Number: Element {
    /// Rounded to the nearest bfloat16 numbers, those side by side as a factor.
    fn side_by_side(pairs: PairProducts, numbers: &[Self; TERMS]) -> Row;

    /// The same, those of one column as a factor, the lower bits from above.
    fn below_each_other(pairs: PairProducts, above: &[Self; 16], below: &[Self; 16]) -> Row;
}

/// A tile's.
type Row = [f32; 16];

impl Number for f32 {
    #[inline(always)]
    fn side_by_side(pairs: PairProducts, numbers: &[f32; TERMS]) -> Row {
        let (halves, _) = numbers.as_chunks::<16>();
        let [low, high] = [pairs.round(cast(halves[0])), pairs.round(cast(halves[1]))];
        let mut bits = [0u16; TERMS];
        for i in 0..16 {
            bits[i] = low[i].to_bits();
            bits[16 + i] = high[i].to_bits();
        }
        bytemuck::cast(bits)
    }

    #[inline(always)]
    fn below_each_other(pairs: PairProducts, above: &[f32; 16], below: &[f32; 16]) -> Row {
        let [above, below] = [pairs.round(cast(*above)), pairs.round(cast(*below))];
        bf16::below_each_other(pairs, &above, &below)
    }
}

impl Number for bf16 {
    #[inline(always)]
    fn side_by_side(_: PairProducts, numbers: &[bf16; TERMS]) -> Row {
        let mut bits = [0u16; TERMS];
        for i in 0..TERMS {
            bits[i] = numbers[i].to_bits();
        }
        bytemuck::cast(bits)
    }

    #[inline(always)]
    fn below_each_other(_: PairProducts, above: &[bf16; 16], below: &[bf16; 16]) -> Row {
        let mut row = [0.0; 16];
        for i in 0..16 {
            row[i] = f32::from_bits(u32::from(above[i].to_bits()) | u32::from(below[i].to_bits()) << 16);
        }
        row
    }
}

/// Some rows of the product, or columns, and some terms of their sums, in groups of [`SIDE`]: the steps of each group one
/// after another, and zeros where there are no more numbers.
pub struct Pack<'m, 'a, T> {
    pub pairs: PairProducts,
    pub matrix: &'m Matrix<'a, T>,
    pub side: Side,
    pub own: Range<usize>,
    pub terms: Range<usize>,
    pub to: &'m mut [Step],
}

impl<T: Number> Pack<'_, '_, T> {
    pub fn run(self) {
        self.pairs.dispatch(self);
    }
}

/// Lines of one tile along which the sum runs, or pairs of lines that are terms; and numbers of a tile across those.
const HALF: usize = TERMS / 2;

/// Tiles that are filled at a time, from long pieces of each line: so few that they stay in the first cache, in which all
/// of a line's would share a few places.
const AT_A_TIME: usize = 4;

impl<T: Number> WithSimd for Pack<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.matrix.line {
            Line::Summed => self.along(),
            Line::Term => self.across(),
        }
    }
}

impl<T: Number> Pack<'_, '_, T> {
    /// Of lines along which the sum runs: terms side by side are a factor, and a tile's row is its line's.
    #[inline(always)]
    fn along(self) {
        let Self { pairs, matrix: &Matrix { numbers, length, .. }, side, own, terms, to } = self;
        let steps = terms.len().div_ceil(TERMS);
        for (half, first) in own.clone().step_by(HALF).enumerate() {
            let tiles = &mut to[half / 2 * steps..][..steps];
            for (chunk, tiles) in tiles.chunks_mut(AT_A_TIME).enumerate() {
                for i in 0..HALF {
                    let line = if first + i < own.end { &numbers[(first + i) * length..][terms.clone()] } else { &[] };
                    let line = line.get(chunk * AT_A_TIME * TERMS..).unwrap_or_default();
                    let (whole, _) = line.as_chunks();
                    let count = whole.len().min(tiles.len());
                    for (tile, numbers) in tiles.iter_mut().zip(whole) {
                        tile[half % 2][i] = T::side_by_side(pairs, numbers);
                    }
                    for step in count..tiles.len() {
                        tiles[step][half % 2][i] = T::side_by_side(pairs, &filled(line, step));
                    }
                }
            }
            if side == Side::Right {
                tiles.iter_mut().for_each(|step| turn(&mut step[half % 2]));
            }
        }
        // The last group may lack its second half.
        if own.len().next_multiple_of(SIDE) - own.len() >= HALF {
            let last = to.len() - steps;
            to[last..].iter_mut().for_each(|step| step[1] = EMPTY);
        }
    }

    /// Of lines that are terms: what stands below each other is a factor, and a tile's row is two lines'.
    #[inline(always)]
    fn across(self) {
        let Self { pairs, matrix: &Matrix { numbers, length, .. }, side, own, terms, to } = self;
        let steps = terms.len().div_ceil(TERMS);
        let halves = 2 * own.len().div_ceil(SIDE);
        let line = |term: usize| if term < terms.end { &numbers[term * length..][own.clone()] } else { &[] };
        for step in 0..steps {
            for start in (0..halves).step_by(AT_A_TIME) {
                let end = halves.min(start + AT_A_TIME);
                for i in 0..HALF {
                    let first = terms.start + step * TERMS + 2 * i;
                    let (above, below) = (line(first), line(first + 1));
                    let (whole_above, _) = above.as_chunks();
                    let (whole_below, _) = below.as_chunks();
                    let whole = end.min(whole_above.len()).min(whole_below.len()).max(start);
                    for half in start..whole {
                        let row = T::below_each_other(pairs, &whole_above[half], &whole_below[half]);
                        to[half / 2 * steps + step][half % 2][i] = row;
                    }
                    for half in whole..end {
                        let row = T::below_each_other(pairs, &filled(above, half), &filled(below, half));
                        to[half / 2 * steps + step][half % 2][i] = row;
                    }
                }
            }
            if side == Side::Left {
                (0..halves).for_each(|half| turn(&mut to[half / 2 * steps + step][half % 2]));
            }
        }
    }
}

const EMPTY: Tile = [[0.0; 16]; 16];

/// Transposes a tile.
#[inline(always)]
fn turn(tile: &mut Tile) {
    let rows = *tile;
    transpose(rows.as_flattened(), 16, 0..16, tile.as_flattened_mut(), 16);
}

/// The part of this number of a line, all of which are as long; zeros where there are no more numbers.
#[inline(never)]
fn filled<T: Element, const LENGTH: usize>(line: &[T], part: usize) -> [T; LENGTH] {
    let mut filled = [T::default(); LENGTH];
    let rest = line.get(part * LENGTH..).unwrap_or_default();
    let count = rest.len().min(LENGTH);
    filled[..count].copy_from_slice(&rest[..count]);
    filled
}
