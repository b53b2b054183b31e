//! AdamW of many parameters on the processor, in one pass over memory and one parallel loop.

use pulp::WithSimd;
use tch::{Device, Kind, Tensor};

use super::update::Update;
use super::{AdamWState, AdamWStep, check_count};
use crate::TorchError;
use crate::parallel::{Blocks, for_each_block};
use crate::slices::read;

/// Numbers that one thread takes at a time.
const STRETCH: usize = 1 << 14;

/// Whether [`adamw`] moves this parameter: float32 numbers on the processor, without gaps.
pub fn supports_adamw(parameter: &Tensor) -> bool {
    parameter.device() == Device::Cpu && parameter.kind() == Kind::Float && parameter.is_contiguous()
}

/// One AdamW step over all `parameters` in place, as [`fused_adamw`](super::fused_adamw). Gradients are read, and not
/// written.
///
/// # Errors
/// The lists differ in length, or a parameter is not one that [`supports_adamw`], or its moments or gradient do not fit
/// it.
pub fn adamw(
    parameters: &[Tensor],
    gradients: &[Tensor],
    state: &AdamWState,
    numbers: &AdamWStep,
) -> Result<(), TorchError> {
    let refuse = |what: &str| Err(TorchError::Refused { message: format!("AdamW: {what}") });
    let AdamWState { first_moments, second_moments, steps } = state;
    for (what, list) in [
        ("gradients", gradients),
        ("first moments", first_moments),
        ("second moments", second_moments),
        ("steps", steps),
    ] {
        check_count(what, parameters, list)?;
    }
    let _no_grad = tch::no_grad_guard();
    let gradients: Vec<Tensor> = gradients.iter().map(Tensor::contiguous).collect();
    let mut parts = Vec::new();
    for (place, parameter) in parameters.iter().enumerate() {
        let own = [parameter, &first_moments[place], &second_moments[place]];
        let gradient = read::<f32>(&gradients[place]).filter(|_| gradients[place].size() == parameter.size());
        let (true, Some(gradient)) =
            (own.iter().all(|tensor| supports_adamw(tensor) && tensor.size() == parameter.size()), gradient)
        else {
            return refuse("parameters, moments and gradients must be float32, of one shape, on the processor");
        };
        let update = Update::new(numbers, steps[place].double_value(&[]) + 1.0);
        let [weights, first, second] = own.map(|tensor| {
            // SAFETY: a contiguous float32 tensor on the processor has so many numbers from its data pointer on. That
            // none of them overlap is checked below, before anything is written, and nobody else computes with them
            // while the optimiser moves them.
            unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), gradient.len()) }
        });
        let tables = weights.chunks_mut(STRETCH).zip(first.chunks_mut(STRETCH)).zip(second.chunks_mut(STRETCH));
        for (((weights, first), second), gradient) in tables.zip(gradient.chunks(STRETCH)) {
            parts.push(Part { update, weights, first, second, gradient });
        }
    }
    let ranges = |part: &Part<'_>| [part.weights.as_ptr_range(), part.first.as_ptr_range(), part.second.as_ptr_range()];
    let mut ranges: Vec<_> = parts.iter().flat_map(ranges).collect();
    ranges.sort_by_key(|range| range.start);
    if ranges.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return refuse("parameters and moments share memory");
    }
    for step in steps {
        let _ = step.shallow_clone().g_add_scalar_(1.0);
    }
    let offsets: Vec<usize> = (0..=parts.len()).collect();
    for_each_block([Blocks { slice: &mut parts, offsets: &offsets }], &|_, [parts]: [&mut [Part<'_>]; 1]| {
        parts.iter_mut().for_each(|part| pulp::Arch::new().dispatch(Moved(part)));
    })
}

/// Some numbers of one parameter.
struct Part<'a> {
    update: Update,
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    gradient: &'a [f32],
}

/// Their step. A type and not a closure, so that all of it is compiled for the vectors that the processor has.
struct Moved<'a, 'b>(&'a mut Part<'b>);

impl WithSimd for Moved<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Part { update, weights, first, second, gradient } = self.0;
        update.row(weights, first, second, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fused_adamw;
    use super::*;

    #[test]
    fn it_is_libtorchs_step() {
        let options = (Kind::Float, Device::Cpu);
        let shapes: [&[i64]; 4] = [&[300, 70], &[17], &[2, 3, 5], &[1]];
        let numbers = AdamWStep {
            learning_rate: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.1,
            epsilon: 1e-8,
            gradient_factor: 0.3,
        };
        let plain: Vec<Tensor> = shapes.iter().map(|shape| Tensor::randn(*shape, options)).collect();
        let own: Vec<Tensor> = plain.iter().map(Tensor::copy).collect();
        let [mut expected, found] = [AdamWState::new(&plain), AdamWState::new(&plain)];
        for _ in 0..30 {
            let gradients: Vec<Tensor> = shapes.iter().map(|shape| Tensor::randn(*shape, options)).collect();
            adamw(&own, &gradients, &found, &numbers).unwrap();
            fused_adamw(&plain, &gradients, &mut expected, &numbers, None).unwrap();
        }
        let lists = [
            (&plain, &own),
            (&expected.first_moments, &found.first_moments),
            (&expected.second_moments, &found.second_moments),
            (&expected.steps, &found.steps),
        ];
        for (expected, found) in lists.into_iter().flat_map(|(expected, found)| expected.iter().zip(found)) {
            let apart = (expected - found).abs().max().double_value(&[]);
            assert!(apart <= 1e-6 * expected.abs().max().double_value(&[]), "{apart}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let options = (Kind::Float, Device::Cpu);
        let numbers = AdamWStep {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
            epsilon: 1e-8,
            gradient_factor: 1.0,
        };
        let parameters = [Tensor::ones([4, 2], options)];
        let refused = |gradients: &[Tensor], state: &AdamWState| {
            adamw(&parameters, gradients, state, &numbers).unwrap_err().to_string()
        };
        let state = AdamWState::new(&parameters);
        assert!(refused(&[], &state).contains("gradients: expected 1 tensors, found 0"));
        assert!(refused(&[Tensor::ones([8], options)], &state).contains("of one shape"));
        assert!(refused(&[Tensor::ones([4, 2], (Kind::Double, Device::Cpu))], &state).contains("float32"));
        let shared = AdamWState { second_moments: vec![state.first_moments[0].shallow_clone()], ..state };
        assert!(refused(&[Tensor::ones([4, 2], options)], &shared).contains("share memory"));
        assert!(parameters[0].equal(&Tensor::ones([4, 2], options)));
    }
}
