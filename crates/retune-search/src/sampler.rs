//! What to try next: a function of the seed, the trial's number and the trials before it.

use crate::space::{Parameter, Point, nth, size};
use crate::tpe::{self, Observation};
use retune_random::{Purpose, Random};

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Each for itself, uniform on the scale of each parameter.
    Random,
    /// By what the trials before have shown: the tree-structured Parzen estimator.
    Tpe,
}

/// Draws after which a space that is all grid is searched in order instead for a point that was not tried.
const DRAWS: usize = 100;

impl Sampler {
    /// The point of trial `trial` (from 0) after these, the oldest first; `None` where every point of the space was
    /// tried.
    ///
    /// No point is given twice, but in a space so narrow that a hundred draws find nothing new.
    pub fn propose(self, space: &[Parameter], seed: u64, trial: u64, history: &[Observation]) -> Option<Point> {
        let tried = |point: &Point| history.iter().any(|observation| observation.point == *point);
        let mut random = Random::new(Purpose::Trial, seed, trial);
        let mut draw = || {
            let by_tpe = match self {
                Sampler::Random => None,
                Sampler::Tpe => tpe::propose(space, history, &mut random),
            };
            by_tpe.unwrap_or_else(|| space.iter().map(|parameter| parameter.domain.uniform(&mut random)).collect())
        };
        let mut point = draw();
        for _ in 1..DRAWS {
            if !tried(&point) {
                return Some(point);
            }
            point = draw();
        }
        match size(space) {
            // Among one point more than were tried there is one that was not.
            Some(size) => (0..size.min(history.len() as u64 + 1)).map(|n| nth(space, n)).find(|point| !tried(point)),
            None => Some(point),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Domain, Scale};
    use crate::tpe::Outcome;

    fn parameter(domain: Domain) -> Parameter {
        Parameter { name: String::new(), domain }
    }

    fn run(sampler: Sampler, space: &[Parameter], seed: u64, trials: u64, loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let mut history = Vec::new();
        for trial in 0..trials {
            let Some(point) = sampler.propose(space, seed, trial, &history) else { break };
            let outcome = Outcome::Measured { rung: 0, loss: loss(&point) };
            history.push(Observation { point, outcome });
        }
        history
            .iter()
            .filter_map(|o| if let Outcome::Measured { loss, .. } = o.outcome { Some(loss) } else { None })
            .collect()
    }

    fn best(losses: &[f64]) -> f64 {
        losses.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Fine-tuning in small: a valley over the logarithm of a learning rate, a better and worse choice, a whole number.
    #[test]
    fn tpe_beats_random_search() {
        let space = [
            parameter(Domain::Numeric { min: 1e-6, max: 1e-2, step: None, scale: Scale::Log }),
            parameter(Domain::Numeric { min: 1.0, max: 10.0, step: Some(1.0), scale: Scale::Linear }),
            parameter(Domain::Numeric { min: 0.0, max: 0.3, step: None, scale: Scale::Linear }),
            parameter(Domain::Categorical { choices: 4 }),
        ];
        let loss = |point: &[f64]| {
            (point[0] / 1e-4).log10().powi(2)
                + ((point[1] - 7.0) / 3.0).powi(2)
                + (point[2] * 5.0).powi(2)
                + [0.5, 0.0, 0.3, 0.8][point[3] as usize]
        };
        let of = |sampler| median((0..101).map(|seed| best(&run(sampler, &space, seed, 60, loss))).collect());
        let (random, tpe) = (of(Sampler::Random), of(Sampler::Tpe));
        println!("median best loss of 60 trials: random {random:.4}, TPE {tpe:.4}");
        assert!(tpe < 0.5 * random, "TPE {tpe}, random {random}");
    }

    #[test]
    fn proposals_are_a_function_of_seed_trial_and_history() {
        let space = [parameter(Domain::Numeric { min: 0.0, max: 1.0, step: None, scale: Scale::Linear })];
        let all = |seed| run(Sampler::Tpe, &space, seed, 30, |point| point[0]);
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }

    #[test]
    fn a_small_space_is_tried_once_and_then_exhausted() {
        let space = [
            parameter(Domain::Categorical { choices: 3 }),
            parameter(Domain::Numeric { min: 1.0, max: 7.0, step: Some(1.0), scale: Scale::Linear }),
        ];
        for sampler in [Sampler::Random, Sampler::Tpe] {
            let mut losses = run(sampler, &space, 1, 100, |point| point[0] * 10.0 + point[1]);
            losses.sort_by(f64::total_cmp);
            losses.dedup();
            assert_eq!(losses.len(), 21);
        }
    }
}
