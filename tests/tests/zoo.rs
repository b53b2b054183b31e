//! Every architecture and each of its heads computes what Transformers computes with the same weights (`golden/zoo`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use retune_models::HeadKind;
use retune_models::registry::ARCHITECTURES;
use tests::compare::failures;
use tests::golden::ModelDirectory;
use tests::{Bounds, Reference, Result, zoo};

/// As for the other goldens: rounding costs less, and a wrong epsilon or activation more.
const BOUNDS: Bounds = Bounds { forward: 1e-5, gradient: 1e-5, key_bias: 1e-6, training: 0.0, trained: 0.0 };

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo")
}

fn check(architecture: &str, kind: HeadKind) -> Result<()> {
    let stem = format!("{architecture}.{}", zoo::head_name(kind));
    let reference = Reference::open(&folder().join(format!("{stem}.safetensors")))?;
    let config = zoo::golden_config(&folder().join(format!("{stem}.json")))?;
    let directory = ModelDirectory::new(&config, &zoo::formula_weights(&reference)?)?;
    let (model, read) = zoo::load(directory.path(), kind, &reference)?;
    let failures = failures(&zoo::compare(&model, &reference, BOUNDS)?);
    assert!(failures.is_empty(), "{stem}\n{failures}");
    let class = retune_models::registry::Architecture::of(&read)?.class(kind);
    assert_eq!(read.values()["architectures"][0], class, "the class that transformers saves");
    Ok(())
}

#[test]
fn every_architecture_and_head_equals_its_golden() -> Result<()> {
    for architecture in ARCHITECTURES {
        for kind in architecture.heads {
            check(architecture.model_type, *kind).map_err(|error| format!("{}: {error}", architecture.model_type))?;
        }
    }
    Ok(())
}

/// A head that is dropped from the registry would otherwise be tested by nothing.
#[test]
fn every_golden_has_its_architecture_and_head() -> Result<()> {
    let stored: BTreeSet<String> = std::fs::read_dir(folder())?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".safetensors").map(str::to_owned))
        .collect();
    let known: BTreeSet<String> = ARCHITECTURES
        .iter()
        .flat_map(|one| one.heads.iter().map(|kind| format!("{}.{}", one.model_type, zoo::head_name(*kind))))
        .collect();
    assert_eq!(stored, known);
    Ok(())
}
