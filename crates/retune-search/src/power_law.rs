//! The power law of learning curves: error(n) = a + b · n^(−c) of n examples, with a, b ≥ 0 and 0 < c ≤ 3.
//!
//! a is the error that no number of examples takes away, c how fast the rest goes (C. Cortes, L. D. Jackel, S. A.
//! Solla, V. Vapnik and J. S. Denker, "Learning curves: asymptotic values and rate of convergence", NeurIPS 1993; J.
//! Hestness et al., "Deep learning scaling is predictable, empirically", 2017).
//!
//! The sum of squared residuals is made least. Of a given c the best a and b are a linear problem with a closed
//! solution (variable projection: G. H. Golub and V. Pereyra, SIAM Journal on Numerical Analysis 10, 1973), so that
//! only c is sought: on a grid, and then by golden section around the best of it. There is no start to choose, and no
//! local minimum but those between two points of the grid.

/// The bounds of c.
const EXPONENTS: (f64, f64) = (0.01, 3.0);
/// Places of the grid over the logarithm of c.
const GRID: usize = 48;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PowerLaw {
    /// a: the error that stays.
    pub asymptote: f64,
    /// b: the error that goes, of one example.
    pub scale: f64,
    /// c: how fast it goes.
    pub exponent: f64,
}

impl PowerLaw {
    /// The error of so many examples, above 0.
    pub fn at(&self, examples: f64) -> f64 {
        self.asymptote + self.scale * examples.powf(-self.exponent)
    }

    /// The curve nearest to points of (examples, error), by least squares, and the sum of its squared residuals. `None`
    /// where there are fewer than three different numbers of examples, or a number is not finite or examples not above
    /// 0.
    pub fn fit(points: &[(f64, f64)]) -> Option<(PowerLaw, f64)> {
        let mut sizes: Vec<f64> = points.iter().map(|(examples, _)| *examples).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let usable = |(examples, error): &(f64, f64)| *examples > 0.0 && examples.is_finite() && error.is_finite();
        if sizes.len() < 3 || !points.iter().all(usable) {
            return None;
        }
        // Powers of a number near 1 keep their digits: examples are counted in geometric means.
        let unit = (points.iter().map(|(examples, _)| examples.ln()).sum::<f64>() / points.len() as f64).exp();
        let logs: Vec<(f64, f64)> = points.iter().map(|(examples, error)| ((examples / unit).ln(), *error)).collect();
        let (low, high) = (EXPONENTS.0.ln(), EXPONENTS.1.ln());
        let cell = (high - low) / (GRID - 1) as f64;
        let loss = |log_exponent: f64| project(&logs, log_exponent.exp()).2;
        let best = (0..GRID).map(|place| low + place as f64 * cell).min_by(|a, b| loss(*a).total_cmp(&loss(*b)))?;
        let log_exponent = golden_section((best - cell).max(low), (best + cell).min(high), loss);
        let exponent = log_exponent.exp();
        let (asymptote, scale, squares) = project(&logs, exponent);
        Some((PowerLaw { asymptote, scale: scale * unit.powf(exponent), exponent }, squares))
    }
}

/// The best a and b of a given c, and the sum of squared residuals; of (ln n, error).
fn project(points: &[(f64, f64)], exponent: f64) -> (f64, f64, f64) {
    let m = points.len() as f64;
    let power = |log: f64| (-exponent * log).exp();
    let mean_x = points.iter().map(|(log, _)| power(*log)).sum::<f64>() / m;
    let mean_y = points.iter().map(|(_, error)| error).sum::<f64>() / m;
    let (mut xx, mut xy) = (0.0, 0.0);
    for (log, error) in points {
        let x = power(*log) - mean_x;
        xx += x * x;
        xy += x * (error - mean_y);
    }
    let squares = |a: f64, b: f64| points.iter().map(|(log, error)| (a + b * power(*log) - error).powi(2)).sum::<f64>();
    let scale = if xx > 0.0 { xy / xx } else { 0.0 };
    let asymptote = mean_y - scale * mean_x;
    if scale >= 0.0 && asymptote >= 0.0 {
        return (asymptote, scale, squares(asymptote, scale));
    }
    // Outside, the best lies on one of the two borders.
    let flat = mean_y.max(0.0);
    let through_zero = {
        let (xx, xy) = points
            .iter()
            .fold((0.0, 0.0), |(xx, xy), (log, error)| (xx + power(*log).powi(2), xy + power(*log) * error));
        (xy / xx).max(0.0)
    };
    let (of_flat, of_zero) = (squares(flat, 0.0), squares(0.0, through_zero));
    if of_flat <= of_zero { (flat, 0.0, of_flat) } else { (0.0, through_zero, of_zero) }
}

/// The place of the least value between two ends, of a function with one valley there (J. Kiefer, "Sequential minimax
/// search for a maximum", 1953).
fn golden_section(mut low: f64, mut high: f64, value: impl Fn(f64) -> f64) -> f64 {
    let share = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - share * (high - low), low + share * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    for _ in 0..48 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - share * (high - low);
            at_left = value(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + share * (high - low);
            at_right = value(right);
        }
    }
    if at_left <= at_right { left } else { right }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        points: Vec<(f64, f64)>,
        asymptote: f64,
        scale: f64,
        exponent: f64,
        squares: f64,
    }

    /// The numbers are those of `scipy.optimize.curve_fit` with the same bounds: `tests/golden/power_law.py`.
    #[test]
    fn fits_are_scipys() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/golden/power_law.json")).unwrap();
        assert!(cases.len() >= 6);
        for (number, case) in cases.iter().enumerate() {
            let (law, squares) = PowerLaw::fit(&case.points).unwrap();
            println!("case {number}: {law:?}, squares {squares:.6e}, scipy's {:.6e}", case.squares);
            assert!(squares <= case.squares * (1.0 + 1e-6) + 1e-18, "case {number}");
            let theirs = PowerLaw { asymptote: case.asymptote, scale: case.scale, exponent: case.exponent };
            for (examples, _) in &case.points {
                let (ours, theirs) = (law.at(*examples), theirs.at(*examples));
                assert!((ours - theirs).abs() < 1e-5 * theirs.abs(), "case {number} at {examples}: {ours} {theirs}");
            }
            assert!((law.exponent - case.exponent).abs() < 2e-4 * case.exponent, "case {number}: {law:?}");
        }
    }

    #[test]
    fn too_little_is_refused() {
        assert_eq!(PowerLaw::fit(&[(1.0, 0.5), (2.0, 0.4), (2.0, 0.41)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.4)]), None);
        assert_eq!(PowerLaw::fit(&[(0.0, 0.5), (2.0, 0.45), (3.0, 0.4)]), None);
    }

    #[test]
    fn a_rising_error_is_fitted_by_a_flat_curve() {
        let (law, _) = PowerLaw::fit(&[(1.0, 0.1), (2.0, 0.2), (4.0, 0.3)]).unwrap();
        assert!((law.at(1.0) - 0.2).abs() < 1e-12 && (law.at(100.0) - 0.2).abs() < 1e-12, "{law:?}");
    }

    proptest! {
        #[test]
        fn known_curves_are_recovered(a in 0.0..0.5_f64, b in 0.05..5.0_f64, c in 0.05..2.0_f64, unit in 1.0..1e4_f64) {
            let truth = PowerLaw { asymptote: a, scale: b, exponent: c };
            let points: Vec<(f64, f64)> =
                [1.0, 2.0, 4.0, 7.0, 10.0].iter().map(|n| (n * unit, truth.at(*n))).collect();
            let (law, squares) = PowerLaw::fit(&points).unwrap();
            prop_assert!(squares < 1e-12, "{law:?} {squares:e}");
            prop_assert!((law.exponent - c).abs() < 1e-2 * c, "{law:?}");
            prop_assert!((law.at(40.0 * unit) - truth.at(40.0)).abs() < 1e-3 * truth.at(40.0), "{law:?}");
        }
    }
}
