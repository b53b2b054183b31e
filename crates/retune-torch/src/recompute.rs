//! Computing again in the backward pass what was not kept in the forward pass (gradient checkpointing, Chen et al.
//! 2016, arXiv 1604.06174; `torch.utils.checkpoint`): less memory for one more forward pass.

use tch::{Device, Tensor};

use crate::autocast::{self, AutocastGuard, Narrow};
use crate::operation::{Operation, apply};
use crate::{TorchError, random};

/// `function(inputs)`, of which nothing is kept for gradients but the inputs. The backward pass computes it again, with
/// the same draws from the default generator and under the same autocast, so that gradients are those of `function`
/// itself, to the bit. `parameters` are the leaves that `function` reads besides its inputs; nothing else that it reads
/// has a gradient. It must compute the same at each call, and its result must be none of its inputs.
///
/// # Errors
/// libtorch refuses, or `function` panics: the error has its message.
///
/// ```
/// use retune_torch::recompute::checkpoint;
/// use tch::Tensor;
///
/// let weight = Tensor::from_slice(&[3.0]).set_requires_grad(true);
/// let own = weight.shallow_clone();
/// let x = Tensor::from_slice(&[2.0]).set_requires_grad(true);
/// let y = checkpoint(move |inputs| (&inputs[0] * &own).exp(), &[&x], &[&weight])?;
/// y.backward();
/// assert!(x.grad().allclose(&(3.0 * y.detach()), 1e-9, 0.0, false));
/// assert!(weight.grad().allclose(&(2.0 * y.detach()), 1e-9, 0.0, false));
/// # Ok::<(), retune_torch::TorchError>(())
/// ```
pub fn checkpoint(
    function: impl Fn(&[Tensor]) -> Tensor + Send + 'static,
    inputs: &[&Tensor],
    parameters: &[&Tensor],
) -> Result<Tensor, TorchError> {
    let device = inputs.first().map_or(Device::Cpu, |input| input.device());
    let clones = |tensors: &[&Tensor]| tensors.iter().map(|tensor| tensor.shallow_clone()).collect::<Vec<_>>();
    let checkpoint = Checkpoint {
        function,
        inputs: inputs.len(),
        parameters: clones(parameters),
        device,
        draws: random::state(device)?,
        autocast: autocast::current(device)?,
    };
    // Parameters are inputs of the operation too: so autograd brings gradients to them.
    apply(checkpoint, &clones(&[inputs, parameters].concat()))
}

struct Checkpoint<F> {
    function: F,
    /// How many of the operation's inputs are the function's.
    inputs: usize,
    parameters: Vec<Tensor>,
    device: Device,
    /// The generator's state before the forward pass.
    draws: Vec<u8>,
    /// Whether the forward pass ran under autocast.
    autocast: Option<Narrow>,
}

impl<F: Fn(&[Tensor]) -> Tensor> Checkpoint<F> {
    /// The function's result once more, which leaves the generator as it found it.
    fn again(&self, inputs: &[Tensor]) -> Result<Tensor, TorchError> {
        let draws = random::state(self.device)?;
        random::set_state(self.device, &self.draws)?;
        let guard = self.autocast.map(|narrow| AutocastGuard::to(narrow, self.device)).transpose()?;
        let output = (self.function)(inputs);
        drop(guard);
        random::set_state(self.device, &draws)?;
        Ok(output)
    }

    fn gradients(&self, inputs: &[Tensor], gradient: &Tensor) -> Result<Vec<Tensor>, TorchError> {
        // Of their own graph, which ends here.
        let own = |input: &Tensor| input.detach().set_requires_grad(input.requires_grad());
        let inputs: Vec<Tensor> = inputs.iter().map(own).collect();
        // Should something panic, the guard still puts back whether gradients are recorded.
        let guard = tch::no_grad_guard();
        let sum = tch::with_grad(|| {
            // No leaves: autocast keeps one casted copy of a leaf for all who read it, and would sum their gradients in
            // bfloat16.
            let handles: Vec<Tensor> = inputs.iter().map(Tensor::alias).collect();
            let output = self.again(&handles)?;
            // tch begins a backward pass with ones: times them, the output's gradient is itself to the bit.
            Ok::<_, TorchError>((&output * gradient).sum(output.kind()))
        })?;
        drop(guard);
        let leaves: Vec<&Tensor> = inputs.iter().chain(&self.parameters).collect();
        let moving: Vec<&Tensor> = leaves.iter().copied().filter(|leaf| leaf.requires_grad()).collect();
        let found = Tensor::f_run_backward(&[sum], &moving, false, false);
        let mut found = found.map_err(|error| TorchError::Refused { message: error.to_string() })?.into_iter();
        let of_leaf = |leaf: &&Tensor| if leaf.requires_grad() { found.next() } else { None };
        Ok(leaves.iter().map(of_leaf).map(|found| found.unwrap_or_else(Tensor::new)).collect())
    }
}

impl<F: Fn(&[Tensor]) -> Tensor + Send> Operation for Checkpoint<F> {
    fn forward(&mut self, given: &[Tensor]) -> Tensor {
        let output = (self.function)(&given[..self.inputs]);
        if self.autocast.is_some() {
            // The weights that were cast in here lead to no gradients, and others may read the same weights.
            or_panic(autocast::clear());
        }
        output
    }

    fn backward(&self, given: &[Tensor], gradient: &Tensor, _needed: &[bool]) -> Vec<Tensor> {
        or_panic(self.gradients(&given[..self.inputs], gradient))
    }
}

fn or_panic<T>(result: Result<T, TorchError>) -> T {
    match result {
        Ok(value) => value,
        #[expect(clippy::panic, reason = "an operation has no other way to fail; its caller makes an error of it")]
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use tch::Kind;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn leaf(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, FLOAT).set_requires_grad(true)
    }

    /// A layer with dropout, which reads `x` three times and another input besides.
    fn layer(inputs: &[Tensor], weight: &Tensor) -> Tensor {
        let [x, other] = inputs else { panic!("two inputs") };
        (x.matmul(weight).gelu("none").dropout(0.3, true) + x.matmul(&weight.tr()) * 0.1 + x * other).tanh()
    }

    /// Four layers, recomputed or not: the result's gradients, and the generator's state after them.
    fn gradients(recompute: bool, leaves: &[Tensor], autocast: bool) -> (Vec<Tensor>, Vec<u8>) {
        random::seed(11);
        let [x, other, weights @ ..] = leaves else { panic!("leaves") };
        let guard = autocast.then(|| AutocastGuard::to(Narrow::Bfloat16, Device::Cpu).unwrap());
        let mut last = x.shallow_clone();
        for weight in weights {
            let inputs = [last.alias(), other.alias()];
            last = if recompute {
                let own = weight.shallow_clone();
                checkpoint(move |inputs| layer(inputs, &own), &inputs.each_ref(), &[weight]).unwrap()
            } else {
                layer(&inputs, weight)
            };
        }
        drop(guard);
        let moving: Vec<&Tensor> = leaves.iter().filter(|leaf| leaf.requires_grad()).collect();
        let found = Tensor::run_backward(&[last.square().mean(Kind::Float)], &moving, false, false);
        (found, random::state(Device::Cpu).unwrap())
    }

    fn leaves() -> Vec<Tensor> {
        random::seed(5);
        [leaf(&[6, 8]), leaf(&[6, 8])].into_iter().chain((0..4).map(|_| leaf(&[8, 8]))).collect()
    }

    #[track_caller]
    fn assert_same(leaves: &[Tensor], autocast: bool) {
        let ((plain, drawn), (again, drawn_again)) =
            (gradients(false, leaves, autocast), gradients(true, leaves, autocast));
        for (place, (plain, again)) in plain.iter().zip(&again).enumerate() {
            assert!(plain.abs().max().double_value(&[]) > 0.0, "no gradient of {place}");
            assert!(plain.equal(again), "gradient {place}:\n{plain}\n{again}");
        }
        assert!(drawn == drawn_again, "the generator stands elsewhere");
    }

    #[test]
    fn gradients_are_the_same_to_the_bit() {
        let _generator = random::alone();
        assert_same(&leaves(), false);
    }

    #[test]
    fn under_autocast_too_though_it_is_off_in_the_backward_pass() {
        let _generator = random::alone();
        assert_same(&leaves(), true);
    }

    #[test]
    fn what_stands_still_has_none() {
        let _generator = random::alone();
        let mut leaves = leaves();
        for place in [0, 3] {
            leaves[place] = leaves[place].detach();
        }
        assert_same(&leaves, false);
        let _no_grad = tch::no_grad_guard();
        let own = leaves[2].shallow_clone();
        let inputs = [&leaves[0], &leaves[1]];
        assert!(!checkpoint(move |inputs| layer(inputs, &own), &inputs, &[&leaves[2]]).unwrap().requires_grad());
    }

    #[test]
    fn the_function_runs_once_more_and_its_panics_are_errors() {
        let _generator = random::alone();
        for (fails_at, runs) in [(0, 1), (1, 2), (9, 2)] {
            static CALLS: AtomicUsize = AtomicUsize::new(0);
            CALLS.store(0, Ordering::SeqCst);
            let function = move |inputs: &[Tensor]| {
                assert!(CALLS.fetch_add(1, Ordering::SeqCst) != fails_at, "can't allocate memory");
                &inputs[0] * 2.0
            };
            let x = leaf(&[3]);
            let message = match checkpoint(function, &[&x], &[]) {
                Err(error) => error.to_string(),
                Ok(y) => match Tensor::f_run_backward(&[y.sum(Kind::Float)], &[&x], false, false) {
                    Err(error) => error.to_string(),
                    Ok(_) => String::new(),
                },
            };
            assert_eq!(message.contains("can't allocate memory"), fails_at < 2, "{fails_at}: {message}");
            assert_eq!(CALLS.load(Ordering::SeqCst), runs);
        }
    }
}
