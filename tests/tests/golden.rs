//! Tiny classifiers compute what Transformers computes with the same weights: every hidden state, the logits, the loss,
//! every gradient, and a training of twenty steps.

use retune_models::HeadPolicy;
use retune_recipe::NonFinite;
use retune_train::optimizers::Sgd;
use retune_train::{AdamW, GroupSettings, Network, Optimizer, StepRows, StepSettings, TrainError, groups, queue_step};
use serde_json::json;
use tch::Tensor;
use tests::compare::failures;
use tests::golden::ModelDirectory;
use tests::{Bounds, Comparison, Golden, Result, Training, measure, worst};

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
        let expected = Tensor::from_slice(&parameter.first);
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

/// Two steps are queued, the loss of the first is no number, and nothing is read before.
#[test]
fn what_is_queued_behind_a_loss_that_is_no_number_moves_only_where_that_batch_is_left_out() -> Result<()> {
    let golden = Golden::read(Golden::GELU)?;
    let (task, encoded) = measure::classification(&golden.reference)?;
    let ids = |row: usize| -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        encoded.tokenized.read(row, &mut ids, &mut Vec::new())?;
        Ok(ids)
    };
    let others: Vec<u32> = (1..encoded.rows()).map(ids).collect::<Result<Vec<_>>>()?.concat();
    let own = ids(0)?.into_iter().find(|id| !others.contains(id)).ok_or("the first row has no word of its own")?;
    for (rule, non_finite) in [("adamw", NonFinite::Stop), ("adamw", NonFinite::Skip), ("sgd", NonFinite::Stop)] {
        // After the steps of these rows.
        let parameters = |steps: &[usize]| -> Result<Vec<Tensor>> {
            let network = Network::Headed(golden.directory()?.load(HeadPolicy::Require)?.0);
            let named = network.parameters().iter();
            let moved: Vec<(String, Tensor)> =
                named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
            let is_words = |(name, _): &&(String, Tensor)| name.ends_with("word_embeddings.weight");
            let (_, words) = moved.iter().find(is_words).ok_or("no word embeddings")?;
            let _ = tch::no_grad(|| words.get(i64::from(own)).fill_(f64::NAN));
            let groups = groups(network.parameters().iter(), &GroupSettings::default())?;
            let mut optimizer = match rule {
                "adamw" => Optimizer::new(Box::new(AdamW::default()), groups),
                _ => Optimizer::new(Box::new(Sgd::default()), groups),
            };
            let mut queued = Vec::new();
            for (row, step) in steps.iter().zip(1..) {
                let settings = StepSettings {
                    loss_scale: None,
                    computation: measure::computation(),
                    learning_rate: 1e-2,
                    max_gradient_norm: 1.0,
                    max_gradient_value: 0.0,
                    r_drop: 0.0,
                    embedding_noise: None,
                    sparse_embeddings: true,
                    non_finite,
                    step,
                };
                let rows = StepRows { encoded: &encoded, features: None, epoch: 0, parts: vec![vec![*row]] };
                let before = queued.last();
                queued.push(queue_step(&network, &moved, &task, &mut optimizer, &rows, &settings, before)?);
            }
            let first = queued.into_iter().next().ok_or("no step")?.read(&moved);
            match (steps[0], non_finite) {
                (0, NonFinite::Stop) => {
                    assert!(
                        matches!(&first, Err(TrainError::NotFinite { step: 1, what: "loss", rows, .. }) if rows == &[0])
                    );
                }
                (0, NonFinite::Skip) => assert!(!first?.moved),
                _ => assert!(first?.moved),
            }
            Ok(moved.into_iter().map(|(_, tensor)| tensor.nan_to_num(Some(7.0), None, None)).collect())
        };
        let behind = parameters(&[0, 1])?;
        let expected = if non_finite == NonFinite::Skip { parameters(&[1])? } else { parameters(&[0])? };
        assert_eq!(behind, expected, "{rule}, {non_finite:?}");
        assert_ne!(behind, if non_finite == NonFinite::Skip { parameters(&[0])? } else { parameters(&[1])? });
    }
    Ok(())
}
