//! Which rows a run sees: a share of them, or as many of each class as of the others. With a model that is no model,
//! every batch is left out, and the log says which rows it was.

use std::collections::BTreeSet;

use tests::{Job, Result};

use crate::{fails, finetune, poison, records};

/// The rows of each batch, 4 at a time, up to the 20th, after which the run ends.
fn rows(job: &Job, run: &str, assignments: &[&str]) -> Result<Vec<usize>> {
    let skipping = ["train.epochs=100", "train.non_finite=skip", "evaluation.every=1000", "checkpoint.every=1000"];
    fails(finetune(job, run, &[&skipping, assignments].concat()))?;
    let mut rows = Vec::new();
    for record in records(job, run, "skipped")? {
        let batch = record["rows"].as_array().ok_or("no rows")?;
        rows.extend(batch.iter().filter_map(|row| row.as_u64()).map(|row| row as usize));
    }
    Ok(rows)
}

/// A job whose model gives no number.
fn poisoned() -> Result<Job> {
    let job = Job::new()?;
    poison(&job, "bert.encoder.layer.1.intermediate.dense.weight", f64::NAN)?;
    Ok(job)
}

#[test]
fn a_smaller_share_of_the_rows_is_part_of_a_larger() -> Result<()> {
    let job = poisoned()?;
    let mut larger: Option<BTreeSet<usize>> = None;
    for (fraction, count) in [("1.0", 24), ("0.5", 12), ("0.3", 7), ("0.01", 1)] {
        let seen: BTreeSet<usize> =
            rows(&job, fraction, &[&format!("data.train_fraction={fraction}")])?.into_iter().collect();
        assert_eq!(seen.len(), count, "{seen:?}");
        if let Some(larger) = &larger {
            assert!(seen.is_subset(larger), "{seen:?} of {larger:?}");
        }
        larger = Some(seen);
    }
    // Another seed draws others.
    let other: BTreeSet<usize> = rows(&job, "other", &["data.train_fraction=0.3", "run.seed=7"])?.into_iter().collect();
    let first: BTreeSet<usize> = rows(&job, "again", &["data.train_fraction=0.3"])?.into_iter().collect();
    assert_ne!(other, first);
    Ok(())
}

#[test]
fn so_many_rows_of_each_class_are_part_of_more() -> Result<()> {
    let job = poisoned()?;
    let mut more: Option<BTreeSet<usize>> = None;
    for (count, expected) in [("20", 24), ("5", 10), ("1", 2)] {
        let seen: BTreeSet<usize> =
            rows(&job, count, &[&format!("data.train_per_class={count}")])?.into_iter().collect();
        assert_eq!(seen.len(), expected, "{seen:?}");
        // The classes take turns.
        assert_eq!(seen.iter().filter(|row| *row % 2 == 0).count(), expected / 2, "{seen:?}");
        if let Some(more) = &more {
            assert!(seen.is_subset(more), "{seen:?} of {more:?}");
        }
        more = Some(seen);
    }
    Ok(())
}

#[test]
fn a_rare_class_is_drawn_as_often_as_the_other() -> Result<()> {
    let job = poisoned()?;
    // Four rows of 24.
    let line = |row: usize| if row.is_multiple_of(6) { "a good film,positive\n" } else { "the bad film,negative\n" };
    job.write("train.csv", format!("text,label\n{}", (0..24).map(line).collect::<String>()))?;
    let count = |rows: &[usize]| rows.iter().filter(|row| *row % 6 == 0).count();
    let balanced = rows(&job, "balanced", &["train.sampling=class-balanced"])?;
    assert_eq!(balanced.len(), 80);
    // Four standard deviations of 80 fair coins are 18.
    assert!((22..=58).contains(&count(&balanced)), "{balanced:?}");
    // Shuffled, it is 4 of each 24 rows: three epochs are 18 batches.
    let shuffled = rows(&job, "shuffled", &[])?;
    assert_eq!(count(&shuffled[..72]), 12, "{shuffled:?}");
    Ok(())
}

#[test]
fn batches_of_like_lengths_hold_every_row_once() -> Result<()> {
    let job = poisoned()?;
    // Of each of six lengths four rows, and the lengths one after another: as many as a batch has.
    let line = |row: usize| format!("a {}good film,{}\n", "very ".repeat(row % 6), ["negative", "positive"][row % 2]);
    job.write("train.csv", format!("text,label\n{}", (0..24).map(line).collect::<String>()))?;
    let lengths = |rows: &[usize]| -> Vec<BTreeSet<usize>> {
        rows.chunks(4).map(|batch| batch.iter().map(|row| row % 6).collect()).collect()
    };
    let grouped = rows(&job, "grouped", &["train.sampling=length-grouped"])?;
    let mut orders = BTreeSet::new();
    for epoch in grouped[..72].chunks(24) {
        assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), 24, "{epoch:?}");
        assert!(lengths(epoch).iter().all(|lengths| lengths.len() == 1), "{epoch:?}");
        orders.insert(lengths(epoch));
    }
    assert!(orders.len() > 1, "every epoch has the same order of lengths: {orders:?}");
    let shuffled = rows(&job, "shuffled", &[])?;
    assert!(lengths(&shuffled[..72]).iter().any(|lengths| lengths.len() > 1), "{shuffled:?}");
    Ok(())
}

#[test]
fn only_classes_can_be_balanced() -> Result<()> {
    let job = Job::new()?;
    job.write("train.jsonl", "{\"text\": \"a good film\", \"score\": 1.5}\n".repeat(8))?;
    let mut command = job.command(&["finetune", "--task", "regression", "--train", "train.jsonl", "--text", "text"]);
    command.arg("--model").arg(job.model()).args(["--label", "score", "--output", "out"]);
    command.args(["--set", "train.sampling=class-balanced"]);
    let said = job.refused(command);
    for words in ["train.sampling", "shuffled or length-grouped", "regression"] {
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}
