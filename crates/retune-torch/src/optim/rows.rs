//! AdamW of a table of which a step reads few rows: the gradient of word embeddings is zero but for the tokens of the
//! batch.

use pulp::WithSimd;
use tch::{Device, Kind, Tensor};

use super::AdamWStep;
use super::update::Update;
use crate::TorchError;
use crate::parallel::{Blocks, for_each_block};
use crate::slices::read;

/// Rows that one thread takes at a time.
const STRETCH: usize = 64;

/// Whether [`adamw_rows`] moves this parameter: a table of float32 numbers on the processor.
pub fn supports_rows(parameter: &Tensor) -> bool {
    parameter.device() == Device::Cpu
        && parameter.kind() == Kind::Float
        && parameter.dim() == 2
        && parameter.is_contiguous()
}

/// One AdamW step of a table `[rows, d]` in place, as [`fused_adamw`](super::fused_adamw) of the dense gradient: a row
/// without a gradient has the gradient zero, so that its moments decay and its weights move by them. `gradient` is
/// sparse and coalesced (`torch.sparse_coo`, of one sparse dimension): nowhere are its zeros written or read.
///
/// # Errors
/// The parameter is not one that [`supports_rows`], or the moments or the gradient do not fit it.
pub fn adamw_rows(
    parameter: &Tensor,
    gradient: &Tensor,
    [first_moment, second_moment, step]: [&Tensor; 3],
    numbers: &AdamWStep,
) -> Result<(), TorchError> {
    let refuse = |what: &str| Err(TorchError::Refused { message: format!("AdamW of some rows: {what}") });
    let fits = |tensor: &Tensor| supports_rows(tensor) && tensor.size() == parameter.size();
    if !supports_rows(parameter) || !fits(first_moment) || !fits(second_moment) {
        return refuse("the parameter and its moments must be float32 tables of one shape on the processor");
    }
    if !gradient.is_sparse() || !gradient.is_coalesced() || gradient.size() != parameter.size() {
        return refuse("the gradient must be sparse, coalesced, and of the parameter's shape");
    }
    let _no_grad = tch::no_grad_guard();
    let [indices, values] = [gradient.internal_indices().contiguous(), gradient.internal_values().contiguous()];
    let (Some(touched), Some(values)) = (read::<i64>(&indices), read::<f32>(&values)) else {
        return refuse("the gradient must be float32 on the processor");
    };
    let _ = step.shallow_clone().g_add_scalar_(1.0);
    let width = parameter.size()[1] as usize;
    let rows = parameter.size()[0] as usize;
    let update = Update::new(numbers, step.double_value(&[]));
    let offsets: Vec<usize> = (0..rows).step_by(STRETCH).chain([rows]).map(|row| row * width).collect();
    let zeros = vec![0.0; width];
    let mut tables = [parameter, first_moment, second_moment].map(|tensor| {
        // SAFETY: a contiguous float32 tensor on the processor has so many numbers from its data pointer on; the three
        // are tensors of their own (checked below), and nobody else computes with them while the optimiser moves them.
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), rows * width) }
    });
    let mut starts = tables.each_ref().map(|table| table.as_ptr_range());
    starts.sort_by_key(|range| range.start);
    if starts.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return refuse("the parameter and its moments share memory");
    }
    let work = |stretch: usize, [weights, first, second]: [&mut [f32]; 3]| {
        let begin = stretch * STRETCH;
        let from = touched.partition_point(|row| (*row as usize) < begin);
        let block =
            Stretch { update, width, begin, touched: &touched[from..], values: &values[from * width..], zeros: &zeros };
        pulp::Arch::new().dispatch(Moved { block, weights, first, second });
    };
    let [weights, first, second] = &mut tables;
    for_each_block([weights, first, second].map(|slice| Blocks { slice, offsets: &offsets }), &work)
}

/// Whether all are +0. A row that was read is seen to be so by its first numbers.
#[inline(always)]
fn is_zero(numbers: &[f32]) -> bool {
    numbers.chunks(64).all(|some| some.iter().fold(0, |bits, number| bits | number.to_bits()) == 0)
}

/// Some rows of the table, and the gradient from the first of them on.
struct Stretch<'a> {
    update: Update,
    width: usize,
    begin: usize,
    touched: &'a [i64],
    values: &'a [f32],
    zeros: &'a [f32],
}

/// The step of a stretch. A type and not a closure, so that all of it is compiled for the vectors that the processor
/// has.
struct Moved<'a> {
    block: Stretch<'a>,
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl WithSimd for Moved<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Stretch { update, width, begin, touched, values, zeros } = self.block;
        let mut touched = touched.iter().zip(values.chunks_exact(width)).peekable();
        let tables = self.weights.chunks_exact_mut(width).zip(self.first.chunks_exact_mut(width));
        for (row, ((weights, first), second)) in tables.zip(self.second.chunks_exact_mut(width)).enumerate() {
            match touched.next_if(|(place, _)| **place as usize == begin + row) {
                Some((_, gradient)) => update.row(weights, first, second, gradient),
                None if is_zero(first) && is_zero(second) => update.unread_row(weights),
                None => update.row(weights, first, second, zeros),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AdamWState, fused_adamw};
    use super::*;

    #[test]
    fn it_is_the_dense_step() {
        let options = (Kind::Float, Device::Cpu);
        let (rows, width) = (1000, 37);
        let numbers = AdamWStep {
            learning_rate: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.1,
            epsilon: 1e-8,
            gradient_factor: 0.5,
        };
        let dense = [Tensor::randn([rows, width], options)];
        let own = dense[0].copy();
        let mut states = [AdamWState::new(&dense), AdamWState::new(&dense)];
        for _ in 0..50 {
            let ids = Tensor::randint(rows, [60], (Kind::Int64, Device::Cpu)); // some of them twice
            let values = Tensor::randn([60, width], options);
            let gradient =
                Tensor::sparse_coo_tensor_indices_size(&ids.unsqueeze(0), &values, [rows, width], options, false);
            let gradient = gradient.coalesce();
            fused_adamw(&dense, &[gradient.to_dense(None, false)], &mut states[0], &numbers, None).unwrap();
            let AdamWState { first_moments, second_moments, steps } = &states[1];
            adamw_rows(&own, &gradient, [&first_moments[0], &second_moments[0], &steps[0]], &numbers).unwrap();
        }
        let [expected, found] = &states;
        let pairs = [
            (&dense[0], &own),
            (&expected.first_moments[0], &found.first_moments[0]),
            (&expected.second_moments[0], &found.second_moments[0]),
        ];
        for (expected, found) in pairs {
            let apart = (expected - found).abs().max().double_value(&[]);
            assert!(apart <= 1e-6 * expected.abs().max().double_value(&[]), "{apart}");
        }
        assert_eq!(found.steps[0].double_value(&[]), 50.0);
    }

    /// What the step did before it left rows alone, to the bit.
    #[test]
    fn rows_that_were_never_read_are_moved_as_any_other() {
        let (rows, width) = (300, 70);
        for weight_decay in [0.0, 0.1] {
            let numbers = AdamWStep {
                learning_rate: 0.01,
                beta1: 0.9,
                beta2: 0.999,
                weight_decay,
                epsilon: 1e-8,
                gradient_factor: 1.0,
            };
            let update = Update::new(&numbers, 5.0);
            let weight = |place: usize| if place.is_multiple_of(7) { -0.0 } else { (place as f32).sin() };
            let mut weights: Vec<f32> = (0..rows * width).map(weight).collect();
            // Of every third row one number is not zero, wherever it stands; of others one is a zero below zero.
            let moment = |place: usize| match (place / width % 3, place % width == place / width % width) {
                (0, true) => 1e-3,
                (1, true) => -0.0,
                _ => 0.0,
            };
            let mut first: Vec<f32> = (0..rows * width).map(moment).collect();
            let mut second: Vec<f32> = first.iter().map(|moment| moment.abs()).collect();
            let mut plain = [weights.clone(), first.clone(), second.clone()];
            let [w, m, v] = &mut plain;
            let zeros = vec![0.0; width];
            for ((w, m), v) in w.chunks_mut(width).zip(m.chunks_mut(width)).zip(v.chunks_mut(width)) {
                update.row(w, m, v, &zeros);
            }
            let block = Stretch { update, width, begin: 0, touched: &[], values: &[], zeros: &zeros };
            Moved { block, weights: &mut weights, first: &mut first, second: &mut second }
                .with_simd(pulp::Scalar::new());
            let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<u32>>();
            for (found, expected) in [&weights, &first, &second].into_iter().zip(&plain) {
                assert!(bits(found) == bits(expected), "decay {weight_decay}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let options = (Kind::Float, Device::Cpu);
        let [table, moment, other] = [(); 3].map(|()| Tensor::zeros([4, 2], options));
        let step = Tensor::zeros([], options);
        let numbers = AdamWStep {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
            epsilon: 1e-8,
            gradient_factor: 1.0,
        };
        let sparse = |table: &Tensor| table.to_sparse_sparse_dim(1).coalesce();
        let refused = |gradient: &Tensor, first: &Tensor, second: &Tensor| {
            adamw_rows(&table, gradient, [first, second, &step], &numbers).unwrap_err().to_string()
        };
        assert!(refused(&table, &moment, &other).contains("sparse"));
        assert!(refused(&sparse(&Tensor::zeros([5, 2], options)), &moment, &other).contains("shape"));
        assert!(refused(&sparse(&other), &moment, &Tensor::zeros([4, 3], options)).contains("one shape"));
        assert!(refused(&sparse(&other), &moment, &moment).contains("share memory"));
        assert!(adamw_rows(&table, &sparse(&other), [&moment, &other, &step], &numbers).is_ok());
    }
}
