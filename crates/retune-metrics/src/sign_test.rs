//! The sign test of whether one of two is preferred more often than the other.
//!
//! Ties say nothing and are left out. Were neither better, the number of wins would be binomial of wins + losses tosses
//! of a fair coin; p = min(1, 2 · P(at most min(wins, losses))), two-sided and exact. From W. J. Dixon and A. M. Mood,
//! "The statistical sign test", Journal of the American Statistical Association 41 (1946). Values equal those of
//! scipy's `binomtest` and statsmodels' `sign_test`.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::mcnemar::McNemar;

/// How often the first of two is preferred to the second: of constant size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignTest {
    /// Items of which the first is preferred.
    pub wins: u64,
    /// Items of which the second is preferred.
    pub losses: u64,
    /// Items of which neither is.
    pub ties: u64,
}

impl SignTest {
    /// Counts of nothing yet.
    pub fn new() -> Self {
        SignTest::default()
    }

    /// Counts one item: `Greater` where the first is preferred.
    pub fn update(&mut self, first_to_second: Ordering) {
        match first_to_second {
            Ordering::Greater => self.wins += 1,
            Ordering::Less => self.losses += 1,
            Ordering::Equal => self.ties += 1,
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &SignTest) {
        self.wins += other.wins;
        self.losses += other.losses;
        self.ties += other.ties;
    }

    /// The exact p-value, two-sided; 1 where there are ties alone, or nothing. Time is of the order of wins + losses.
    pub fn exact_p(&self) -> f64 {
        // McNemar's exact test is this one, of the examples that one model alone has right.
        McNemar { only_first: self.wins, only_second: self.losses, ..McNemar::new() }.exact_p()
    }
}
