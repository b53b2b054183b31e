//! Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682), as `schedulefree.AdamWScheduleFree`: no schedule falls,
//! an average of the iterates takes its place, and training may stop at any step.
//!
//! Three weights for each parameter: `z` takes AdamW's steps without a first moment; `x` is a weighted mean of the `z`
//! so far, and is what is evaluated and kept; gradients are taken at `y = (1 - beta1) z + beta1 x`, which is what the
//! model holds while it trains. Only `y` and `z` are stored, `x` follows from them.
//!
//! The reference counts steps for all parameters together, this one for each: the same where every parameter has a
//! gradient at every step.

use retune_torch::TorchError;
use retune_torch::optim::{add_product, add_scaled, lerp, scale_by};
use tch::Tensor;

use super::{UpdateNumbers, UpdateRule, number, one, set, value};

/// The numbers that stay the same over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleFreeAdamW {
    /// How near to the mean gradients are taken; in the place of a momentum.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Steps over which the learning rate rises from its first part to the whole, inside the optimiser.
    pub warmup_steps: u64,
    /// The mean's weights grow as the step's number to this power.
    pub r: f64,
    /// The mean's weights are the largest learning rate so far, to this power: steps of a warm-up count less.
    pub weight_lr_power: f64,
}

impl Default for ScheduleFreeAdamW {
    /// The reference's: 0.9, 0.999, 1e-8, no warm-up, r 0, power 2.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, warmup_steps: 0, r: 0.0, weight_lr_power: 2.0 }
    }
}

impl UpdateRule for ScheduleFreeAdamW {
    fn slots(&self) -> &'static [&'static str] {
        &["z", "exp_avg_sq", "step", "lr_max", "weight_sum"]
    }

    fn initial(&self, parameter: &Tensor) -> Vec<Tensor> {
        vec![parameter.detach().copy(), parameter.zeros_like(), number(0.0), number(0.0), number(0.0)]
    }

    fn update(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &[Vec<Tensor>],
        numbers: &UpdateNumbers,
    ) -> Result<(), TorchError> {
        let [z, second_moments, steps, highest_rates, weight_sums] = state else { unreachable!("five slots") };
        for place in 0..parameters.len() {
            let (y, z, gradient) = (&parameters[place], &z[place], &gradients[place]);
            let step = value(&steps[place]) + 1.0;
            let warmup = if self.warmup_steps == 0 { 1.0 } else { (step / self.warmup_steps as f64).min(1.0) };
            let learning_rate = numbers.learning_rate * warmup;
            let highest = learning_rate.max(value(&highest_rates[place]));
            let weight = step.powf(self.r) * highest.powf(self.weight_lr_power);
            let weight_sum = value(&weight_sums[place]) + weight;
            // The first steps of a warm-up may have the rate 0: then nothing is averaged yet.
            let share = if weight_sum == 0.0 { 0.0 } else { weight / weight_sum };

            let second_moment = &second_moments[place];
            scale_by(one(second_moment), self.beta2)?;
            add_product(one(second_moment), one(gradient), one(gradient), 1.0 - self.beta2)?;
            let correction = 1.0 - self.beta2.powf(step);
            let root = (second_moment / correction).sqrt_().g_add_scalar_(self.epsilon);
            let direction = gradient / root;
            if numbers.weight_decay != 0.0 {
                add_scaled(one(&direction), one(y), numbers.weight_decay)?;
            }
            lerp(one(y), one(z), share)?;
            add_scaled(one(y), one(&direction), learning_rate * (self.beta1 * (1.0 - share) - 1.0))?;
            add_scaled(one(z), one(&direction), -learning_rate)?;

            set(&steps[place], step);
            set(&highest_rates[place], highest);
            set(&weight_sums[place], weight_sum);
        }
        Ok(())
    }

    fn evaluation_weights(
        &self,
        parameters: &[Tensor],
        state: &[Vec<Tensor>],
    ) -> Result<Option<Vec<Tensor>>, TorchError> {
        // With a beta1 of 0, y is z and tells nothing of x.
        if self.beta1 == 0.0 {
            return Ok(None);
        }
        let weights: Vec<Tensor> = parameters.iter().map(|y| y.detach().copy()).collect();
        // x = y + (1 - 1/beta1) (z - y).
        lerp(&weights, &state[0], 1.0 - 1.0 / self.beta1)?;
        Ok(Some(weights))
    }
}
