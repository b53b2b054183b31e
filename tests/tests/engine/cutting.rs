//! Runs that pause, and runs that were cut off at their edges: before their first file was whole, and after their last.

use std::fs;

use tests::{Job, Result};

use crate::{assert_same, fails, finetune, log, names, resume, succeeds};

#[test]
fn a_run_pauses_again_and_again_and_ends_the_same() -> Result<()> {
    let job = Job::new()?;
    // Half an epoch is left over.
    let plan = ["train.epochs=3.5", "evaluation.every=4"];
    succeeds(finetune(&job, "whole", &plan))?;
    for epoch in 1..=3 {
        let mut command = if epoch == 1 { finetune(&job, "out", &plan) } else { resume(&job, "out") };
        command.args(["--pause-after-epoch", &epoch.to_string()]);
        let said = succeeds(command)?;
        assert!(said.contains(&format!("paused after step {} of 21", 6 * epoch)), "{said}");
        assert!(said.contains("--resume out"), "{said}");
        assert!(!job.path("out/model").exists());
        let last = log(&job, "out")?.into_iter().next_back().ok_or("an empty log")?;
        assert_eq!(last["step"], 6 * epoch);
    }
    succeeds(resume(&job, "out"))?;
    assert_same(&job, "out", "whole", "paused three times")?;
    // Where a run ends, it does not pause.
    let mut command = finetune(&job, "other", &plan);
    command.args(["--pause-after-epoch", "4"]);
    succeeds(command)?;
    assert_same(&job, "other", "whole", "to be paused after its end")
}

#[test]
fn a_finished_run_does_not_go_on() -> Result<()> {
    let job = Job::new()?;
    succeeds(finetune(&job, "out", &["train.max_steps=2"]))?;
    // As if it had been cut off while its checkpoints were removed.
    fs::create_dir_all(job.path("out/.checkpoints.served/step-00000001"))?;
    let said = fails(resume(&job, "out"))?;
    assert!(said.contains("is finished"), "{said}");
    assert_eq!(
        names(&job.path("out"))?,
        [
            "data.json",
            "environment.json",
            "evaluation.json",
            "explanations.json",
            "metrics.jsonl",
            "model",
            "plan.toml",
            "predictions.parquet",
            "report.html",
            "tensorboard",
        ]
    );
    Ok(())
}

#[test]
fn a_run_that_was_cut_off_before_it_began_is_begun_again() -> Result<()> {
    let job = Job::new()?;
    succeeds(finetune(&job, "whole", &["train.max_steps=2"]))?;
    // What is there at each moment of the beginning.
    for (place, files) in [
        &[][..],
        &[".beginning/environment.json"],
        &["environment.json", ".beginning/metrics.jsonl"],
        &["environment.json", "metrics.jsonl", ".beginning/plan.toml"],
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("begun-{place}");
        fs::create_dir_all(job.path(&run).join(".beginning"))?;
        for file in files {
            fs::write(job.path(&run).join(file), "torn")?;
        }
        let said = fails(resume(&job, &run))?;
        assert!(said.contains("is not a run"), "{said}");
        succeeds(finetune(&job, &run, &["train.max_steps=2"]))?;
        assert_same(&job, &run, "whole", &run)?;
        assert_eq!(names(&job.path(&run))?, names(&job.path("whole"))?);
    }
    // And at the last: all is there, and the folder of the beginning too.
    let run = "begun";
    let mut command = finetune(&job, run, &["train.max_steps=12"]);
    command.args(["--pause-after-epoch", "1"]);
    succeeds(command)?;
    fs::create_dir_all(job.path(run).join(".beginning"))?;
    assert!(fails(finetune(&job, run, &[]))?.contains("already holds a run"));
    succeeds(resume(&job, run))?;
    assert!(!job.path(run).join(".beginning").exists());
    // What is another's stays another's.
    fs::create_dir(job.path("other"))?;
    fs::write(job.path("other/environment.json"), "{}")?;
    assert!(fails(finetune(&job, "other", &[]))?.contains("is not empty"));
    Ok(())
}

#[test]
fn a_folder_that_is_there_and_empty_is_taken() -> Result<()> {
    let job = Job::new()?;
    fs::create_dir(job.path("target"))?;
    std::os::unix::fs::symlink(job.path("target"), job.path("out"))?;
    succeeds(finetune(&job, "out", &["train.max_steps=1"]))?;
    assert!(job.path("target/plan.toml").exists() && job.path("target/model").exists());
    Ok(())
}
