//! Which rows are drawn, and how likely each was to be.
//!
//! Notation: `N` rows, `n` of them drawn, `π` the probability that a row is among them. In all designs every row has
//! π > 0 and exactly n are drawn, so that Σ π = n and weights 1/π make estimates unbiased (D. G. Horvitz and D. J.
//! Thompson, "A generalization of sampling without replacement from a finite universe", Journal of the American
//! Statistical Association 47, 1952). Rows come in the order in which they are to be judged, such that whoever stops
//! early has judged a sample of the same design with fewer rows.

use retune_random::Random;

use crate::error::JudgeError;

/// The rows to draw from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frame<'a> {
    /// So many; π = n/N.
    Alike(usize),
    /// Each with its size; π is n times its share of all sizes, and 1 where that is more.
    BySize(&'a [f64]),
    /// Each with its stratum, counted from 0; of each stratum rows in proportion, at least two; π = n/N within it.
    Strata(&'a [usize]),
}

/// A row that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// Its place in the frame.
    pub place: usize,
    /// π.
    pub probability: f64,
    /// Its stratum; 0 where there are none.
    pub stratum: usize,
}

impl Frame<'_> {
    /// N.
    fn len(&self) -> usize {
        match self {
            Frame::Alike(rows) => *rows,
            Frame::BySize(sizes) => sizes.len(),
            Frame::Strata(strata) => strata.len(),
        }
    }
}

/// Draws `rows` of the frame, the same for the same seed, on every machine.
///
/// # Errors
///
/// [`JudgeError::RowCount`] where there are not so many; [`JudgeError::TooFewForStrata`].
pub fn draw(frame: Frame<'_>, rows: usize, seed: u64) -> Result<Vec<Drawn>, JudgeError> {
    let population = frame.len();
    if rows == 0 || rows > population {
        return Err(JudgeError::RowCount { rows, population });
    }
    let mut random = Random::seeded(seed);
    match frame {
        Frame::Alike(_) => {
            let probability = rows as f64 / population as f64;
            let places = shuffled(population, &mut random).into_iter().take(rows);
            Ok(places.map(|place| Drawn { place, probability, stratum: 0 }).collect())
        }
        Frame::BySize(sizes) => Ok(by_size(sizes, rows, &mut random)),
        Frame::Strata(strata) => by_stratum(strata, rows, &mut random),
    }
}

/// Systematic sampling with unequal probabilities of rows in random order: H. O. Hartley and J. N. K. Rao, "Sampling
/// with unequal probabilities and without replacement", Annals of Mathematical Statistics 33 (1962).
fn by_size(sizes: &[f64], rows: usize, random: &mut Random) -> Vec<Drawn> {
    let probabilities = inclusion_probabilities(sizes, rows);
    let order = shuffled(sizes.len(), random);
    let start = random.unit();
    let mut drawn = Vec::with_capacity(rows);
    let mut sum = 0.0;
    for place in order {
        // A row is drawn where one of the points start, start + 1, … lies within its stretch of length π.
        sum += probabilities[place];
        if sum > start + drawn.len() as f64 && drawn.len() < rows {
            drawn.push(Drawn { place, probability: probabilities[place], stratum: 0 });
        }
    }
    // Rounding may leave the last point a hair beyond the end of the last stretch.
    if drawn.len() < rows
        && let Some(place) = (0..sizes.len()).find(|place| drawn.iter().all(|row| row.place != *place))
    {
        drawn.push(Drawn { place, probability: probabilities[place], stratum: 0 });
    }
    let places = shuffled(drawn.len(), random);
    places.into_iter().map(|place| drawn[place]).collect()
}

/// π of each row: n s / Σ s, where those of 1 and more are certain and the others share what is left.
fn inclusion_probabilities(sizes: &[f64], rows: usize) -> Vec<f64> {
    let mut certain = vec![false; sizes.len()];
    loop {
        let left = rows - certain.iter().filter(|certain| **certain).count();
        let others = certain.iter().filter(|certain| !**certain).count();
        let total: f64 = sizes.iter().zip(&certain).filter(|(_, certain)| !**certain).map(|(size, _)| size).sum();
        let share = |size: f64| if total > 0.0 { size / total } else { 1.0 / others as f64 };
        let probability = |place: usize| if certain[place] { 1.0 } else { left as f64 * share(sizes[place]) };
        let probabilities: Vec<f64> = (0..sizes.len()).map(probability).collect();
        let more: Vec<usize> =
            (0..sizes.len()).filter(|place| !certain[*place] && probabilities[*place] >= 1.0).collect();
        if more.is_empty() {
            return probabilities;
        }
        more.into_iter().for_each(|place| certain[place] = true);
    }
}

fn by_stratum(strata: &[usize], rows: usize, random: &mut Random) -> Result<Vec<Drawn>, JudgeError> {
    let count = strata.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    for place in shuffled(strata.len(), random) {
        members[strata[place]].push(place);
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let shares = allocation(&sizes, rows)?;
    let mut drawn = Vec::with_capacity(rows);
    for (stratum, (places, share)) in members.into_iter().zip(shares).enumerate() {
        let probability = share as f64 / places.len().max(1) as f64;
        for (number, place) in places.into_iter().take(share).enumerate() {
            // Spread evenly over the order, so that a part of it has each stratum's part.
            let when = (number as f64 + random.unit()) / share as f64;
            drawn.push((when, Drawn { place, probability, stratum }));
        }
    }
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(drawn.into_iter().map(|(_, row)| row).collect())
}

/// How many of each stratum: two, or all where there are fewer, and what is left one by one to the stratum that has the
/// fewest for its size.
fn allocation(sizes: &[usize], rows: usize) -> Result<Vec<usize>, JudgeError> {
    let mut shares: Vec<usize> = sizes.iter().map(|size| (*size).min(2)).collect();
    let needed = shares.iter().sum();
    if rows < needed {
        let strata = sizes.iter().filter(|size| **size > 0).count();
        return Err(JudgeError::TooFewForStrata { rows, strata, needed });
    }
    for _ in needed..rows {
        let open = (0..sizes.len()).filter(|stratum| shares[*stratum] < sizes[*stratum]);
        let filled = |stratum: &usize| (shares[*stratum] as f64 + 0.5) / sizes[*stratum] as f64;
        if let Some(stratum) = open.min_by(|a, b| filled(a).total_cmp(&filled(b))) {
            shares[stratum] += 1;
        }
    }
    Ok(shares)
}

/// 0 to n − 1 in random order.
fn shuffled(n: usize, random: &mut Random) -> Vec<usize> {
    let mut places: Vec<usize> = (0..n).collect();
    random.shuffle(&mut places);
    places
}

/// √(c (1 − c)) of each confidence, and at least a fifth of the mean, so that no weight is more than five times that of
/// a draw by chance. Were the confidences true, these sizes would make the variance of the estimate least.
pub(crate) fn uncertainties(confidences: &[f64]) -> Vec<f64> {
    let deviations: Vec<f64> = confidences.iter().map(|c| (c * (1.0 - c)).max(0.0).sqrt()).collect();
    let mean = deviations.iter().sum::<f64>() / deviations.len().max(1) as f64;
    deviations.into_iter().map(|deviation| deviation.max(mean / 5.0)).collect()
}
