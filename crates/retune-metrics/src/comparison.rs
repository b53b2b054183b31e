//! Whether two models that answered the same examples differ by more than chance.
//!
//! *Paired bootstrap.* Examples are drawn again with replacement, the same for both models, and the difference d of
//! their measures is taken of each resample. The resamples lie around the observed difference d₀ as, under no
//! difference, they would lie around 0. So p = (1 + #{|d − d₀| ≥ |d₀|}) / (1 + resamples), two-sided: T.
//! Berg-Kirkpatrick, D. Burkett and D. Klein, "An empirical investigation of statistical significance in NLP" (2012),
//! after P. Koehn, "Statistical significance tests for machine translation evaluation" (2004). The 1 counts the data
//! themselves, so that p is never 0.
//!
//! *Approximate randomisation.* For each example the models' records are exchanged or not, as a coin falls, and
//! p = (1 + #{|d| ≥ |d₀|}) / (1 + draws): E. W. Noreen, "Computer-intensive methods for testing hypotheses" (1989). It is
//! given here for measures that are means of one number of each example.

use retune_random::Random;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::checks::all_finite;
use crate::error::MetricError;
use crate::sum::CompensatedSum;

/// A difference of two models with its interval, and the probability of one as great where the models are equally good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The measure of the first model less that of the second.
    pub difference: Interval,
    /// The two-sided p-value.
    pub p_value: f64,
}

/// What two differences that are equal but for rounding may differ by, for each unit of their size.
const ROUNDING: f64 = 1e-12;

impl Bootstrap {
    /// The paired bootstrap. `difference` is given the examples of a resample, each from 0 to n − 1 and as often as it
    /// was drawn, and returns the measure of the first model on them less that of the second.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`] where n is 0, [`MetricError::NotFinite`], and what the closure returns.
    pub fn paired(
        &self,
        n: usize,
        difference: impl FnMut(&[usize]) -> Result<f64, MetricError>,
    ) -> Result<PairedDifference, MetricError> {
        let (observed, mut replicates) = self.replicates(n, difference)?;
        let as_great = |d: &&f64| (**d - observed).abs() >= observed.abs() * (1.0 - ROUNDING);
        let extreme = replicates.iter().filter(as_great).count();
        let p_value = (extreme + 1) as f64 / (replicates.len() + 1) as f64;
        Ok(PairedDifference { difference: self.percentiles(observed, &mut replicates), p_value })
    }
}

/// The two-sided p-value of approximate randomisation, for the mean of `differences`: of each example the number of the
/// first model less that of the second. The same seed gives the same p-value, on every machine.
///
/// # Errors
///
/// [`MetricError::Empty`]; [`MetricError::NotFinite`]; [`MetricError::OutOfRange`] where there are no draws.
pub fn randomization_test(differences: &[f64], draws: usize, seed: u64) -> Result<f64, MetricError> {
    if differences.is_empty() {
        return Err(MetricError::Empty { measure: "a randomization test" });
    }
    if draws == 0 {
        return Err(MetricError::OutOfRange { quantity: "the number of draws", value: 0.0, expected: "at least 1" });
    }
    all_finite("a difference", differences)?;
    let total = |signed: &mut dyn Iterator<Item = f64>| {
        let mut sum = CompensatedSum::default();
        signed.for_each(|difference| sum.add(difference));
        sum.value().abs()
    };
    let observed = total(&mut differences.iter().copied());
    let mut random = Random::seeded(seed);
    let mut extreme = 0;
    for _ in 0..draws {
        let mut flip = |difference: &f64| if random.coin() { -difference } else { *difference };
        let drawn = total(&mut differences.iter().map(&mut flip));
        extreme += usize::from(drawn >= observed * (1.0 - ROUNDING));
    }
    Ok((extreme + 1) as f64 / (draws + 1) as f64)
}
