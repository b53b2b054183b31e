//! A share of all rows, from those that were judged.
//!
//! Notation: `N` rows in all, `m` of the `n` drawn are judged; `y` what is judged of a row, from 0 to 1; `c` what was
//! expected of it beforehand; `π` its probability of being judged; `h` a stratum.
//!
//! *By chance and by stratum*: Σ (N[h]/N) ȳ[h], with the variance Σ (N[h]/N)² (1 − m[h]/N[h]) s²[h] / m[h], where s² is
//! p̃ (1 − p̃), p̃ being the stratum's mean drawn towards the whole's by one row. By chance there is one stratum.
//!
//! *By uncertainty*, the difference estimator (C.-E. Särndal, B. Swensson and J. Wretman, "Model assisted survey
//! sampling", 1992, section 6.3): (Σ c over all rows + Σ (y − c)/π over those judged) / N, which is Horvitz and
//! Thompson's where c = 0, and unbiased whatever c is. Its variance is that of J. Hájek ("Asymptotic theory of
//! rejective sampling", Annals of Mathematical Statistics 35, 1964) with the factor m/(m − 1) of Deville, and 1/m²
//! more, as though one more row of mean weight were a surprise: where no surprise was seen among a few rows it must not
//! be taken for impossible.
//!
//! *Intervals* are Wilson's of the effective number of rows, p (1 − p) / variance; where nothing varies, (Σ w)² / Σ w²
//! with w = 1/π (L. Kish, "Survey sampling", 1965), divided by 1 − m/N.

use retune_metrics::{MetricError, wilson_interval};
use serde::{Deserialize, Serialize};

use crate::error::JudgeError;

/// The probability that an interval is to hold the truth.
pub const LEVEL: f64 = 0.95;

/// All rows that could be drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// The rows of each stratum; one number where there are no strata.
    pub strata: Vec<u64>,
    /// How many were drawn.
    pub drawn: u64,
    /// Whether they were drawn by size, and not within strata.
    pub by_size: bool,
    /// Σ c over all rows.
    pub expected: f64,
}

/// What is judged of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// y, from 0 to 1.
    pub value: f64,
    /// c, from 0 to 1.
    pub expected: f64,
    /// The probability with which it was drawn.
    pub probability: f64,
    /// Its stratum.
    pub stratum: usize,
}

/// A share of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The share. It may lie a little outside 0 to 1 by size; whoever shows it cuts it there.
    pub share: f64,
    /// The lower bound of the interval of 95 %.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// m, the rows that it is taken of.
    pub rows: u64,
    /// The rows drawn by chance that would tell as much.
    pub effective_rows: Option<f64>,
    /// The part of all rows that lies in strata of which none is judged yet; they are taken to be as the others.
    pub unseen: f64,
}

/// The share of all rows, from what is judged of some. Observations that are a part of those drawn must be a part by
/// chance, as the order of the draw makes them.
///
/// # Errors
///
/// There is no observation.
pub fn estimate(population: &Population, observations: &[Observation]) -> Result<Estimate, JudgeError> {
    if observations.is_empty() {
        return Err(MetricError::Empty { measure: "a share" }.into());
    }
    let m = observations.len() as f64;
    let total = population.strata.iter().sum::<u64>() as f64; // N
    let (share, variance, unseen) = match population.by_size {
        true => by_size(population, observations, total),
        false => by_stratum(population, observations, total),
    };
    let within = share.clamp(0.0, 1.0);
    let spread = within * (1.0 - within);
    let effective = match spread > 0.0 && variance > 0.0 {
        true => spread / variance,
        false => {
            let weights = observations.iter().map(|row| 1.0 / row.probability);
            let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
            sum * sum / squares / (1.0 - m / total)
        }
    };
    // Of all rows nothing is left to guess, and the number is infinite.
    let interval = wilson_interval(within, effective, LEVEL)?;
    Ok(Estimate {
        share,
        low: interval.low,
        high: interval.high,
        rows: observations.len() as u64,
        effective_rows: effective.is_finite().then_some(effective),
        unseen,
    })
}

fn by_size(population: &Population, observations: &[Observation], total: f64) -> (f64, f64, f64) {
    let m = observations.len() as f64;
    let part = m / population.drawn as f64;
    let (mut sum, mut weights, mut weighted) = (0.0, 0.0, 0.0);
    let terms: Vec<(f64, f64)> = observations
        .iter()
        .map(|row| {
            let probability = row.probability * part; // π
            let term = (row.value - row.expected) / probability;
            sum += term;
            weights += 1.0 - probability;
            weighted += (1.0 - probability) * term;
            (term, 1.0 - probability)
        })
        .collect();
    let share = (population.expected + sum) / total;
    let mean = if weights > 0.0 { weighted / weights } else { 0.0 };
    let scatter: f64 = terms.iter().map(|(term, weight)| weight * (term - mean) * (term - mean)).sum();
    let factor = if m > 1.0 { m / (m - 1.0) } else { 1.0 };
    let surprise = (1.0 - m / total).max(0.0) / (m * m);
    (share, factor * scatter / (total * total) + surprise, 0.0)
}

fn by_stratum(population: &Population, observations: &[Observation], total: f64) -> (f64, f64, f64) {
    let strata = population.strata.len();
    let (mut sums, mut counts) = (vec![0.0; strata], vec![0.0; strata]); // [h]
    for row in observations {
        sums[row.stratum] += row.value;
        counts[row.stratum] += 1.0;
    }
    let seen: Vec<usize> = (0..strata).filter(|h| counts[*h] > 0.0).collect();
    let seen_rows: f64 = seen.iter().map(|h| population.strata[*h] as f64).sum();
    let weight = |h: usize| population.strata[h] as f64 / seen_rows;
    let share: f64 = seen.iter().map(|h| weight(*h) * sums[*h] / counts[*h]).sum();
    let variance = |h: usize| {
        let drawn_in = (sums[h] + share) / (counts[h] + 1.0); // p̃
        let left = 1.0 - counts[h] / population.strata[h] as f64;
        weight(h) * weight(h) * left * drawn_in * (1.0 - drawn_in) / counts[h]
    };
    (share, seen.into_iter().map(variance).sum(), 1.0 - seen_rows / total)
}
