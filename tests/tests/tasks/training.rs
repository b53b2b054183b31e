//! What must make no difference to a run, whatever it learns.

use std::fs;

use tests::Result;

use crate::lessons::all;
use crate::{Work, assert_alike};

#[test]
fn parts_of_a_batch_give_the_losses_of_the_whole() -> Result<()> {
    for lesson in all() {
        let work = Work::new(lesson)?;
        let steps = ["--set", "train.max_steps=4"];
        work.trains("whole", &steps)?;
        work.trains("parts", &[&steps[..], &["--set", "train.micro_batch_size=2"]].concat())?;
        let [whole, parts] = ["whole", "parts"].map(|run| work.records(run, "train"));
        for (whole, part) in whole?.iter().zip(&parts?) {
            for number in ["loss", "gradient_norm"] {
                assert_alike(&part[number], &whole[number], &format!("{}: {number}", work.lesson.kind), 1e-5);
            }
        }
    }
    Ok(())
}

#[test]
fn the_same_seed_twice_gives_the_same_predictions() -> Result<()> {
    for lesson in all() {
        let work = Work::new(lesson)?;
        for run in ["a", "b"] {
            work.trains(run, &[])?;
        }
        for file in ["predictions.parquet", "model/model.safetensors"] {
            let [a, b] = ["a", "b"].map(|run| fs::read(work.path(run).join(file)).ok());
            assert!(a == b, "{}: {file} differs", work.lesson.kind);
            assert!(a.is_some() || work.lesson.kind == "masked-lm", "{}: no {file}", work.lesson.kind);
        }
    }
    Ok(())
}

/// Two passes without dropout are the same pass: a task that compared them wrongly would see a divergence.
#[test]
fn r_drop_without_dropout_changes_no_bit_of_a_run_whatever_it_learns() -> Result<()> {
    for lesson in all().into_iter().filter(|lesson| lesson.kind != "embeddings") {
        let work = Work::new(lesson)?;
        let steps = ["--set", "train.max_steps=4", "--set", "train.micro_batch_size=2"];
        work.trains("one", &steps)?;
        work.trains("two", &[&steps[..], &["--set", "regularization.r_drop=3.0"]].concat())?;
        let [one, two] = ["one", "two"].map(|run| fs::read(work.path(run).join("model/model.safetensors")));
        assert!(one? == two?, "{}: the models differ", work.lesson.kind);
        let losses = |run: &str| -> Result<Vec<serde_json::Value>> {
            Ok(work.records(run, "train")?.into_iter().map(|mut record| record["loss"].take()).collect())
        };
        assert_eq!(losses("two")?, losses("one")?, "{}", work.lesson.kind);
    }
    Ok(())
}
