//! A repository of the Hub at one revision: of a model or of a data set. Below here nothing else tells the two apart.

use hf_hub::{Repo, RepoType};

use crate::ModelRequest;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

/// A repository at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) kind: Kind,
    /// `org/name`.
    pub(crate) name: String,
    /// A branch, a tag or a full commit hash.
    pub(crate) revision: String,
}

impl Repository {
    pub(crate) fn of_model(request: &ModelRequest) -> Self {
        Self { kind: Kind::Model, name: request.name.clone(), revision: request.revision.clone() }
    }

    /// What its page is called below the Hub's address, which is its name in messages: `org/model`, `datasets/org/name`.
    pub(crate) fn page(&self) -> String {
        match self.kind {
            Kind::Model => self.name.clone(),
            Kind::Dataset => format!("datasets/{}", self.name),
        }
    }

    /// The same for hf-hub, at a revision.
    pub(crate) fn at(&self, revision: &str) -> Repo {
        let kind = match self.kind {
            Kind::Model => RepoType::Model,
            Kind::Dataset => RepoType::Dataset,
        };
        Repo::with_revision(self.name.clone(), kind, revision.to_owned())
    }
}
