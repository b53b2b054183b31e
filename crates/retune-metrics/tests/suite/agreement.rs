//! Agreement of judges: worked examples of the literature, what cannot be measured, and what parts give.

use expect_test::expect;
use retune_metrics::{FleissKappa, KrippendorffAlpha, MeasurementLevel, MetricError, SignTest, wilson_interval};

/// The reliability data of Krippendorff (2004), section 11.3: 4 judges, 12 items, 5 values, judgements missing. The
/// nominal and interval values are those that he gives to three digits.
#[test]
fn alpha_of_krippendorffs_own_example() -> Result<(), MetricError> {
    // A row for each judge; 0 where there is no judgement.
    let rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ];
    let mut alpha = KrippendorffAlpha::of_values(&[1.0, 2.0, 3.0, 4.0, 5.0])?;
    for item in 0..12 {
        let judgements: Vec<Option<usize>> = rows.iter().map(|row: &[usize; 12]| row[item].checked_sub(1)).collect();
        alpha.update(&judgements)?;
    }
    assert!((alpha.alpha(MeasurementLevel::Nominal)? - 0.743).abs() < 5e-4);
    assert!((alpha.alpha(MeasurementLevel::Ordinal)? - 0.815).abs() < 5e-4);
    assert!((alpha.alpha(MeasurementLevel::Interval)? - 0.849).abs() < 5e-4);
    assert_eq!(alpha.items(), 12);
    Ok(())
}

/// The table of Fleiss (1971) as it stands in the literature: 10 items, 14 judges, 5 categories, kappa 0.210.
#[test]
fn kappa_of_the_known_example() -> Result<(), MetricError> {
    let rows = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ];
    let (mut first, mut second) = (FleissKappa::new(5)?, FleissKappa::new(5)?);
    rows[..4].iter().try_for_each(|row| first.update(row))?;
    rows[4..].iter().try_for_each(|row| second.update(row))?;
    first.merge(&FleissKappa::new(5)?)?;
    first.merge(&second)?;
    assert_eq!(first.items(), 10);
    assert!((first.kappa()? - 0.20993070442195522).abs() < 1e-12);
    Ok(())
}

#[test]
fn what_cannot_be_measured_is_said() {
    let nominal = MeasurementLevel::Nominal;
    let mut fleiss = FleissKappa::new(2).unwrap();
    let mut alpha = KrippendorffAlpha::of_categories(2).unwrap();
    let mut errors = vec![
        FleissKappa::new(0).unwrap_err(),
        fleiss.kappa().unwrap_err(),
        fleiss.update(&[1]).unwrap_err(),
        fleiss.update(&[1, 0]).unwrap_err(),
        KrippendorffAlpha::of_categories(0).unwrap_err(),
        KrippendorffAlpha::of_values(&[1.0, 1.0]).unwrap_err(),
        KrippendorffAlpha::of_values(&[f64::NAN]).unwrap_err(),
        alpha.alpha(nominal).unwrap_err(),
        alpha.update(&[Some(2)]).unwrap_err(),
    ];
    alpha.update(&[Some(0), None]).unwrap();
    errors.push(alpha.alpha(nominal).unwrap_err());
    alpha.update(&[Some(1), Some(1)]).unwrap();
    errors.push(alpha.alpha(nominal).unwrap_err());
    fleiss.update(&[3, 0]).unwrap();
    errors.extend([
        fleiss.update(&[2, 0]).unwrap_err(),
        fleiss.kappa().unwrap_err(),
        fleiss.merge(&FleissKappa::new(3).unwrap()).unwrap_err(),
        alpha.merge(&KrippendorffAlpha::of_categories(3).unwrap()).unwrap_err(),
        wilson_interval(1.5, 10.0, 0.95).unwrap_err(),
        wilson_interval(0.5, 0.0, 0.95).unwrap_err(),
        wilson_interval(0.5, 10.0, 1.0).unwrap_err(),
        wilson_interval(0.5, 10.0, 0.0).unwrap_err(),
    ]);
    expect![[r#"
        the number of categories is 0; it must be at least 1
        Fleiss' kappa of no examples is not defined; give at least one example
        expected 2 counts, one for each category; found 1
        the number of judgements of an item is 1; it must be at least 2
        the number of values is 0; it must be at least 1
        a value is 1; it must be above the value before it
        a value is NaN; it must be finite
        Krippendorff's alpha needs an item with two judgements; none of 0 has them
        judgement 2 is not one of the 2 classes; classes are counted from 0
        Krippendorff's alpha needs an item with two judgements; none of 1 has them
        Krippendorff's alpha is not defined where the judgements are all the same; give examples that differ
        expected 3 judgements of each item; found 2
        Fleiss' kappa is not defined where the categories are all the same; give examples that differ
        the number of categories is 3 in what is merged, and 2 in what it is merged into; it must be the same
        the number of values is 3 in what is merged, and 2 in what it is merged into; it must be the same
        the share is 1.5; it must be from 0 to 1
        the number of examples is 0; it must be above 0
        the level is 1; it must be above 0 and below 1
        the level is 0; it must be above 0 and below 1
    "#]]
    .assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn preferences_count_and_merge() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let mut test = SignTest::new();
    [Greater, Greater, Less, Equal].into_iter().for_each(|order| test.update(order));
    assert_eq!(test, SignTest { wins: 2, losses: 1, ties: 1 });
    test.merge(&SignTest { wins: 7, losses: 1, ties: 5 });
    // 9 of 11: 2 (1 + 11 + 55) / 2¹¹.
    assert_eq!(test, SignTest { wins: 9, losses: 2, ties: 6 });
    assert!((test.exact_p() - 134.0 / 2048.0).abs() < 1e-15);
    assert_eq!(SignTest { ties: 3, ..SignTest::new() }.exact_p(), 1.0);
}

#[test]
fn of_endlessly_many_examples_the_share_is_all_there_is() -> Result<(), MetricError> {
    let interval = wilson_interval(0.3, f64::INFINITY, 0.95)?;
    assert_eq!((interval.low, interval.high), (0.3, 0.3));
    let all = wilson_interval(1.0, 10.0, 0.95)?;
    assert!(all.low > 0.7 && all.low < 0.73 && all.high == 1.0);
    Ok(())
}
