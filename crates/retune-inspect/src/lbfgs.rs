//! The limited-memory BFGS method (J. Nocedal, "Updating quasi-Newton matrices with limited storage", 1980) with a line
//! search for the weak Wolfe conditions by bisection (A. S. Lewis and M. L. Overton, "Nonsmooth optimization via
//! quasi-Newton methods", 2013, algorithm 2.6). For smooth convex functions.

use std::collections::VecDeque;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// At a gradient none of whose entries is larger.
    pub(crate) tolerance: f64,
    /// After so many steps.
    pub(crate) iterations: usize,
}

/// Where it stopped.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    pub(crate) point: Vec<f64>,
    pub(crate) iterations: usize,
    /// Whether the gradient is within the tolerance, or the value can no longer fall.
    pub(crate) converged: bool,
}

/// How many steps the curvature is estimated from.
const MEMORY: usize = 10;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// Minimises `evaluate`, which returns the value at a point and writes the gradient.
pub(crate) fn minimize(
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: Vec<f64>,
    limits: Limits,
) -> Minimum {
    let mut point = start;
    let mut gradient = vec![0.0; point.len()];
    let mut value = evaluate(&point, &mut gradient);
    let mut steps: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    let (mut trial, mut trial_gradient) = (point.clone(), gradient.clone());
    for iteration in 0..limits.iterations {
        if largest(&gradient) <= limits.tolerance {
            return Minimum { point, iterations: iteration, converged: true };
        }
        let mut direction = descent(&steps, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 || !slope.is_finite() {
            steps.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &gradient);
        }
        let (mut low, mut high) = (0.0, f64::INFINITY);
        // Of the first step nothing says how long it should be.
        let mut length = if steps.is_empty() { (1.0 / norm(&gradient)).min(1.0) } else { 1.0 };
        let mut trial_value = f64::INFINITY;
        for _ in 0..60 {
            for ((trial, point), direction) in trial.iter_mut().zip(&point).zip(&direction) {
                *trial = point + length * direction;
            }
            trial_value = evaluate(&trial, &mut trial_gradient);
            // Not a number is a step too far.
            if trial_value.is_nan() || trial_value > value + SUFFICIENT_DECREASE * length * slope {
                high = length;
            } else if dot(&trial_gradient, &direction) < CURVATURE * slope {
                low = length;
            } else {
                break;
            }
            length = if high.is_finite() { (low + high) / 2.0 } else { 2.0 * low };
        }
        if trial_value.is_nan() || trial_value >= value {
            // The value cannot fall any more within the precision of its numbers.
            return Minimum { point, iterations: iteration, converged: true };
        }
        remember(&mut steps, &point, &trial, &gradient, &trial_gradient);
        std::mem::swap(&mut point, &mut trial);
        std::mem::swap(&mut gradient, &mut trial_gradient);
        value = trial_value;
    }
    let converged = largest(&gradient) <= limits.tolerance;
    Minimum { point, iterations: limits.iterations, converged }
}

/// A step and what it did to the gradient.
struct Step {
    moved: Vec<f64>,
    turned: Vec<f64>,
    /// 1 / ⟨moved, turned⟩.
    scale: f64,
}

fn remember(steps: &mut VecDeque<Step>, from: &[f64], to: &[f64], before: &[f64], after: &[f64]) {
    let difference = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
    let (moved, turned) = (difference(to, from), difference(after, before));
    let curvature = dot(&moved, &turned);
    if curvature > f64::EPSILON * norm(&moved) * norm(&turned) {
        if steps.len() == MEMORY {
            steps.pop_front();
        }
        steps.push_back(Step { moved, turned, scale: 1.0 / curvature });
    }
}

/// The direction of descent: the two loops of Nocedal (1980).
fn descent(steps: &VecDeque<Step>, gradient: &[f64]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let share = step.scale * dot(&step.moved, &direction);
        add(&mut direction, -share, &step.turned);
        shares.push(share);
    }
    if let Some(last) = steps.back() {
        let scale = 1.0 / (last.scale * dot(&last.turned, &last.turned));
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (step, share) in steps.iter().zip(shares.into_iter().rev()) {
        let other = step.scale * dot(&step.turned, &direction);
        add(&mut direction, share - other, &step.moved);
    }
    direction
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums side by side, which the processor adds at once.
    let mut sums = [0.0; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for place in 0..8 {
            sums[place] += a[place] * b[place];
        }
    }
    sums.iter().sum::<f64>() + rest
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |largest: f64, a| largest.max(a.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_a_long_valley() {
        // Σ 10^(i/10) (x − i)², of condition 100.
        let evaluate = |x: &[f64], gradient: &mut [f64]| {
            let mut value = 0.0;
            for (place, x) in x.iter().enumerate() {
                let (weight, target) = (10_f64.powf(place as f64 / 10.0), place as f64);
                value += weight * (x - target).powi(2);
                gradient[place] = 2.0 * weight * (x - target);
            }
            value
        };
        let found = minimize(evaluate, vec![7.0; 21], Limits { tolerance: 1e-9, iterations: 500 });
        assert!(found.converged && found.iterations < 200, "{found:?}");
        assert!(found.point.iter().enumerate().all(|(place, x)| (x - place as f64).abs() < 1e-8), "{found:?}");
    }

    #[test]
    fn stops_when_told() {
        let evaluate = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 4.0 * x[0].powi(3);
            x[0].powi(4)
        };
        let found = minimize(evaluate, vec![1.3], Limits { tolerance: 1e-12, iterations: 3 });
        assert!(!found.converged && found.iterations == 3);
    }
}
