//! AdamW's arithmetic on numbers side by side.

use super::AdamWStep;

/// The factors of one step, as libtorch's kernel rounds them to float32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    factor: f32,
    kept: f32,
    first: f32,
    beta2: f32,
    second: f32,
    root: f32,
    epsilon: f32,
    size: f32,
}

impl Update {
    pub fn new(numbers: &AdamWStep, step: f64) -> Self {
        let AdamWStep { learning_rate, beta1, beta2, weight_decay, epsilon, gradient_factor } = *numbers;
        Self {
            factor: gradient_factor as f32,
            kept: (1.0 - learning_rate * weight_decay) as f32,
            first: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            second: (1.0 - beta2) as f32,
            root: (1.0 - beta2.powf(step)).sqrt() as f32,
            epsilon: epsilon as f32,
            size: (learning_rate / (1.0 - beta1.powf(step))) as f32,
        }
    }

    /// What [`Update::row`] does to a row whose moments and gradient are zero: there are many, since most words of a
    /// vocabulary are in no text that was read, and so they are not written.
    #[inline(always)]
    pub fn unread_row(&self, weights: &mut [f32]) {
        if self.kept != 1.0 {
            weights.iter_mut().for_each(|weight| *weight *= self.kept);
        }
    }

    /// The step of some weights, given their moments and gradients.
    #[inline(always)]
    pub fn row(&self, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        for (((weight, first), second), gradient) in weights.iter_mut().zip(first).zip(second).zip(gradient) {
            let gradient = &(*gradient * self.factor);
            *first += self.first * (*gradient - *first);
            *second = *second * self.beta2 + self.second * *gradient * *gradient;
            let root = second.sqrt() / self.root + self.epsilon;
            *weight = *weight * self.kept - self.size * *first / root;
        }
    }
}
