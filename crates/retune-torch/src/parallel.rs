//! Work in parallel on libtorch's own threads, so that no second pool competes with them for the cores.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::operation::caught;
use crate::{TorchError, bridge::ffi};

/// Calls `work` with parts that together are `0..count`, on as many threads as libtorch uses (`at::parallel_for`);
/// parts of fewer than `grain` are not made. Inside a parallel region all is one part.
///
/// # Errors
/// libtorch refuses.
pub fn for_each_part(count: usize, grain: usize, work: &(dyn Fn(Range<usize>) + Sync)) -> Result<(), TorchError> {
    let work = Work(work);
    ffi::parallel_for(count, grain, &work)?;
    Ok(())
}

/// A slice in blocks: block `i` is `offsets[i]..offsets[i + 1]`.
#[derive(Debug)]
pub struct Blocks<'a, T> {
    /// All blocks end to end.
    pub slice: &'a mut [T],
    /// Where they begin: one more than there are blocks, not falling, from 0 to the slice's length.
    pub offsets: &'a [usize],
}

/// Calls `work` once for every index with the blocks of that index, in parallel, the last index first. A thread that is
/// done takes the next index, so that blocks of unequal size keep all threads busy; what is computed does not depend on
/// which thread does it.
///
/// # Errors
/// libtorch refuses.
///
/// # Panics
/// The slices have different numbers of blocks, or offsets that are none.
pub fn for_each_block<T: Send, const N: usize>(
    blocks: [Blocks<'_, T>; N],
    work: &(dyn Fn(usize, [&mut [T]; N]) + Sync),
) -> Result<(), TorchError> {
    let none: [Blocks<'_, T>; 0] = [];
    for_each_block_of_two(blocks, none, &|index, blocks, []| work(index, blocks))
}

/// The same with blocks of two types.
///
/// # Errors
/// libtorch refuses.
///
/// # Panics
/// The slices have different numbers of blocks, or offsets that are none.
#[allow(clippy::type_complexity, reason = "blocks of one type, and blocks of the other")]
pub fn for_each_block_of_two<A: Send, B: Send, const N: usize, const M: usize>(
    first: [Blocks<'_, A>; N],
    second: [Blocks<'_, B>; M],
    work: &(dyn Fn(usize, [&mut [A]; N], [&mut [B]; M]) + Sync),
) -> Result<(), TorchError> {
    let all = || {
        let first = first.iter().map(|blocks| (blocks.slice.len(), blocks.offsets));
        first.chain(second.iter().map(|blocks| (blocks.slice.len(), blocks.offsets)))
    };
    let count = all().next().map_or(0, |(_, offsets)| offsets.len().saturating_sub(1));
    for (length, offsets) in all() {
        let rises = offsets.is_sorted() && offsets.first() == Some(&0) && offsets.last() == Some(&length);
        assert!(rises && offsets.len() == count + 1, "{count} blocks of {length} numbers: {offsets:?}");
    }
    let first = first.map(|Blocks { slice, offsets }| Place { start: slice.as_mut_ptr(), offsets });
    let second = second.map(|Blocks { slice, offsets }| Place { start: slice.as_mut_ptr(), offsets });
    let left = AtomicUsize::new(count);
    let take = |_: Range<usize>| {
        while let Ok(index) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            let index = index - 1;
            // SAFETY: every index is taken by one thread once, and blocks of different indices do not overlap, since the
            // offsets were checked to rise inside their slice, which is borrowed for the whole call.
            let first = each(&first, |place| unsafe { place.block(index) });
            // SAFETY: likewise.
            let second = each(&second, |place| unsafe { place.block(index) });
            work(index, first, second);
        }
    };
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(count);
    for_each_part(threads, 1, &take)
}

/// A matrix row by row, cut into rectangles: those between two rows, and two columns, at which it is cut.
#[derive(Debug)]
pub struct Grid<'a, T> {
    /// All rows end to end.
    pub numbers: &'a mut [T],
    /// Where it is cut between rows: not falling, from 0 to the number of rows.
    pub rows: &'a [usize],
    /// Where it is cut between columns: not falling, from 0 to the number of columns.
    pub columns: &'a [usize],
}

/// Some columns of some rows of a matrix.
#[derive(Debug)]
pub struct Rectangle<'a, T> {
    start: *mut T,
    /// From one row to the next.
    stride: usize,
    rows: usize,
    columns: usize,
    own: PhantomData<&'a mut [T]>,
}

impl<T> Rectangle<'_, T> {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many numbers each row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers of a row.
    ///
    /// # Panics
    /// There is no such row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "a row of the rectangle");
        // SAFETY: the row lies in the rectangle, whose numbers are this one's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
    }
}

/// Calls `work` once for every rectangle, with its place among those of its rows and of its columns, in parallel and as
/// [`for_each_block`] does: rectangles of the same rows come one after another.
///
/// # Errors
/// libtorch refuses.
///
/// # Panics
/// The cuts are none of this matrix.
pub fn for_each_rectangle<T: Send>(
    grid: Grid<'_, T>,
    work: &(dyn Fn(usize, usize, Rectangle<'_, T>) + Sync),
) -> Result<(), TorchError> {
    /// A pointer that threads share.
    struct Shared<T>(*mut T);
    // SAFETY: threads write into rectangles that do not overlap, of numbers that may be sent to them.
    unsafe impl<T: Send> Sync for Shared<T> {}
    impl<T> Shared<T> {
        fn get(&self) -> *mut T {
            self.0
        }
    }

    let Grid { numbers, rows, columns } = grid;
    let cuts_up = |cuts: &[usize]| cuts.is_sorted() && cuts.first() == Some(&0);
    let (height, width) = (rows.last().copied().unwrap_or(0), columns.last().copied().unwrap_or(0));
    assert!(
        cuts_up(rows) && cuts_up(columns) && height * width == numbers.len(),
        "a matrix of {} numbers, cut at rows {rows:?} and columns {columns:?}",
        numbers.len()
    );
    let across = columns.len() - 1;
    let count = (rows.len() - 1) * across;
    let start = Shared(numbers.as_mut_ptr());
    let left = AtomicUsize::new(count);
    let take = |_: Range<usize>| {
        while let Ok(index) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            let (i, j) = ((index - 1) / across, (index - 1) % across);
            // SAFETY: the cuts rise inside the matrix, so that the rectangle begins in it or at its end.
            let start = unsafe { start.get().add(rows[i] * width + columns[j]) };
            let (rows, columns) = (rows[i + 1] - rows[i], columns[j + 1] - columns[j]);
            work(i, j, Rectangle { start, stride: width, rows, columns, own: PhantomData });
        }
    };
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(count);
    for_each_part(threads, 1, &take)
}

/// `each(places, f)` is `places.map(f)` by reference.
fn each<'p, P, B, const N: usize>(places: &'p [P; N], block: impl Fn(&'p P) -> B) -> [B; N] {
    places.each_ref().map(block)
}

/// Where a slice's blocks begin.
struct Place<'a, T> {
    start: *mut T,
    offsets: &'a [usize],
}

// SAFETY: threads take blocks that do not overlap, each of which may be sent to its thread.
unsafe impl<T: Send> Sync for Place<'_, T> {}

impl<T> Place<'_, T> {
    /// One block.
    ///
    /// # Safety
    /// The slice is borrowed exclusively, the offsets lie in it, and no block is taken twice.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that blocks do not overlap")]
    unsafe fn block(&self, index: usize) -> &mut [T] {
        let (begin, end) = (self.offsets[index], self.offsets[index + 1]);
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(begin), end - begin) }
    }
}

/// A closure as C++ knows it.
pub(crate) struct Work<'a>(&'a (dyn Fn(Range<usize>) + Sync));

pub(crate) fn do_work(work: &Work<'_>, begin: usize, end: usize) -> Result<(), String> {
    caught(|| (work.0)(begin..end))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn blocks_are_written_apart() {
        let (mut a, mut b) = (vec![0usize; 10], vec![0usize; 4]);
        let blocks =
            [Blocks { slice: &mut a, offsets: &[0, 3, 3, 10] }, Blocks { slice: &mut b, offsets: &[0, 1, 2, 4] }];
        for_each_block(blocks, &|index, [a, b]| {
            a.fill(index + 1);
            b.fill(10 * (index + 1));
        })
        .unwrap();
        assert_eq!(a, [1, 1, 1, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(b, [10, 20, 30, 30]);
    }

    #[test]
    fn rectangles_are_written_apart() {
        let mut numbers = vec![0usize; 35];
        let grid = Grid { numbers: &mut numbers, rows: &[0, 2, 2, 5], columns: &[0, 3, 7] };
        for_each_rectangle(grid, &|i, j, mut rectangle| {
            assert_eq!((rectangle.rows(), rectangle.columns()), ([2, 0, 3][i], [3, 4][j]));
            for row in 0..rectangle.rows() {
                rectangle.row(row).iter_mut().for_each(|number| *number += 10 * (i + 1) + j);
            }
        })
        .unwrap();
        let row = |i: usize| [[10 * i; 3].as_slice(), &[10 * i + 1; 4]].concat();
        assert_eq!(numbers, [row(1), row(1), row(3), row(3), row(3)].concat());
        for_each_rectangle(Grid { numbers: &mut [0; 0], rows: &[0], columns: &[0, 3] }, &|_, _, _| unreachable!())
            .unwrap();
    }

    #[test]
    #[should_panic(expected = "cut at rows [0, 3] and columns [0, 2]")]
    fn cuts_of_another_matrix_are_a_bug() {
        let _ = for_each_rectangle(Grid { numbers: &mut [0; 5], rows: &[0, 3], columns: &[0, 2] }, &|_, _, _| ());
    }

    #[test]
    #[should_panic(expected = "a row of the rectangle")]
    fn there_is_no_row_beyond() {
        let mut numbers = [0; 6];
        let mut rectangle =
            Rectangle { start: numbers.as_mut_ptr(), stride: 2, rows: 2, columns: 2, own: PhantomData::<&mut [i32]> };
        let _ = rectangle.row(2);
    }

    #[test]
    #[should_panic(expected = "blocks of 2 numbers")]
    fn blocks_that_do_not_fit_are_a_bug() {
        let _ = for_each_block([Blocks { slice: &mut [0, 0], offsets: &[0, 3] }], &|_, _| ());
    }

    #[test]
    fn a_panic_in_a_part_is_an_error() {
        let work = |part: Range<usize>| assert!(!part.contains(&70), "at 70");
        let refused = for_each_part(100, 1, &work).unwrap_err().to_string();
        assert!(refused.contains("at 70"), "{refused}");
    }

    #[test]
    fn parts_are_the_whole_once() {
        for (count, grain) in [(0, 1), (1, 1), (7, 2), (1000, 10)] {
            let seen = Mutex::new(vec![0; count]);
            let work = |part: Range<usize>| part.for_each(|place| seen.lock().unwrap()[place] += 1);
            for_each_part(count, grain, &work).unwrap();
            assert!(seen.into_inner().unwrap().iter().all(|times| *times == 1), "{count} {grain}");
        }
    }
}
