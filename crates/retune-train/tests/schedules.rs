//! Schedules against transformers and torch, at every step: `golden/schedules.py` says what is in
//! `golden/schedules.json`.

#![allow(clippy::unwrap_used, clippy::panic)] // Clippy excuses test functions, not their helpers.

use retune_train::schedules::{DecayForm, Plateau, PlateauSettings, PlateauState, Schedule, Shape, Span, Threshold};
use serde_json::Value;

fn cases(of: &str) -> Vec<Value> {
    let mut golden: Value = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    match golden[of].take() {
        Value::Array(cases) if cases.len() > 10 => cases,
        other => panic!("{of}: {other}"),
    }
}

fn shape(case: &Value) -> Shape {
    let number = |key: &str| case["settings"][key].as_f64().unwrap();
    match case["shape"].as_str().unwrap() {
        "constant" => Shape::Constant,
        "linear" => Shape::Linear,
        "cosine" => Shape::Cosine { cycles: number("cycles"), floor: number("floor") },
        "cosine_with_restarts" => Shape::CosineWithRestarts { cycles: number("cycles") },
        "polynomial" => Shape::Polynomial { power: number("power"), end: number("end") },
        "inverse_square_root" => Shape::InverseSquareRoot { timescale: case["settings"]["timescale"].as_u64() },
        "warmup_stable_decay" => Shape::WarmupStableDecay {
            decay: Span::Steps(number("decay") as u64),
            form: match case["settings"]["form"].as_str().unwrap() {
                "linear" => DecayForm::Linear,
                "cosine" => DecayForm::Cosine,
                "1-sqrt" => DecayForm::OneMinusSquareRoot,
                other => panic!("{other}"),
            },
            floor: number("floor"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn every_schedule_is_transformers() {
    for case in cases("schedules") {
        let (warmup, total) = (case["warmup_steps"].as_u64().unwrap(), case["total_steps"].as_u64().unwrap());
        let schedule = Schedule::new(shape(&case), Span::Steps(warmup), total);
        let expected = case["factors"].as_array().unwrap();
        assert!(expected.len() as u64 > total);
        for (step, expected) in (0..).zip(expected) {
            let (found, expected) = (schedule.factor(step), expected.as_f64().unwrap());
            let what = format!("{schedule:?}, step {step}: {found} instead of {expected}");
            assert!((found - expected).abs() < 1e-14, "{what}");
            assert!((0.0..=1.0).contains(&found), "{what}");
        }
    }
}

#[test]
fn shares_of_steps_are_rounded_up() {
    assert_eq!(Span::Fraction(0.1).steps(101), 11);
    assert_eq!(Span::Fraction(0.0).steps(101), 0);
    assert_eq!(Span::Fraction(1.0).steps(101), 101);
    assert_eq!(Span::Steps(7).steps(101), 7);
}

fn plateau_settings(case: &Value) -> PlateauSettings {
    let settings = &case["settings"];
    let number = |key: &str| settings[key].as_f64().unwrap();
    PlateauSettings {
        larger_is_better: settings["mode"] == "max",
        factor: number("factor"),
        patience: number("patience") as u64,
        threshold: match settings["threshold_mode"].as_str().unwrap() {
            "rel" => Threshold::Relative(number("threshold")),
            "abs" => Threshold::Absolute(number("threshold")),
            other => panic!("{other}"),
        },
        cooldown: number("cooldown") as u64,
        floor: number("min_lr"),
        epsilon: number("eps"),
    }
}

#[test]
fn a_plateau_is_torchs_and_goes_on_from_its_state() {
    let mut falls = 0;
    for case in cases("plateaus") {
        let settings = plateau_settings(&case);
        let mut plateau = Plateau::new(settings, PlateauState::default());
        let metrics = case["metrics"].as_array().unwrap();
        for (step, (metric, expected)) in metrics.iter().zip(case["factors"].as_array().unwrap()).enumerate() {
            let before = plateau.factor();
            let fell = plateau.observe(metric.as_f64().unwrap_or(f64::NAN));
            assert_eq!(fell, plateau.factor() < before);
            let (found, expected) = (plateau.factor(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-15, "{settings:?}, {step}: {found} instead of {expected}");
            falls += u32::from(fell);
            // As through a checkpoint.
            let text = serde_json::to_string(&plateau.state()).unwrap();
            let restored = Plateau::new(settings, serde_json::from_str(&text).unwrap());
            assert_eq!(restored, plateau);
            plateau = restored;
        }
    }
    assert!(falls > 50, "{falls}");
    assert_eq!(PlateauSettings::default().patience, 10);
}
