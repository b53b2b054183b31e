//! Numbers that are read one step late, as on a GPU: the run is the one whose numbers are read at once.

use std::sync::atomic::{AtomicBool, Ordering};

use retune_recipe::Recipe;
use retune_train::tasks::Classification;
use retune_train::{DataRecord, Event, Outcome, RunDirectory, Source, Task, TrainError, Trainer};
use serde_json::json;
use tch::Device;
use tests::{Golden, Job, Result, golden};

use crate::{assert_same, log, records};

/// Trains within this process, until so many steps have been told of; gives what was told, in order.
fn train(
    job: &Job,
    output: &str,
    assignments: &[&str],
    late: bool,
    stop_after: u64,
) -> Result<std::result::Result<(Outcome, Vec<String>), TrainError>> {
    let [train, dev, model, output] =
        [job.path("train.csv"), job.path("dev.csv"), job.model().to_owned(), job.path(output)];
    let mut recipe = Recipe::new();
    for (key, path) in [("data.train", &train), ("data.validation", &dev), ("model.path", &model)] {
        recipe.set_assignment(&format!("{key}={}", path.display()));
    }
    let fixed = ["data.text=text", "data.label=label", "data.max_length=16", "train.batch_size=4", "run.threads=1"];
    for assignment in fixed.iter().chain(&["evaluation.bootstrap_samples=20"]).chain(assignments) {
        recipe.set_assignment(assignment);
    }
    let plan = recipe.resolve()?;
    let (task, data) = Classification::read(&plan)?;
    let record = DataRecord::of(&plan)?;
    let source = Source { name: plan.model.path.clone(), directory: model, tokens: None };
    let mut trainer = Trainer::new(plan.clone(), source, task, data, Device::Cpu)?;
    if late {
        trainer = trainer.reading_late();
    }
    let directory = RunDirectory::create(&output, &plan, &json!({}), &record)?;
    tch::set_num_threads(1);
    let (stop, mut told) = (AtomicBool::new(false), Vec::new());
    let mut watch = |event: Event<'_>| {
        told.push(match event {
            Event::Step(report) => format!("step {}: {} {:?}", report.step, report.loss, report.parameter_norms),
            Event::Evaluated { evaluation, .. } => format!("{:?}", evaluation.values()),
            other => format!("{other:?}"),
        });
        if told.iter().filter(|line| line.starts_with("step ")).count() as u64 == stop_after {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let ended = trainer.run(directory, &mut watch, &stop);
    Ok(ended.map(|outcome| (outcome, told)))
}

/// A job with a word whose embedding is no number, in the rows of these places.
fn with_wrong_rows(places: &[usize]) -> Result<Job> {
    let job = Job::new()?;
    let weights = Golden::read("bert_tiny_gelu")?.weights()?;
    let is_words = |(name, _): &&(String, _)| name == "bert.embeddings.word_embeddings.weight";
    let (_, words) = weights.iter().find(is_words).ok_or("no word embeddings")?;
    let _ = words.get(1).fill_(f64::NAN); // [UNK]
    golden::save(&job.model().join("model.safetensors"), &weights)?;
    let row = |place: usize| match places.contains(&place) {
        true => "an unknown film,positive\n".to_owned(),
        false if place.is_multiple_of(2) => format!("a {}good film,positive\n", "very ".repeat(place % 5)),
        false => format!("the {}bad film,negative\n", "very ".repeat(place % 3)),
    };
    job.write("train.csv", format!("text,label\n{}", (0..24).map(row).collect::<String>()))?;
    Ok(job)
}

#[test]
fn a_run_is_the_same_whenever_its_numbers_are_read() -> Result<()> {
    let rhythm = ["train.epochs=3", "train.log_every=4", "evaluation.every=5", "checkpoint.every=7"];
    for (what, more) in [
        ("AdamW", &["train.max_grad_norm=0.5"][..]),
        ("parts", &["train.micro_batch_size=3", "run.seed=7"]),
        ("each step logged", &["train.log_every=1"]),
        ("Adafactor", &["optimizer.kind=adafactor"]),
        ("schedule-free", &["optimizer.kind=schedule-free"]),
        ("layer by layer", &["train.unfreeze_every=3"]),
        ("averaged", &["regularization.ema_decay=0.9"]),
    ] {
        let job = Job::new()?;
        let assignments: Vec<&str> = rhythm.iter().chain(more).copied().collect();
        let (_, at_once) = train(&job, "at once", &assignments, false, u64::MAX)??;
        let (_, late) = train(&job, "late", &assignments, true, u64::MAX)??;
        assert_eq!(at_once, late, "{what}");
        assert_eq!(late.iter().filter(|line| line.starts_with("step ")).count(), 18, "{what}");
        assert_same(&job, "late", "at once", what)?;
    }
    Ok(())
}

#[test]
fn a_batch_is_left_out_though_its_loss_is_read_late() -> Result<()> {
    let rhythm = ["train.epochs=4", "train.log_every=100", "evaluation.every=100", "train.non_finite=skip"];
    for more in [&[][..], &["optimizer.kind=sgd"]] {
        let job = with_wrong_rows(&[3, 17])?;
        let assignments: Vec<&str> = rhythm.iter().chain(more).copied().collect();
        let (_, at_once) = train(&job, "at once", &assignments, false, u64::MAX)??;
        let (_, late) = train(&job, "late", &assignments, true, u64::MAX)??;
        assert_eq!(at_once, late);
        assert_same(&job, "late", "at once", "some batches left out")?;
        let skipped = records(&job, "late", "skipped")?.len();
        assert!((4..=8).contains(&skipped), "{skipped} of 24 left out");
    }
    Ok(())
}

#[test]
fn a_run_stops_at_a_loss_that_is_read_late_with_the_same_words() -> Result<()> {
    let rhythm = ["train.epochs=4", "train.log_every=100", "evaluation.every=100"];
    let job = with_wrong_rows(&[3])?;
    let error = |run: &str, late: bool| -> Result<String> {
        match train(&job, run, &rhythm, late, u64::MAX)? {
            Ok(_) => Err("trained".into()),
            Err(error) => Ok(error.to_string()),
        }
    };
    let [at_once, late] = [error("at once", false)?, error("late", true)?];
    assert_eq!(at_once, late);
    assert!(late.contains("the loss is NaN") && late.contains("word_embeddings"), "{late}");
    assert_eq!(log(&job, "late")?, log(&job, "at once")?);
    Ok(())
}

#[test]
fn a_run_that_is_stopped_between_two_readings_goes_on_to_the_same_end() -> Result<()> {
    let job = Job::new()?;
    let rhythm = ["train.epochs=3", "train.log_every=6", "run.device=cpu"];
    let (_, whole) = train(&job, "whole", &rhythm, false, u64::MAX)??;
    let (outcome, told) = train(&job, "stopped", &rhythm, true, 8)??;
    // Told of the eighth step when the ninth is queued, so that the tenth is the first to know.
    assert!(matches!(outcome, Outcome::Interrupted { step: 10, .. }), "{outcome:?}");
    assert_eq!(told, whole[..told.len()]);
    tests::job::succeeds(crate::resume(&job, "stopped"))?;
    assert_same(&job, "stopped", "whole", "stopped after step 10")
}
