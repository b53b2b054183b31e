//! Dropout, and on the processor a kernel for it: libtorch's draws every element from one generator, on one thread, and
//! keeps a mask.

mod draw;

use half::bf16;
use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block};
use retune_torch::slices::{overwritten, read};
use tch::{Device, Kind, Tensor};

use crate::Mode;
use crate::real::Stored;
pub(crate) use draw::{Draw, Fates};

/// Dropout (Srivastava et al. 2014): in training each element is zero with probability `p`, else divided by `1 − p`.
///
/// ```
/// use retune_attention::{Dropout, Mode};
/// use tch::{Device, Kind, Tensor};
///
/// let x = Tensor::ones([100], (Kind::Float, Device::Cpu));
/// let half = Dropout { probability: 0.5 };
/// assert!(half.forward(&x, Mode::Evaluate).equal(&x));
/// let dropped = half.forward(&x, Mode::Train);                             // each is 0 or 2
/// assert!(dropped.eq(0.0).logical_or(&dropped.eq(2.0)).all().int64_value(&[]) == 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability `p`, in `0..1`.
    pub probability: f64,
}

impl Dropout {
    /// The result has the shape of `x`; in evaluation it is `x`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        if !supports(x) {
            return x.dropout(self.probability, mode.is_train());
        }
        let Some(draw) = self.draw(mode) else { return x.shallow_clone() };
        match apply(Dropped { draw }, &[x.contiguous()]) {
            Ok(dropped) => dropped,
            #[expect(clippy::panic, reason = "a wrong shape inside forward is a bug, as in every operation of tch")]
            Err(error) => panic!("dropout: {error}"),
        }
    }

    /// Whether anything is dropped.
    pub(crate) fn drops(&self, mode: Mode) -> bool {
        mode.is_train() && self.probability > 0.0
    }

    /// What is dropped this time. Where nothing is, the generator stays as it was.
    pub(crate) fn draw(&self, mode: Mode) -> Option<Draw> {
        self.drops(mode).then(|| Draw::new(self.probability))
    }
}

/// Whether the kernel computes on such a tensor.
fn supports(x: &Tensor) -> bool {
    x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::Double | Kind::BFloat16)
}

/// Elements that one thread takes at a time, and that share a part of the draw.
const STRETCH: usize = 8192;

/// The operation between its passes, of which the second multiplies by what the first did.
struct Dropped {
    draw: Draw,
}

impl Operation for Dropped {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        self.times(&inputs[0])
    }

    fn backward(&self, _inputs: &[Tensor], gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
        vec![self.times(&gradient.contiguous())]
    }

    fn keeps_inputs(&self) -> bool {
        false
    }
}

impl Dropped {
    /// A tensor, every element times 0 or `1/(1 − p)`.
    fn times(&self, x: &Tensor) -> Tensor {
        match x.kind() {
            Kind::Double => self.times_in::<f64>(x),
            Kind::BFloat16 => self.times_in::<bf16>(x),
            _ => self.times_in::<f32>(x),
        }
    }

    fn times_in<T: Stored>(&self, x: &Tensor) -> Tensor {
        let numbers = read::<T>(x).expect("contiguous, of this type, on the processor");
        let offsets: Vec<usize> = (0..numbers.len()).step_by(STRETCH).chain([numbers.len()]).collect();
        overwritten(&x.size(), |out: &mut [T]| {
            let work = |stretch: usize, [out]: [&mut [T]; 1]| {
                let x = &numbers[offsets[stretch]..offsets[stretch + 1]];
                pulp::Arch::new().dispatch(Times { fates: self.draw.part(stretch as u64), x, out });
            };
            for_each_block([Blocks { slice: out, offsets: &offsets }], &work).expect("libtorch refuses no loop");
        })
    }
}

/// One stretch. A type and not a closure, so that all of it is compiled for the vectors that the processor has.
struct Times<'a, T> {
    fates: Fates,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Stored> pulp::WithSimd for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.fates.apply_into(0, self.x, self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of a million elements, by an input of ones.
    fn factors(dropout: Dropout, kind: Kind) -> Tensor {
        dropout.forward(&Tensor::ones([1000, 1000], (kind, Device::Cpu)), Mode::Train).to_kind(Kind::Double)
    }

    #[test]
    fn nothing_is_drawn_where_nothing_is_dropped() {
        let drawn = |probability, mode| Dropout { probability }.draw(mode).is_some();
        assert!(drawn(0.1, Mode::Train) && !drawn(0.0, Mode::Train));
        assert!(!drawn(0.1, Mode::Evaluate) && !drawn(0.0, Mode::Evaluate));
    }

    #[test]
    fn other_types_are_left_to_libtorch() {
        let x = Tensor::ones([100, 10], (Kind::Half, Device::Cpu));
        assert!(!supports(&x) && supports(&x.to_kind(Kind::BFloat16)));
        let dropped = Dropout { probability: 0.5 }.forward(&x, Mode::Train);
        assert_eq!(dropped.kind(), Kind::Half);
        assert!(dropped.eq(0.0).logical_or(&dropped.eq(2.0)).all().int64_value(&[]) == 1);
        assert!(!Dropped { draw: Draw::new(0.5) }.keeps_inputs());
    }

    #[test]
    fn the_gradient_is_dropped_where_the_value_is() {
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
            let x = Tensor::randn([300, 70], (Kind::Float, Device::Cpu)).to_kind(kind).set_requires_grad(true);
            let dropped = Dropout { probability: 0.3 }.forward(&x, Mode::Train);
            let upstream = Tensor::randn_like(&dropped);
            (&dropped * &upstream).sum(kind).backward();
            let kept = dropped.ne(0.0).to_kind(Kind::Double) / 0.7;
            let close = |found: &Tensor, factor: &Tensor| {
                let tolerance = if kind == Kind::BFloat16 { 1e-2 } else { 1e-6 };
                let expected = factor.to_kind(Kind::Double) * &kept;
                assert!(found.to_kind(Kind::Double).allclose(&expected, tolerance, tolerance, false), "{kind:?}");
            };
            close(&dropped.detach(), &x.detach());
            close(&x.grad(), &upstream);
        }
    }

    #[test]
    fn elements_are_dropped_alone_and_as_often_as_asked() {
        for (probability, kind) in [(0.1, Kind::Float), (0.5, Kind::Double), (0.9, Kind::BFloat16)] {
            let kept = factors(Dropout { probability }, kind).ne(0.0).to_kind(Kind::Double);
            // A million draws: five standard deviations of the mean, and of the mean product of neighbours.
            let close = |found: Tensor, expected: f64| {
                let found = found.mean(Kind::Double).double_value(&[]);
                let deviation = (expected * (1.0 - expected) / 1e6).sqrt();
                assert!((found - expected).abs() < 5.0 * deviation, "{probability}: {found} for {expected}");
            };
            close(kept.shallow_clone(), 1.0 - probability);
            close(kept.narrow(0, 0, 999) * kept.narrow(0, 1, 999), (1.0 - probability).powi(2));
            close(kept.narrow(1, 0, 999) * kept.narrow(1, 1, 999), (1.0 - probability).powi(2));
        }
    }

    #[test]
    fn a_draw_repeats_itself_and_no_other() {
        let x = Tensor::ones([5, 40_000], (Kind::Float, Device::Cpu));
        let [first, second] = [(); 2].map(|()| Dropped { draw: Draw::new(0.5) });
        assert!(first.times(&x).equal(&first.times(&x)) && !first.times(&x).equal(&second.times(&x)));
        // Nor does a stretch repeat another one.
        let stretches = first.times(&x).flatten(0, 1).narrow(0, 0, 24 * STRETCH as i64).unflatten(0, [24, -1]);
        assert_eq!(stretches.unique_dim(0, true, false, false).0.size()[0], 24);
    }

    #[test]
    fn bfloat16_is_rounded_as_libtorch_rounds() {
        let x = Tensor::randn([1, 20_000], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let dropped = Dropout { probability: 0.3 }.forward(&x, Mode::Train);
        let expected = (x.to_kind(Kind::Float) * f64::from(1.0f32 / 0.7)).to_kind(Kind::BFloat16) * dropped.ne(0.0);
        let apart = (dropped.to_kind(Kind::Float) - expected.to_kind(Kind::Float)).abs().max().double_value(&[]);
        assert!(apart == 0.0, "{apart}");
        let odd =
            Tensor::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).to_kind(Kind::BFloat16).repeat([100]);
        let dropped = Dropout { probability: 1e-6 }.forward(&odd, Mode::Train).to_kind(Kind::Float);
        let found: Vec<f32> = Vec::try_from(dropped).unwrap();
        assert!(
            found
                .chunks(3)
                .all(|three| three[0].is_nan() && three[1] == f32::INFINITY && three[2] == f32::NEG_INFINITY)
        );
    }
}
