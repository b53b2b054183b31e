//! A person with an empty home who asks for a model, and the files that the server gives them.

use std::fs;
use std::path::{Path, PathBuf};

use retune_hub::{Environment, HubError, Limits, ModelFiles, ModelRequest, resolve_model};
use tempfile::TempDir;

use crate::server::NAME;

/// Long enough to be announced and to be cut in the middle.
pub fn weights() -> Vec<u8> {
    (0..1_200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"not taken".to_vec()),
        ("config.json", b"{\"model_type\": \"bert\"}".to_vec()),
        ("model.safetensors", weights()),
        ("pytorch_model.bin", b"not taken".to_vec()),
        ("tokenizer.json", b"{\"version\": \"1.0\"}".to_vec()),
        ("tokenizer_config.json", b"{}".to_vec()),
    ]
}

/// A person with an empty home and the given Hub.
pub struct Desk {
    pub home: TempDir,
    pub environment: Environment,
    pub notices: Vec<String>,
}

impl Desk {
    pub fn at(endpoint: String) -> Self {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment {
            hub_cache: home.path().join("hub"),
            user_cache: home.path().to_owned(),
            endpoint,
            token: None,
            offline: false,
            limits: Limits::default(),
        };
        Self { home, environment, notices: Vec::new() }
    }

    pub fn resolve(&mut self, request: &ModelRequest) -> Result<ModelFiles, HubError> {
        resolve_model(request, &self.environment, &mut |line| self.notices.push(line.to_owned()))
    }

    pub fn main(&mut self) -> Result<ModelFiles, HubError> {
        self.resolve(&ModelRequest::new(NAME))
    }

    pub fn in_cache(&self, path: &str) -> PathBuf {
        self.home.path().join("hub/models--org--tiny-bert").join(path)
    }
}

pub fn at_revision(revision: &str) -> ModelRequest {
    ModelRequest { revision: revision.to_owned(), ..ModelRequest::new(NAME) }
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
