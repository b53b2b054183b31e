//! Adapters of PEFT beside tiny models, as a table: a row for each configuration.

use std::fs;
use std::path::Path;

use retune_models::{ModelConfig, write_model};
use serde::Deserialize;
use tests::{Bounds, Comparison, Reference, Result, adapters};

use crate::python::Python;
use crate::zoo::sorted;

/// What Python says of what retune wrote.
#[derive(Deserialize)]
struct Read {
    variant: String,
    difference: f64,
    merged: f64,
    trainable: i64,
    complaints: Vec<String>,
}

/// One configuration.
struct Row {
    variant: String,
    comparisons: Vec<Comparison>,
    /// How many numbers are trained.
    trainable: i64,
    /// `None` until Python has read it.
    read: Option<Read>,
}

/// Computes and prints the table; tells whether everything is within its bounds.
pub fn run(python: &Python<'_>, only: &[String], folder: &Path, bounds: Bounds) -> Result<bool> {
    let dump = folder.join("adapters");
    eprintln!("PEFT computes adapters …");
    python.adapters_dump(&dump, only)?;
    eprintln!("retune computes adapters …");
    let mut rows = Vec::new();
    for variant in sorted(&dump)? {
        rows.push(measure(&variant, &dump.join(&variant), bounds).map_err(|error| format!("{variant}: {error}"))?);
    }
    eprintln!("PEFT reads what retune wrote …");
    for line in python.adapters_check(&dump)?.lines() {
        let read: Read = serde_json::from_str(line)?;
        let row = rows.iter_mut().find(|row| row.variant == read.variant);
        let row = row.ok_or_else(|| format!("Python read {}, which nobody wrote", read.variant))?;
        row.read = Some(read);
    }
    Ok(print(&rows, bounds))
}

fn measure(variant: &str, folder: &Path, bounds: Bounds) -> Result<Row> {
    let (_, kind) = adapters::parts(variant)?;
    let reference = Reference::open(&folder.join("reference.safetensors"))?;
    let base = folder.join("base");
    let (model, _) = adapters::load(&base, &folder.join("adapter"), kind, &reference)?;
    let mut comparisons = adapters::compare(&model, &reference, bounds)?;
    let merged = model.merged()?;
    comparisons.push(adapters::compare_merged(&model, &merged, &base, &reference, bounds.forward)?);
    let [written, whole] = ["retune", "merged"].map(|name| folder.join(name));
    fs::create_dir(&written)?;
    model.save_adapter(&written)?;
    fs::create_dir(&whole)?;
    write_model(&whole, &ModelConfig::read(&base)?, merged.iter())?;
    let trainable = model.parameters().trainable_elements() as i64;
    Ok(Row { variant: variant.to_owned(), comparisons, trainable, read: None })
}

fn print(rows: &[Row], bounds: Bounds) -> bool {
    println!(
        "{:<52} {:>7}  {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "adapter", "trained", "logits", "loss", "gradient", "merged", "written", "whole"
    );
    let mut passes = true;
    for Row { variant, comparisons, trainable, read } in rows {
        let worst = |what: &str| {
            let all = comparisons.iter().filter(|comparison| comparison.what == what);
            all.map(|comparison| comparison.difference).fold(0.0, f64::max)
        };
        // What Python has not read is not a number, and no bound is above it.
        let written = read.as_ref().map_or(f64::NAN, |read| read.difference);
        let whole = read.as_ref().map_or(f64::NAN, |read| read.merged);
        println!(
            "{variant:<52} {trainable:>7}  {:>8.1e} {:>8.1e} {:>8.1e} {:>8.1e} {written:>8.1e} {whole:>8.1e}",
            worst("logits"),
            worst("loss"),
            worst("gradient"),
            worst("merged"),
        );
        for failed in comparisons.iter().filter(|comparison| !comparison.passes()) {
            passes = false;
            println!("  FAIL {failed}");
        }
        let is_read = read.as_ref().is_some_and(|read| read.complaints.is_empty() && read.trainable == *trainable);
        if !(is_read && written <= bounds.forward && whole <= bounds.forward) {
            passes = false;
            let said = read.as_ref().map(|read| (read.trainable, &read.complaints));
            println!("  FAIL Python reads what retune wrote: {said:?}");
        }
    }
    passes
}
