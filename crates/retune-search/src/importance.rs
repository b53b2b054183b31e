//! How much each parameter mattered: the share of the measure's variation that goes with it.
//!
//! Of a number it is ρ², the square of Spearman's rank correlation of value and measure; of a choice η², the variation
//! between the choices' means over all variation. Both lie from 0 to 1, and both are above 0 by chance alone: of n
//! trials by 1 / (n − 1) on average, of k choices by (k − 1) / (n − 1). That chance stands beside them. What a
//! parameter does only together with another, or only in the middle of its range, neither shows; and TPE's trials crowd
//! where it is good.

use retune_metrics::RankCorrelation;
use serde::{Deserialize, Serialize};

use crate::space::{Domain, Parameter, Point};

/// Trials below which shares are mostly chance.
pub const FEW_TRIALS: usize = 10;

/// How much one parameter mattered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The parameter.
    pub name: String,
    /// The share of the variation that goes with it, from 0 to 1.
    pub share: f64,
    /// What that would be by chance, on average.
    pub by_chance: f64,
    /// Spearman's ρ of value and measure, which tells the direction; `None` for choices.
    pub correlation: Option<f64>,
}

/// Of each parameter, from trials' points and measures; empty below three trials or where all measures are the same.
pub fn importances(space: &[Parameter], trials: &[(Point, f64)]) -> Vec<Importance> {
    let n = trials.len();
    let differ = trials.iter().any(|(_, value)| *value != trials[0].1);
    if n < 3 || !differ || trials.iter().any(|(_, value)| !value.is_finite()) {
        return Vec::new();
    }
    let of = |(place, parameter): (usize, &Parameter)| {
        let pairs: Vec<(f64, f64)> = trials.iter().map(|(point, value)| (point[place], *value)).collect();
        let (share, groups, correlation) = match parameter.domain {
            Domain::Categorical { .. } => {
                let (share, groups) = eta_squared(&pairs);
                (share, groups, None)
            }
            Domain::Numeric { .. } => {
                let correlation = spearman(&pairs);
                (correlation.powi(2), 2, Some(correlation))
            }
        };
        let by_chance = ((groups.max(1) - 1) as f64 / (n - 1) as f64).min(1.0);
        Importance { name: parameter.name.clone(), share, by_chance, correlation }
    };
    space.iter().enumerate().map(of).collect()
}

/// 0 where one of both never changes.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let mut ranks = RankCorrelation::new();
    let all = pairs.iter().try_for_each(|(parameter, value)| ranks.update(*parameter, *value));
    all.and_then(|()| ranks.spearman()).unwrap_or(0.0)
}

/// η² and the number of groups.
fn eta_squared(pairs: &[(f64, f64)]) -> (f64, usize) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let values: Vec<f64> = pairs.iter().map(|(_, value)| *value).collect();
    let overall = mean(&values);
    let total: f64 = values.iter().map(|value| (value - overall).powi(2)).sum();
    let mut choices: Vec<f64> = pairs.iter().map(|(choice, _)| *choice).collect();
    choices.sort_by(f64::total_cmp);
    choices.dedup();
    let between = |choice: &f64| {
        let group: Vec<f64> = pairs.iter().filter(|(at, _)| at == choice).map(|(_, value)| *value).collect();
        group.len() as f64 * (mean(&group) - overall).powi(2)
    };
    (choices.iter().map(between).sum::<f64>() / total, choices.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Scale;

    const SPEARMAN: f64 = -0.8857142857142858;
    const ETA_SQUARED: f64 = 0.5714285714285714;

    /// By `scipy.stats.spearmanr(x, y).statistic` = -0.8857142857142858, and `f = scipy.stats.f_oneway([0.9, 0.7],
    /// [0.8, 0.4], [0.5, 0.3]).statistic; 2 * f / (2 * f + 3)` = 0.5714285714285714.
    #[test]
    fn shares_are_scipys() {
        let parameter = |name: &str, domain| Parameter { name: name.to_owned(), domain };
        let space = [
            parameter("rate", Domain::Numeric { min: 1e-6, max: 1.0, step: None, scale: Scale::Log }),
            parameter("loss", Domain::Categorical { choices: 3 }),
            parameter("same", Domain::Categorical { choices: 3 }),
        ];
        let values = [0.9, 0.7, 0.8, 0.4, 0.5, 0.3];
        let rates = [1e-5, 2e-5, 3e-5, 1e-3, 5e-5, 2e-4];
        let trials: Vec<(Point, f64)> =
            (0..6).map(|trial| (vec![rates[trial], (trial / 2) as f64, 1.0], values[trial])).collect();
        let found = importances(&space, &trials);
        assert!((found[0].correlation.unwrap() - SPEARMAN).abs() < 1e-12, "{found:?}");
        assert!((found[0].share - SPEARMAN * SPEARMAN).abs() < 1e-12 && found[0].by_chance == 0.2, "{found:?}");
        assert!((found[1].share - ETA_SQUARED).abs() < 1e-12 && found[1].by_chance == 0.4, "{found:?}");
        assert_eq!((found[2].share, found[2].by_chance), (0.0, 0.0));
        assert!(importances(&space, &trials[..2]).is_empty());
    }
}
