//! The normal distribution's tail and quantile.

/// erfc(x) for x ≥ 0: a power series near 0 (7.1.6 of M. Abramowitz and I. A. Stegun, "Handbook of mathematical
/// functions", 1964) and a continued fraction beyond (7.1.14).
pub(crate) fn complementary_error(x: f64) -> f64 {
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.5 {
        // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))
        let (mut sum, mut term, mut odd) = (x, x, 1.0);
        while term > sum * f64::EPSILON {
            odd += 2.0;
            term *= 2.0 * x * x / odd;
            sum += term;
        }
        1.0 - 2.0 * scale * sum
    } else {
        // √π · e^(x²) · erfc(x) = 1/(x + ½/(x + 1/(x + 1½/(x + …))))
        scale / (1..=100).rev().fold(x, |fraction, i| x + f64::from(i) / 2.0 / fraction)
    }
}

/// The z beyond which, on both sides together, a standard normal number lies with this probability, from 0 to 1: 1.96
/// for 0.05. By halving: the tail falls all the way, and beyond 40 it is less than the least float64.
pub(crate) fn two_sided_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    // Down to what is lost beside 1e-3 in double precision.
    for _ in 0..68 {
        let middle = f64::midpoint(low, high);
        if complementary_error(middle / std::f64::consts::SQRT_2) > probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
