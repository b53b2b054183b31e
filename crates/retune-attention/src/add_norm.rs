//! What stands around each half of a post-norm layer (Vaswani et al. 2017, figure 1: "Add & Norm"), in one pass on the processor:
//!
//! ```text
//! s = r + dropout(x)        ŝ = (s − mean(s)) / √(var(s) + ε)        y = ŝ ⊙ γ + β
//! ```
//!
//! Backward, with `u = dy ⊙ γ`, over each row of `d` numbers: `ds = (u − mean(u) − ŝ · mean(u ⊙ ŝ)) / √(var(s) + ε)`, `dr = ds`,
//! `dx = dropout(ds)`; over all rows, `dγ = Σ dy ⊙ ŝ` and `dβ = Σ dy`. Rows are shared out in blocks whose sums are added in
//! their order, so that the result does not depend on the number of threads.

use half::bf16;
use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block, for_each_block_of_two};
use retune_torch::slices::{overwritten, read};
use tch::{Device, Kind, Tensor};

use crate::dropout::{Draw, Fates};
use crate::real::{Real, Stored};
use crate::{Dropout, LayerNorm, Mode};

/// `LN(residual + dropout(x))`: both are `[…, d]`, and so is the result.
///
/// ```
/// use retune_attention::{Dropout, LayerNorm, Mode, add_norm};
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Double, Device::Cpu);
/// let norm = LayerNorm { weight: Tensor::ones([8], options), bias: Some(Tensor::zeros([8], options)), epsilon: 1e-12 };
/// let [x, residual] = [(); 2].map(|()| Tensor::randn([3, 8], options));
/// let dropout = Dropout { probability: 0.1 };
/// let y = add_norm(&x, &residual, &dropout, &norm, Mode::Evaluate);
/// assert!(y.allclose(&norm.forward(&(residual + x)), 1e-12, 1e-12, false));
/// ```
pub fn add_norm(x: &Tensor, residual: &Tensor, dropout: &Dropout, norm: &LayerNorm, mode: Mode) -> Tensor {
    match &norm.bias {
        Some(bias) if supports(x, residual, &norm.weight) => {
            let drops = mode.is_train() && dropout.probability > 0.0;
            let operation = AddNorm {
                kind: x.kind(),
                draw: drops.then(|| Draw::new(dropout.probability)),
                epsilon: norm.epsilon,
                keeps: mode.is_train(),
                kept: None,
            };
            let inputs = [x.contiguous(), residual.contiguous(), norm.weight.shallow_clone(), bias.shallow_clone()];
            match apply(operation, &inputs) {
                Ok(normed) => normed,
                #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
                Err(error) => panic!("add and norm: {error}"),
            }
        }
        _ => plain(x, residual, dropout, norm, mode),
    }
}

/// The same, step by step.
fn plain(x: &Tensor, residual: &Tensor, dropout: &Dropout, norm: &LayerNorm, mode: Mode) -> Tensor {
    norm.forward(&(dropout.forward(x, mode) + residual))
}

/// Whether the kernel computes on such tensors: under autocast what is added is half as wide as what it is added to.
fn supports(x: &Tensor, residual: &Tensor, weight: &Tensor) -> bool {
    let kinds = [residual.kind(), weight.kind()];
    let fits = match x.kind() {
        Kind::Float | Kind::BFloat16 => kinds == [Kind::Float; 2],
        Kind::Double => kinds == [Kind::Double; 2],
        _ => false,
    };
    let is_row_by_row = x.size() == residual.size() && x.size().last() == Some(&(weight.numel() as i64));
    fits && is_row_by_row && x.numel() > 0 && x.device() == Device::Cpu
}

/// Rows that one thread takes at a time, and that share a part of the draw.
const ROWS: usize = 32;
/// Sums that are in flight at once.
const LANES: usize = 16;
/// Why slices of tensors are there.
const IS_PLAIN: &str = "contiguous, of this type, on the processor";
/// Why a loop on libtorch's threads has no error to report.
const NO_REFUSAL: &str = "libtorch refuses no loop";

/// The operation between its passes.
struct AddNorm {
    /// The type of `x`.
    kind: Kind,
    draw: Option<Draw>,
    epsilon: f64,
    /// Whether a backward pass is to come, for which [`Kept`] is kept instead of the inputs.
    keeps: bool,
    kept: Option<Kept>,
}

/// `ŝ`, `[n, d]`; `1/√(var(s) + ε)`, `[n]`; and `γ`, `[d]`.
struct Kept {
    normed: Tensor,
    scales: Tensor,
    weight: Tensor,
}

impl Operation for AddNorm {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        let (output, kept) = self.pass(inputs);
        self.kept = self.keeps.then_some(kept);
        output
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
        let again;
        let kept = match &self.kept {
            Some(kept) => kept,
            None => {
                again = self.pass(inputs).1;
                &again
            }
        };
        let gradient = gradient.contiguous();
        match self.kind {
            Kind::Double => self.backward_in::<f64>(kept, &gradient),
            Kind::BFloat16 => self.backward_in::<bf16>(kept, &gradient),
            _ => self.backward_in::<f32>(kept, &gradient),
        }
    }

    fn keeps_inputs(&self) -> bool {
        !self.keeps
    }
}

impl AddNorm {
    /// The output, and what a backward pass needs.
    fn pass(&self, inputs: &[Tensor]) -> (Tensor, Kept) {
        match self.kind {
            Kind::Double => self.forward_in::<f64>(inputs),
            Kind::BFloat16 => self.forward_in::<bf16>(inputs),
            _ => self.forward_in::<f32>(inputs),
        }
    }

    fn forward_in<X: Stored>(&self, inputs: &[Tensor]) -> (Tensor, Kept) {
        let x = read::<X>(&inputs[0]).expect(IS_PLAIN);
        let [residual, weight, bias] = [1, 2, 3].map(|input| read::<X::Wide>(&inputs[input]).expect(IS_PLAIN));
        let width = weight.len();
        let rows = residual.len() / width;
        let (wide, narrow) = (offsets(rows, width), offsets(rows, 1));
        let (draw, epsilon) = (self.draw, X::Wide::from_f64(self.epsilon));
        let (mut normed, mut scales) = (Tensor::new(), Tensor::new());
        let output = overwritten(&inputs[1].size(), |output: &mut [X::Wide]| {
            normed = overwritten(&inputs[1].size(), |normed: &mut [X::Wide]| {
                scales = overwritten(&[rows as i64], |scales: &mut [X::Wide]| {
                    let work = |block: usize, [output, normed, scales]: [&mut [X::Wide]; 3]| {
                        let own = wide[block]..wide[block + 1];
                        pulp::Arch::new().dispatch(Forward {
                            fates: draw.map(|draw| draw.part(block as u64)),
                            epsilon,
                            x: &x[own.clone()],
                            residual: &residual[own],
                            weight,
                            bias,
                            output,
                            normed,
                            scales,
                        });
                    };
                    let blocks = [
                        Blocks { slice: output, offsets: &wide },
                        Blocks { slice: normed, offsets: &wide },
                        Blocks { slice: scales, offsets: &narrow },
                    ];
                    for_each_block(blocks, &work).expect(NO_REFUSAL);
                });
            });
        });
        (output, Kept { normed, scales, weight: inputs[2].detach() })
    }

    fn backward_in<X: Stored>(&self, kept: &Kept, gradient: &Tensor) -> Vec<Tensor> {
        let Kept { normed, scales, weight } = kept;
        let [gradients, normed, scales, gain] =
            [gradient, normed, scales, weight].map(|tensor| read::<X::Wide>(tensor).expect(IS_PLAIN));
        let (rows, width) = (scales.len(), gain.len());
        let wide = offsets(rows, width);
        let blocks = wide.len() - 1;
        // Of each block `Σ dy ⊙ ŝ` and `Σ dy`, side by side.
        let mut sums = vec![X::Wide::ZERO; blocks * 2 * width];
        let of_sums: Vec<usize> = (0..=blocks).map(|block| block * 2 * width).collect();
        let draw = self.draw;
        let mut dx = Tensor::new();
        let dr = overwritten(&gradient.size(), |dr: &mut [X::Wide]| {
            dx = overwritten(&gradient.size(), |dx: &mut [X]| {
                let work = |block: usize, [dr, sums]: [&mut [X::Wide]; 2], [dx]: [&mut [X]; 1]| {
                    let own = wide[block]..wide[block + 1];
                    pulp::Arch::new().dispatch(Backward {
                        fates: draw.map(|draw| draw.part(block as u64)),
                        gradients: &gradients[own.clone()],
                        normed: &normed[own],
                        scales: &scales[block * ROWS..],
                        weight: gain,
                        dr,
                        dx,
                        sums,
                    });
                };
                let wides = [Blocks { slice: dr, offsets: &wide }, Blocks { slice: &mut sums, offsets: &of_sums }];
                for_each_block_of_two(wides, [Blocks { slice: dx, offsets: &wide }], &work).expect(NO_REFUSAL);
            });
        });
        let mut total = vec![X::Wide::ZERO; 2 * width];
        for block in sums.chunks_exact(2 * width) {
            total.iter_mut().zip(block).for_each(|(total, one)| *total += *one);
        }
        let (of_weight, of_bias) = total.split_at(width);
        let tensor =
            |numbers: &[X::Wide]| overwritten(&weight.size(), |to: &mut [X::Wide]| to.copy_from_slice(numbers));
        vec![dx, dr, tensor(of_weight), tensor(of_bias)]
    }
}

/// Where the blocks of so many rows of this width begin, and where the last ends.
fn offsets(rows: usize, width: usize) -> Vec<usize> {
    (0..rows).step_by(ROWS).chain([rows]).map(|row| row * width).collect()
}

/// The forward pass of a block of rows. A type and not a closure, so that all of it is compiled for the vectors that the
/// processor has.
struct Forward<'a, X: Stored> {
    fates: Option<Fates>,
    epsilon: X::Wide,
    x: &'a [X],
    residual: &'a [X::Wide],
    weight: &'a [X::Wide],
    bias: &'a [X::Wide],
    output: &'a mut [X::Wide],
    normed: &'a mut [X::Wide],
    scales: &'a mut [X::Wide],
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
struct Backward<'a, X: Stored> {
    fates: Option<Fates>,
    gradients: &'a [X::Wide],
    normed: &'a [X::Wide],
    scales: &'a [X::Wide],
    weight: &'a [X::Wide],
    dr: &'a mut [X::Wide],
    dx: &'a mut [X],
    /// Zeros, to which `dy ⊙ ŝ` is added, then `dy`.
    sums: &'a mut [X::Wide],
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        x: Tensor,
        residual: Tensor,
        norm: LayerNorm,
        upstream: Tensor,
    }

    impl Case {
        /// Of `rows` by `width` numbers, `x` in this type.
        fn new(rows: i64, width: i64, kind: Kind) -> Self {
            let wide = if kind == Kind::Double { Kind::Double } else { Kind::Float };
            let draw = |shape: &[i64]| Tensor::randn(shape, (wide, Device::Cpu));
            let leaf = |tensor: Tensor| tensor.detach().set_requires_grad(true);
            Self {
                x: leaf(draw(&[rows, width]).to_kind(kind)),
                residual: leaf(draw(&[rows, width]) * 3.0 + 5.0),
                norm: LayerNorm { weight: leaf(draw(&[width]) + 1.0), bias: Some(leaf(draw(&[width]))), epsilon: 1e-5 },
                upstream: draw(&[rows, width]),
            }
        }

        /// The output and the gradients of `x`, `residual`, `γ` and `β`.
        fn gradients(&self, output: Tensor) -> Vec<Tensor> {
            let bias = self.norm.bias.as_ref().unwrap();
            let leaves = [&self.x, &self.residual, &self.norm.weight, bias];
            let kind = output.kind();
            let mut all = vec![output.detach()];
            all.extend(Tensor::run_backward(&[(output * &self.upstream).sum(kind)], &leaves, false, false));
            all
        }

        fn check(&self, found: &[Tensor], expected: &[Tensor], tolerance: f64) {
            for (name, (found, expected)) in ["y", "dx", "dr", "dγ", "dβ"].iter().zip(found.iter().zip(expected)) {
                assert_eq!((found.kind(), found.size()), (expected.kind(), expected.size()), "{name}");
                let [found, expected] = [found, expected].map(|tensor| tensor.to_kind(Kind::Double));
                let bound = expected.abs().max().double_value(&[]).max(1.0) * tolerance;
                let apart = (found - expected).abs().max().double_value(&[]);
                assert!(apart <= bound, "{name} of {:?}: {apart:e}, at most {bound:e}", self.x.size());
            }
        }
    }

    #[test]
    fn it_is_the_sum_and_the_norm_one_after_the_other() {
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5), (Kind::BFloat16, 1e-2)] {
            for (rows, width) in [(1, 5), (1, 384), (33, 16), (70, 37), (425, 384)] {
                let case = Case::new(rows, width, kind);
                let dropout = Dropout { probability: 0.0 };
                for mode in [Mode::Train, Mode::Evaluate] {
                    let run = |norm: fn(&Tensor, &Tensor, &Dropout, &LayerNorm, Mode) -> Tensor| {
                        case.gradients(norm(&case.x, &case.residual, &dropout, &case.norm, mode))
                    };
                    case.check(&run(add_norm), &run(plain), tolerance);
                }
            }
        }
    }

    #[test]
    fn what_is_dropped_is_dropped_in_both_passes() {
        for kind in [Kind::Double, Kind::Float, Kind::BFloat16] {
            let case = Case::new(130, 96, kind);
            let dropout = Dropout { probability: 0.3 };
            let found = case.gradients(add_norm(&case.x, &case.residual, &dropout, &case.norm, Mode::Train));
            // A gradient is zero where an element was dropped, and nowhere else.
            let kept = found[1].ne(0.0).to_kind(case.residual.kind());
            let share = kept.mean(Kind::Double).double_value(&[]);
            assert!((share - 0.7).abs() < 0.03, "{share} are kept");
            let dropped = &case.x.to_kind(case.residual.kind()) * kept / 0.7;
            let expected = case.gradients(case.norm.forward(&(dropped + &case.residual)));
            case.check(&found, &expected, if kind == Kind::BFloat16 { 1e-2 } else { 1e-5 });
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let case = Case::new(1000, 48, Kind::Float);
        let run = |threads: i32| {
            let before = tch::get_num_threads();
            tch::set_num_threads(threads);
            let found = case.gradients(add_norm(
                &case.x,
                &case.residual,
                &Dropout { probability: 0.0 },
                &case.norm,
                Mode::Train,
            ));
            tch::set_num_threads(before);
            found
        };
        assert!(run(1).iter().zip(run(2)).all(|(one, two)| one.equal(&two)));
    }
}
