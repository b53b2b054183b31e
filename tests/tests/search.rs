//! Searches and learning curves by the built binary: trials are runs of its own.

use std::fs;

use retune_recipe::Recipe;
use serde_json::Value;
use tests::job::said;
use tests::{Job, Result};

/// A recipe of the tiny job with more lines.
fn recipe(job: &Job, more: &str) -> Result<()> {
    let text = format!(
        "[model]\npath = {:?}\n[data]\ntrain = \"train.csv\"\nvalidation = \"dev.csv\"\ntext = \"text\"\nlabel = \"label\"\n\
         max_length = 16\n[run]\noutput = \"out\"\ndevice = \"cpu\"\nthreads = 1\n{more}",
        job.model()
    );
    job.write("recipe.toml", text)
}

const SPACE: &str = "[sweep.space]\n\"train.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                     \"train.batch_size\" = { choices = [4, 8] }\n";

fn json(job: &Job, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(job.path(name))?)?)
}

#[test]
fn a_sweep_leaves_a_recipe_that_trains() -> Result<()> {
    let job = Job::new()?;
    recipe(&job, &format!("[train]\nepochs = 2\n[sweep]\ntrials = 4\nparallel = 2\n{SPACE}"))?;
    let output = job.command(&["sweep", "recipe.toml"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let found = json(&job, "out-sweep/sweep.json")?;
    let values: Vec<f64> =
        found["trials"].as_array().ok_or("trials")?.iter().filter_map(|t| t["value"].as_f64()).collect();
    assert_eq!(values.len(), 4);
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    assert!(job.path("out-sweep/sweep.svg").exists());
    let best = Recipe::from_file(job.path("out-sweep/best.toml"))?.resolve()?;
    assert_eq!(best.train.learning_rate, found["trials"][0]["point"][0].as_f64().ok_or("point")?);
    let output = job.command(&["finetune", "--recipe", "out-sweep/best.toml"]).output()?;
    assert!(output.status.success() && job.path("out-sweep/best/model").exists(), "{}", said(&output));
    let again = job.command(&["sweep", "--resume", "out-sweep"]).output()?;
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(json(&job, "out-sweep/sweep.json")?["trials"], found["trials"]);
    Ok(())
}

#[test]
fn halving_trains_the_best_alone_to_the_end() -> Result<()> {
    let job = Job::new()?;
    recipe(&job, &format!("[train]\nepochs = 4\n[sweep]\ntrials = 4\nhalving = 2\n{SPACE}"))?;
    let output = job.command(&["sweep", "recipe.toml"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let found = json(&job, "out-sweep/sweep.json")?;
    let trials = found["trials"].as_array().ok_or("trials")?;
    let trained: Vec<f64> = trials.iter().filter_map(|trial| trial["trained"].as_f64()).collect();
    assert_eq!(trained, [4.0, 2.0, 1.0, 1.0], "{}", said(&output));
    Ok(())
}

#[test]
fn a_curve_measures_growing_shares() -> Result<()> {
    let job = Job::new()?;
    recipe(&job, "[train]\nepochs = 2\nbatch_size = 4\n")?;
    let output = job.command(&["curve", "recipe.toml", "--fractions", "0.25,0.5,0.75,1", "--seeds", "2"]).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let found = json(&job, "out-curve/curve.json")?;
    assert_eq!(found["points"].as_array().ok_or("points")?.len(), 8);
    assert!(job.path("out-curve/curve.svg").exists());
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let job = Job::new()?;
    recipe(&job, "[sweep]\ntrails = 3\n")?;
    let message = job.refused(job.command(&["sweep", "recipe.toml"]));
    assert!(message.contains("recipe.toml:14") && message.contains("sweep.trials"), "{message}");
    let message = job.refused(job.command(&["sweep", "--resume", "nowhere"]));
    assert!(message.contains("nowhere is not a search"), "{message}");
    let message = job.refused(job.command(&["curve", "recipe.toml", "--fractions", "1.5"]));
    assert!(message.contains("at most 1; found 1.5"), "{message}");
    Ok(())
}
