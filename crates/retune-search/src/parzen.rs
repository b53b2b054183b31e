//! The densities of TPE: mixtures of one kernel around each observation and a wide one, the prior.
//!
//! On a number's inner axis [low, high], kernel i is the normal distribution N(μᵢ, σᵢ) cut off at the ends. σᵢ is the
//! greater distance to the neighbouring centres (of the outermost centres, the distance to their one neighbour; of a
//! single one, to the farther end), at most high − low and at least (high − low) / min(100, n + 2) of n observations:
//! the "magic clipping" that keeps two equal observations from making a spike. The prior is N((low + high) / 2, high −
//! low).
//!
//! Of choices, kernel i gives each of them the weight 1 / (n + 1) and its own choice one more; the prior gives all the
//! same.
//!
//! All weigh the same, up to 25 observations; of more, the last 25 weigh 1 and those before fall to 1/n in a line, the
//! oldest least. These are the rules of Optuna 5 (`TPESampler(multivariate=False)`), which follow J. Bergstra, R.
//! Bardenet, Y. Bengio and B. Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011; S. Watanabe,
//! "Tree-structured Parzen estimator: understanding its algorithm components and their roles", 2023, names each.

use std::f64::consts::{SQRT_2, TAU};

use crate::space::Domain;
use retune_random::Random;

/// Observations that weigh the same as the newest.
const YOUNG: usize = 25;

/// The density of one parameter's good values, or of its others.
#[derive(Debug)]
pub(crate) struct Parzen<'a> {
    domain: &'a Domain,
    /// The share of each kernel, the prior's last.
    weights: Vec<f64>, // [n + 1]
    kernels: Kernels,
}

#[derive(Debug)]
enum Kernels {
    /// Centres and widths on the inner axis, and its ends.
    Normal { centres: Vec<f64>, widths: Vec<f64>, low: f64, high: f64 },
    /// The probability of each choice.
    Choices(Vec<Vec<f64>>), // [n + 1][choices]
}

impl<'a> Parzen<'a> {
    /// Of these observations, the oldest first.
    pub(crate) fn new(domain: &'a Domain, observed: &[f64]) -> Self {
        let mut weights = ages(observed.len());
        weights.push(1.0);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let kernels = match (domain, domain.inner_range()) {
            (Domain::Numeric { .. }, Some((low, high))) => {
                let inner: Vec<f64> = observed.iter().map(|value| domain.to_inner(*value)).collect();
                let (centres, widths) = kernels(inner, low, high);
                Kernels::Normal { centres, widths, low, high }
            }
            (Domain::Categorical { choices }, _) => Kernels::Choices(choice_kernels(observed, *choices)),
            (Domain::Numeric { .. }, None) => Kernels::Choices(Vec::new()),
        };
        Self { domain, weights, kernels }
    }

    /// A value from this density.
    pub(crate) fn draw(&self, random: &mut Random) -> f64 {
        let kernel = random.weighted(&self.weights);
        match &self.kernels {
            Kernels::Choices(kernels) => random.weighted(&kernels[kernel]) as f64,
            Kernels::Normal { centres, widths, low, high } => loop {
                // At least a third of the draws lie between the ends: no kernel is wider than the axis.
                let inner = centres[kernel] + widths[kernel] * random.normal();
                if (*low..=*high).contains(&inner) {
                    return self.domain.value_at(inner);
                }
            },
        }
    }

    /// The logarithm of the density on the inner axis at a value; where values lie on a grid, of the mass between half a
    /// step below and above; of a choice, of its probability.
    pub(crate) fn log_density(&self, value: f64) -> f64 {
        let terms: Vec<f64> = match &self.kernels {
            Kernels::Choices(kernels) => kernels.iter().map(|kernel| kernel[value as usize].ln()).collect(),
            Kernels::Normal { centres, widths, low, high } => {
                let inner = self.domain.to_inner(value);
                // The edges of the value's cell, where values lie on a grid.
                let cell = match *self.domain {
                    Domain::Numeric { step: Some(step), .. } => {
                        let half = step / 2.0;
                        Some((self.domain.to_inner(value - half).max(*low), self.domain.to_inner(value + half)))
                    }
                    _ => None,
                };
                let of_kernel = |(centre, width): (&f64, &f64)| {
                    let standard = |x: f64| (x - centre) / width;
                    let inside = log_mass(standard(*low), standard(*high));
                    let here = match cell {
                        Some((from, to)) => log_mass(standard(from), standard(to)),
                        None => -standard(inner).powi(2) / 2.0 - (TAU.sqrt() * width).ln(),
                    };
                    here - inside
                };
                centres.iter().zip(widths).map(of_kernel).collect()
            }
        };
        let weighted: Vec<f64> = terms.iter().zip(&self.weights).map(|(term, weight)| term + weight.ln()).collect();
        let greatest = weighted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        greatest + weighted.iter().map(|term| (term - greatest).exp()).sum::<f64>().ln()
    }
}

/// What n observations weigh by their age, the oldest first.
fn ages(n: usize) -> Vec<f64> {
    let old = n.saturating_sub(YOUNG);
    let ramp = (0..old).map(|place| {
        let first = 1.0 / n as f64;
        if old == 1 { first } else { first + (1.0 - first) * place as f64 / (old - 1) as f64 }
    });
    ramp.chain(std::iter::repeat_n(1.0, n - old)).collect()
}

/// Centres and widths of the observations' kernels, and the prior's at the end.
fn kernels(mut centres: Vec<f64>, low: f64, high: f64) -> (Vec<f64>, Vec<f64>) {
    let (axis, n) = (high - low, centres.len());
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| centres[*a].total_cmp(&centres[*b]));
    let least = axis / (n as f64 + 2.0).min(100.0);
    let mut widths = vec![axis; n + 1];
    for (place, &kernel) in order.iter().enumerate() {
        let centre = centres[kernel];
        let before = if place > 0 { Some(centre - centres[order[place - 1]]) } else { None };
        let after = order.get(place + 1).map(|next| centres[*next] - centre);
        let width = match (before, after) {
            (Some(before), Some(after)) => before.max(after),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => (centre - low).max(high - centre),
        };
        widths[kernel] = width.clamp(least, axis);
    }
    centres.push(f64::midpoint(low, high));
    (centres, widths)
}

fn choice_kernels(observed: &[f64], choices: usize) -> Vec<Vec<f64>> {
    let kernels = observed.len() + 1;
    let base = 1.0 / kernels as f64;
    let of_choice = |choice: Option<usize>| -> Vec<f64> {
        let sum = base * choices as f64 + if choice.is_some() { 1.0 } else { 0.0 };
        (0..choices).map(|place| (base + if choice == Some(place) { 1.0 } else { 0.0 }) / sum).collect()
    };
    observed.iter().map(|value| of_choice(Some(*value as usize))).chain([of_choice(None)]).collect()
}

/// The logarithm of the standard normal distribution's mass between `a` and `b`, a < b; on the side where the tail is
/// small, so that nothing cancels.
fn log_mass(a: f64, b: f64) -> f64 {
    let tail = |x: f64| libm::erfc(x / SQRT_2) / 2.0;
    let mass = if a > 0.0 { tail(a) - tail(b) } else { tail(-b) - tail(-a) };
    mass.ln()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::space::Scale;
    use retune_random::Purpose;

    #[derive(Deserialize)]
    struct Case {
        choices: Option<usize>,
        min: Option<f64>,
        max: Option<f64>,
        step: Option<f64>,
        log: Option<bool>,
        observed: Vec<f64>,
        at: Vec<f64>,
        log_density: Vec<f64>,
    }

    /// The numbers are Optuna's own: `tests/golden/parzen.py`.
    #[test]
    fn densities_are_optunas() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/golden/parzen.json")).unwrap();
        assert!(cases.len() >= 8);
        let mut worst = 0.0_f64;
        for (number, case) in cases.iter().enumerate() {
            let domain = match case.choices {
                Some(choices) => Domain::Categorical { choices },
                None => Domain::Numeric {
                    min: case.min.unwrap(),
                    max: case.max.unwrap(),
                    step: case.step,
                    scale: if case.log.unwrap() { Scale::Log } else { Scale::Linear },
                },
            };
            let parzen = Parzen::new(&domain, &case.observed);
            for (value, expected) in case.at.iter().zip(&case.log_density) {
                let found = parzen.log_density(*value);
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error < 1e-9, "case {number} at {value}: {found}, not {expected}");
                worst = worst.max(error);
            }
        }
        println!("greatest relative error {worst:e}");
    }

    #[test]
    fn densities_integrate_to_one_and_draws_follow_them() {
        let domain = Domain::Numeric { min: 1e-4, max: 1.0, step: None, scale: Scale::Log };
        let parzen = Parzen::new(&domain, &[1e-3, 2e-3, 0.5, 0.5]);
        let (low, high) = domain.inner_range().unwrap();
        const CELLS: usize = 4000;
        let cell = (high - low) / CELLS as f64;
        let centres = (0..CELLS).map(|place| (low + (place as f64 + 0.5) * cell).exp());
        let masses: Vec<f64> = centres.map(|value| parzen.log_density(value).exp() * cell).collect();
        let total: f64 = masses.iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        let below: f64 = masses[..CELLS / 2].iter().sum();
        let mut random = Random::new(Purpose::Trial, 5, 0);
        let drawn = (0..20_000).filter(|_| parzen.draw(&mut random).ln() < f64::midpoint(low, high)).count();
        assert!((drawn as f64 / 20_000.0 - below).abs() < 0.018, "{drawn} {below}");
    }
}
