//! The Hugging Face cache: `models--org--name/{refs,snapshots,blobs}`, and `datasets--org--name` likewise, as
//! `huggingface_hub` lays it out.
//!
//! `refs/<revision>` holds a commit hash; `snapshots/<commit>/` holds the files, mostly links into `blobs/`. A full
//! commit hash has no file under `refs`.

use std::path::{Path, PathBuf};

use crate::HubError;
use crate::files::{self, Holding};
use crate::name::is_commit;
use crate::repository::Repository;

/// One repository's folder in the cache.
pub(crate) struct CachedRepository {
    root: PathBuf,
}

/// What the cache knows of a revision.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// Nothing.
    Absent,
    /// A snapshot, whole or in part.
    Found { commit: String, directory: PathBuf, holding: Holding },
}

impl CachedRepository {
    /// The folder of a repository below `cache`; it need not exist.
    pub(crate) fn new(cache: &Path, repository: &Repository) -> Self {
        Self { root: cache.join(repository.at(&repository.revision).folder_name()) }
    }

    /// Looks `revision` up without touching the network.
    pub(crate) fn find(&self, revision: &str) -> Result<Lookup, HubError> {
        let Some(commit) = self.commit(revision)? else { return Ok(Lookup::Absent) };
        let directory = self.snapshot(&commit);
        if !directory.is_dir() {
            return Ok(Lookup::Absent);
        }
        let holding = files::holding(&directory)?;
        Ok(Lookup::Found { commit, directory, holding })
    }

    /// The folder of a commit's files; it need not exist.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// Notes that `revision` stands for `commit`. To be called once every file is there, and not before: until then
    /// the revision goes on to mean the snapshot that it meant.
    pub(crate) fn point(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        // hf-hub was asked for the commit itself and made a file for it, which Python never does.
        let stray = self.reference(commit);
        if stray.is_file() {
            std::fs::remove_file(&stray).map_err(|source| HubError::io("remove", &stray, source))?;
        }
        if is_commit(revision) {
            return Ok(());
        }
        let path = self.reference(revision);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            // Renamed into place, so that nobody reads half a hash.
            let draft = path.with_extension(format!("{}.part", std::process::id()));
            std::fs::write(&draft, commit)?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(|source| HubError::io("write", &path, source))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.root.join("refs").join(revision)
    }

    /// The commit that `revision` stands for, as far as the cache knows.
    pub(crate) fn commit(&self, revision: &str) -> Result<Option<String>, HubError> {
        if is_commit(revision) {
            return Ok(Some(revision.to_owned()));
        }
        let path = self.reference(revision);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|source| HubError::io("read", &path, source))?;
        // What is no hash cannot name a snapshot; the Hub will say what the revision means.
        Ok(Some(text.trim().to_owned()).filter(|commit| is_commit(commit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41";

    #[test]
    fn a_revision_points_at_a_snapshot_and_a_commit_is_its_own() {
        let cache = tempfile::tempdir().unwrap();
        let repository =
            CachedRepository::new(cache.path(), &Repository::of_model(&crate::ModelRequest::new("org/name")));
        assert!(matches!(repository.find("main").unwrap(), Lookup::Absent));
        std::fs::create_dir_all(repository.snapshot(COMMIT)).unwrap();
        assert!(matches!(repository.find("main").unwrap(), Lookup::Absent));
        assert!(matches!(repository.find(COMMIT).unwrap(), Lookup::Found { .. }));
        for revision in ["main", "refs/pr/1", "v1.0"] {
            repository.point(revision, COMMIT).unwrap();
            let reference = cache.path().join("models--org--name/refs").join(revision);
            assert_eq!(std::fs::read_to_string(reference).unwrap(), COMMIT);
            assert!(matches!(repository.find(revision).unwrap(), Lookup::Found { commit, .. } if commit == COMMIT));
        }
        repository.point(COMMIT, COMMIT).unwrap();
        let names: Vec<_> = std::fs::read_dir(cache.path().join("models--org--name/refs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.len() == 3 && !names.contains(&COMMIT.to_owned()), "{names:?}");
    }

    #[test]
    fn a_reference_that_is_no_hash_finds_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let repository =
            CachedRepository::new(cache.path(), &Repository::of_model(&crate::ModelRequest::new("org/name")));
        std::fs::create_dir_all(cache.path().join("models--org--name/refs")).unwrap();
        std::fs::create_dir_all(cache.path().join("models--org--name/snapshots")).unwrap();
        for content in ["", "..", "../..", "main\n"] {
            std::fs::write(cache.path().join("models--org--name/refs/main"), content).unwrap();
            assert!(matches!(repository.find("main").unwrap(), Lookup::Absent), "{content:?}");
        }
    }
}
