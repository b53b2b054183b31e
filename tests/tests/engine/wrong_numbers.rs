//! Numbers that are none: the run stops and says where, or leaves the batch out and counts.

use std::fs;

use serde_json::{Value, json};
use tests::{Job, Result};

use crate::{fails, finetune, names, poison, poison_each, records};

const WEIGHT: &str = "bert.encoder.layer.1.intermediate.dense.weight";

#[test]
fn a_run_stops_at_a_loss_that_is_no_number_and_says_where() -> Result<()> {
    let job = Job::new()?;
    poison(&job, WEIGHT, f64::NAN)?;
    let said = fails(finetune(&job, "out", &["train.epochs=2"]))?;
    let named = format!("the parameter {WEIGHT}");
    for words in ["step 1: the loss is NaN", &named, "rows ", "train.learning_rate", "train.non_finite"] {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    assert!(!job.path("out/model").exists());
    assert!(records(&job, "out", "train")?.is_empty());
    Ok(())
}

#[test]
fn a_layer_that_overflows_is_named() -> Result<()> {
    let job = Job::new()?;
    // Finite, but no sum of them is.
    poison(&job, WEIGHT, 1e38)?;
    let said = fails(finetune(&job, "out", &["train.epochs=2"]))?;
    for words in ["step 1: the loss is NaN", "first in the output of layer 2 of 3", "rows "] {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    Ok(())
}

#[test]
fn a_gradient_that_overflows_is_not_taken_for_a_loss() -> Result<()> {
    let job = Job::new()?;
    // A head of such numbers has a loss of about 1e30, and a gradient whose square no single-precision number is.
    let path = job.model().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    config["initializer_range"] = json!(1e30);
    fs::write(path, config.to_string())?;
    let said = fails(finetune(&job, "out", &["train.epochs=2"]))?;
    let named = said.contains("step 1: the gradient norm is inf, first in the gradient of ");
    assert!(named && said.contains("rows "), "{said}");
    Ok(())
}

/// Every number of the forward pass is one: what is large is made small again. But of the `tanh` form of GELU the
/// derivative at such an input is 0 · ∞.
#[test]
fn a_gradient_that_is_no_number_is_named_by_the_parameter_where_it_was_first() -> Result<()> {
    for clipping in ["train.max_grad_norm=1.0", "train.max_grad_norm=0.0"] {
        let job = Job::new()?;
        poison_each(&job, &[(WEIGHT, 1e25), ("bert.encoder.layer.1.output.dense.weight", 1e-25)])?;
        let path = job.model().join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        config["hidden_act"] = json!("gelu_new");
        fs::write(path, config.to_string())?;
        let said = fails(finetune(&job, "out", &["train.epochs=2", clipping]))?;
        // Behind it, in the layers above and in the head, gradients are numbers; before it, none is.
        let expected =
            "step 1: the gradient norm is NaN, first in the gradient of bert.encoder.layer.1.intermediate.dense.bias;";
        for words in [expected, "rows ", "train.learning_rate", "train.non_finite"] {
            assert!(said.contains(words), "{clipping}: no '{words}' in {said}");
        }
        assert!(!job.path("out/model").exists());
        assert!(records(&job, "out", "train")?.is_empty());
    }
    Ok(())
}

#[test]
fn batches_are_left_out_and_counted_until_there_is_nothing_else() -> Result<()> {
    let job = Job::new()?;
    poison(&job, WEIGHT, f64::NAN)?;
    let assignments = ["train.epochs=10", "train.non_finite=skip", "evaluation.every=1000"];
    let said = fails(finetune(&job, "out", &assignments))?;
    assert!(said.contains("step 20: the last 20 batches in a row were left out"), "{said}");
    assert!(said.contains("step 3: left out, since its loss or gradient is not finite (3 so far)"), "{said}");
    let skipped = records(&job, "out", "skipped")?;
    assert_eq!(skipped.len(), 20);
    for (step, record) in (1..).zip(&skipped) {
        assert_eq!((record["step"].as_u64(), record["skipped"].as_u64()), (Some(step), Some(step)));
        assert_eq!(record["rows"].as_array().map(Vec::len), Some(4), "{record}");
    }
    assert!(records(&job, "out", "train")?.is_empty(), "a loss of no batch");
    assert!(!job.path("out/model").exists());
    assert!(names(&job.path("out"))?.contains(&"checkpoints".to_owned()));
    Ok(())
}
