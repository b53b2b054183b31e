//! Differentiable operations written in Rust: a forward and a backward pass on tensors, which libtorch's autograd calls
//! as it calls its own (`torch.autograd.Function`).

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;

use crate::{TorchError, addresses, adopt, bridge::ffi};

/// An operation with one output. It may remember what its forward pass computed. Where one of its passes panics, the
/// call that led to it fails with the panic's message.
pub trait Operation: Send {
    /// The output; nothing that is computed in here is recorded for gradients.
    fn forward(&mut self, inputs: &[Tensor]) -> Tensor;

    /// The gradient of each input, in order, given the output's; an undefined tensor (`Tensor::new()`) will do where
    /// `needed` says that nobody asks for it. It is called at most once for each backward pass. `inputs` is empty where
    /// they are not kept.
    fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor>;

    /// Whether the backward pass reads the inputs. Those that it does not read are not kept for it.
    fn keeps_inputs(&self) -> bool {
        true
    }
}

/// Applies an operation to inputs; the result has a gradient where an input asks for one.
///
/// # Errors
/// libtorch refuses.
pub fn apply(operation: impl Operation + 'static, inputs: &[Tensor]) -> Result<Tensor, TorchError> {
    let boxed = Box::new(BoxedOperation(Box::new(operation)));
    // SAFETY: the addresses are those of live tensors, borrowed for the length of the call.
    Ok(adopt(unsafe { ffi::apply_operation(boxed, &addresses(inputs))? }))
}

/// What C++ holds between the two passes.
pub(crate) struct BoxedOperation(Box<dyn Operation>);

/// What the message of an error begins with that was a panic in Rust below C++.
pub const PANICKED: &str = "panic in an operation: ";

/// A panic, made an error: through C++ no panic may pass, and an operation may panic for a lack of memory, which is no
/// bug.
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("{PANICKED}{}", words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

pub(crate) fn operation_forward(operation: &mut BoxedOperation, inputs: &[usize]) -> Result<usize, String> {
    caught(|| give(operation.0.forward(&borrowed(inputs))))
}

pub(crate) fn operation_backward(
    operation: &BoxedOperation,
    inputs: &[usize],
    gradient: usize,
    needed: &[bool],
) -> Result<Vec<usize>, String> {
    caught(|| {
        let gradient = &borrowed(&[gradient])[0];
        operation.0.backward(&borrowed(inputs), gradient, needed).into_iter().map(give).collect()
    })
}

pub(crate) fn operation_keeps_inputs(operation: &BoxedOperation) -> bool {
    operation.0.keeps_inputs()
}

/// Handles of our own for tensors that C++ lends for the length of a call.
fn borrowed(addresses: &[usize]) -> Vec<Tensor> {
    let handle = |address: &usize| {
        // SAFETY: C++ passes the address of a live at::Tensor and keeps it; the handle is not dropped.
        let lent = ManuallyDrop::new(unsafe { Tensor::from_ptr(*address as *mut _) });
        lent.shallow_clone()
    };
    addresses.iter().map(handle).collect()
}

/// Leaves a tensor to C++, which deletes it.
fn give(tensor: Tensor) -> usize {
    ManuallyDrop::new(tensor).as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// `x · y + scale · x`, with `x` remembered by libtorch and the scale by Rust.
    struct Mixed {
        scale: f64,
    }

    impl Operation for Mixed {
        fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
            &inputs[0] * &inputs[1] + &inputs[0] * self.scale
        }

        fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
            let gradients = [gradient * (&inputs[1] + self.scale), gradient * &inputs[0]];
            gradients.into_iter().zip(needed).map(|(one, needed)| if *needed { one } else { Tensor::new() }).collect()
        }
    }

    fn leaves() -> [Tensor; 2] {
        [[1.0, 2.0], [3.0, 5.0]].map(|values| Tensor::from_slice(&values).set_requires_grad(true))
    }

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn gradients_pass_through_rust() {
        let [x, y] = leaves();
        let both = [x.shallow_clone(), y.shallow_clone()];
        let once = apply(Mixed { scale: 10.0 }, &both).unwrap();
        assert_eq!(numbers(&once.detach()), [13.0, 30.0]);
        // Its output is the input of another operation, and one input is used twice.
        let twice = apply(Mixed { scale: 0.0 }, &[once * 2.0, x.shallow_clone()]).unwrap();
        twice.sum(Kind::Double).backward();
        // d/dx of 2 (x y + 10 x) x is 4 x (y + 10), d/dy is 2 x².
        assert_eq!(numbers(&x.grad()), [52.0, 120.0]);
        assert_eq!(numbers(&y.grad()), [2.0, 8.0]);
    }

    /// Panics in one of its passes.
    struct Panics {
        forward: bool,
    }

    impl Operation for Panics {
        fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
            assert!(!self.forward, "no memory {}", 1);
            inputs[0].shallow_clone() * 1.0
        }

        fn backward(&self, _inputs: &[Tensor], _gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
            panic!("no memory")
        }
    }

    /// `3 x`, for which nothing need be kept.
    struct Tripled;

    impl Operation for Tripled {
        fn forward(&mut self, inputs: &[Tensor]) -> Tensor {
            &inputs[0] * 3.0
        }

        fn backward(&self, inputs: &[Tensor], gradient: &Tensor, needed: &[bool]) -> Vec<Tensor> {
            assert!(inputs.is_empty() && needed == [true]);
            vec![gradient * 3.0]
        }

        fn keeps_inputs(&self) -> bool {
            false
        }
    }

    #[test]
    fn inputs_that_are_not_read_are_not_kept() {
        let [x, _] = leaves();
        let y = &x * 1.0;
        let tripled = apply(Tripled, &[y.shallow_clone()]).unwrap();
        // What was not kept may change: libtorch refuses a backward pass that reads what did.
        let _ = tch::no_grad(|| y.shallow_clone().fill_(0.0));
        tripled.sum(Kind::Double).backward();
        assert_eq!(numbers(&x.grad()), [3.0, 3.0]);
    }

    #[test]
    fn a_panic_below_libtorch_is_an_error() {
        let [x, _] = leaves();
        let refused = apply(Panics { forward: true }, &[x.shallow_clone()]).unwrap_err().to_string();
        assert!(refused.contains(&format!("{PANICKED}no memory 1")), "{refused}");
        let output = apply(Panics { forward: false }, &[x.shallow_clone()]).unwrap().sum(Kind::Double);
        let refused = Tensor::f_run_backward(&[&output], &[&x], false, false).unwrap_err().to_string();
        assert!(refused.contains(&format!("{PANICKED}no memory")), "{refused}");
        // What comes after is as if nothing had been.
        let once = apply(Mixed { scale: 10.0 }, &[x.shallow_clone(), x.detach()]).unwrap();
        assert_eq!(numbers(&once.detach()), [11.0, 24.0]);
    }

    #[test]
    fn nothing_is_recorded_where_nothing_asks() {
        let [x, y] = leaves();
        let inputs = [x.detach(), y.detach()];
        assert!(!apply(Mixed { scale: 1.0 }, &inputs).unwrap().requires_grad());
        let only_x = apply(Mixed { scale: 1.0 }, &[x.shallow_clone(), y.detach()]).unwrap();
        only_x.sum(Kind::Double).backward();
        assert_eq!(numbers(&x.grad()), [4.0, 6.0]);
        assert!(!y.grad().defined());
        let _no_grad = tch::no_grad_guard();
        assert!(!apply(Mixed { scale: 1.0 }, &[x, y]).unwrap().requires_grad());
    }
}
