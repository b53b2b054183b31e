//! Rates and weight decays by name of parameter, as a recipe gives them: what each parameter moved by in one step.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;
use tests::{Job, Reference, Result};

use crate::{adapter_path::with_recipe, assert_same, fails, resume, succeeds};

type Weights = BTreeMap<String, Tensor>;

const RATE: f64 = 0.5;
/// Rounding of single precision, in weights of about 1.
const BOUND: f64 = 1e-6;

/// One step of plain SGD at [`RATE`], without clipping and without weight decay but for what `groups` says.
fn recipe(job: &Job, groups: &str) -> String {
    format!(
        "[model]\npath = {:?}\n\n[data]\ntrain = \"train.csv\"\nvalidation = \"dev.csv\"\ntext = \"text\"\nlabel = \"label\"\n\
         max_length = 16\n\n[train]\nmax_steps = 1\nbatch_size = 8\nlearning_rate = {RATE}\nweight_decay = 0.0\n\
         max_grad_norm = 0.0\n\n[optimizer]\nkind = \"sgd\"\nmomentum = 0.0\n{groups}\n\n[schedule]\nkind = \"constant\"\n\
         warmup_steps = 0\n\n[evaluation]\nbootstrap_samples = 20\n\n[run]\ndevice = \"cpu\"\nthreads = 1\n",
        job.model()
    )
}

/// The weights of a model file.
fn weights(path: &Path) -> Result<Weights> {
    let file = Reference::open(path)?;
    let names: Vec<String> = ["bert", "classifier"]
        .iter()
        .flat_map(|part| file.names(part).map(move |name| format!("{part}.{name}")))
        .collect();
    names.into_iter().map(|name| Ok((name.clone(), file.tensor(&name)?))).collect()
}

/// The weights after a step.
fn stepped(job: &Job, run: &str, groups: &str) -> Result<Weights> {
    succeeds(with_recipe(job, run, &recipe(job, groups))?)?;
    weights(&job.path(run).join("model/model.safetensors"))
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

/// That each parameter is what `expected` makes of it before the step and of its step without groups.
#[track_caller]
fn assert_moved(
    found: &Weights,
    before: &Weights,
    plain: &Weights,
    expected: impl Fn(&str, &Tensor, &Tensor) -> Tensor,
) {
    assert_eq!(found.len(), before.len());
    for (name, found) in found {
        let step = &plain[name] - &before[name];
        let expected = expected(name, &before[name], &step);
        // The differences of two roundings grow with what they are multiplied by.
        let bound = BOUND * (1.0 + 20.0 * largest(&before[name]));
        let off = largest(&(found - &expected));
        assert!(off <= bound, "{name} is off by {off}, of a step of {}", largest(&step));
    }
}

#[test]
fn parameters_move_by_the_rate_of_the_first_pattern_that_fits() -> Result<()> {
    let job = Job::new()?;
    let before = stepped(&job, "still", "rates = \"*=0\"")?;
    let plain = stepped(&job, "plain", "")?;
    for name in ["classifier.weight", "bert.encoder.layer.1.attention.self.value.weight", "bert.pooler.dense.weight"] {
        assert!(largest(&(&plain[name] - &before[name])) > 1e3 * BOUND, "{name} hardly moves, and would show nothing");
    }
    let encoder = weights(&job.model().join("model.safetensors"))?;
    for (name, weight) in encoder.iter().filter(|(name, _)| name.starts_with("bert.")) {
        assert!(weight.equal(&before[name]), "{name} moved at a rate of 0");
    }
    let found = stepped(&job, "rates", "rates = \"classifier.*=10, *.layer.1.*=0, *.bias=0.25, *=2\"")?;
    assert_moved(&found, &before, &plain, |name, before, step| {
        let factor = match name {
            name if name.starts_with("classifier.") => 10.0,
            name if name.contains(".layer.1.") => 0.0,
            name if name.ends_with(".bias") => 0.25,
            _ => 2.0,
        };
        before + step * factor
    });
    Ok(())
}

#[test]
fn parameters_decay_as_the_first_pattern_that_fits_says() -> Result<()> {
    let job = Job::new()?;
    let before = stepped(&job, "still", "rates = \"*=0\"")?;
    let plain = stepped(&job, "plain", "")?;
    let found = stepped(&job, "decays", "decays = \"classifier.*=0, *.LayerNorm.*=0.25, *.bias=0.5, *=0.125\"")?;
    assert_moved(&found, &before, &plain, |name, before, step| {
        let decay = match name {
            name if name.starts_with("classifier.") => 0.0,
            name if name.contains(".LayerNorm.") => 0.25,
            name if name.ends_with(".bias") => 0.5,
            _ => 0.125,
        };
        before * (1.0 - RATE * decay) + step
    });
    Ok(())
}

#[test]
fn a_run_with_groups_goes_on_as_if_it_had_not_paused() -> Result<()> {
    let job = Job::new()?;
    let groups = "rates = \"classifier.*=10, *.embeddings.*=0.1\"\ndecays = \"classifier.*=0.3\"";
    let recipe =
        recipe(&job, groups).replace("sgd", "adamw").replace("max_steps = 1", "epochs = 2").replace("0.5", "1e-3");
    succeeds(with_recipe(&job, "whole", &recipe)?)?;
    let mut command = with_recipe(&job, "paused", &recipe)?;
    command.args(["--pause-after-epoch", "1"]);
    succeeds(command)?;
    succeeds(resume(&job, "paused"))?;
    assert_same(&job, "paused", "whole", "groups")
}

#[test]
fn a_pattern_that_fits_nothing_is_named() -> Result<()> {
    let job = Job::new()?;
    for key in ["rates", "decays"] {
        let said = fails(with_recipe(&job, "out", &recipe(&job, &format!("{key} = \"clasifier.*=10\"")))?)?;
        assert!(said.contains("no parameter is named 'clasifier.*'"), "{said}");
        assert!(!job.path("out").exists());
    }
    Ok(())
}
