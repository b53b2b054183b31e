//! The tree-structured Parzen estimator (J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS
//! 2011), each parameter for itself.
//!
//! The trials so far are parted into the best γ(n) = min(⌈n / 10⌉, 25) and the others. Of each parameter, l is the
//! density of the best trials' values and g that of the others'; 24 values are drawn from l, and the one of the greatest
//! l / g is taken, which is the one of the greatest expected improvement. The first ten trials are drawn at random.
//!
//! The constants are Optuna's defaults. Two things differ: a failed trial and one that is still going on count among the
//! others, so that neither a region that fails nor one that is being tried is proposed at once again (for trials that go
//! on Optuna calls this `constant_liar`); and a point that was tried already is drawn anew, since a trial repeated with
//! the same seed says nothing.

use crate::parzen::Parzen;
use crate::space::{Parameter, Point};
use retune_random::Random;

/// Trials that are drawn at random before the densities say anything.
const STARTUP: usize = 10;
/// Values drawn from the good density.
const CANDIDATES: usize = 24;
/// The most trials that count as good.
const MOST_GOOD: usize = 25;

/// A trial, as a sampler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its point.
    pub point: Point,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It was measured.
    Measured {
        /// How far it came: rungs of halving that it passed. A trial that came further is better than one that did not.
        rung: usize,
        /// Its loss, of which less is better. Not NaN.
        loss: f64,
    },
    /// It failed.
    Failed,
    /// It is going on.
    Pending,
}

/// A point by TPE after these trials, the oldest first; `None` while there are too few.
pub(crate) fn propose(space: &[Parameter], history: &[Observation], random: &mut Random) -> Option<Point> {
    let (good, others) = split(history)?;
    let of = |trials: &[usize], place: usize| -> Vec<f64> {
        trials.iter().map(|trial| history[*trial].point[place]).collect()
    };
    let mut point = Vec::with_capacity(space.len());
    for (place, parameter) in space.iter().enumerate() {
        let l = Parzen::new(&parameter.domain, &of(&good, place));
        let g = Parzen::new(&parameter.domain, &of(&others, place));
        let mut best = (f64::NEG_INFINITY, 0.0);
        for _ in 0..CANDIDATES {
            let value = l.draw(random);
            let gain = l.log_density(value) - g.log_density(value);
            if gain > best.0 {
                best = (gain, value);
            }
        }
        point.push(best.1);
    }
    Some(point)
}

/// The trials that are good and the others, each in their order; `None` where fewer than ten were measured.
fn split(history: &[Observation]) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut measured: Vec<(usize, f64, usize)> = Vec::new();
    for (trial, observation) in history.iter().enumerate() {
        if let Outcome::Measured { rung, loss } = observation.outcome {
            measured.push((rung, loss, trial));
        }
    }
    if measured.len() < STARTUP {
        return None;
    }
    measured.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let number = measured.len().div_ceil(10).min(MOST_GOOD);
    let mut good: Vec<usize> = measured[..number].iter().map(|(_, _, trial)| *trial).collect();
    good.sort_unstable();
    let others = (0..history.len()).filter(|trial| !good.contains(trial)).collect();
    Some((good, others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Domain;

    fn measured(point: f64, rung: usize, loss: f64) -> Observation {
        Observation { point: vec![point], outcome: Outcome::Measured { rung, loss } }
    }

    #[test]
    fn the_best_tenth_is_good_and_rungs_come_before_losses() {
        let mut history: Vec<Observation> = (0..12).map(|place| measured(0.0, 0, 1.0 + f64::from(place))).collect();
        history[7] = measured(0.0, 1, 90.0);
        history.push(Observation { point: vec![0.0], outcome: Outcome::Failed });
        let (good, others) = split(&history).unwrap();
        assert_eq!(good, [0, 7]);
        assert_eq!(others, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]);
        assert_eq!(split(&history[..9]), None);
    }

    #[test]
    fn the_better_choice_is_proposed() {
        let space = [Parameter { name: "c".to_owned(), domain: Domain::Categorical { choices: 3 } }];
        let history: Vec<Observation> =
            (0..30).map(|trial| measured(f64::from(trial % 3), 0, if trial % 3 == 1 { 0.0 } else { 1.0 })).collect();
        let hits = (0..50)
            .filter(|stream| {
                let mut random = Random::new(retune_random::Purpose::Trial, 1, *stream);
                propose(&space, &history, &mut random).unwrap() == [1.0]
            })
            .count();
        assert_eq!(hits, 50);
    }
}
