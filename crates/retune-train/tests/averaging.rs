//! Averages of weights against torch and diffusers: `golden/averaging.py` says what is in `golden/averaging.*`.

#![allow(clippy::unwrap_used, clippy::panic)] // Clippy excuses test functions, not their helpers.

use std::collections::HashMap;
use std::path::Path;

use retune_models::save_safetensors;
use retune_train::averaging::{Average, Period, WeightAverage};
use retune_train::checkpoint::restore;
use serde_json::Value;
use tch::{Kind, Tensor};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/averaging.json")).unwrap()
}

fn cases() -> Vec<(String, Average)> {
    let average = |case: &Value| match case["method"].as_str().unwrap() {
        "exponential" => {
            Average::Exponential { decay: case["decay"].as_f64().unwrap(), warmup: case["warmup"].as_bool().unwrap() }
        }
        "mean" => Average::Mean,
        other => panic!("{other}"),
    };
    let cases = golden()["cases"].as_object().unwrap().clone();
    assert_eq!(cases.len(), 6);
    cases.iter().map(|(name, case)| (name.clone(), average(case))).collect()
}

/// A model's weights, which move by a formula.
struct Weights(Vec<(String, Tensor)>);

impl Weights {
    fn new(kind: Kind) -> Self {
        let zeros = |(name, shape): (&String, &Value)| {
            let shape: Vec<i64> = shape.as_array().unwrap().iter().map(|size| size.as_i64().unwrap()).collect();
            (name.clone(), Tensor::zeros(shape, (kind, tch::Device::Cpu)).set_requires_grad(true))
        };
        let weights = Self(golden()["parameters"].as_object().unwrap().iter().map(zeros).collect());
        weights.move_to(0);
        weights
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    fn move_to(&self, update: u64) {
        let _no_grad = tch::no_grad_guard();
        // The order in which serde_json gives the names is its own; a place is that in the generator.
        for (name, tensor) in self.iter() {
            let place = ["weight", "bias", "scale"].iter().position(|known| *known == name).unwrap();
            let t = update as f64;
            let value =
                |i: usize| (1.3 * (place + 1) as f64 + 0.7 * i as f64 + 0.21 * t).sin() * (1.0 + 3.0 / (t + 1.0));
            let values: Vec<f64> = (0..tensor.numel()).map(value).collect();
            tensor.shallow_clone().copy_(&Tensor::from_slice(&values).reshape(tensor.size()));
        }
    }

    fn values(&self) -> Vec<Tensor> {
        self.iter().map(|(_, tensor)| tensor.detach().copy()).collect()
    }
}

/// The largest difference of an element, relative to the largest element.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.numel(), expected.numel());
    let (found, expected) = (found.to_kind(Kind::Double).view(-1), expected.to_kind(Kind::Double).view(-1));
    ((found - &expected).abs().max() / expected.abs().max()).double_value(&[])
}

#[test]
fn every_average_is_its_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/averaging.safetensors");
    let stored: HashMap<String, Tensor> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
    let rows: Vec<u64> = golden()["stored"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
    let (mut compared, mut problems) = (0, Vec::new());
    for (case, average) in cases() {
        for (kind, kind_name, bound) in [(Kind::Double, "float64", 1e-14), (Kind::Float, "float32", 1e-6)] {
            let weights = Weights::new(kind);
            let mut averaged = WeightAverage::new(average, weights.iter()).unwrap();
            for update in 0..golden()["updates"].as_u64().unwrap() {
                weights.move_to(update);
                averaged.update().unwrap();
                let Some(row) = rows.iter().position(|row| *row == update + 1) else { continue };
                averaged.swap().unwrap();
                for (name, found) in weights.iter() {
                    let key = format!("{case}.{kind_name}.{name}");
                    let difference = difference(&found.detach(), &stored[&key].get(row as i64));
                    if difference.is_nan() || difference > bound {
                        problems.push(format!("{key}, update {}: {difference:.1e}", update + 1));
                    }
                    compared += 1;
                }
                averaged.swap().unwrap();
            }
        }
    }
    assert_eq!(compared, 6 * 2 * 5 * 3);
    assert!(problems.is_empty(), "{} of {compared}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn two_swaps_leave_no_trace() {
    let weights = Weights::new(Kind::Float);
    let mut average = WeightAverage::new(Average::Mean, weights.iter()).unwrap();
    for update in 0..5 {
        weights.move_to(update);
        average.update().unwrap();
    }
    // A view made before, as a tied or a transposed weight is, sees the exchange too.
    let view = weights.0[0].1.detach().view(-1);
    let addresses = |weights: &Weights| weights.iter().map(|(_, tensor)| tensor.data_ptr()).collect::<Vec<_>>();
    let (training, places) = (weights.values(), addresses(&weights));
    let averages: Vec<Tensor> = average.state().unwrap().iter().map(|(_, tensor)| tensor.copy()).collect();

    average.swap().unwrap();
    assert!(average.is_swapped());
    assert_eq!(weights.values(), averages[..3]);
    assert!(weights.values().iter().zip(&training).all(|(now, before)| now != before));
    assert_eq!(view, averages[0].view(-1));
    average.swap().unwrap();
    assert!(!average.is_swapped());
    assert_eq!(weights.values(), training);
    assert_eq!(average.state().unwrap().into_iter().map(|(_, tensor)| tensor).collect::<Vec<_>>(), averages);
    assert_eq!(addresses(&weights), places);
    assert!(weights.iter().all(|(_, tensor)| tensor.requires_grad()));
}

#[test]
fn a_restored_average_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (case, average) in cases() {
        let weights = Weights::new(Kind::Float);
        let run = |averaged: &mut WeightAverage, updates: std::ops::Range<u64>| {
            for update in updates {
                weights.move_to(update);
                averaged.update().unwrap();
            }
        };
        let mut first = WeightAverage::new(average, weights.iter()).unwrap();
        run(&mut first, 0..13);
        let path = folder.path().join(format!("{case}.safetensors"));
        let state = first.state().unwrap();
        save_safetensors(&path, state.iter().map(|(name, tensor)| (name.as_str(), tensor)), HashMap::new()).unwrap();
        run(&mut first, 13..25);

        weights.move_to(99);
        let mut second = WeightAverage::new(average, weights.iter()).unwrap();
        let handles = second.state().unwrap();
        restore(&path, handles.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
        assert_eq!(second.updates(), 13);
        run(&mut second, 13..25);
        assert_eq!(first.state().unwrap(), second.state().unwrap(), "{case}");
    }
}

#[test]
fn nothing_averages_an_average() {
    let weights = Weights::new(Kind::Float);
    let mut average = WeightAverage::new(Average::Mean, weights.iter()).unwrap();
    // Without an update there is no average: the weights that train stay.
    weights.move_to(7);
    let training = weights.values();
    average.swap().unwrap();
    assert_eq!(weights.values(), training);
    for error in [average.update().unwrap_err(), average.state().unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "the model holds the average of its weights; swap those that train back before going on"
        );
    }
    average.swap().unwrap();
    average.update().unwrap();
    assert_eq!(average.updates(), 1);
    let mut names: Vec<String> = average.state().unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable(); // A JSON object's order is serde_json's.
    assert_eq!(names, ["bias.average", "n_averaged", "scale.average", "weight.average"]);
}

#[test]
fn a_decay_is_a_share() {
    let weights = Weights::new(Kind::Float);
    for decay in [-0.1, 1.0, f64::NAN] {
        let error = WeightAverage::new(Average::Exponential { decay, warmup: false }, weights.iter()).unwrap_err();
        let expected = format!("the decay of the weights' average is {decay}, but must be 0 or more and below 1");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_period_has_a_first_step_and_a_distance() {
    let steps = |period: Period| (1..=10).filter(|step| period.includes(*step)).collect::<Vec<_>>();
    assert_eq!(steps(Period { first: 8, every: 1 }), [8, 9, 10]);
    assert_eq!(steps(Period { first: 4, every: 3 }), [4, 7, 10]);
    assert_eq!(steps(Period { first: 9, every: 0 }), [9, 10]);
    assert_eq!(steps(Period { first: 11, every: 1 }), [0; 0]);
}
