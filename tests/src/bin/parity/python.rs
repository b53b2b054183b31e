//! Calls of the scripts in `tests/parity`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tests::Result;

/// The reference's Python, and the texts that it reads.
pub struct Python<'a> {
    program: &'a Path,
    scripts: PathBuf,
    texts: &'a Path,
}

/// What `dump` says of what it computed.
#[derive(Deserialize)]
pub struct Dumped {
    /// Texts.
    pub sequences: usize,
    /// Their tokens, special ones included.
    pub tokens: usize,
    /// Parameters that the checkpoint lacks and that got the formula's values, sorted.
    pub seeded: Vec<String>,
    /// The version of torch.
    pub torch: String,
    /// The version of transformers.
    pub transformers: String,
}

/// What a model directory gives when Python loads it.
#[derive(Deserialize)]
pub struct Logits {
    /// The classes' names, by id.
    pub id2label: Vec<String>,
    /// Of each text, `[b, c]`.
    pub logits: Vec<Vec<f64>>,
}

impl<'a> Python<'a> {
    pub fn new(program: &'a Path, texts: &'a Path) -> Self {
        Self { program, scripts: Path::new(env!("CARGO_MANIFEST_DIR")).join("parity"), texts }
    }

    /// Computes everything of a model into the safetensors file `out`; a head that is missing gets the formula's values.
    pub fn dump(&self, model: &Path, out: &Path) -> Result<Dumped> {
        let summary = self.call("dump", model, out, &[OsStr::new("--seed-head")])?;
        parse(&summary)
    }

    /// Loads a model directory as a user does, computes its logits, and saves it into the folder `saved`. A warning of
    /// whatever kind is an error.
    pub fn logits(&self, model: &Path, out: &Path, saved: &Path) -> Result<Logits> {
        self.call("logits", model, out, &[OsStr::new("--save"), saved.as_os_str()])?;
        parse(&std::fs::read_to_string(out)?)
    }

    /// Computes the zoo, or the architectures that are named, into a folder.
    pub fn zoo_dump(&self, out: &Path, only: &[String]) -> Result<String> {
        self.script("zoo.py", &dump(out, only))
    }

    /// Reads what retune wrote into the zoo's folder: a JSON line for each directory.
    pub fn zoo_check(&self, dump: &Path) -> Result<String> {
        self.script("zoo.py", &[OsStr::new("check"), OsStr::new("--dump"), dump.as_os_str()])
    }

    /// Computes adapters beside the zoo's models, or the architectures that are named, into a folder.
    pub fn adapters_dump(&self, out: &Path, only: &[String]) -> Result<String> {
        self.script("adapters.py", &dump(out, only))
    }

    /// Reads what retune wrote into the adapters' folder: a JSON line for each.
    pub fn adapters_check(&self, dump: &Path) -> Result<String> {
        self.script("adapters.py", &[OsStr::new("check"), OsStr::new("--dump"), dump.as_os_str()])
    }

    /// Calls `sentences.py`: sentence-transformers' models and embeddings of a model, or the embeddings of a directory.
    pub fn sentences(&self, command: &str, model: &Path, out: &Path) -> Result<String> {
        let mut arguments = vec![OsStr::new(command)];
        for (flag, value) in [("--model", model), ("--texts", self.texts), ("--out", out)] {
            arguments.extend([OsStr::new(flag), value.as_os_str()]);
        }
        self.script("sentences.py", &arguments)
    }

    /// Calls `board.py`: what TensorBoard shows of a folder of event files.
    pub fn board(&self, folder: &Path) -> Result<String> {
        self.script("board.py", &[folder.as_os_str()])
    }

    fn call(&self, command: &str, model: &Path, out: &Path, more: &[&OsStr]) -> Result<String> {
        let mut arguments = vec![OsStr::new(command)];
        arguments.extend(more);
        for (flag, value) in [("--model", model), ("--texts", self.texts), ("--out", out)] {
            arguments.extend([OsStr::new(flag), value.as_os_str()]);
        }
        self.script("reference.py", &arguments)
    }

    /// Runs a script of `tests/parity`; gives what it printed.
    fn script(&self, name: &str, arguments: &[&OsStr]) -> Result<String> {
        let mut process = Command::new(self.program);
        process.arg(self.scripts.join(name)).args(arguments);
        process.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output = process.output().map_err(|error| format!("cannot start {}: {error}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} failed ({}):\n{}", output.status, said.trim_end()).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The command `dump` into a folder, of the architectures that are named or of all.
fn dump<'a>(out: &'a Path, only: &'a [String]) -> Vec<&'a OsStr> {
    let mut arguments = vec![OsStr::new("dump"), OsStr::new("--out"), out.as_os_str()];
    if !only.is_empty() {
        arguments.push(OsStr::new("--only"));
        arguments.extend(only.iter().map(OsStr::new));
    }
    arguments
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| format!("reference.py gave {text:?}: {error}").into())
}
