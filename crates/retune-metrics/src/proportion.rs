//! The interval of a share: Wilson's score interval.
//!
//! With z the normal quantile of the level, p the share and n the examples that it is of,
//!
//! (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
//!
//! From E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
//! Statistical Association 22 (1927). Unlike p ± z√(p(1 − p)/n) it stays within 0 and 1, and has a width where p is 0
//! or 1. Values equal those of statsmodels' `proportion_confint(method="wilson")`. Of a sample by design, n is the
//! effective number of examples, which need not be whole: C. Franco, R. J. A. Little, T. A. Louis and E. V. Slud,
//! "Comparative study of confidence intervals for proportions in complex sample surveys", Journal of Survey Statistics
//! and Methodology 7 (2019).

use crate::bootstrap::Interval;
use crate::error::MetricError;
use crate::normal::two_sided_quantile;

/// The interval of a share, from 0 to 1, of n examples, at a level such as 0.95. Of infinitely many
/// examples it is the share alone.
///
/// # Errors
///
/// [`MetricError::OutOfRange`] where the share, the level or n is none.
pub fn wilson_interval(share: f64, n: f64, level: f64) -> Result<Interval, MetricError> {
    let checks = [
        ("the share", share, (0.0..=1.0).contains(&share), "from 0 to 1"),
        ("the number of examples", n, n > 0.0, "above 0"),
        ("the level", level, level > 0.0 && level < 1.0, "above 0 and below 1"),
    ];
    if let Some(&(quantity, value, _, expected)) = checks.iter().find(|check| !check.2) {
        return Err(MetricError::OutOfRange { quantity, value, expected });
    }
    let z = two_sided_quantile(1.0 - level);
    let scale = 1.0 + z * z / n;
    let middle = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // At the ends the formula gives the share itself but for rounding.
    let low = if share == 0.0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if share == 1.0 { 1.0 } else { (middle + half).min(1.0) };
    Ok(Interval { estimate: share, low, high, level })
}
