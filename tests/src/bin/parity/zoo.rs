//! Architectures × heads on tiny random configurations, as a table: a row for each configuration, with the worst over
//! its heads.

use std::fs;
use std::path::Path;

use retune_models::registry::Architecture;
use retune_models::{HeadKind, write_model};
use serde::Deserialize;
use tests::{Bounds, Comparison, Reference, Result, zoo};

use crate::python::Python;

/// How many times the reference's own distance between bfloat16 and fp32 ours may be: both are rounding noise.
const HALF_RATIO: f64 = 1.5;

/// What Python says of a directory that retune wrote.
#[derive(Deserialize)]
struct Read {
    variant: String,
    head: String,
    difference: f64,
    complaints: Vec<String>,
}

/// One configuration with one head.
struct Row {
    variant: String,
    kind: HeadKind,
    comparisons: Vec<Comparison>,
    half: (f64, f64),
    written: f64,
    complaints: Vec<String>,
}

/// Computes and prints the table; tells whether everything is within its bounds.
pub fn run(python: &Python<'_>, only: &[String], folder: &Path, bounds: Bounds) -> Result<bool> {
    let dump = folder.join("zoo");
    eprintln!("Transformers computes the zoo …");
    python.zoo_dump(&dump, only)?;
    eprintln!("retune computes the zoo …");
    let mut rows = Vec::new();
    for variant in sorted(&dump)? {
        for kind in HeadKind::ALL {
            let directory = dump.join(&variant).join(zoo::head_name(kind));
            if directory.is_dir() {
                let row = measure(&variant, kind, &directory, bounds);
                rows.push(row.map_err(|error| format!("{variant}, {}: {error}", zoo::head_name(kind)))?);
            }
        }
    }
    eprintln!("Transformers reads what retune wrote …");
    for line in python.zoo_check(&dump)?.lines() {
        let read: Read = serde_json::from_str(line)?;
        let row = rows.iter_mut().find(|row| row.variant == read.variant && zoo::head_name(row.kind) == read.head);
        let row = row.ok_or_else(|| format!("Python read {} {}, which nobody wrote", read.variant, read.head))?;
        (row.written, row.complaints) = (read.difference, read.complaints);
    }
    Ok(print(&rows, bounds))
}

fn measure(variant: &str, kind: HeadKind, directory: &Path, bounds: Bounds) -> Result<Row> {
    let reference = Reference::open(&directory.with_extension("safetensors"))?;
    let (model, config) = zoo::load(directory, kind, &reference)?;
    let class = Architecture::of(&config)?.class(kind);
    if config.values()["architectures"][0] != class.as_str() {
        return Err(format!("the class is {class}, expected {}", config.values()["architectures"]).into());
    }
    let written = directory.with_extension("retune");
    fs::create_dir(&written)?;
    write_model(&written, &config, model.parameters().iter())?;
    Ok(Row {
        variant: variant.to_owned(),
        kind,
        comparisons: zoo::compare(&model, &reference, bounds)?,
        half: zoo::half_precision(&model, &reference)?,
        // Until Python has read it.
        written: f64::NAN,
        complaints: Vec::new(),
    })
}

fn print(rows: &[Row], bounds: Bounds) -> bool {
    println!(
        "{:<28} {:>5}  {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  bf16: ours  theirs",
        "configuration", "heads", "hidden", "weights", "pooled", "logits", "loss", "gradient", "written"
    );
    let mut passes = true;
    let mut variants: Vec<&str> = rows.iter().map(|row| row.variant.as_str()).collect();
    variants.dedup();
    for variant in variants {
        let own: Vec<&Row> = rows.iter().filter(|row| row.variant == variant).collect();
        let worst = |what: &str| {
            let all = own.iter().flat_map(|row| &row.comparisons).filter(|comparison| comparison.what == what);
            all.map(|comparison| comparison.difference).fold(0.0, f64::max)
        };
        let written = own.iter().map(|row| row.written).fold(0.0, |a, b| if b.is_nan() { b } else { a.max(b) });
        // Over all heads: few logits alone would compare two draws of noise.
        let half =
            |side: fn(&Row) -> f64| (own.iter().map(|row| side(row).powi(2)).sum::<f64>() / own.len() as f64).sqrt();
        let half = (half(|row| row.half.0), half(|row| row.half.1));
        println!(
            "{variant:<28} {:>5}  {:>8.1e} {:>8.1e} {:>8.1e} {:>8.1e} {:>8.1e} {:>8.1e} {:>8.1e}     {:>7.1e} {:>7.1e}",
            own.len(),
            worst("hidden states"),
            worst("attention"),
            worst("pooled"),
            worst("logits"),
            worst("loss"),
            worst("gradient"),
            written,
            half.0,
            half.1
        );
        for row in own {
            let head = zoo::head_name(row.kind);
            for failed in row.comparisons.iter().filter(|comparison| !comparison.passes()) {
                passes = false;
                println!("  FAIL {head}: {failed}");
            }
            // What Python has not read is not a number, and no bound is above it.
            let is_read = row.written <= bounds.forward && row.complaints.is_empty();
            if !is_read {
                passes = false;
                println!("  FAIL {head}: Python reads what retune wrote: {:.1e} {:?}", row.written, row.complaints);
            }
        }
        if half.0 > HALF_RATIO * half.1 {
            passes = false;
            println!("  FAIL: bfloat16 moves logits by {:.1e}, Transformers' by {:.1e}", half.0, half.1);
        }
    }
    passes
}

/// The names in a folder, sorted.
pub fn sorted(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> =
        fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
