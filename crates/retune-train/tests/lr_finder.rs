//! The learning-rate finder against fastai's: `golden/lr_finder.py` says what is in `golden/lr_finder.json`.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

use retune_train::lr_finder::{Ending, FinderSettings, RateFinder, Suggestions};
use serde_json::Value;

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

/// A search over losses, which ends where it ends.
fn search(settings: FinderSettings, losses: &[f64]) -> RateFinder {
    let mut finder = RateFinder::new(settings).unwrap();
    for loss in losses {
        if finder.observe(*loss).is_some() {
            break;
        }
    }
    finder
}

fn assert_near(found: f64, expected: f64, bound: f64, what: &str) {
    assert!((found - expected).abs() <= bound * expected.abs(), "{what}: {found} instead of {expected}");
}

#[test]
fn rates_losses_end_and_suggestions_are_fastais() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/lr_finder.json")).unwrap();
    let mut endings = Vec::new();
    for case in &cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let settings = FinderSettings {
            lowest: number("lowest"),
            highest: number("highest"),
            steps: case["steps"].as_u64().unwrap(),
            ..FinderSettings::default()
        };
        let finder = search(settings, &numbers(&case["losses"]));
        let (rates, smoothed) = (numbers(&case["rates"]), numbers(&case["smoothed"]));
        assert_eq!(finder.points().len(), rates.len());
        for (step, point) in finder.points().iter().enumerate() {
            assert_near(point.learning_rate, rates[step], 1e-12, &format!("rate of step {step}"));
            assert_near(point.smoothed, smoothed[step], 1e-5, &format!("smoothed loss of step {step}")); // theirs is float32
        }
        let Suggestions { steepest, minimum_tenth } = finder.suggestions().unwrap();
        assert_near(steepest, number("steepest"), 1e-6, "steepest");
        assert_near(minimum_tenth, number("minimum_tenth"), 1e-6, "minimum");
        endings.push(finder.ending().unwrap());
    }
    let expected = [Ending::Diverged, Ending::Steps, Ending::Diverged, Ending::Diverged, Ending::NotFinite];
    assert_eq!(endings, expected);
}

#[test]
fn after_the_end_nothing_is_taken() {
    let mut finder = search(FinderSettings { steps: 10, ..FinderSettings::default() }, &[1.0; 10]);
    assert_eq!((finder.ending(), finder.next_rate(), finder.points().len()), (Some(Ending::Steps), None, 10));
    assert_eq!(finder.observe(0.1), Some(Ending::Steps));
    assert_eq!(finder.points().len(), 10);
}

#[test]
fn a_negative_loss_diverges_by_distance() {
    let settings = FinderSettings { smoothing: 0.0, ..FinderSettings::default() };
    let finder = search(settings, &[-1.0, -0.9, 1.9, 2.0, 2.1]); // -1 + 3 * 1
    assert_eq!((finder.ending(), finder.points().len()), (Some(Ending::Diverged), 5));
}

#[test]
fn too_few_steps_suggest_nothing() {
    let settings = FinderSettings::default();
    for (steps, expected) in [(0, false), (1, false), (14, false), (16, false), (17, true)] {
        let losses: Vec<f64> = (0..steps).map(|step| 1.0 - 0.01 * f64::from(step)).collect();
        assert_eq!(search(settings, &losses).suggestions().is_some(), expected, "{steps} steps");
    }
    assert_eq!(search(settings, &[f64::NAN]).suggestions(), None);
}

#[test]
fn settings_have_ranges() {
    let default = FinderSettings::default;
    for (settings, expected) in [
        (FinderSettings { lowest: 0.0, ..default() }, "lowest rate is 0, but must be above 0"),
        (FinderSettings { highest: 1e-8, ..default() }, "highest rate is 0.00000001, but must be above the lowest"),
        (FinderSettings { steps: 9, ..default() }, "number of steps is 9, but must be 10 or more"),
        (FinderSettings { smoothing: 1.0, ..default() }, "smoothing is 1, but must be 0 or more and below 1"),
        (FinderSettings { divergence: f64::NAN, ..default() }, "divergence is NaN, but must be above 1"),
    ] {
        let error = RateFinder::new(settings).unwrap_err().to_string();
        assert_eq!(error, format!("the learning-rate finder's {expected}"));
    }
}
