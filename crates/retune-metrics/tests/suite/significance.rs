//! McNemar's test against statsmodels 0.15.0, `mcnemar(table, exact=True)` and `mcnemar(table, exact=False,
//! correction=True)`.

use retune_metrics::*;

/// b and c; the exact p-value; the corrected χ² and its p-value.
const OF_STATSMODELS: [(u64, u64, f64, f64, f64); 15] = [
    // Where b = c the correction takes |b − c| past 0 to −1, whose square counts.
    (1, 1, 1.0, 0.5, 0.47950012218695337),
    (2, 2, 1.0, 0.25, 0.6170750774519739),
    (5, 5, 1.0, 0.1, 0.7518296340458492),
    (30, 30, 1.0, 0.016666666666666666, 0.897278961260083),
    (1000, 1000, 1.0, 0.0005, 0.9821602454970679),
    (0, 1, 1.0, 0.0, 1.0),
    (1, 2, 1.0, 0.0, 1.0),
    (15, 16, 1.0, 0.0, 1.0),
    (0, 2, 0.5, 0.5, 0.47950012218695337),
    (3, 0, 0.25, 1.3333333333333333, 0.24821307898992026),
    (7, 2, 0.1796875, 1.7777777777777777, 0.18242243945173198),
    (10, 20, 0.09873714670538905, 2.7, 0.10034824646229054),
    (40, 10, 2.3861331676755526e-5, 16.82, 4.109787809945878e-5),
    (1500, 1300, 0.00016841162264376235, 14.143214285714286, 0.00016940703897291303),
    (400, 900, 1.2013456864239799e-44, 191.53923076923076, 1.466753603860161e-43),
];

/// Near in relation to the expected: a small p-value has its digits too.
#[track_caller]
fn assert_near(found: f64, expected: f64, what: &str, of: &McNemar) {
    assert!((found - expected).abs() <= 1e-10 * expected, "{what} of {of:?}: {found} is not {expected}");
}

#[test]
fn mcnemar_equals_statsmodels() {
    for (only_first, only_second, exact, statistic, p) in OF_STATSMODELS {
        // What both have right, and what both have wrong, does not count.
        for (both, neither) in [(0, 0), (3, 4)] {
            let test = McNemar { both, only_first, only_second, neither };
            let (found_statistic, found_p) = test.chi_square().unwrap();
            assert_near(test.exact_p(), exact, "the exact p-value", &test);
            assert_near(found_statistic, statistic, "chi-square", &test);
            assert_near(found_p, p, "the p-value of chi-square", &test);
        }
    }
}

/// 12.5 is the square of 2.5 √2, where the series for the p-value gives way to the continued fraction. There the series
/// has lost four digits: it is taken from 1. The value is erfc(5/2).
#[test]
fn a_small_p_value_keeps_its_digits() {
    let (statistic, p) = McNemar { only_first: 38, only_second: 12, ..McNemar::new() }.chi_square().unwrap();
    assert_eq!(statistic, 12.5);
    assert!((p / 0.0004069520174449589 - 1.0).abs() < 1e-13, "{p}");
}

#[test]
fn outcomes_are_counted_by_who_is_right_and_merge() {
    let outcomes = [(true, true, 2), (true, false, 3), (false, true, 5), (false, false, 7)];
    let mut counted = McNemar::new();
    for (first, second, times) in outcomes {
        (0..times).for_each(|_| counted.update(first, second));
    }
    assert_eq!(counted, McNemar { both: 2, only_first: 3, only_second: 5, neither: 7 });
    counted.merge(&McNemar { both: 11, only_first: 13, only_second: 17, neither: 19 });
    assert_eq!(counted, McNemar { both: 13, only_first: 16, only_second: 22, neither: 26 });
}
