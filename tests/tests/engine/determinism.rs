//! What a run's bytes do not hang on: how many threads read the data, and whether it was read before.

use tests::{Job, Result};

use crate::{assert_same, finetune, names, succeeds};

#[test]
fn neither_the_threads_that_tokenize_nor_the_cache_of_tokens_change_a_run() -> Result<()> {
    let job = Job::new()?;
    let plan = ["train.epochs=3", "data.train_fraction=0.9"];
    for (run, threads, cache) in
        [("a", "1", "cold-1"), ("b", "1", "cold-1"), ("c", "2", "cold-2"), ("d", "2", "cold-1")]
    {
        let mut command = finetune(&job, run, &plan);
        command.env("RAYON_NUM_THREADS", threads).env("XDG_CACHE_HOME", job.path(cache));
        succeeds(command)?;
        assert_same(&job, run, "a", &format!("{threads} threads, cache {cache}"))?;
        // Of the training file and of the validation file.
        let kept = names(&job.path(cache).join("retune/tokens"))?;
        assert_eq!(kept.iter().filter(|name| name.ends_with(".tokens")).count(), 2, "{kept:?}");
    }
    Ok(())
}

#[test]
fn two_threads_give_the_same_bytes_each_time() -> Result<()> {
    let job = Job::new()?;
    for run in ["a", "b"] {
        succeeds(finetune(&job, run, &["train.epochs=3", "run.threads=2", "train.batch_size=12"]))?;
    }
    assert_same(&job, "b", "a", "two threads")
}

#[test]
fn another_seed_is_another_run() -> Result<()> {
    let job = Job::new()?;
    for (run, seed) in [("a", "run.seed=1"), ("b", "run.seed=2")] {
        succeeds(finetune(&job, run, &["train.epochs=1", seed]))?;
    }
    assert_ne!(crate::log(&job, "a")?, crate::log(&job, "b")?);
    Ok(())
}
