//! What stands around each half of a post-norm layer (Vaswani et al. 2017, figure 1: "Add & Norm"), in one pass on the
//! processor:
//!
//! ```text
//! s = r + dropout(x)        ŝ = (s − mean(s)) / √(var(s) + ε)        y = ŝ ⊙ γ + β
//! ```
//!
//! Backward, with `u = dy ⊙ γ`, over each row of `d` numbers: `ds = (u − mean(u) − ŝ · mean(u ⊙ ŝ)) / √(var(s) + ε)`,
//! `dr = ds`, `dx = dropout(ds)`; over all rows, `dγ = Σ dy ⊙ ŝ` and `dβ = Σ dy`. Rows are shared out in blocks whose
//! sums are added in their order, so that the result does not depend on the number of threads.

mod rows;

use half::bf16;
use retune_torch::operation::{Operation, apply};
use retune_torch::parallel::{Blocks, for_each_block, for_each_block_of_two};
use retune_torch::slices::{overwritten, read};
use tch::{Device, Kind, Tensor};

use crate::dropout::Draw;
use crate::real::{IS_PLAIN, NO_REFUSAL, Real, Stored};
use crate::{Dropout, LayerNorm, Mode};
use rows::{Backward, Forward};

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
        Some(bias) if supports(x, residual, &norm.weight, bias) => {
            let operation = AddNorm {
                kind: x.kind(),
                draw: dropout.draw(mode),
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
fn supports(x: &Tensor, residual: &Tensor, weight: &Tensor, bias: &Tensor) -> bool {
    let kinds = [residual.kind(), weight.kind(), bias.kind()];
    let fits = match x.kind() {
        Kind::Float | Kind::BFloat16 => kinds == [Kind::Float; 3],
        Kind::Double => kinds == [Kind::Double; 3],
        _ => false,
    };
    let is_row_by_row =
        x.size() == residual.size() && [weight, bias].iter().all(|row| x.size().last() == Some(&(row.numel() as i64)));
    let is_here = [x, residual, weight, bias].iter().all(|tensor| tensor.device() == Device::Cpu);
    fits && is_row_by_row && is_here && x.numel() > 0
}

/// Rows that one thread takes at a time, and that share a part of the draw.
const ROWS: usize = 32;

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

#[cfg(test)]
mod tests;
