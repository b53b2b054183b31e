//! McNemar's test of whether two models that answered the same examples are right equally often.
//!
//! Only the examples that one model has right and the other wrong tell: b of the first's, c of the second's. Were the
//! models equally good, b would be binomial of b + c tosses of a fair coin, so
//!
//! exact p = min(1, 2 · P(at most min(b, c) of b + c)),
//! χ² = (|b − c| − 1)² / (b + c), with one degree of freedom and the continuity correction.
//!
//! From Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
//! Psychometrika 12 (1947), and A. L. Edwards for the correction, ibid. 13 (1948). Where b = c the corrected χ² is not
//! 0 but 1/(b + c), as in statsmodels. Where b + c < 25 use the exact one.

use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::normal::complementary_error;
use crate::sum::CompensatedSum;

/// How often two models are right and wrong: of constant size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct McNemar {
    /// Examples that both have right.
    pub both: u64,
    /// b, examples that only the first has right.
    pub only_first: u64,
    /// c, examples that only the second has right.
    pub only_second: u64,
    /// Examples that both have wrong.
    pub neither: u64,
}

impl McNemar {
    /// Counts of nothing yet.
    pub fn new() -> Self {
        McNemar::default()
    }

    /// Counts one example: whether each model is right.
    pub fn update(&mut self, first: bool, second: bool) {
        match (first, second) {
            (true, true) => self.both += 1,
            (true, false) => self.only_first += 1,
            (false, true) => self.only_second += 1,
            (false, false) => self.neither += 1,
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &McNemar) {
        self.both += other.both;
        self.only_first += other.only_first;
        self.only_second += other.only_second;
        self.neither += other.neither;
    }

    /// The exact p-value, two-sided; 1 where the models never differ. Time is of the order of b + c.
    pub fn exact_p(&self) -> f64 {
        let n = self.only_first + self.only_second;
        let least = self.only_first.min(self.only_second);
        if 2 * least == n {
            return 1.0;
        }
        // ln P(least) = ln (n choose least) − n · ln 2, and P(i − 1) = P(i) · i / (n − i + 1).
        let mut log = CompensatedSum::default();
        log.add(-(n as f64) * std::f64::consts::LN_2);
        (1..=least).for_each(|i| log.add(((n - least + i) as f64 / i as f64).ln()));
        let (mut tail, mut term) = (1.0, 1.0);
        for i in (1..=least).rev() {
            term *= i as f64 / (n - i + 1) as f64;
            tail += term;
        }
        (2.0 * tail * log.value().exp()).min(1.0)
    }

    /// χ² with the continuity correction, and its p-value.
    ///
    /// # Errors
    ///
    /// [`MetricError::Constant`] where the models never differ.
    pub fn chi_square(&self) -> Result<(f64, f64), MetricError> {
        let n = self.only_first + self.only_second;
        if n == 0 {
            return Err(MetricError::Constant {
                measure: "McNemar's chi-square",
                quantity: "the outcomes of the two models",
            });
        }
        let apart = self.only_first.abs_diff(self.only_second) as f64 - 1.0;
        let statistic = apart * apart / n as f64;
        // A chi-square of one degree of freedom is the square of a standard normal number.
        Ok((statistic, complementary_error((statistic / 2.0).sqrt())))
    }
}
