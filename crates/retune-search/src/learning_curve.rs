//! Would more data help? A power law through the errors of growing shares of the training set, how sure it is, and what
//! it says of more data than there is.
//!
//! Intervals are by the bootstrap, the percentiles of refitted curves. With five seeds or more, whole seeds are drawn
//! with replacement (the shares of one seed hold each other, so that their errors go together). With fewer, the
//! residuals are drawn, centred and multiplied by √(m / (m − 3)) for the three numbers that m points have paid for the
//! fit (A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", 1997, section 6.3 and 7.2). Either
//! is an interval of the curve, not of one more training; and the validation examples are the same throughout, so that
//! their own chance is not in it.
//!
//! Whether there is a curve at all is asked by the F-test against a constant, F = ((S₀ − S) / 2) / (S / (m − 3)), whose
//! p-value with two degrees of freedom above is (S / S₀)^((m − 3) / 2). The curve is not linear in c, so it is a guide
//! and no exact test.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::power_law::PowerLaw;
use retune_random::{Purpose, Random};

/// Resamples behind the intervals.
const RESAMPLES: usize = 1000;
/// Different numbers of examples from which on a curve is fitted: three numbers fit three points whatever they are.
const FEWEST_SIZES: usize = 4;
/// Seeds from which on seeds are resampled.
const SEEDS_TO_RESAMPLE: usize = 5;
/// The share of today's error that twice the data must take away to be worth a word.
const WORTH: f64 = 0.02;

/// The error after training on a share of the data with a seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The share of the training set, above 0 and at most 1.
    pub fraction: f64,
    /// The seed.
    pub seed: u64,
    /// The error: a loss, or what is missing to a perfect score.
    pub error: f64,
}

/// The error expected of a number of examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Times the training set.
    pub fraction: f64,
    /// The curve's error.
    pub error: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What the curve says of more data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There are fewer than four different shares.
    TooFewPoints,
    /// The errors do not fall clearly enough to be told from chance.
    NoTrend,
    /// They fall, but twice the data would take away little.
    LittleMore,
    /// Twice the data would probably help.
    Helps,
    /// The curve promises an improvement that its interval does not confirm.
    Unsure,
}

/// A fitted learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The curve over shares of the training set; `None` where there are too few points.
    pub law: Option<PowerLaw>,
    /// The p-value against errors that do not change; `None` where there is no curve.
    pub p_value: Option<f64>,
    /// The standard deviation of the points around the curve.
    pub residual: Option<f64>,
    /// What was resampled.
    pub resampled: Resampled,
    /// The curve from the least share to four times the data, to be drawn.
    pub band: Vec<Expected>,
    /// Today, and twice and four times the data.
    pub expected: Vec<Expected>,
    /// The improvement of the error by twice the data, with its interval.
    pub gain: Option<Expected>,
    /// In a word.
    pub verdict: Verdict,
}

/// What the bootstrap draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampled {
    /// Whole seeds.
    Seeds,
    /// Residuals.
    Residuals,
}

impl LearningCurve {
    /// Fits the points. The same points and seed give the same intervals.
    pub fn fit(points: &[CurvePoint], seed: u64) -> LearningCurve {
        Self::fit_with(points, seed, RESAMPLES)
    }

    fn fit_with(points: &[CurvePoint], seed: u64, resamples: usize) -> LearningCurve {
        let seeds: Vec<u64> = points.iter().map(|point| point.seed).collect::<BTreeSet<_>>().into_iter().collect();
        let resampled = if seeds.len() >= SEEDS_TO_RESAMPLE { Resampled::Seeds } else { Resampled::Residuals };
        let empty = LearningCurve {
            law: None,
            p_value: None,
            residual: None,
            resampled,
            band: Vec::new(),
            expected: Vec::new(),
            gain: None,
            verdict: Verdict::TooFewPoints,
        };
        let pairs: Vec<(f64, f64)> = points.iter().map(|point| (point.fraction, point.error)).collect();
        let mut sizes: Vec<f64> = pairs.iter().map(|(fraction, _)| *fraction).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let Some((law, squares)) = PowerLaw::fit(&pairs).filter(|_| sizes.len() >= FEWEST_SIZES) else { return empty };
        let freedom = (points.len() - 3) as f64;
        let p_value = p_value(&pairs, squares, freedom);
        let laws = match resampled {
            Resampled::Seeds => resample_seeds(points, &seeds, seed, resamples),
            Resampled::Residuals => resample_residuals(&pairs, law, seed, resamples),
        };
        let expect = |fraction: f64| {
            let (low, high) = percentiles(laws.iter().map(|law| law.at(fraction)).collect());
            Expected { fraction, error: law.at(fraction), low, high }
        };
        let gain = {
            let (low, high) = percentiles(laws.iter().map(|law| law.at(1.0) - law.at(2.0)).collect());
            Expected { fraction: 2.0, error: law.at(1.0) - law.at(2.0), low, high }
        };
        LearningCurve {
            law: Some(law),
            p_value: Some(p_value),
            residual: Some((squares / freedom).sqrt()),
            band: log_spaced(sizes[0], 4.0, 40).map(expect).collect(),
            expected: [1.0, 2.0, 4.0].map(expect).to_vec(),
            gain: Some(gain),
            verdict: verdict(law, p_value, &gain),
            ..empty
        }
    }
}

/// The p-value of the F-test against a constant.
fn p_value(pairs: &[(f64, f64)], squares: f64, freedom: f64) -> f64 {
    let mean = pairs.iter().map(|(_, error)| error).sum::<f64>() / pairs.len() as f64;
    let around_mean: f64 = pairs.iter().map(|(_, error)| (error - mean).powi(2)).sum();
    if around_mean > 0.0 { (squares / around_mean).min(1.0).powf(freedom / 2.0) } else { 1.0 }
}

fn verdict(law: PowerLaw, p_value: f64, gain: &Expected) -> Verdict {
    const LEVEL: f64 = 0.05;
    if p_value > LEVEL || law.scale <= 0.0 {
        Verdict::NoTrend
    } else if gain.error < WORTH * law.at(1.0) {
        Verdict::LittleMore
    } else if gain.low > 0.0 && gain.low >= 0.25 * gain.error {
        Verdict::Helps
    } else {
        Verdict::Unsure
    }
}

fn resample_seeds(points: &[CurvePoint], seeds: &[u64], seed: u64, resamples: usize) -> Vec<PowerLaw> {
    let mut random = Random::new(Purpose::LearningCurve, seed, 0);
    let of_seed = |seed: u64| points.iter().filter(move |point| point.seed == seed);
    let mut resample = || {
        let drawn: Vec<u64> = seeds.iter().map(|_| seeds[random.below(seeds.len())]).collect();
        let pairs: Vec<(f64, f64)> =
            drawn.into_iter().flat_map(of_seed).map(|point| (point.fraction, point.error)).collect();
        PowerLaw::fit(&pairs).map(|(law, _)| law)
    };
    (0..resamples).filter_map(|_| resample()).collect()
}

fn resample_residuals(pairs: &[(f64, f64)], law: PowerLaw, seed: u64, resamples: usize) -> Vec<PowerLaw> {
    let mut random = Random::new(Purpose::LearningCurve, seed, 0);
    let m = pairs.len() as f64;
    let residuals: Vec<f64> = pairs.iter().map(|(fraction, error)| error - law.at(*fraction)).collect();
    let mean = residuals.iter().sum::<f64>() / m;
    let inflation = (m / (m - 3.0)).sqrt();
    let mut resample = || {
        let drawn: Vec<(f64, f64)> = pairs
            .iter()
            .map(|(fraction, _)| {
                let residual = residuals[random.below(residuals.len())];
                (*fraction, law.at(*fraction) + (residual - mean) * inflation)
            })
            .collect();
        PowerLaw::fit(&drawn).map(|(law, _)| law)
    };
    (0..resamples).filter_map(|_| resample()).collect()
}

/// The 2.5 % and 97.5 % percentiles, interpolated as numpy does.
fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let quantile = |q: f64| match values.len() {
        0 => f64::NAN,
        n => {
            let position = q * (n - 1) as f64;
            let (low, high) = (values[position.floor() as usize], values[position.ceil() as usize]);
            low + (high - low) * position.fract()
        }
    };
    (quantile(0.025), quantile(0.975))
}

fn log_spaced(from: f64, to: f64, places: usize) -> impl Iterator<Item = f64> {
    (0..places).map(move |place| from * (to / from).powf(place as f64 / (places - 1) as f64))
}

impl fmt::Display for LearningCurve {
    /// The answer in a sentence; errors with four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [today, twice, four_times] = match (self.verdict, self.expected.as_slice()) {
            (Verdict::TooFewPoints, _) | (_, []) => {
                return f.write_str("There are too few different shares for a curve; train on four or more.");
            }
            (_, [a, b, c, ..]) => [a, b, c],
            _ => return Ok(()),
        };
        let promise = format!(
            "twice the data would bring the error from {:.4} to about {:.4} (95 % interval {:.4} to {:.4}), four times to \
             about {:.4} ({:.4} to {:.4})",
            today.error, twice.error, twice.low, twice.high, four_times.error, four_times.low, four_times.high
        );
        match self.verdict {
            Verdict::TooFewPoints => Ok(()),
            Verdict::NoTrend => write!(
                f,
                "The errors do not fall clearly with more data (p = {:.2} against no change): nothing can be said of more. \
                 More seeds (--seeds) or a larger validation file would make it clearer.",
                self.p_value.unwrap_or(1.0)
            ),
            Verdict::LittleMore => write!(f, "More data would probably help little: {promise}."),
            Verdict::Helps => write!(f, "More data would probably help: {promise}."),
            Verdict::Unsure => {
                write!(f, "More data may help, but these points do not make it sure: {promise}. More seeds would.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRACTIONS: [f64; 5] = [0.1, 0.2, 0.4, 0.7, 1.0];

    /// A curve of `law` with normal noise.
    fn points(law: PowerLaw, noise: f64, seeds: u64, stream: u64) -> Vec<CurvePoint> {
        let mut random = Random::new(Purpose::Trial, 11, stream);
        let mut points = Vec::new();
        for seed in 0..seeds {
            for fraction in FRACTIONS {
                points.push(CurvePoint { fraction, seed, error: law.at(fraction) + noise * random.normal() });
            }
        }
        points
    }

    const FALLING: PowerLaw = PowerLaw { asymptote: 0.05, scale: 0.1, exponent: 0.5 };
    const FLAT: PowerLaw = PowerLaw { asymptote: 0.15, scale: 0.0, exponent: 1.0 };

    #[test]
    fn a_clear_curve_helps_and_noise_says_nothing() {
        assert_eq!(LearningCurve::fit(&points(FALLING, 0.001, 3, 0), 1).verdict, Verdict::Helps);
        assert_eq!(LearningCurve::fit(&points(FLAT, 0.01, 1, 0), 1).verdict, Verdict::NoTrend);
        let three = &points(FALLING, 0.001, 1, 0)[..3];
        assert_eq!(LearningCurve::fit(three, 1).verdict, Verdict::TooFewPoints);
        let saturated = PowerLaw { asymptote: 0.05, scale: 0.0005, exponent: 2.0 };
        assert_eq!(LearningCurve::fit(&points(saturated, 0.0001, 3, 0), 1).verdict, Verdict::LittleMore);
        assert_eq!(LearningCurve::fit(&[], 1).verdict, Verdict::TooFewPoints);
    }

    /// Of flat curves one in twenty may look like one that falls, by chance; the curve's third number makes it a few
    /// more.
    #[test]
    fn flat_noise_is_seldom_taken_for_a_trend() {
        let wrong = (0..100)
            .filter(|stream| {
                LearningCurve::fit_with(&points(FLAT, 0.01, 3, *stream), 1, 100).verdict != Verdict::NoTrend
            })
            .count();
        println!("{wrong} of 100");
        assert!(wrong <= 12, "{wrong}");
    }

    /// How often the interval at twice the data holds the truth.
    #[test]
    fn intervals_cover_the_truth() {
        for (seeds, least) in [(1, 70), (3, 82), (6, 74)] {
            let covered = (0..100)
                .filter(|stream| {
                    let curve = LearningCurve::fit_with(&points(FALLING, 0.004, seeds, *stream), 1, 100);
                    let twice = curve.expected[1];
                    (twice.low..=twice.high).contains(&FALLING.at(2.0))
                })
                .count();
            println!("{seeds} seeds: {covered} of 100 intervals hold the true error of twice the data");
            assert!(covered >= least, "{seeds} seeds: {covered}");
        }
    }

    /// By `numpy.quantile`.
    #[test]
    fn percentiles_are_numpys() {
        assert_eq!(percentiles((0..=40).map(f64::from).collect()), (1.0, 39.0));
        let (low, high) = percentiles(vec![1.0, 2.0, 4.0, 8.0]);
        assert!((low - 1.075).abs() < 1e-12 && (high - 7.7).abs() < 1e-12, "{low} {high}");
    }
}
