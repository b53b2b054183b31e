//! The layers of the workspace: which crate may use which. The table is the one in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use retune_models::registry::ARCHITECTURES;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root")
}

/// The table's rows: crate and what it may use.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let header = "| crate | may use | what |";
    let rows = text.lines().skip_while(|line| *line != header).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(cells)
        .map(|row| (row[1].clone(), row[2].split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()))
        .collect()
}

/// The manifests' edges inside the workspace, and each crate's outside dependencies.
fn actual() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON of cargo metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let used: BTreeSet<String> =
                dependencies.iter().filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
            let (inside, outside) = used.into_iter().partition(|name| names.contains(name.as_str()));
            (package["name"].as_str().expect("name").to_owned(), (inside, outside))
        })
        .collect()
}

#[test]
fn crates_use_what_the_table_allows() {
    let (documented, actual) = (documented(), actual());
    assert_eq!(documented.keys().collect::<Vec<_>>(), actual.keys().collect::<Vec<_>>(), "crates in the table");
    for (name, (inside, _)) in &actual {
        let forbidden: Vec<_> = inside.difference(&documented[name]).collect();
        assert!(forbidden.is_empty(), "{name} uses {forbidden:?}, which the table in ARCHITECTURE.md does not allow");
    }
}

/// What is heavy to build, or that a program's errors are for, and who may use it.
const OUTSIDE: [(&str, &[&str]); 5] = [
    ("tch", &["retune-torch", "retune-attention", "retune-models", "retune-train", "retune", "tests"]),
    ("torch-sys", &["retune-torch"]),
    ("polars", &["retune-data", "tests"]),
    ("tokenizers", &["retune-data", "tests"]),
    // A library's errors have fields.
    ("anyhow", &["retune", "xtask", "tests"]),
];

#[test]
fn heavy_dependencies_stay_where_they_belong() {
    for (name, (_, outside)) in actual() {
        for (dependency, users) in OUTSIDE {
            let allowed = users.contains(&name.as_str());
            assert!(allowed || !outside.contains(dependency), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn unsafe_is_in_one_crate() {
    for (name, _) in actual() {
        let folder = ["crates", ""].iter().map(|parent| root().join(parent).join(&name)).find(|path| path.exists());
        let manifest = folder.expect("the crate's folder").join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        let inherits = text.contains("[lints]\nworkspace = true");
        assert_eq!(inherits, name != "retune-torch", "{name}: the workspace's lints forbid unsafe code");
    }
}

/// A model reads top to bottom on a few screens: its file, or each file of its folder, stays under 250 lines.
#[test]
fn files_of_models_are_short() {
    let folder = root().join("crates/retune-models/src");
    for architecture in ARCHITECTURES {
        let name = architecture.model_type.replace('-', "_");
        let own = [folder.join(format!("{name}.rs"))];
        let parts =
            std::fs::read_dir(folder.join(&name)).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        // Configurations of another architecture have no file.
        for path in own.into_iter().filter(|path| path.exists()).chain(parts) {
            let lines = std::fs::read_to_string(&path).expect("a source file").lines().count();
            assert!(lines < 250, "{}: {lines} lines", path.display());
        }
    }
}
