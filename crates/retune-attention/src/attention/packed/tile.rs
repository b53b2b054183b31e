//! The block that all products of a head are made of.

use crate::real::Real;

/// Rows of a block.
pub(super) const ROWS: usize = 4;

/// Columns of a block: a vector of float32, or two of float64.
pub(super) const LANES: usize = 16;

/// Columns of a wide block: two units that multiply and add, each four cycles long, are busy with eight sums in flight.
pub(super) const WIDE: usize = 2 * LANES;

/// A block of sums, `N` columns wide.
pub(super) type Block<T, const N: usize> = [[T; N]; ROWS];

/// The width of a row whose end is filled up.
#[inline(always)]
pub(super) fn widened(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// `Σᵢ left[row][i] · right[i · width + column]`: rows of equal length times a matrix `width` wide.
#[inline(always)]
pub(super) fn by_rows<T: Real, const N: usize>(left: [&[T]; ROWS], right: &[T], width: usize) -> Block<T, N> {
    let mut sums = [[T::ZERO; N]; ROWS];
    let [a, b, c, d] = left;
    for ((((a, b), c), d), right) in a.iter().zip(b).zip(c).zip(d).zip(right.chunks(width)) {
        add_term(&mut sums, [a, b, c, d], right);
    }
    sums
}

/// `Σᵢ left[i · left_width + row] · right[i · width + column]` over `terms` terms: adjacent columns of one matrix times
/// another.
#[inline(always)]
pub(super) fn by_columns<T: Real, const N: usize>(
    left: &[T],
    left_width: usize,
    terms: usize,
    right: &[T],
    width: usize,
) -> Block<T, N> {
    let mut sums = [[T::ZERO; N]; ROWS];
    for (left, right) in left.chunks(left_width).zip(right.chunks(width)).take(terms) {
        let Some(left) = left.first_chunk::<ROWS>() else { break };
        add_term(&mut sums, left.each_ref(), right);
    }
    sums
}

/// The left numbers come by reference: read after the branch, they are spread over a vector by the load itself.
#[inline(always)]
fn add_term<T: Real, const N: usize>(sums: &mut Block<T, N>, left: [&T; ROWS], right: &[T]) {
    let Some(right) = right.first_chunk::<N>() else { return };
    for row in 0..ROWS {
        let left = *left[row];
        for lane in 0..N {
            sums[row][lane] = left.fused(right[lane], sums[row][lane]);
        }
    }
}

/// Writes as much of a row of a block as there is room for.
#[inline(always)]
pub(super) fn put_block<T: Real, const N: usize>(sums: &[T; N], out: &mut [T]) {
    match out.first_chunk_mut::<N>() {
        Some(out) => *out = *sums,
        None => out.iter_mut().zip(sums).for_each(|(out, sum)| *out = *sum),
    }
}

/// Adds as much of a row of a block as there is room for.
#[inline(always)]
pub(super) fn add_block<T: Real, const N: usize>(sums: &[T; N], out: &mut [T]) {
    match out.first_chunk_mut::<N>() {
        Some(out) => out.iter_mut().zip(sums).for_each(|(out, sum)| *out += *sum),
        None => out.iter_mut().zip(sums).for_each(|(out, sum)| *out += *sum),
    }
}

/// Up to `LANES` numbers of a row, filled up with zeros.
#[inline(always)]
pub(super) fn take_block<T: Real>(row: &[T]) -> [T; LANES] {
    let mut block = [T::ZERO; LANES];
    match row.first_chunk::<LANES>() {
        Some(row) => block = *row,
        None => block.iter_mut().zip(row).for_each(|(block, number)| *block = *number),
    }
    block
}
