//! The space that is searched: parameters, each with its domain, and points of one number for each parameter.
//!
//! A number is drawn and modelled on an *inner* axis: the number itself, or its logarithm where the scale is
//! logarithmic. Where values lie on a grid the inner axis reaches half a step beyond the ends, so that the ends are as
//! likely as what lies between (as in Optuna, T. Akiba et al., "Optuna: a next-generation hyperparameter optimization
//! framework", KDD 2019).

use retune_random::Random;

/// How a number is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Differences matter.
    Linear,
    /// Ratios matter. The least value is above 0.
    Log,
}

/// The values that a parameter may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of so many choices, at least one; a point holds the choice's place, from 0.
    Categorical {
        /// The number of choices.
        choices: usize,
    },
    /// A number from `min` to `max`, both included, `min` less than `max`.
    Numeric {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// Values are `min` and multiples of this above it; `None` for all that lie between. Above 0.
        step: Option<f64>,
        /// How it is spread.
        scale: Scale,
    },
}

/// A parameter of the space.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it is called.
    pub name: String,
    /// The values that it may have.
    pub domain: Domain,
}

/// A value for each parameter, in their order.
pub type Point = Vec<f64>;

impl Domain {
    /// The ends of the inner axis; `None` for choices.
    pub(crate) fn inner_range(&self) -> Option<(f64, f64)> {
        let Domain::Numeric { min, max, step, scale } = *self else { return None };
        let half = step.unwrap_or(0.0) / 2.0;
        let max = self.last_of_grid(min, max, step);
        Some(match scale {
            Scale::Linear => (min - half, max + half),
            // A grid that begins below half a step has no logarithm there.
            Scale::Log => ((min - half).max(min / 2.0).ln(), (max + half).ln()),
        })
    }

    /// The greatest value that the grid reaches.
    fn last_of_grid(&self, min: f64, max: f64, step: Option<f64>) -> f64 {
        step.map_or(max, |step| min + ((max - min) / step + 1e-9).floor() * step)
    }

    /// A value's place on the inner axis.
    pub(crate) fn to_inner(&self, value: f64) -> f64 {
        match self {
            Domain::Numeric { scale: Scale::Log, .. } => value.ln(),
            _ => value,
        }
    }

    /// The value at a place of the inner axis: on the grid where there is one, else rounded to about a thousandth of
    /// the range, so that what is shown is what is run.
    pub(crate) fn value_at(&self, inner: f64) -> f64 {
        let Domain::Numeric { min, max, step, scale } = *self else { return inner };
        let value = if scale == Scale::Log { inner.exp() } else { inner };
        match step {
            Some(step) => {
                let last = ((max - min) / step + 1e-9).floor();
                rounded(min + ((value - min) / step).round().clamp(0.0, last) * step, step * 1e-6)
            }
            None => {
                let width = |value| if scale == Scale::Log { value * (max / min).ln() } else { max - min };
                let round = |value| rounded(value, width(value) / 1e3);
                // On a logarithmic axis the number of digits hangs on the value, and may be another for the rounded one.
                round(round(value)).clamp(min, max)
            }
        }
    }

    /// A value, each as likely as the others on the inner axis.
    pub(crate) fn uniform(&self, random: &mut Random) -> f64 {
        match (self, self.inner_range()) {
            (Domain::Categorical { choices }, _) => random.below(*choices) as f64,
            (_, Some((low, high))) => self.value_at(random.between(low, high)),
            (_, None) => 0.0,
        }
    }

    /// How many values there are; `None` where they are not on a grid.
    pub fn size(&self) -> Option<u64> {
        match *self {
            Domain::Categorical { choices } => Some(choices as u64),
            Domain::Numeric { min, max, step, .. } => step.map(|step| ((max - min) / step + 1e-9).floor() as u64 + 1),
        }
    }

    /// The value of this place on the grid, from 0; below [`Domain::size`].
    fn at(&self, place: u64) -> f64 {
        match *self {
            Domain::Categorical { .. } => place as f64,
            Domain::Numeric { min, step, .. } => {
                let step = step.unwrap_or(0.0);
                rounded(min + place as f64 * step, step * 1e-6)
            }
        }
    }
}

/// The nearest number of few decimal digits: within a tenth to a whole of `resolution`.
fn rounded(value: f64, resolution: f64) -> f64 {
    let exponent = resolution.log10().floor();
    if exponent >= 0.0 || !exponent.is_finite() {
        let unit = if exponent.is_finite() { 10_f64.powf(exponent) } else { 1.0 };
        return (value / unit).round() * unit;
    }
    // By way of its decimal digits, so that 0.3 is 0.3 and not 0.30000000000000004.
    format!("{value:.0$}", (-exponent) as usize).parse().unwrap_or(value)
}

/// How many different points a space has; `None` where there is no end to them.
pub fn size(space: &[Parameter]) -> Option<u64> {
    space.iter().try_fold(1_u64, |size, parameter| Some(size.saturating_mul(parameter.domain.size()?)))
}

/// The point of this place in a space that is all grid, below its size; the last parameter changes fastest.
pub(crate) fn nth(space: &[Parameter], mut place: u64) -> Point {
    let mut point = Vec::with_capacity(space.len());
    for parameter in space.iter().rev() {
        let size = parameter.domain.size().unwrap_or(1);
        point.push(parameter.domain.at(place % size));
        place /= size;
    }
    point.reverse();
    point
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use retune_random::Purpose;

    fn numeric(min: f64, max: f64, step: Option<f64>, scale: Scale) -> Domain {
        Domain::Numeric { min, max, step, scale }
    }

    #[test]
    fn the_ends_of_a_grid_are_as_likely_as_the_rest() {
        let domain = numeric(2.0, 6.0, Some(1.0), Scale::Linear);
        let mut random = Random::new(Purpose::Trial, 3, 0);
        let mut counts = [0_usize; 5];
        (0..10_000).for_each(|_| counts[domain.uniform(&mut random) as usize - 2] += 1);
        // Pearson's statistic of four degrees of freedom exceeds 18.5 once in a thousand seeds.
        let statistic: f64 = counts.iter().map(|&count| (count as f64 - 2000.0).powi(2) / 2000.0).sum();
        assert!(statistic < 18.5, "{counts:?}");
    }

    #[test]
    fn values_have_few_digits() {
        let domain = numeric(1e-5, 1e-3, None, Scale::Log);
        assert_eq!(domain.value_at(3.123_456_7e-5_f64.ln()), 3.12e-5);
        let domain = numeric(0.0, 0.3, None, Scale::Linear);
        assert_eq!(domain.value_at(0.1 + 0.2), 0.3);
        assert_eq!(numeric(0.1, 0.5, Some(0.1), Scale::Linear).value_at(0.29), 0.3);
    }

    #[test]
    fn grids_are_counted_and_listed() {
        let parameter = |domain| Parameter { name: String::new(), domain };
        let space =
            [parameter(Domain::Categorical { choices: 3 }), parameter(numeric(0.0, 1.0, Some(0.4), Scale::Linear))];
        assert_eq!(size(&space), Some(9));
        let all: Vec<Point> = (0..9).map(|place| nth(&space, place)).collect();
        assert_eq!(all[0], [0.0, 0.0]);
        assert_eq!(all[5], [1.0, 0.8]);
        assert_eq!(all[8], [2.0, 0.8]);
        assert_eq!(size(&[parameter(numeric(0.0, 1.0, None, Scale::Linear))]), None);
    }

    #[test]
    fn a_value_that_was_rounded_stays_as_it_is() {
        let (min, max) = (3.058990142450051, 96.44663921675149);
        let domain = numeric(min, max, None, Scale::Log);
        // From 28.985 on the range's thousandth is a tenth and more.
        for place in 28_900..29_050 {
            let value = domain.value_at((f64::from(place) / 1e3).ln());
            assert_eq!(domain.value_at(domain.to_inner(value)), value, "{place}");
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_lies_in_the_domain(
            min in 1e-6..10.0_f64, width in 1e-3..100.0_f64, log in any::<bool>(), grid in any::<bool>(), seed in any::<u64>()
        ) {
            let scale = if log { Scale::Log } else { Scale::Linear };
            let step = grid.then_some(width / 7.3);
            let domain = numeric(min, min + width, step, scale);
            let mut random = Random::new(Purpose::Trial, seed, 0);
            for _ in 0..20 {
                let value = domain.uniform(&mut random);
                prop_assert!((min - 1e-6 * width..=min + width).contains(&value), "{value}");
                let again = domain.value_at(domain.to_inner(value));
                prop_assert!((again - value).abs() <= 1e-9 * value.abs(), "{again} {value}");
            }
        }
    }
}
