//! When a run evaluates, logs, and ends before its last step.

use tests::{Job, Result};

use crate::{finetune, numbers, records, resume, succeeds};

/// The steps of the lines about an event.
fn steps(job: &Job, run: &str, event: &str) -> Result<Vec<u64>> {
    Ok(numbers(job, run, event, "step")?.into_iter().map(|step| step as u64).collect())
}

#[test]
fn evaluations_come_as_often_as_is_asked_and_at_the_end() -> Result<()> {
    let job = Job::new()?;
    let cases: [(&[&str], &[u64], usize); 4] = [
        (&[], &[6, 12, 15], 15),
        (&["evaluation.every=4"], &[4, 8, 12, 15], 15),
        (&["evaluation.every=100"], &[15], 15),
        (&["train.max_steps=4", "evaluation.every=4"], &[4], 4),
    ];
    for (place, (assignments, expected, lines)) in cases.into_iter().enumerate() {
        let run = format!("run-{place}");
        succeeds(finetune(&job, &run, &[&["train.epochs=2.5"], assignments].concat()))?;
        assert_eq!(steps(&job, &run, "evaluation")?, expected, "{assignments:?}");
        assert_eq!(steps(&job, &run, "train")?.len(), lines, "{assignments:?}");
    }
    succeeds(finetune(&job, "rare", &["train.epochs=2.5", "train.log_every=4"]))?;
    assert_eq!(steps(&job, "rare", "train")?, [4, 8, 12, 15]);
    // A line is of the mean of the steps since the one before.
    let (each, means) = (numbers(&job, "run-0", "train", "loss")?, numbers(&job, "rare", "train", "loss")?);
    for (part, mean) in each.chunks(4).zip(means) {
        let expected = part.iter().sum::<f64>() / part.len() as f64;
        assert!((mean - expected).abs() < 1e-12, "{mean}, expected {expected}");
    }
    Ok(())
}

#[test]
fn a_run_ends_when_evaluations_get_no_better() -> Result<()> {
    let job = Job::new()?;
    // At this rate nothing changes: the first evaluation stays the best.
    let still = ["train.epochs=20", "train.learning_rate=1e-12", "evaluation.every=4", "evaluation.patience=2"];
    succeeds(finetune(&job, "still", &still))?;
    assert_eq!(steps(&job, "still", "evaluation")?, [4, 8, 12]);
    assert_eq!(steps(&job, "still", "train")?.last(), Some(&12));
    assert_eq!(steps(&job, "still", "final")?, [4]);

    // Where it learns, the count begins anew with each better one, and goes on over a pause.
    let learns = ["train.epochs=20", "train.learning_rate=5e-4", "evaluation.every=1", "evaluation.patience=3"];
    let mut command = finetune(&job, "learns", &[&learns[..], &["evaluation.metric=loss"]].concat());
    command.args(["--pause-after-epoch", "1"]);
    succeeds(command)?;
    succeeds(resume(&job, "learns"))?;
    let losses: Vec<f64> = records(&job, "learns", "evaluation")?
        .iter()
        .map(|record| record["scores"]["loss"].as_f64().ok_or("no loss"))
        .collect::<Result<_, _>>()?;
    let (mut best, mut waited, mut end) = (0, 0, losses.len());
    for place in 1..losses.len() {
        (best, waited) = if losses[place] < losses[best] { (place, 0) } else { (best, waited + 1) };
        if waited == 3 {
            end = place + 1;
            break;
        }
    }
    assert_eq!(losses.len(), end, "went on after three that were no better: {losses:?}");
    assert!(waited == 3 || end == 120, "ended too early: {losses:?}");
    assert_eq!(steps(&job, "learns", "final")?, [best as u64 + 1]);
    Ok(())
}
