//! Both passes over a block of rows, compiled for the widest vectors of the processor.

use crate::dropout::Fates;
use crate::real::{Real, Stored};

/// Sums that are in flight at once.
const LANES: usize = 16;

/// The forward pass of a block of rows. A type and not a closure, so that all of it is compiled for the vectors that the
/// processor has.
pub(super) struct Forward<'a, X: Stored> {
    pub fates: Option<Fates>,
    pub epsilon: X::Wide,
    pub x: &'a [X],
    pub residual: &'a [X::Wide],
    pub weight: &'a [X::Wide],
    pub bias: &'a [X::Wide],
    pub output: &'a mut [X::Wide],
    pub normed: &'a mut [X::Wide],
    pub scales: &'a mut [X::Wide],
}

impl<X: Stored> pulp::WithSimd for Forward<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let width = self.weight.len();
        let count = X::Wide::from_f64(width as f64);
        let rows = self.x.chunks_exact(width).zip(self.residual.chunks_exact(width));
        let written = self.output.chunks_exact_mut(width).zip(self.normed.chunks_exact_mut(width)).zip(self.scales);
        for (row, ((x, residual), ((output, normed), scale))) in rows.zip(written).enumerate() {
            add(x, residual, self.fates.map(|fates| (fates, (row * width) as u32)), normed);
            let mean = sum(normed) / count;
            let variance = sum_of_squares(normed, mean) / count;
            *scale = X::Wide::ONE / (variance + self.epsilon).root();
            for (((normed, output), weight), bias) in normed.iter_mut().zip(output).zip(self.weight).zip(self.bias) {
                *normed = (*normed - mean) * *scale;
                *output = normed.fused(*weight, *bias);
            }
        }
    }
}

/// `s = r + dropout(x)`.
#[inline(always)]
fn add<X: Stored>(x: &[X], residual: &[X::Wide], fates: Option<(Fates, u32)>, out: &mut [X::Wide]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x.widen());
    if let Some((fates, start)) = fates {
        fates.apply(start, out);
    }
    out.iter_mut().zip(residual).for_each(|(out, residual)| *out += *residual);
}

/// The backward pass of a block of rows.
pub(super) struct Backward<'a, X: Stored> {
    pub fates: Option<Fates>,
    pub gradients: &'a [X::Wide],
    pub normed: &'a [X::Wide],
    pub scales: &'a [X::Wide],
    pub weight: &'a [X::Wide],
    pub dr: &'a mut [X::Wide],
    pub dx: &'a mut [X],
    /// Zeros, to which `dy ⊙ ŝ` is added, then `dy`.
    pub sums: &'a mut [X::Wide],
}

impl<X: Stored> pulp::WithSimd for Backward<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let width = self.weight.len();
        let count = X::Wide::from_f64(width as f64);
        let (of_weight, of_bias) = self.sums.split_at_mut(width);
        let read = self.gradients.chunks_exact(width).zip(self.normed.chunks_exact(width)).zip(self.scales);
        let written = self.dr.chunks_exact_mut(width).zip(self.dx.chunks_exact_mut(width));
        for (row, (((dy, normed), scale), (dr, dx))) in read.zip(written).enumerate() {
            for ((((u, dy), weight), normed), (of_weight, of_bias)) in
                (dr.iter_mut().zip(dy).zip(self.weight)).zip(normed).zip(of_weight.iter_mut().zip(of_bias.iter_mut()))
            {
                *u = *dy * *weight;
                *of_weight = dy.fused(*normed, *of_weight);
                *of_bias += *dy;
            }
            let (mean, slope) = (sum(dr) / count, sum_of_products(dr, normed) / count);
            for (u, normed) in dr.iter_mut().zip(normed) {
                *u = (*u - mean - *normed * slope) * *scale;
            }
            match self.fates {
                None => dx.iter_mut().zip(&*dr).for_each(|(dx, ds)| *dx = X::narrow(*ds)),
                Some(fates) => fates.apply_into::<X::Wide, X>((row * width) as u32, dr, dx),
            }
        }
    }
}

#[inline(always)]
fn sum<T: Real>(numbers: &[T]) -> T {
    let (lanes, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for numbers in lanes {
        for lane in 0..LANES {
            sums[lane] += numbers[lane];
        }
    }
    total(&sums, rest.iter().fold(T::ZERO, |sum, one| sum + *one))
}

/// `Σ (x − mean)²`.
#[inline(always)]
fn sum_of_squares<T: Real>(numbers: &[T], mean: T) -> T {
    let (lanes, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for numbers in lanes {
        for lane in 0..LANES {
            let apart = numbers[lane] - mean;
            sums[lane] = apart.fused(apart, sums[lane]);
        }
    }
    total(&sums, rest.iter().fold(T::ZERO, |sum, one| sum + (*one - mean) * (*one - mean)))
}

#[inline(always)]
fn sum_of_products<T: Real>(left: &[T], right: &[T]) -> T {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] = left[lane].fused(right[lane], sums[lane]);
        }
    }
    total(&sums, left_rest.iter().zip(right_rest).fold(T::ZERO, |sum, (left, right)| sum + *left * *right))
}

#[inline(always)]
fn total<T: Real>(sums: &[T; LANES], rest: T) -> T {
    sums.iter().fold(rest, |sum, one| sum + *one)
}
