//! The optimiser's step on the device, in few passes over memory.

mod dense;
mod rows;
mod update;

use tch::Tensor;

use crate::{TorchError, addresses, adopt, bridge::ffi};
pub use dense::{adamw, supports_adamw};
pub use rows::{adamw_rows, supports_rows};

/// The numbers of one AdamW step (Loshchilov and Hutter, 2019, arXiv 1711.05101): bias-corrected moments, decay
/// decoupled from the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Decoupled weight decay: the parameter shrinks by `learning_rate * weight_decay` of itself.
    pub weight_decay: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// What every gradient is multiplied by first: 1, or what clipping asks for.
    pub gradient_factor: f64,
}

/// What AdamW remembers of a list of parameters.
#[derive(Debug)]
pub struct AdamWState {
    /// Exponential mean of gradients, each of its parameter's shape.
    pub first_moments: Vec<Tensor>,
    /// Exponential mean of squared gradients, each of its parameter's shape.
    pub second_moments: Vec<Tensor>,
    /// The number of steps done, one float of no dimensions for each parameter.
    pub steps: Vec<Tensor>,
}

impl AdamWState {
    /// The state before the first step.
    pub fn new(parameters: &[Tensor]) -> Self {
        Self {
            first_moments: parameters.iter().map(Tensor::zeros_like).collect(),
            second_moments: parameters.iter().map(Tensor::zeros_like).collect(),
            steps: parameters.iter().map(|p| Tensor::zeros([], (tch::Kind::Float, p.device()))).collect(),
        }
    }
}

/// One AdamW step over all `parameters` in place, by libtorch's fused kernel (`torch._fused_adamw_`, the one behind
/// `torch.optim.AdamW(fused=True)`). The gradients are multiplied by their factor in place. Where `skip` is 1 (float32, no
/// dimensions, on their device), nothing else happens, and nobody waits to know it (`found_inf` of the kernel).
///
/// # Errors
/// The lists differ in length, or libtorch refuses (a shape, type or device that does not fit).
pub fn fused_adamw(
    parameters: &[Tensor],
    gradients: &[Tensor],
    state: &mut AdamWState,
    step: &AdamWStep,
    skip: Option<&Tensor>,
) -> Result<(), TorchError> {
    for (what, list) in [
        ("gradients", gradients),
        ("first moments", &state.first_moments),
        ("second moments", &state.second_moments),
        ("steps", &state.steps),
    ] {
        check_count(what, parameters, list)?;
    }
    if parameters.is_empty() {
        return Ok(());
    }
    if step.gradient_factor != 1.0 {
        scale_by(gradients, step.gradient_factor)?;
    }
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe {
        ffi::fused_adamw(
            &addresses(parameters),
            &addresses(gradients),
            &addresses(&state.first_moments),
            &addresses(&state.second_moments),
            &addresses(&state.steps),
            step.learning_rate,
            step.beta1,
            step.beta2,
            step.weight_decay,
            step.epsilon,
            skip.map_or(0, |skip| skip.as_ptr() as usize),
        )?;
    }
    Ok(())
}

/// The 2-norm of each tensor, `[n]` on their device: the host does not wait.
///
/// # Errors
/// No tensor was given, or libtorch refuses.
pub fn norms(tensors: &[Tensor]) -> Result<Tensor, TorchError> {
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    Ok(adopt(unsafe { ffi::norms(&addresses(tensors))? }))
}

/// The 2-norm of all tensors taken as one vector, of the [`norms`] of each: a tensor of no dimensions.
pub fn global_norm(norms: &Tensor) -> Tensor {
    norms.norm()
}

/// Multiplies each tensor in place by `factor`, a tensor of no dimensions on their device.
///
/// # Errors
/// libtorch refuses.
pub fn scale(tensors: &[Tensor], factor: &Tensor) -> Result<(), TorchError> {
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe { ffi::scale(&addresses(tensors), factor.as_ptr() as usize)? };
    Ok(())
}

/// Multiplies each tensor in place by a number.
///
/// # Errors
/// libtorch refuses.
pub fn scale_by(tensors: &[Tensor], factor: f64) -> Result<(), TorchError> {
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe { ffi::scale_by(&addresses(tensors), factor)? };
    Ok(())
}

/// Adds `factor * other` to each tensor in place, in one pass and without a copy (`torch._foreach_add_` with `alpha`).
///
/// # Errors
/// The lists differ in length, or libtorch refuses.
pub fn add_scaled(tensors: &[Tensor], others: &[Tensor], factor: f64) -> Result<(), TorchError> {
    check_count("addends", tensors, others)?;
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe { ffi::add_scaled(&addresses(tensors), &addresses(others), factor)? };
    Ok(())
}

/// Moves each tensor in place by `weight` of the way to its end: `tensor + weight * (end - tensor)`.
///
/// # Errors
/// The lists differ in length, or libtorch refuses.
pub fn lerp(tensors: &[Tensor], ends: &[Tensor], weight: f64) -> Result<(), TorchError> {
    check_count("ends", tensors, ends)?;
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe { ffi::lerp(&addresses(tensors), &addresses(ends), weight)? };
    Ok(())
}

/// Adds `factor * first * second`, element by element, to each tensor in place.
///
/// # Errors
/// The lists differ in length, or libtorch refuses.
pub fn add_product(tensors: &[Tensor], first: &[Tensor], second: &[Tensor], factor: f64) -> Result<(), TorchError> {
    check_count("first factors", tensors, first)?;
    check_count("second factors", tensors, second)?;
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    unsafe { ffi::add_product(&addresses(tensors), &addresses(first), &addresses(second), factor)? };
    Ok(())
}

fn check_count(what: &'static str, tensors: &[Tensor], others: &[Tensor]) -> Result<(), TorchError> {
    if others.len() == tensors.len() {
        Ok(())
    } else {
        Err(TorchError::CountMismatch { what, expected: tensors.len(), found: others.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// AdamW as the paper writes it, in float64 on the host.
    fn plain_adamw(w: f64, gradients: &[f64], step: &AdamWStep) -> f64 {
        let (mut w, mut m, mut v) = (w, 0.0, 0.0);
        for (t, g) in gradients.iter().enumerate() {
            let t = (t + 1) as i32;
            w -= step.learning_rate * step.weight_decay * w;
            m = step.beta1 * m + (1.0 - step.beta1) * g;
            v = step.beta2 * v + (1.0 - step.beta2) * g * g;
            let (m_hat, v_hat) = (m / (1.0 - step.beta1.powi(t)), v / (1.0 - step.beta2.powi(t)));
            w -= step.learning_rate * m_hat / (v_hat.sqrt() + step.epsilon);
        }
        w
    }

    const STEP: AdamWStep = AdamWStep {
        learning_rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        weight_decay: 0.1,
        epsilon: 1e-8,
        gradient_factor: 1.0,
    };

    #[test]
    fn fused_adamw_is_the_papers() {
        let start: Vec<f64> = (0..37).map(|i| (0.3 * f64::from(i)).sin()).collect();
        let parameters = [Tensor::from_slice(&start), Tensor::from_slice(&start[..5])];
        let mut state = AdamWState::new(&parameters);
        let gradient = |t: i32, i: usize| (f64::from(t) + 0.7 * i as f64).cos();
        for t in 0..20 {
            let gradients: Vec<f64> = (0..37).map(|i| gradient(t, i)).collect();
            let gradients = [Tensor::from_slice(&gradients), Tensor::from_slice(&gradients[..5])];
            fused_adamw(&parameters, &gradients, &mut state, &STEP, None).unwrap();
        }
        for (i, w) in start.iter().enumerate() {
            let expected = plain_adamw(*w, &(0..20).map(|t| gradient(t, i)).collect::<Vec<_>>(), &STEP);
            let found = parameters[0].double_value(&[i as i64]);
            assert!((found - expected).abs() < 1e-6, "element {i}: {found} instead of {expected}");
            if i < 5 {
                assert!((parameters[1].double_value(&[i as i64]) - expected).abs() < 1e-6);
            }
        }
        assert_eq!(state.steps[0].double_value(&[]), 20.0);
    }

    #[test]
    fn a_step_that_is_not_to_be_moves_nothing_and_is_not_counted() {
        let parameters = || [Tensor::from_slice(&[0.3f32, -2.0, 1.0]), Tensor::from_slice(&[5f32])];
        let [found, expected] = [parameters(), parameters()];
        let [mut state, mut plain] = [AdamWState::new(&found), AdamWState::new(&expected)];
        for number in 1..=6 {
            let gradient = 0.2 * f64::from(number);
            let gradients = parameters().map(|parameter| parameter * gradient);
            if number % 3 == 0 {
                let wrong = gradients.map(|gradient| gradient * f64::NAN);
                fused_adamw(&found, &wrong, &mut state, &STEP, Some(&Tensor::from(1f32))).unwrap();
            } else {
                fused_adamw(&found, &gradients, &mut state, &STEP, Some(&Tensor::from(0f32))).unwrap();
                fused_adamw(&expected, &gradients, &mut plain, &STEP, None).unwrap();
            }
        }
        assert_eq!(found, expected);
        assert_eq!(state.first_moments, plain.first_moments);
        assert_eq!(state.second_moments, plain.second_moments);
        assert!(state.steps.iter().all(|steps| steps.double_value(&[]) == 4.0));
    }

    #[test]
    fn norm_is_over_all_tensors_at_once() {
        let tensors = [Tensor::from_slice(&[3f32, 0.0]), Tensor::from_slice(&[4f32])];
        let each = norms(&tensors).unwrap();
        assert_eq!(each, Tensor::from_slice(&[3f32, 4.0]));
        assert_eq!(global_norm(&each).double_value(&[]), 5.0);
        scale(&tensors, &Tensor::from(0.5f32)).unwrap();
        assert_eq!(global_norm(&norms(&tensors).unwrap()).double_value(&[]), 2.5);
    }

    #[test]
    fn lists_move_in_place() {
        let list = |values: [f64; 2]| values.map(|value| Tensor::from_slice(&[value, -value]));
        let tensors = list([1.0, 2.0]);
        scale_by(&tensors, 3.0).unwrap(); // 3, 6
        add_scaled(&tensors, &list([1.0, 2.0]), -0.5).unwrap(); // 2.5, 5
        lerp(&tensors, &list([4.5, 1.0]), 0.25).unwrap(); // 3, 4
        add_product(&tensors, &list([2.0, 3.0]), &[Tensor::from(1.0), Tensor::from(5.0)], 0.5).unwrap();
        let found = tensors.map(|tensor| Vec::<f64>::try_from(tensor).unwrap());
        assert_eq!(found, [vec![4.0, -4.0], vec![11.5, -11.5]]);
        let error = lerp(&list([1.0, 2.0]), &[], 0.5).unwrap_err();
        assert_eq!(error.to_string(), "ends: expected 2 tensors, found 0");
    }

    #[test]
    fn a_missing_gradient_is_an_error_with_numbers() {
        let parameters = [Tensor::zeros([2], (Kind::Float, Device::Cpu))];
        let mut state = AdamWState::new(&parameters);
        let error = fused_adamw(&parameters, &[], &mut state, &STEP, None).unwrap_err();
        assert_eq!(error.to_string(), "gradients: expected 1 tensors, found 0");
    }
}
