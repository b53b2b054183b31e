//! Optimisers against their reference implementations: `golden/optimizers.py` says what is in `golden/optimizers.*`.

#![allow(clippy::unwrap_used, clippy::panic)] // Clippy excuses test functions, not their helpers.

use std::collections::HashMap;
use std::path::Path;

use retune_models::save_safetensors;
use retune_train::checkpoint::restore;
use retune_train::optimizers::{
    Adafactor, AdamW, GroupSettings, Lion, Optimizer, ParameterGroup, ScheduleFreeAdamW, Sgd, StepControl, UpdateRule,
    WeightDecay, groups,
};
use serde_json::Value;
use tch::{Kind, Tensor};

/// A case of `optimizers.json`.
struct Case {
    name: String,
    value: Value,
}

impl Case {
    fn all() -> Vec<Self> {
        let cases = golden()["cases"].as_object().unwrap().clone();
        assert!(cases.len() > 10, "{} cases", cases.len());
        cases.into_iter().map(|(name, value)| Self { name, value }).collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.value["settings"][key].as_f64().unwrap()
    }

    fn is(&self, key: &str) -> bool {
        self.value["settings"][key].as_bool().unwrap()
    }

    fn is_schedule_free(&self) -> bool {
        self.value["rule"] == "schedule_free"
    }

    fn rule(&self) -> Box<dyn UpdateRule> {
        let number = |key| self.number(key);
        match self.value["rule"].as_str().unwrap() {
            "adamw" => {
                let (beta1, beta2, epsilon) = (number("beta1"), number("beta2"), number("epsilon"));
                Box::new(AdamW { beta1, beta2, epsilon })
            }
            "sgd" => Box::new(Sgd {
                momentum: number("momentum"),
                dampening: number("dampening"),
                nesterov: self.is("nesterov"),
                weight_decay: if self.is("decoupled") { WeightDecay::Decoupled } else { WeightDecay::L2 },
            }),
            "adafactor" => Box::new(Adafactor {
                epsilon_gradient: number("epsilon_gradient"),
                epsilon_parameter: number("epsilon_parameter"),
                clip_threshold: number("clip_threshold"),
                decay_rate: number("decay_rate"),
                beta1: self.value["settings"]["beta1"].as_f64(),
                scale_parameter: self.is("scale_parameter"),
                relative_step: self.is("relative_step"),
                warmup_init: self.is("warmup_init"),
            }),
            "lion" => Box::new(Lion { beta1: number("beta1"), beta2: number("beta2") }),
            "schedule_free" => Box::new(ScheduleFreeAdamW {
                beta1: number("beta1"),
                beta2: number("beta2"),
                epsilon: number("epsilon"),
                warmup_steps: number("warmup_steps") as u64,
                r: number("r"),
                weight_lr_power: number("weight_lr_power"),
            }),
            other => panic!("{other}"),
        }
    }

    /// The rate of a step, counted from 0.
    fn rate(&self, step: u64) -> f64 {
        let highest = self.value["rate"].as_f64().unwrap();
        if self.is_schedule_free() { highest } else { highest * (0.6 + 0.4 * (0.13 * step as f64).cos()) }
    }
}

/// A training of a case: its parameters move by gradients that follow from their values and the step.
struct Training<'a> {
    case: &'a Case,
    parameters: Vec<(String, Tensor)>,
    optimizer: Optimizer,
}

impl<'a> Training<'a> {
    fn new(case: &'a Case, shapes: &[(String, Vec<i64>)], kind: Kind) -> Self {
        let start = |(place, (name, shape)): (usize, &(String, Vec<i64>))| {
            let value = |i: f64| (1.3 * (place + 1) as f64 + 0.7 * i).sin();
            (name.clone(), filled(shape, value, kind).set_requires_grad(true))
        };
        let parameters: Vec<_> = shapes.iter().enumerate().map(start).collect();
        let groups = in_one_group(&parameters, case.value["weight_decay"].as_f64().unwrap());
        Self { case, parameters, optimizer: Optimizer::new(case.rule(), groups) }
    }

    fn step(&mut self, step: u64) {
        let gradients: Vec<Tensor> = self.parameters.iter().enumerate().map(|of| self.gradient(of, step)).collect();
        self.optimizer.step(&gradients, StepControl::at(self.case.rate(step))).unwrap();
    }

    fn gradient(&self, (place, (name, parameter)): (usize, &(String, Tensor)), step: u64) -> Tensor {
        if name == "seldom.weight" && !step.is_multiple_of(3) && !self.case.is_schedule_free() {
            return Tensor::new();
        }
        let (size, phase) = (0.5 + (step % 7) as f64 / 4.0, 0.37 * (step + 1) as f64 * (place + 1) as f64);
        let value = |i: f64| (phase + 0.11 * (i + 1.0) * (i + 1.0)).sin() * size;
        let gradient = filled(&parameter.size(), value, parameter.kind()) + parameter.detach() * 0.1;
        if name == "embeddings.weight" {
            for row in (0..parameter.size()[0]).filter(|row| (step as i64 + row) % 3 == 0) {
                let _ = gradient.get(row).zero_();
            }
        }
        gradient
    }

    fn values(&self) -> Vec<Tensor> {
        self.parameters.iter().map(|(_, tensor)| tensor.detach().copy()).collect()
    }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optimizers.json")).unwrap()
}

fn shapes() -> Vec<(String, Vec<i64>)> {
    let shape = |shape: &Value| shape.as_array().unwrap().iter().map(|size| size.as_i64().unwrap()).collect();
    golden()["parameters"].as_object().unwrap().iter().map(|(name, sizes)| (name.clone(), shape(sizes))).collect()
}

/// A tensor whose elements follow from their flat index.
fn filled(shape: &[i64], value: impl Fn(f64) -> f64, kind: Kind) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|i: i64| value(i as f64)).collect();
    Tensor::from_slice(&values).to_kind(kind).reshape(shape)
}

/// All parameters in one group, biases and norms too.
fn in_one_group(parameters: &[(String, Tensor)], weight_decay: f64) -> Vec<ParameterGroup> {
    let named = parameters.iter().map(|(name, tensor)| (name.as_str(), tensor));
    let mut one = groups(named, &GroupSettings::default()).unwrap();
    assert_eq!(one.len(), 1);
    one[0].weight_decay = weight_decay;
    one
}

/// The largest difference of an element, relative to the largest element.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.numel(), expected.numel());
    let (found, expected) = (found.to_kind(Kind::Double).view(-1), expected.to_kind(Kind::Double).view(-1));
    ((found - &expected).abs().max() / expected.abs().max()).double_value(&[])
}

#[test]
fn every_rule_is_its_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let stored: HashMap<String, Tensor> =
        Tensor::read_safetensors(folder.join("optimizers.safetensors")).unwrap().into_iter().collect();
    let stored_steps: Vec<u64> =
        golden()["stored"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap()).collect();
    let (mut compared, mut problems) = (0, Vec::new());
    for case in Case::all() {
        for (kind, kind_name, bound) in [(Kind::Double, "float64", 1e-12), (Kind::Float, "float32", 1e-6)] {
            let mut training = Training::new(&case, &shapes(), kind);
            let mut compare = |training: &Training, what: &str, row: Option<i64>| {
                for (name, found) in &training.parameters {
                    let key = format!("{}.{kind_name}.{what}{name}", case.name);
                    let expected = row.map_or_else(|| stored[&key].shallow_clone(), |row| stored[&key].get(row));
                    let difference = difference(&found.detach(), &expected);
                    if difference.is_nan() || difference > bound {
                        problems.push(format!("{key} {row:?}: {difference:.1e}"));
                    }
                    compared += 1;
                }
            };
            for step in 0..golden()["steps"].as_u64().unwrap() {
                training.step(step);
                if let Some(row) = stored_steps.iter().position(|stored| *stored == step + 1) {
                    compare(&training, "", Some(row as i64));
                }
            }
            if case.is_schedule_free() {
                training.optimizer.to_evaluation().unwrap();
                compare(&training, "evaluation.", None);
            }
        }
    }
    assert!(problems.is_empty(), "{} of {compared}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_restored_optimizer_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for case in Case::all() {
        let mut first = Training::new(&case, &shapes(), Kind::Float);
        (0..17).for_each(|step| first.step(step));
        let path = folder.path().join(format!("{}.safetensors", case.name));
        let state = first.optimizer.state();
        save_safetensors(&path, state.iter().map(|(name, tensor)| (name.as_str(), tensor)), HashMap::new()).unwrap();

        let mut second = Training::new(&case, &shapes(), Kind::Float);
        let restored = second.optimizer.state();
        restore(&path, restored.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
        let _no_grad = tch::no_grad_guard();
        for ((_, target), value) in second.parameters.iter_mut().zip(first.values()) {
            target.copy_(&value);
        }
        for step in 17..40 {
            first.step(step);
            second.step(step);
        }
        assert_eq!(first.values(), second.values(), "{}", case.name);
        let states = [first.optimizer.state(), second.optimizer.state()];
        assert_eq!(states[0], states[1], "{}", case.name);
    }
}

#[test]
fn threads_make_no_difference() {
    // Above libtorch's limit of 32,768 elements, at which it splits a sum among threads; and no round numbers.
    let shapes = [
        ("matrix", vec![301, 257]),
        ("row", vec![1, 66_003]),
        ("column", vec![66_003, 1]),
        ("vector", vec![70_001]),
        ("cube", vec![3, 111, 205]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape));
    let before = tch::get_num_threads();
    for case in Case::all() {
        let run = |threads| {
            tch::set_num_threads(threads);
            let mut training = Training::new(&case, &shapes, Kind::Float);
            (0..3).for_each(|step| training.step(step));
            training.optimizer.to_evaluation().unwrap();
            training.values()
        };
        let alone = run(1);
        for threads in [2, 5] {
            assert_eq!(run(threads), alone, "{} with {threads} threads", case.name);
        }
    }
    tch::set_num_threads(before);
}
