//! Adafactor (Shazeer and Stern 2018, arXiv 1804.04235), as `transformers.optimization.Adafactor`: the second moment of
//! a matrix is kept as its means over rows and columns, so that the state is a few thousandths of AdamW's.

use retune_torch::TorchError;
use retune_torch::optim::{add_product, add_scaled, scale_by};
use tch::Tensor;

use super::reduction::{mean_of_columns, mean_of_rows, root_mean_square};
use super::{UpdateNumbers, UpdateRule, number, one, set, value};

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adafactor {
    /// Added to squared gradients.
    pub epsilon_gradient: f64,
    /// The least size of a parameter that scales its rate, where [`scale_parameter`](Self::scale_parameter).
    pub epsilon_parameter: f64,
    /// The update's root mean square is brought down to this.
    pub clip_threshold: f64,
    /// At step t the second moment keeps `1 - t^decay_rate` of itself; below 0.
    pub decay_rate: f64,
    /// Decay of a running mean of updates; none is kept where this is `None`.
    pub beta1: Option<f64>,
    /// The learning rate is a factor of the parameter's own root mean square.
    pub scale_parameter: bool,
    /// The rate is `min(0.01, 1/sqrt(t))`, and that which is given is not used.
    pub relative_step: bool,
    /// With `relative_step`, the 0.01 begins as `1e-6 t`.
    pub warmup_init: bool,
}

impl Default for Adafactor {
    /// The reference's numbers, with the learning rate from outside and not scaled, as fine-tuning wants it.
    fn default() -> Self {
        Self {
            epsilon_gradient: 1e-30,
            epsilon_parameter: 1e-3,
            clip_threshold: 1.0,
            decay_rate: -0.8,
            beta1: None,
            scale_parameter: false,
            relative_step: false,
            warmup_init: false,
        }
    }
}

impl UpdateRule for Adafactor {
    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col", "step"]
    }

    fn initial(&self, parameter: &Tensor) -> Vec<Tensor> {
        let mean = if self.beta1.is_some() { parameter.zeros_like() } else { Tensor::new() };
        let shape = parameter.size();
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (parameter.kind(), parameter.device()));
        let (second_moment, rows, columns) = match shape.as_slice() {
            [outer @ .., row, column] => {
                (Tensor::new(), zeros(&[outer, &[*row]].concat()), zeros(&[outer, &[*column]].concat()))
            }
            _ => (parameter.zeros_like(), Tensor::new(), Tensor::new()),
        };
        vec![mean, second_moment, rows, columns, number(0.0)]
    }

    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        for (place, (parameter, gradient)) in parameters.iter().zip(gradients).enumerate() {
            let [mean, second_moment, rows, columns, steps] = [0, 1, 2, 3, 4].map(|slot: usize| &state[slot][place]);
            let step = value(steps) + 1.0;
            set(steps, step);
            let keep = 1.0 - step.powf(self.decay_rate);
            let rate = self.rate(parameter, step, numbers.learning_rate);

            let squares = gradient.square() + self.epsilon_gradient;
            let mut update = if rows.defined() {
                average(rows, &mean_of_rows(&squares), keep)?;
                average(columns, &mean_of_columns(&squares), keep)?;
                gradient * inverse_root(rows, columns)
            } else {
                average(second_moment, &squares, keep)?;
                gradient * second_moment.rsqrt()
            };
            drop(squares);
            let excess = (root_mean_square(&update) / self.clip_threshold).clamp_min(1.0);
            let _ = update.g_div_(&excess).g_mul_(&rate);
            if let Some(beta1) = self.beta1 {
                average(mean, &update, beta1)?;
                update = mean.shallow_clone();
            }
            if numbers.weight_decay != 0.0 {
                add_product(one(parameter), one(parameter), one(&rate), -numbers.weight_decay)?;
            }
            add_scaled(one(parameter), one(&update), -1.0)?;
        }
        Ok(())
    }
}

impl Adafactor {
    /// The rate of one parameter at a step, counted from 1: a tensor of no dimensions on its device, so that none is
    /// waited for.
    fn rate(&self, parameter: &Tensor, step: f64, learning_rate: f64) -> Tensor {
        let relative = if self.relative_step {
            let most = if self.warmup_init { 1e-6 * step } else { 1e-2 };
            f64::min(most, 1.0 / step.sqrt())
        } else {
            learning_rate
        };
        if self.scale_parameter {
            root_mean_square(parameter).clamp_min(self.epsilon_parameter) * relative
        } else {
            Tensor::full([], relative, (parameter.kind(), parameter.device()))
        }
    }
}

/// Moves a running mean, in place: `keep` of itself, the rest of what is new.
fn average(mean: &Tensor, new: &Tensor, keep: f64) -> Result<(), TorchError> {
    scale_by(one(mean), keep)?;
    add_scaled(one(mean), one(new), 1.0 - keep)
}

/// `1 / sqrt(V)` of the matrix whose row and column means are given: `V[i][j] = rows[i] * columns[j] / mean(rows)`.
fn inverse_root(rows: &Tensor, columns: &Tensor) -> Tensor {
    let mean = mean_of_rows(rows).unsqueeze(-1);
    (rows / mean).rsqrt_().unsqueeze(-1) * columns.unsqueeze(-2).rsqrt() // [..., r, c]
}
