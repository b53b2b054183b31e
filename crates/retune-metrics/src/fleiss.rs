//! Fleiss' kappa: agreement of several judges, who put each item into one of several categories.
//!
//! Notation: `N` items; `n` judges of each; `n[i][j]` judges who put item `i` into category `j`; `T[j] = Σᵢ n[i][j]`.
//!
//! P = Σᵢ Σⱼ n[i][j] (n[i][j] − 1) / (N n (n − 1)), the share of pairs of judges who agree,
//! Pₑ = Σⱼ (T[j] / (N n))², the share that would by chance,
//! κ = (P − Pₑ) / (1 − Pₑ).
//!
//! From J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971). Values
//! equal those of statsmodels' `fleiss_kappa`. Every item needs the same number of judges; where some are missing, see
//! [`KrippendorffAlpha`](crate::KrippendorffAlpha).

use serde::{Deserialize, Serialize};

use crate::checks::{mergeable, same_count};
use crate::error::MetricError;

const MEASURE: &str = "Fleiss' kappa";

/// Sums of Fleiss' kappa: as many counts as there are categories, however many items are seen. They are whole numbers,
/// so that no digit is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleissKappa {
    /// T, by category.
    totals: Vec<u64>,
    /// Σᵢ Σⱼ n[i][j]².
    squares: u128,
    items: u64,
    /// n; 0 until an item is seen.
    judges: u64,
}

impl FleissKappa {
    /// Sums of nothing yet, for so many categories.
    ///
    /// # Errors
    ///
    /// [`MetricError::OutOfRange`] where there is no category.
    pub fn new(categories: usize) -> Result<Self, MetricError> {
        if categories == 0 {
            let quantity = "the number of categories";
            return Err(MetricError::OutOfRange { quantity, value: 0.0, expected: "at least 1" });
        }
        Ok(Self { totals: vec![0; categories], squares: 0, items: 0, judges: 0 })
    }

    /// Counts one item: for each category the number of judges who put it there.
    ///
    /// # Errors
    ///
    /// [`MetricError::OtherCount`] where there are not as many counts as categories, or not as many judges as of the
    /// items before; [`MetricError::OutOfRange`] with fewer than two. Nothing is counted then.
    pub fn update(&mut self, counts: &[u64]) -> Result<(), MetricError> {
        same_count("counts, one for each category", self.totals.len(), counts.len())?;
        let judges = counts.iter().sum();
        if judges < 2 {
            let quantity = "the number of judgements of an item";
            return Err(MetricError::OutOfRange { quantity, value: judges as f64, expected: "at least 2" });
        }
        self.check_judges(judges)?;
        self.judges = judges;
        self.items += 1;
        for (total, count) in self.totals.iter_mut().zip(counts) {
            *total += count;
            self.squares += u128::from(*count) * u128::from(*count);
        }
        Ok(())
    }

    /// Adds what another has counted.
    ///
    /// # Errors
    ///
    /// [`MetricError::NotMergeable`] where the other has another number of categories, [`MetricError::OtherCount`]
    /// where it has another number of judges.
    pub fn merge(&mut self, other: &FleissKappa) -> Result<(), MetricError> {
        mergeable("the number of categories", self.totals.len(), other.totals.len())?;
        if other.items == 0 {
            return Ok(());
        }
        self.check_judges(other.judges)?;
        self.judges = other.judges;
        self.items += other.items;
        self.squares += other.squares;
        for (total, more) in self.totals.iter_mut().zip(&other.totals) {
            *total += more;
        }
        Ok(())
    }

    /// N, the number of items counted.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// κ, at most 1; 0 where judges agree as often as chance would have it.
    ///
    /// # Errors
    ///
    /// [`MetricError::Empty`]; [`MetricError::Constant`] where all judges put all items into one category.
    pub fn kappa(&self) -> Result<f64, MetricError> {
        if self.items == 0 {
            return Err(MetricError::Empty { measure: MEASURE });
        }
        let ratings = u128::from(self.items) * u128::from(self.judges); // N n
        let by_chance: u128 = self.totals.iter().map(|total| u128::from(*total) * u128::from(*total)).sum(); // Pₑ (N n)²
        let others = u128::from(self.judges) - 1; // n − 1
        // Both sides of the fraction times (n − 1) (N n)².
        let agreeing = (self.squares - ratings) * ratings;
        let scale = others * (ratings * ratings - by_chance);
        if scale == 0 {
            return Err(MetricError::Constant { measure: MEASURE, quantity: "the categories" });
        }
        let chance = others * by_chance;
        let above = if agreeing >= chance { (agreeing - chance) as f64 } else { -((chance - agreeing) as f64) };
        Ok(above / scale as f64)
    }

    /// Nothing, where items before had as many judges.
    fn check_judges(&self, judges: u64) -> Result<(), MetricError> {
        match self.judges {
            0 => Ok(()),
            before => same_count("judgements of each item", before as usize, judges as usize),
        }
    }
}
