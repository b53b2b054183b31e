//! One head of one sequence, forward and backward. `l_q` queries, `l_k` keys, `k` numbers a head.
//!
//! Everything here is inlined into functions that were compiled for the processor's widest vectors, and written so that the
//! innermost loops run over adjacent numbers: keys and values are turned once, `[l_k, k]` to `[k, l_k]`, and rows of scores
//! are computed some at a time, so that each number of the turned keys that is loaded serves all of them.

use super::real::Real;
use crate::attention::Visibility;

/// Rows of scores that are computed together.
const ROWS: usize = 4;

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
    pub dropped: Option<Dropped>,
}

/// Which weights of a head are dropped.
#[derive(Clone, Copy)]
pub(super) struct Dropped {
    keys: (u32, u32),
    /// A weight is dropped where its hash lies below.
    below: u32,
    /// `1/(1 − p)`.
    gain: f64,
}

impl Dropped {
    /// For one head of the call that drew `seed`.
    pub fn new(probability: f64, seed: u64, head: u64) -> Self {
        // SplitMix64 (Steele, Lea and Flood 2014): heads' keys are as far apart as draws of a generator.
        let mut key = seed.wrapping_add((head + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        key ^= key >> 31;
        let below = (probability * 4_294_967_296.0) as u32;
        Self { keys: (key as u32, (key >> 32) as u32), below, gain: 1.0 / (1.0 - probability) }
    }

    /// 0 where the weight of this place is dropped, else `1/(1 − p)`.
    #[inline(always)]
    fn factor<T: Real>(&self, place: u32) -> T {
        let mixed = mix(mix(place ^ self.keys.0) ^ self.keys.1);
        if mixed < self.below { T::ZERO } else { T::from_f64(self.gain) }
    }
}

/// A bijection of 32 bits in which every bit of the result depends on all (C. Wellons' `lowbias32`).
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// `out = dropout(softmax(scale · q kᵀ + M)) v`.
#[inline(always)]
pub(super) fn forward<T: Real>(head: &Head, q: &[T], k: &[T], v: &[T], out: &mut [T]) {
    let turned = turned(head, k); // [k, l_k]
    let mut weights = vec![T::ZERO; ROWS * head.keys]; // [rows, l_k]
    let mut first = 0;
    while first < head.queries {
        let rows = ROWS.min(head.queries - first);
        products(head, q, first, rows, T::from_f64(head.scale), &turned, &mut weights);
        for row in 0..rows {
            let own = &mut weights[row * head.keys..(row + 1) * head.keys]; // [l_k]
            softmax(head, first + row, own);
            if let Some(dropped) = &head.dropped {
                drop_weights(dropped, (first + row) * head.keys, own);
            }
        }
        for key in 0..head.keys {
            let value = head.key_row(v, key); // [k]
            for row in 0..rows {
                add_scaled(head.query_row_mut(out, first + row), weights[row * head.keys + key], value);
            }
        }
        first += rows;
    }
}

/// The gradients of `q`, `k` and `v`, which begin as zeros; `inputs` are `q`, `k`, `v` and the output's gradient.
#[inline(always)]
pub(super) fn backward<T: Real>(head: &Head, inputs: [&[T]; 4], [dq, dk, dv]: [&mut [T]; 3]) {
    let [q, k, v, gradient] = inputs;
    let (turned_keys, turned_values) = (turned(head, k), turned(head, v)); // [k, l_k]
    let scale = T::from_f64(head.scale);
    let mut weights = vec![T::ZERO; ROWS * head.keys]; // P: [rows, l_k]
    let mut inner = vec![T::ZERO; ROWS * head.keys]; // dP, then dS: [rows, l_k]
    let mut first = 0;
    while first < head.queries {
        let rows = ROWS.min(head.queries - first);
        products(head, q, first, rows, scale, &turned_keys, &mut weights);
        products(head, gradient, first, rows, T::ONE, &turned_values, &mut inner);
        for row in 0..rows {
            let own = row * head.keys..(row + 1) * head.keys;
            let (weights, inner) = (&mut weights[own.clone()], &mut inner[own]); // [l_k]
            softmax(head, first + row, weights);
            if let Some(dropped) = &head.dropped {
                drop_weights(dropped, (first + row) * head.keys, inner);
            }
            // dS = P (dP − Σ P dP), and with it the factor of the scores.
            let sum = weights.iter().zip(inner.iter()).fold(T::ZERO, |sum, (weight, inner)| weight.fused(*inner, sum));
            for (weight, inner) in weights.iter().zip(inner.iter_mut()) {
                *inner = *weight * (*inner - sum) * scale;
            }
            if let Some(dropped) = &head.dropped {
                drop_weights(dropped, (first + row) * head.keys, weights);
            }
        }
        for key in 0..head.keys {
            let (own, dk) = (head.key_row(k, key), head.key_row_mut(dk, key)); // [k]
            for row in 0..rows {
                let slope = inner[row * head.keys + key];
                add_scaled(head.query_row_mut(dq, first + row), slope, own);
                add_scaled(dk, slope, head.query_row(q, first + row));
            }
            let dv = head.key_row_mut(dv, key); // [k]
            for row in 0..rows {
                add_scaled(dv, weights[row * head.keys + key], head.query_row(gradient, first + row));
            }
        }
        first += rows;
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
}

/// Keys or values of a head, turned: `[k, l_k]`.
#[inline(always)]
fn turned<T: Real>(head: &Head, k: &[T]) -> Vec<T> {
    let mut turned = vec![T::ZERO; head.size * head.keys];
    for key in 0..head.keys {
        for (place, number) in head.key_row(k, key).iter().enumerate() {
            turned[place * head.keys + key] = *number;
        }
    }
    turned
}

/// `factor · q kᵀ` for some rows of `q`: the result is `[rows, l_k]`.
#[inline(always)]
fn products<T: Real>(head: &Head, q: &[T], first: usize, rows: usize, factor: T, turned: &[T], out: &mut [T]) {
    let keys = head.keys;
    out[..rows * keys].fill(T::ZERO);
    if rows == ROWS {
        let (a, rest) = out.split_at_mut(keys);
        let (b, rest) = rest.split_at_mut(keys);
        let (c, d) = rest.split_at_mut(keys);
        let d = &mut d[..keys];
        let [x, y, z, w] = [0, 1, 2, 3].map(|row| head.query_row(q, first + row)); // [k]
        for place in 0..head.size {
            let [x, y, z, w] = [x, y, z, w].map(|row| row[place] * factor);
            let column = &turned[place * keys..][..keys];
            for key in 0..keys {
                a[key] = x.fused(column[key], a[key]);
                b[key] = y.fused(column[key], b[key]);
                c[key] = z.fused(column[key], c[key]);
                d[key] = w.fused(column[key], d[key]);
            }
        }
        return;
    }
    for row in 0..rows {
        let query = head.query_row(q, first + row); // [k]
        let own = &mut out[row * keys..][..keys]; // [l_k]
        for place in 0..head.size {
            add_scaled(own, query[place] * factor, &turned[place * keys..][..keys]);
        }
    }
}

/// The softmax over what the query at place `row` may see; 0 elsewhere, and everywhere where it sees nothing.
#[inline(always)]
fn softmax<T: Real>(head: &Head, row: usize, scores: &mut [T]) {
    let seen = head.visibility.seen(row, head.keys);
    let (before, rest) = scores.split_at_mut(seen.start);
    let (own, after) = rest.split_at_mut(seen.end - seen.start);
    before.fill(T::ZERO);
    after.fill(T::ZERO);
    let Some(first) = own.first() else { return };
    let largest = own.iter().fold(*first, |largest, score| if *score > largest { *score } else { largest });
    let mut sum = T::ZERO;
    for score in own.iter_mut() {
        *score = (*score - largest).exp_of_negative();
    }
    for weight in own.iter() {
        sum += *weight;
    }
    let share = T::ONE / sum;
    for weight in own.iter_mut() {
        *weight = *weight * share;
    }
}

/// Multiplies a row whose first weight is number `start` of its head by 0 or `1/(1 − p)`.
#[inline(always)]
fn drop_weights<T: Real>(dropped: &Dropped, start: usize, weights: &mut [T]) {
    for (place, weight) in weights.iter_mut().enumerate() {
        *weight = *weight * dropped.factor::<T>((start + place) as u32);
    }
}

/// `sum += factor · row`.
#[inline(always)]
fn add_scaled<T: Real>(sum: &mut [T], factor: T, row: &[T]) {
    for (sum, number) in sum.iter_mut().zip(row) {
        *sum = factor.fused(*number, *sum);
    }
}
