//! Products in float16, and the loss scaled for it.

use std::fs;

use retune_torch::autocast::Narrow;
use serde_json::{Value, json};
use tests::job::{said, succeeds};
use tests::{Job, Result};

use crate::{finetune, numbers, records};

/// Changes the pretrained model's configuration.
fn configure(job: &Job, values: &[(&str, f64)]) -> Result<()> {
    let path = job.model().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    for (name, value) in values {
        config[*name] = json!(value);
    }
    Ok(fs::write(path, config.to_string())?)
}

/// A number format that the processor computes by way of float32 is no gain, and whoever asks for it is told.
#[test]
fn what_the_processor_has_no_instructions_for_is_said() -> Result<()> {
    let job = Job::new()?;
    for (precision, narrow) in [("fp32", None), ("bf16", Some(Narrow::Bfloat16)), ("fp16", Some(Narrow::Float16))] {
        let trained = job.finetune(&["--precision", precision, "--max-steps", "1", "--output", precision]).output()?;
        let asked = ["predict", "--run", precision, "--precision", precision, "a good film"];
        let lacking = narrow.and_then(Narrow::lacks_on_this_processor);
        for output in [trained, job.command(&asked).output()?] {
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(said(&output).contains("no instructions for"), lacking.is_some(), "{}", said(&output));
            assert!(lacking.is_none_or(|lacking| said(&output).contains(lacking)), "{}", said(&output));
        }
    }
    Ok(())
}

#[test]
fn it_learns_as_single_precision_does() -> Result<()> {
    let job = Job::new()?;
    // What is dropped is drawn by another generator in half precision.
    configure(&job, &[("hidden_dropout_prob", 0.0), ("attention_probs_dropout_prob", 0.0)])?;
    let settings = ["train.epochs=3", "train.learning_rate=1e-3"];
    succeeds(finetune(&job, "wide", &settings))?;
    succeeds(finetune(&job, "half", &[&settings[..], &["run.precision=fp16"]].concat()))?;
    let [wide, half] = ["wide", "half"].map(|run| numbers(&job, run, "train", "loss").expect("a log"));
    assert_eq!(wide.len(), 18);
    let apart = wide.iter().zip(&half).map(|(wide, half)| (wide - half).abs()).fold(0.0, f64::max);
    // Not the same numbers, and near.
    assert!(apart > 0.0 && apart < 2e-3, "{apart}: {wide:?} {half:?}");
    assert!(records(&job, "half", "overflow")?.is_empty());
    Ok(())
}

/// With such a head the gradients of its inputs, 65,536 times as large, are no float16 any more; some halvings later
/// they are.
#[test]
fn gradients_beyond_its_range_move_nothing_and_halve_the_scale() -> Result<()> {
    let job = Job::new()?;
    configure(&job, &[("initializer_range", 100.0)])?;
    let said = succeeds(finetune(&job, "out", &["train.epochs=4", "run.precision=fp16"]))?;
    let (steps, scales) = (numbers(&job, "out", "overflow", "step")?, numbers(&job, "out", "overflow", "loss_scale")?);
    assert!(steps[0] == 1.0 && steps.len() < 12, "{steps:?}");
    assert_eq!(scales, (1..=steps.len() as i32).map(|halvings| 65_536.0 / 2f64.powi(halvings)).collect::<Vec<_>>());
    for step in &steps {
        assert!(said.contains(&format!("step {step}: gradients beyond float16's range, nothing moved")), "{said}");
    }
    // From the first step that moved on, each has a line of its own.
    let trained = numbers(&job, "out", "train", "step")?;
    let first = trained[0];
    assert!(first as usize <= steps.len() + 1 && trained.last() == Some(&24.0), "{trained:?}");
    assert!(records(&job, "out", "skipped")?.is_empty());
    Ok(())
}

/// A loss that is no number halves the scale too where its batch is left out, as GradScaler's would: no such step
/// counts towards a larger one.
#[test]
fn a_batch_that_is_left_out_is_no_finite_step() -> Result<()> {
    let job = Job::new()?;
    crate::poison(&job, "bert.encoder.layer.1.intermediate.dense.weight", f64::NAN)?;
    let settings = ["train.epochs=2", "run.precision=fp16", "train.non_finite=skip", "evaluation.every=1000"];
    let mut command = finetune(&job, "out", &settings);
    command.args(["--pause-after-epoch", "1"]);
    let paused = said(&command.output()?);
    let folder = job.path("out/checkpoints/step-00000006/state.json");
    assert!(folder.exists(), "{paused}");
    let state: Value = serde_json::from_str(&fs::read_to_string(folder)?)?;
    assert_eq!(state["loss_scale"], json!({ "factor": 1_024.0, "steps": 0 }));
    Ok(())
}
