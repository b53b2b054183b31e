//! Killed at any moment and gone on with, a run ends as if it had never been stopped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::{Job, Result};

use crate::{assert_same, finetune, names, resume, succeeds};

const SIGKILL: i32 = 9;

/// SplitMix64 (Steele, Lea and Flood 2014): the moments are the same each time, as shares of a run's length.
struct Draws(u64);

impl Draws {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / 2_f64.powi(64)
    }
}

/// Runs a command and kills it after this time; tells whether it was still running.
fn killed(mut command: Command, after: Duration) -> Result<bool> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    sleep(after);
    // Of one that has ended, this does nothing.
    child.kill()?;
    let status = child.wait()?;
    assert!(status.success() || status.signal() == Some(SIGKILL), "{status}");
    Ok(!status.success())
}

/// Kills a run under these assignments at so many moments, and compares each that comes to its end with one that was
/// never stopped.
fn kill(assignments: &[&str], kills: usize) -> Result<()> {
    let job = Job::new()?;
    let assignments = [&["train.epochs=4", "checkpoint.every=1", "train.log_every=3"], assignments].concat();
    // Asked for before the clock runs, since the first to ask waits until the binary is built.
    let whole = finetune(&job, "whole", &assignments);
    let start = Instant::now();
    succeeds(whole)?;
    let length = start.elapsed();

    let mut draws = Draws(kills as u64);
    let (mut done, mut attempts, mut ends) = (0, 0, 0);
    // What the kills fell into, for whoever reads the test's output.
    let (mut before_the_plan, mut while_writing) = (0, 0);
    while done < kills || ends == 0 {
        assert!(attempts < 10 * (kills + 10), "the run does not come to its end");
        attempts += 1;
        let has_begun = job.path("out/plan.toml").exists();
        let command = if has_begun { resume(&job, "out") } else { finetune(&job, "out", &assignments) };
        // Once all kills are done, a last run may end.
        let after = if done < kills { length.mul_f64(1.2 * draws.share()) } else { length * 100 };
        if after > length * 10 {
            succeeds(command)?;
        } else if killed(command, after)? {
            done += 1;
            before_the_plan += usize::from(!job.path("out/plan.toml").exists());
            let folder = job.path("out/checkpoints");
            if folder.exists() {
                while_writing += usize::from(names(&folder)?.iter().any(|name| name.ends_with(".partial")));
            }
            // A run that was killed after its last file is whole.
            if folder.exists() || !job.path("out/model").exists() {
                continue;
            }
        }
        ends += 1;
        assert_same(&job, "out", "whole", &format!("after {done} kills"))?;
        assert!(!job.path("out/checkpoints").exists());
        fs::remove_dir_all(job.path("out"))?;
    }
    eprintln!(
        "{done} kills, {before_the_plan} before there was a plan, {while_writing} while a checkpoint was written; {ends} ends"
    );
    Ok(())
}

#[test]
fn killed_fifty_times_a_run_ends_as_if_it_had_never_been_stopped() -> Result<()> {
    kill(&["train.log_every=1", "checkpoint.keep=2"], 50)
}

/// The same, four times each, whatever a run keeps: a test for each line.
macro_rules! killed_under {
    ($($name:ident: $assignments:expr;)+) => {
        mod killed_under {
            $(
                #[test]
                fn $name() -> tests::Result<()> {
                    super::kill(&$assignments, 4)
                }
            )+
        }
    };
}

killed_under! {
    adamw: [];
    exponential_mean: ["regularization.ema_decay=0.9"];
    mean_of_the_second_half: ["regularization.average_from=0.5"];
    lora: ["adapter.kind=lora", "adapter.dropout=0.1", "adapter.targets=all-linear"];
    head_alone: ["train.trained=head"];
    layers_thawed: ["train.unfreeze_every=3"];
    float16: ["run.precision=fp16"];
    sgd: ["optimizer.kind=sgd", "optimizer.nesterov=true"];
    adafactor: ["optimizer.kind=adafactor"];
    lion: ["optimizer.kind=lion"];
    schedule_free: ["optimizer.kind=schedule-free"];
    parts_by_rows: ["train.micro_batch_size=3"];
    parts_by_tokens: ["train.micro_batch_tokens=12"];
    plateau_and_patience: [
        "schedule.kind=plateau", "schedule.plateau_patience=0", "evaluation.every=2", "evaluation.patience=3",
    ];
    batches_of_like_lengths: ["train.sampling=length-grouped"];
    balanced_classes: ["train.sampling=class-balanced", "data.train_fraction=0.7"];
    few_shot: ["few_shot.pairs=1", "few_shot.batch_size=4", "data.train_per_class=8"];
    two_threads: ["run.threads=2"];
    rare_checkpoints: ["checkpoint.every=5", "evaluation.every=4", "checkpoint.keep=3"];
}
