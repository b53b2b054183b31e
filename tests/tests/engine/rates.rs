//! The learning rates that a run logs are those of its schedule.

use retune_train::schedules::{DecayForm, Plateau, PlateauSettings, PlateauState, Threshold};
use retune_train::{Schedule, Shape, Span};
use tests::{Job, Result};

use crate::{finetune, numbers, records, succeeds};

const HIGHEST: f64 = 2e-3;
/// Two epochs.
const STEPS: u64 = 12;

fn assert_rates(found: &[f64], expected: impl Fn(u64) -> f64, kind: &str) {
    assert_eq!(found.len() as u64, STEPS, "{kind}");
    for (step, found) in (0..).zip(found) {
        let expected = expected(step);
        assert!((found - expected).abs() <= 1e-12 * HIGHEST, "{kind}, step {}: {found}, expected {expected}", step + 1);
    }
}

#[test]
fn every_schedule_is_followed() -> Result<()> {
    let job = Job::new()?;
    let quarter = Span::Fraction(0.25);
    let cases: [(&str, &[&str], Shape, Span); 11] = [
        ("linear", &["schedule.warmup_fraction=0.25"], Shape::Linear, quarter),
        ("linear", &["schedule.warmup_steps=5"], Shape::Linear, Span::Steps(5)),
        ("linear", &["schedule.warmup_steps=0"], Shape::Linear, Span::Steps(0)),
        ("cosine", &["schedule.min_factor=0.1"], Shape::Cosine { cycles: 0.5, floor: 0.1 }, Span::Fraction(0.1)),
        ("cosine-restarts", &["schedule.cycles=3"], Shape::CosineWithRestarts { cycles: 3.0 }, Span::Fraction(0.1)),
        (
            "polynomial",
            &["schedule.power=2", "schedule.min_factor=0.05"],
            Shape::Polynomial { power: 2.0, end: 0.05 },
            Span::Fraction(0.1),
        ),
        ("constant", &["schedule.warmup_fraction=0.25"], Shape::Constant, quarter),
        ("inverse-sqrt", &[], Shape::InverseSquareRoot { timescale: None }, Span::Fraction(0.1)),
        (
            "warmup-stable-decay",
            &["schedule.decay_fraction=0.5"],
            Shape::WarmupStableDecay { decay: Span::Fraction(0.5), form: DecayForm::Linear, floor: 0.0 },
            Span::Fraction(0.1),
        ),
        (
            "warmup-stable-decay",
            &["schedule.decay_shape=1-sqrt", "schedule.min_factor=0.2"],
            Shape::WarmupStableDecay { decay: Span::Fraction(0.2), form: DecayForm::OneMinusSquareRoot, floor: 0.2 },
            Span::Fraction(0.1),
        ),
        // Schedule-free training warms up inside its optimiser.
        ("linear", &["optimizer.kind=schedule-free"], Shape::Constant, Span::Steps(0)),
    ];
    for (place, (kind, settings, shape, warmup)) in cases.into_iter().enumerate() {
        let (run, kind_is) = (format!("run-{place}"), format!("schedule.kind={kind}"));
        let assignments = [&["train.epochs=2", "train.learning_rate=2e-3", &kind_is], settings].concat();
        succeeds(finetune(&job, &run, &assignments))?;
        let schedule = Schedule::new(shape, warmup, STEPS);
        let rates = numbers(&job, &run, "train", "learning_rate")?;
        assert_rates(&rates, |step| HIGHEST * schedule.factor(step), &format!("{kind} {settings:?}"));
    }
    Ok(())
}

#[test]
fn a_plateau_lowers_the_rate_by_what_evaluations_found() -> Result<()> {
    let job = Job::new()?;
    let assignments = [
        "train.epochs=2",
        "train.learning_rate=2e-3",
        "schedule.kind=plateau",
        "schedule.plateau_patience=0",
        "schedule.plateau_factor=0.5",
        "schedule.min_factor=0.2",
        "evaluation.every=2",
        "schedule.warmup_steps=3",
    ];
    succeeds(finetune(&job, "out", &assignments))?;
    let evaluations = records(&job, "out", "evaluation")?;
    assert_eq!(evaluations.len(), 6);
    let settings = PlateauSettings {
        larger_is_better: true,
        factor: 0.5,
        patience: 0,
        threshold: Threshold::Absolute(0.0),
        floor: 0.2,
        ..PlateauSettings::default()
    };
    let mut plateau = Plateau::new(settings, PlateauState::default());
    let mut factors = Vec::new();
    for evaluation in &evaluations {
        factors.extend([plateau.factor(); 2]);
        plateau.observe(evaluation["scores"]["accuracy"].as_f64().ok_or("no accuracy")?);
    }
    assert!(factors.last() < factors.first(), "the rate never fell: {evaluations:?}");
    let warmup = Schedule::new(Shape::Constant, Span::Steps(3), STEPS);
    let rates = numbers(&job, "out", "train", "learning_rate")?;
    assert_rates(&rates, |step| HIGHEST * warmup.factor(step) * factors[step as usize], "plateau");
    Ok(())
}
