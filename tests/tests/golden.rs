//! Tiny classifiers compute what Transformers computes with the same weights: every hidden state, the logits, the loss,
//! every gradient, and a training of twenty steps.

use serde_json::json;
use tests::compare::failures;
use tests::golden::ModelDirectory;
use tests::{Bounds, Comparison, Golden, Result, Training, measure, worst};

use retune_models::HeadPolicy;
use retune_train::Network;

/// Rounding costs at most 5e-6 of anything (`golden/generate.py --rounding`); this leaves room for another order of
/// summation.
const BOUNDS: Bounds = Bounds { forward: 1e-5, gradient: 1e-5, key_bias: 1e-6, training: 1e-5, trained: 1e-5 };

fn assert_all(comparisons: &[Comparison]) {
    let failures = failures(comparisons);
    assert!(failures.is_empty(), "\n{failures}");
}

fn weights_are_the_formulas(name: &str) -> Result<()> {
    let golden = Golden::read(name)?;
    for (parameter, (_, weight)) in golden.parameters.iter().zip(golden.weights()?) {
        let expected = tch::Tensor::from_slice(&parameter.first);
        let worst = worst(&weight.reshape([-1]).narrow(0, 0, expected.numel() as i64), &expected)?;
        // One rounding of float32 at 1; the sine of either side may be an ulp of float64 off.
        assert!(worst.difference() <= 6e-8, "{}: {worst}", parameter.name);
    }
    Ok(())
}

#[test]
fn weights_of_both_fixtures_are_the_formulas() -> Result<()> {
    weights_are_the_formulas(Golden::GELU)?;
    weights_are_the_formulas(Golden::GELU_NEW)
}

fn forward_and_backward(name: &str) -> Result<()> {
    let golden = Golden::read(name)?;
    let model = Network::Headed(golden.directory()?.load(HeadPolicy::Require)?.0);
    let names: Vec<&str> = model.parameters().iter().map(|(name, _)| name).collect();
    assert_eq!(names, golden.parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>());
    assert_all(&measure::forward(&model, &golden.reference, BOUNDS)?);
    assert_all(&measure::gradients(&model, &golden.reference, BOUNDS)?);
    Ok(())
}

#[test]
fn gelu_forward_and_backward() -> Result<()> {
    forward_and_backward(Golden::GELU)
}

#[test]
fn gelu_new_forward_and_backward() -> Result<()> {
    forward_and_backward(Golden::GELU_NEW)
}

fn training(name: &str) -> Result<()> {
    let golden = Golden::read(name)?;
    let model = Network::Headed(golden.directory()?.load(HeadPolicy::Require)?.0);
    assert_eq!(golden.batches.len(), 20);
    assert_all(&measure::training(&model, &golden.reference, &golden.training, &golden.batches, BOUNDS)?);
    assert_all(&measure::trained(&model, &golden.reference, BOUNDS)?);
    Ok(())
}

#[test]
fn gelu_training() -> Result<()> {
    training(Golden::GELU)
}

#[test]
fn gelu_new_training() -> Result<()> {
    training(Golden::GELU_NEW)
}

/// A configuration that differs in one key must fail, or the bounds are worth nothing.
#[test]
fn every_key_of_the_configuration_counts() -> Result<()> {
    let golden = Golden::read(Golden::GELU)?;
    for (key, value) in [
        ("layer_norm_eps", json!(1e-5)),
        ("hidden_act", json!("gelu_new")),
        ("num_attention_heads", json!(2)),
        ("hidden_dropout_prob", json!(0.001)),
        ("attention_probs_dropout_prob", json!(0.01)),
        ("classifier_dropout", json!(0.01)),
    ] {
        let mut config = golden.config.clone();
        config[key] = value;
        let model = Network::Headed(ModelDirectory::new(&config, &golden.weights()?)?.load(HeadPolicy::Require)?.0);
        tch::manual_seed(1);
        let comparisons = measure::forward(&model, &golden.reference, BOUNDS)?;
        assert!(!failures(&comparisons).is_empty(), "nothing noticed another {key}");
    }
    Ok(())
}

/// So must a training whose numbers differ.
#[test]
fn every_number_of_the_training_counts() -> Result<()> {
    let golden = Golden::read(Golden::GELU)?;
    let right = golden.training;
    for (name, wrong) in [
        ("learning_rate", Training { learning_rate: 1.001 * right.learning_rate, ..right }),
        ("beta1", Training { beta1: 0.89, ..right }),
        ("beta2", Training { beta2: 0.998, ..right }),
        ("epsilon", Training { epsilon: 1e-6, ..right }),
        ("weight_decay", Training { weight_decay: 0.0, ..right }),
        ("warmup_ratio", Training { warmup_ratio: 0.15, ..right }),
        ("max_gradient_norm", Training { max_gradient_norm: 0.0, ..right }),
    ] {
        let model = Network::Headed(golden.directory()?.load(HeadPolicy::Require)?.0);
        measure::training(&model, &golden.reference, &wrong, &golden.batches, BOUNDS)?;
        let comparisons = measure::trained(&model, &golden.reference, BOUNDS)?;
        assert!(!failures(&comparisons).is_empty(), "no parameter noticed another {name}");
    }
    Ok(())
}
