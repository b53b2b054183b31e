//! One head of one sequence, forward and backward. `l_q` queries, `l_k` keys, `k` numbers a head.
//!
//! Everything here is inlined into functions that were compiled for the processor's widest vectors. All products are
//! made of one block, [`ROWS`] rows by [`LANES`] or [`WIDE`] columns, whose sums stay in registers while its terms
//! pass; what lies in memory with another width is copied once into rows that are a multiple of [`LANES`] wide, filled
//! up with zeros.

use std::ops::Range;

use super::tile::{Block, LANES, ROWS, WIDE, add_block, by_columns, by_rows, put_block, take_block, widened};
use crate::attention::Visibility;
use crate::dropout::Fates;
use crate::real::Real;

/// Queries whose weights and slopes the backward pass holds at once: a multiple of [`ROWS`].
const TILE: usize = 64;

/// Where one head of one sequence lies, and what attention does there.
pub(super) struct Head {
    /// `l_q`.
    pub queries: usize,
    /// `l_k`.
    pub keys: usize,
    /// `k`.
    pub size: usize,
    /// The numbers of a token in `q` and in the output.
    pub query_width: usize,
    /// The numbers of a token in `k` and `v`.
    pub key_width: usize,
    /// Where in a token's queries this head begins.
    pub query_start: usize,
    /// Where in a token's keys and values this head begins.
    pub key_start: usize,
    pub scale: f64,
    pub visibility: Visibility,
    /// Which weights are dropped, by their places in `[l_q, l_k]`.
    pub dropped: Option<Fates>,
}

/// What a head's passes write down in between; one serves all heads of a sequence.
#[derive(Default)]
pub(super) struct Scratch<T> {
    /// Keys, and values, by their numbers: `[k, l_k]`, wide.
    turned_keys: Vec<T>,
    turned_values: Vec<T>,
    /// Keys, or values, as they are: `[l_k, k]`, wide.
    rows: Vec<T>,
    /// `q`, and the output's gradient, as they are: `[l_q, k]`, wide.
    queries: Vec<T>,
    gradients: Vec<T>,
    /// Weights, and slopes, of some queries: `[rows, l_k]`, wide.
    weights: Vec<T>,
    slopes: Vec<T>,
}

/// `out = dropout(softmax(scale · q kᵀ + M)) v`.
#[inline(always)]
pub(super) fn forward<T: Real>(head: &Head, scratch: &mut Scratch<T>, [q, k, v]: [&[T]; 3], out: &mut [T]) {
    let keys = widened(head.keys);
    head.turn(k, &mut scratch.turned_keys);
    head.copy_keys(v, &mut scratch.rows);
    scratch.weights.clear();
    scratch.weights.resize(ROWS * keys, T::ZERO);
    for first in (0..head.queries).step_by(ROWS) {
        head.scores(q, first, &scratch.turned_keys, &mut scratch.weights);
        let rows = first..head.queries.min(first + ROWS);
        for query in rows.clone() {
            let own = &mut scratch.weights[(query - first) * keys..][..keys];
            head.softmax(query, own);
            head.drop(query, own);
        }
        let weights = rows_of(&scratch.weights, 0, keys, head.keys);
        head.mix(weights, &scratch.rows, rows, out);
    }
}

/// The gradients of `q`, `k` and `v`, which begin as zeros; `inputs` are `q`, `k`, `v` and the output's gradient. With
/// `P = softmax(S)`, `P' = dropout(P)` and `dP = dropout(dO Vᵀ)`: `dV = P'ᵀ dO`, `dS = P ⊙ (dP − Σ P ⊙ dP)`,
/// `dQ = scale · dS K`, `dK = scale · dSᵀ Q`.
#[inline(always)]
pub(super) fn backward<T: Real>(
    head: &Head,
    scratch: &mut Scratch<T>,
    [q, k, v, gradient]: [&[T]; 4],
    [dq, dk, dv]: [&mut [T]; 3],
) {
    let (keys, size) = (widened(head.keys), widened(head.size));
    head.turn(k, &mut scratch.turned_keys);
    head.turn(v, &mut scratch.turned_values);
    head.copy_keys(k, &mut scratch.rows);
    head.copy_queries(q, &mut scratch.queries);
    head.copy_queries(gradient, &mut scratch.gradients);
    for held in [&mut scratch.weights, &mut scratch.slopes] {
        held.clear();
        held.resize(TILE * keys, T::ZERO);
    }
    for begin in (0..head.queries).step_by(TILE) {
        let tile = TILE.min(head.queries - begin);
        for first in (0..tile).step_by(ROWS) {
            let own = first * keys..(first + ROWS) * keys;
            head.scores(q, begin + first, &scratch.turned_keys, &mut scratch.weights[own.clone()]);
            head.products(gradient, begin + first, &scratch.turned_values, &mut scratch.slopes[own]);
            for row in first..tile.min(first + ROWS) {
                let weights = &mut scratch.weights[row * keys..][..keys];
                let slopes = &mut scratch.slopes[row * keys..][..keys];
                head.softmax(begin + row, weights);
                head.drop(begin + row, slopes);
                slope(weights, slopes, T::from_f64(head.scale));
                head.drop(begin + row, weights);
            }
            let slopes = rows_of(&scratch.slopes, first, keys, head.keys);
            head.mix(slopes, &scratch.rows, begin + first..begin + tile.min(first + ROWS), dq);
        }
        for first in (0..head.keys).step_by(ROWS) {
            head.gather(&scratch.slopes, &scratch.queries[begin * size..], tile, first, dk);
            head.gather(&scratch.weights, &scratch.gradients[begin * size..], tile, first, dv);
        }
    }
}

/// `ROWS` rows of `length` numbers from row `first` on. Those beyond the last query hold whatever they hold: no other
/// row's sums see it.
#[inline(always)]
fn rows_of<T>(matrix: &[T], first: usize, width: usize, length: usize) -> [&[T]; ROWS] {
    let mut found = [&matrix[..0]; ROWS];
    for (row, found) in found.iter_mut().enumerate() {
        *found = &matrix[(first + row) * width..][..length];
    }
    found
}

/// `dS = P ⊙ (dP − Σ P ⊙ dP) · scale`, in place of `dP`.
#[inline(always)]
fn slope<T: Real>(weights: &[T], slopes: &mut [T], scale: T) {
    let mut sums = [T::ZERO; LANES];
    for (weights, slopes) in weights.chunks_exact(LANES).zip(slopes.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] = weights[lane].fused(slopes[lane], sums[lane]);
        }
    }
    let sum = sums.iter().fold(T::ZERO, |sum, one| sum + *one);
    for (weight, slope) in weights.iter().zip(slopes.iter_mut()) {
        *slope = *weight * (*slope - sum) * scale;
    }
}

/// A block of sums into rows of this width.
#[inline(always)]
fn put_rows<T: Real, const N: usize>(sums: &Block<T, N>, out: &mut [T], width: usize) {
    for (row, sums) in sums.iter().enumerate() {
        put_block(sums, &mut out[row * width..]);
    }
}

/// A row into a wide one.
#[inline(always)]
fn copy_row<T: Real>(row: &[T], wide: &mut [T]) {
    for (row, wide) in row.chunks(LANES).zip(wide.chunks_exact_mut(LANES)) {
        put_block(&take_block(row), wide);
    }
}

impl Head {
    #[inline(always)]
    fn query_row<'a, T>(&self, q: &'a [T], row: usize) -> &'a [T] {
        &q[row * self.query_width + self.query_start..][..self.size]
    }

    #[inline(always)]
    fn query_row_mut<'a, T>(&self, q: &'a mut [T], row: usize) -> &'a mut [T] {
        &mut q[row * self.query_width + self.query_start..][..self.size]
    }

    #[inline(always)]
    fn key_row<'a, T>(&self, k: &'a [T], row: usize) -> &'a [T] {
        &k[row * self.key_width + self.key_start..][..self.size]
    }

    #[inline(always)]
    fn key_row_mut<'a, T>(&self, k: &'a mut [T], row: usize) -> &'a mut [T] {
        &mut k[row * self.key_width + self.key_start..][..self.size]
    }

    /// Keys or values, turned: `[k, l_k]`, wide.
    #[inline(always)]
    fn turn<T: Real>(&self, k: &[T], turned: &mut Vec<T>) {
        let width = widened(self.keys);
        turned.clear();
        turned.resize(self.size * width, T::ZERO);
        // Block by block, so that what is written is adjacent.
        for first in (0..self.keys).step_by(LANES) {
            let keys = LANES.min(self.keys - first);
            for place in (0..self.size).step_by(LANES) {
                let mut block = [[T::ZERO; LANES]; LANES];
                for (key, row) in block.iter_mut().enumerate().take(keys) {
                    *row = take_block(&self.key_row(k, first + key)[place..]);
                }
                for column in 0..LANES.min(self.size - place) {
                    let mut row = [T::ZERO; LANES];
                    for key in 0..LANES {
                        row[key] = block[key][column];
                    }
                    put_block(&row, &mut turned[(place + column) * width + first..]);
                }
            }
        }
    }

    /// Keys or values, as they are: `[l_k, k]`, wide.
    #[inline(always)]
    fn copy_keys<T: Real>(&self, k: &[T], copy: &mut Vec<T>) {
        let width = widened(self.size);
        copy.clear();
        copy.resize(self.keys * width, T::ZERO);
        for (key, row) in copy.chunks_exact_mut(width).enumerate() {
            copy_row(self.key_row(k, key), row);
        }
    }

    /// Queries, or the output's gradient, as they are: `[l_q, k]`, wide.
    #[inline(always)]
    fn copy_queries<T: Real>(&self, q: &[T], copy: &mut Vec<T>) {
        let width = widened(self.size);
        copy.clear();
        copy.resize(self.queries * width, T::ZERO);
        for (query, row) in copy.chunks_exact_mut(width).enumerate() {
            copy_row(self.query_row(q, query), row);
        }
    }

    /// `q kᵀ` for `ROWS` rows of `q` from `first` on: `[rows, l_k]`, wide.
    #[inline(always)]
    fn products<T: Real>(&self, q: &[T], first: usize, turned: &[T], out: &mut [T]) {
        let width = widened(self.keys);
        let mut rows = [&q[..0]; ROWS];
        for (row, own) in rows.iter_mut().enumerate() {
            *own = self.query_row(q, (first + row).min(self.queries - 1));
        }
        let mut key = 0;
        while key + WIDE <= width {
            put_rows(&by_rows::<T, WIDE>(rows, &turned[key..], width), &mut out[key..], width);
            key += WIDE;
        }
        if key < width {
            put_rows(&by_rows::<T, LANES>(rows, &turned[key..], width), &mut out[key..], width);
        }
    }

    /// Rows of the output, or of `dq`: `weights`, a row of `l_k` each, times `matrix`, `[l_k, k]`, wide.
    #[inline(always)]
    fn mix<T: Real>(&self, weights: [&[T]; ROWS], matrix: &[T], rows: Range<usize>, out: &mut [T]) {
        let width = widened(self.size);
        let mut place = 0;
        while place + WIDE <= width {
            let sums = by_rows::<T, WIDE>(weights, &matrix[place..], width);
            for (row, sums) in rows.clone().zip(&sums) {
                put_block(sums, &mut self.query_row_mut(out, row)[place..]);
            }
            place += WIDE;
        }
        if place < width {
            let sums = by_rows::<T, LANES>(weights, &matrix[place..], width);
            for (row, sums) in rows.zip(&sums) {
                put_block(sums, &mut self.query_row_mut(out, row)[place..]);
            }
        }
    }

    /// Adds to `ROWS` rows of `dk` or `dv` from `first` on: columns of `weights`, `[terms, l_k]`, times `matrix`,
    /// `[terms, k]`, both wide.
    #[inline(always)]
    fn gather<T: Real>(&self, weights: &[T], matrix: &[T], terms: usize, first: usize, out: &mut [T]) {
        let (keys, width) = (widened(self.keys), widened(self.size));
        let rows = first..self.keys.min(first + ROWS);
        let mut place = 0;
        while place + WIDE <= width {
            let sums = by_columns::<T, WIDE>(&weights[first..], keys, terms, &matrix[place..], width);
            for (row, sums) in rows.clone().zip(&sums) {
                add_block(sums, &mut self.key_row_mut(out, row)[place..]);
            }
            place += WIDE;
        }
        if place < width {
            let sums = by_columns::<T, LANES>(&weights[first..], keys, terms, &matrix[place..], width);
            for (row, sums) in rows.zip(&sums) {
                add_block(sums, &mut self.key_row_mut(out, row)[place..]);
            }
        }
    }

    /// `scale · q kᵀ`, likewise.
    #[inline(always)]
    fn scores<T: Real>(&self, q: &[T], first: usize, turned: &[T], out: &mut [T]) {
        self.products(q, first, turned, out);
        let scale = T::from_f64(self.scale);
        for score in out.iter_mut() {
            *score = *score * scale;
        }
    }

    /// The softmax over what the query at place `row` may see; 0 elsewhere, and everywhere where it sees nothing.
    #[inline(always)]
    fn softmax<T: Real>(&self, row: usize, scores: &mut [T]) {
        let seen = self.visibility.seen(row, self.keys);
        let width = scores.len();
        scores[..seen.start].fill(T::LOWEST);
        scores[seen.end..width].fill(T::LOWEST);
        if seen.is_empty() {
            scores.fill(T::ZERO);
            return;
        }
        let mut lanes = [T::LOWEST; LANES];
        for scores in scores.chunks_exact(LANES) {
            for lane in 0..LANES {
                lanes[lane] = if scores[lane] > lanes[lane] { scores[lane] } else { lanes[lane] };
            }
        }
        let largest = lanes.iter().fold(T::LOWEST, |largest, one| if *one > largest { *one } else { largest });
        for score in scores.iter_mut() {
            *score = (*score - largest).exp_of_negative();
        }
        let mut sums = [T::ZERO; LANES];
        for scores in scores.chunks_exact(LANES) {
            for lane in 0..LANES {
                sums[lane] += scores[lane];
            }
        }
        let share = T::ONE / sums.iter().fold(T::ZERO, |sum, one| sum + *one);
        for weight in scores.iter_mut() {
            *weight = *weight * share;
        }
    }

    /// Multiplies the weights of the query at place `row` by 0 or `1/(1 − p)`, where weights are dropped.
    #[inline(always)]
    fn drop<T: Real>(&self, row: usize, weights: &mut [T]) {
        let Some(fates) = &self.dropped else { return };
        fates.apply((row * self.keys) as u32, weights);
    }
}
