//! The Gaussian error linear unit (Hendrycks and Gimpel 2016, <https://arxiv.org/abs/1606.08415>) on the processor, exact and
//! by the hyperbolic tangent:
//!
//! ```text
//! y = x Φ(x)                                       dy/dx = Φ(x) + x φ(x)
//! y = x σ(2u), u = √(2/π) (x + 0.044715 x³)        dy/dx = σ(2u) + 2 x σ(2u) σ(−2u) du/dx
//! ```
//!
//! libtorch's is oneDNN's, which compiles a kernel for each number of tokens: in batches of packed sequences for nearly
//! each.

use half::bf16;
use pulp::{Simd, WithSimd};
use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block};
use retune_torch::slices::{overwritten, read};
use tch::{Device, Kind, Tensor};

use crate::real::{IS_PLAIN, NO_REFUSAL, Real, Stored};

/// How it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With the distribution function of the normal distribution.
    Exact,
    /// With the hyperbolic tangent.
    Tanh,
}

/// Elementwise; the result has the shape and the type of `x`.
pub(crate) fn gelu(x: &Tensor, form: Form) -> Tensor {
    if !supports(x) {
        return match form {
            Form::Exact => x.gelu("none"),
            Form::Tanh => x.gelu("tanh"),
        };
    }
    match apply(Gelu(form), &[x.contiguous()]) {
        Ok(y) => y,
        #[expect(clippy::panic, reason = "libtorch refuses nothing of one tensor of a type that it has")]
        Err(error) => panic!("GELU: {error}"),
    }
}

/// Whether the kernel computes on such a tensor.
fn supports(x: &Tensor) -> bool {
    x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::BFloat16) && x.numel() > 0
}

struct Gelu(Form);

impl Operation for Gelu {
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
        match inputs[0].kind() {
            Kind::BFloat16 => self.of::<bf16>(&inputs[0], None),
            _ => self.of::<f32>(&inputs[0], None),
        }
    }

    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
        let gradient = &gradient.contiguous();
        vec![match inputs[0].kind() {
            Kind::BFloat16 => self.of::<bf16>(&inputs[0], Some(gradient)),
            _ => self.of::<f32>(&inputs[0], Some(gradient)),
        }]
    }
}

impl Gelu {
    /// The function, or its gradient for this gradient of its result.
    fn of<N: Stored<Wide = f32>>(&self, x: &Tensor, gradient: Option<&Tensor>) -> Tensor {
        /// Numbers that one thread takes at a time.
        const NUMBERS: usize = 16_384;
        let form = self.0;
        let numbers = read::<N>(x).expect(IS_PLAIN);
        let gradient = gradient.map(|gradient| read::<N>(gradient).expect(IS_PLAIN));
        let offsets: Vec<usize> = (0..numbers.len()).step_by(NUMBERS).chain([numbers.len()]).collect();
        overwritten(&x.size(), |slice: &mut [N]| {
            let work = |block: usize, [to]: [&mut [N]; 1]| {
                let own = offsets[block]..offsets[block + 1];
                let (x, arch) = (&numbers[own.clone()], pulp::Arch::new());
                match gradient {
                    None => arch.dispatch(Value { form, x, to }),
                    Some(gradient) => arch.dispatch(Slope { form, x, gradient: &gradient[own], to }),
                }
            };
            for_each_block([Blocks { slice, offsets: &offsets }], &work).expect(NO_REFUSAL);
        })
    }
}

/// The function of some numbers.
struct Value<'a, N> {
    form: Form,
    x: &'a [N],
    to: &'a mut [N],
}

impl<N: Stored<Wide = f32>> WithSimd for Value<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let places = self.to.iter_mut().zip(self.x);
        match self.form {
            Form::Exact => places.for_each(|(to, x)| *to = N::narrow(exact(x.widen()).0)),
            Form::Tanh => places.for_each(|(to, x)| *to = N::narrow(by_tanh(x.widen()).0)),
        }
    }
}

/// Its gradient.
struct Slope<'a, N> {
    form: Form,
    x: &'a [N],
    gradient: &'a [N],
    to: &'a mut [N],
}

impl<N: Stored<Wide = f32>> WithSimd for Slope<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let places = self.to.iter_mut().zip(self.x).zip(self.gradient);
        match self.form {
            Form::Exact => places.for_each(|((to, x), dy)| *to = N::narrow(dy.widen() * exact(x.widen()).1)),
            Form::Tanh => places.for_each(|((to, x), dy)| *to = N::narrow(dy.widen() * by_tanh(x.widen()).1)),
        }
    }
}

/// The value and the slope.
///
/// With `z = |x|/√2` the tail `Φ(−|x|)` is `½ e^(−z²) erfcx(z)`, and `erfcx`, which falls from 1 without bend, a polynomial
/// in `s = z/(z + 2)`: fitted to what the tail needs, at 2,000 nodes of Chebyshev's up to `z = 9.4`, with the value 1 at 0.
/// `Φ` then is exact to 4e-8, less than a unit in the last place of 1.
#[inline(always)]
fn exact(x: f32) -> (f32, f32) {
    /// From `s⁸` down.
    const COEFFICIENTS: [f32; 8] = [
        -0.053_388_294,
        0.071_219_42,
        0.072_536_11,
        0.008_404_535,
        -0.310_853_84,
        -0.274_815_7,
        1.743_245_4,
        -2.256_758_5,
    ];
    const QUARTER_ROOT_OF_2: f32 = std::f32::consts::SQRT_2 / 4.0;
    const DENSITY_AT_0: f32 = 0.398_942_3;
    let half = x.abs() * QUARTER_ROOT_OF_2;
    let s = half / (1.0 + half);
    let mut erfcx = 0.0;
    for coefficient in COEFFICIENTS {
        erfcx = f32::fused(erfcx, s, coefficient);
    }
    let bell = (-0.5 * x * x).exp_of_negative();
    let tail = 0.5 * bell * f32::fused(erfcx, s, 1.0);
    let distribution = if x < 0.0 { tail } else { 1.0 - tail };
    (x * distribution, distribution + x * (DENSITY_AT_0 * bell))
}

/// Likewise.
#[inline(always)]
fn by_tanh(x: f32) -> (f32, f32) {
    const TWICE_ROOT_OF_2_OVER_PI: f32 = 1.595_769;
    const CUBIC: f32 = 0.044_715;
    let square = x * x;
    let twice = TWICE_ROOT_OF_2_OVER_PI * x * f32::fused(CUBIC, square, 1.0);
    let small = (-twice.abs()).exp_of_negative();
    let scale = 1.0 / (1.0 + small);
    let (upper, lower) = (scale, small * scale);
    let (sigmoid, rest) = if x < 0.0 { (lower, upper) } else { (upper, lower) };
    let slope = TWICE_ROOT_OF_2_OVER_PI * f32::fused(3.0 * CUBIC, square, 1.0);
    (x * sigmoid, sigmoid + x * (sigmoid * rest) * slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [(Form, &str); 2] = [(Form::Exact, "none"), (Form::Tanh, "tanh")];

    /// The value and the gradient of a sum with these weights.
    fn both(function: impl Fn(&Tensor) -> Tensor, x: &Tensor, weights: &Tensor) -> [Tensor; 2] {
        let x = x.detach().set_requires_grad(true);
        let y = function(&x);
        let loss = (&y * weights.to_kind(y.kind())).sum(y.kind());
        [y.detach(), Tensor::run_backward(&[loss], &[x], false, false).swap_remove(0)]
    }

    /// Numbers whose gradients' weights are ones but for a few, so that both factors are seen.
    fn numbers() -> [Tensor; 2] {
        let x = Tensor::linspace(-14.0, 14.0, 280_001, (Kind::Float, Device::Cpu));
        let weights = Tensor::ones_like(&x);
        let _ = weights.narrow(0, 140_000, 9).fill_(-2.5);
        [x, weights]
    }

    #[test]
    fn values_and_gradients_are_those_of_float64() {
        let [x, weights] = numbers();
        for (form, name) in FORMS {
            let exact = both(|x| x.gelu(name), &x.to_kind(Kind::Double), &weights);
            let ours = both(|x| gelu(x, form), &x, &weights);
            let theirs = both(|x| x.gelu(name), &x, &weights);
            for (which, ((ours, theirs), exact)) in ours.iter().zip(&theirs).zip(&exact).enumerate() {
                let error = |found: &Tensor| {
                    let apart = (found.to_kind(Kind::Double) - exact).abs() / (exact.abs() + 1.0);
                    apart.max().double_value(&[])
                };
                let (ours, theirs) = (error(ours), error(theirs));
                assert!(ours < 2e-7 && ours < 2.0 * theirs, "{name} {which}: {ours:e}, libtorch's {theirs:e}");
            }
        }
    }

    #[test]
    fn bfloat16_is_rounded_once() {
        let [x, weights] = numbers().map(|tensor| tensor.to_kind(Kind::BFloat16));
        for (form, _) in FORMS {
            let wide = both(|x| gelu(x, form), &x.to_kind(Kind::Float), &weights);
            let ours = both(|x| gelu(x, form), &x, &weights);
            assert_eq!(ours, wide.map(|tensor| tensor.to_kind(Kind::BFloat16)), "{form:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_none_and_the_ends_are_libtorchs() {
        let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e30, -1e10]);
        let weights = Tensor::ones_like(&x);
        for (form, name) in FORMS {
            let values = |function: &dyn Fn(&Tensor) -> Tensor| {
                both(function, &x, &weights).map(|tensor| Vec::<f32>::try_from(tensor).unwrap())
            };
            let [ours, theirs] = [values(&|x| gelu(x, form)), values(&|x| x.gelu(name))];
            let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
            assert!(ours[0].iter().zip(&theirs[0]).all(same), "{name}: {ours:?} {theirs:?}");
            assert!(ours[1][0].is_nan() && ours[1][3..].iter().zip(&theirs[1][3..]).all(same), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn shapes_stay_and_the_rest_is_libtorchs() {
        let x = Tensor::randn([40, 500], (Kind::Float, Device::Cpu));
        for (form, name) in FORMS {
            let across = gelu(&x.transpose(0, 1), form);
            assert!(across.size() == [500, 40] && across.allclose(&x.transpose(0, 1).gelu(name), 1e-6, 1e-6, false));
            let wide = x.to_kind(Kind::Double);
            assert!(gelu(&wide, form).equal(&wide.gelu(name)));
            assert_eq!(gelu(&x.narrow(0, 0, 0), form).size(), [0, 500]);
        }
    }

    /// As everything else, it does not depend on how many numbers there are.
    #[test]
    fn a_number_alone_gives_the_same() {
        let x = Tensor::randn([16_391], (Kind::Float, Device::Cpu));
        for (form, _) in FORMS {
            let whole = gelu(&x, form);
            for place in [0, 17, 16_383, 16_384, 16_390] {
                assert!(gelu(&x.narrow(0, place, 1), form).equal(&whole.narrow(0, place, 1)), "{place}");
            }
        }
    }
}
