//! Which names and revisions may go into a path of the cache and an address of the Hub.
//!
//! Both come from a user or a recipe, and both are pasted into paths and addresses, so whatever could climb out of the
//! cache or change the address is refused before it is used.

use crate::{HubError, ModelRequest};

/// The Hub's own limit on the length of `org/name`, in characters.
const LONGEST_NAME: usize = 96;

/// Checks that the request can name something on the Hub.
pub(crate) fn check(request: &ModelRequest) -> Result<(), HubError> {
    let name = request.name.as_str();
    if looks_like_path(name) {
        return Err(HubError::NoSuchFolder { path: name.into() });
    }
    if let Some(reason) = fault_of_name(name) {
        return Err(HubError::InvalidName { name: name.to_owned(), reason });
    }
    if !is_revision(&request.revision) {
        return Err(HubError::InvalidRevision { revision: request.revision.clone() });
    }
    Ok(())
}

/// Whether a person who wrote this meant a folder: saying "no such model on the Hub" to them would mislead.
fn looks_like_path(name: &str) -> bool {
    name.starts_with(['/', '.', '~', '\\'])
        || name.ends_with('/')
        || name.contains('\\')
        || name.matches('/').count() > 1
}

/// What the Hub would not allow in a repository's name (the rules of `huggingface_hub.utils.validate_repo_id`).
pub(crate) fn fault_of_name(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LONGEST_NAME {
        Some("it is longer than 96 characters")
    } else if name.contains("--") || name.contains("..") {
        Some("it holds `--` or `..`")
    } else if !name.split('/').all(|part| !part.is_empty() && part.chars().all(allowed)) {
        Some("only letters, digits, `-`, `_` and `.` may stand in it")
    } else if name.split('/').any(|part| part.starts_with(['-', '.']) || part.ends_with(['-', '.'])) {
        Some("no part of it may begin or end with `-` or `.`")
    } else {
        None
    }
}

/// Whether git would take this as the name of a branch, a tag or a commit, and an address can carry it unescaped.
pub(crate) fn is_revision(revision: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '@' | '=');
    revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed))
        && !revision.contains("..")
}

/// Whether `revision` is a full commit hash, which stands for itself and has no file under `refs`.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn checked(name: &str, revision: &str) -> Result<(), HubError> {
        check(&ModelRequest { revision: revision.to_owned(), ..ModelRequest::new(name) })
    }

    #[test]
    fn names_in_use_are_taken() {
        for name in ["gpt2", "sentence-transformers/all-MiniLM-L6-v2", "prajjwal1/bert-tiny", "01-ai/Yi-6B", "a/b_c.d"]
        {
            for revision in ["main", "v1.0", "refs/pr/3", "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"] {
                assert!(checked(name, revision).is_ok(), "{name} at {revision}");
            }
        }
    }

    #[test]
    fn what_is_meant_as_a_folder_is_named_as_one() {
        for name in ["./model", "../model", "/nowhere/model", "~/model", "runs/a/model", "model/", r"runs\model"] {
            assert!(matches!(checked(name, "main"), Err(HubError::NoSuchFolder { .. })), "{name}");
        }
    }

    #[test]
    fn bad_names_and_revisions_are_refused() {
        for name in ["", "a b", "a/b?c", "a--b", "a..b", "ünder", "-a/b", "a/b-", &"x".repeat(97)] {
            assert!(matches!(checked(name, "main"), Err(HubError::InvalidName { .. })), "{name:?}");
        }
        for revision in
            ["", "/main", "main/", "../main", "a/../b", "a..b", "a b", "a?b", "a#b", "a%2Fb", ".hidden", "a\\b"]
        {
            assert!(matches!(checked("a/b", revision), Err(HubError::InvalidRevision { .. })), "{revision:?}");
        }
    }

    proptest! {
        /// Whatever passes stays below the folder that it is joined to.
        #[test]
        fn nothing_that_passes_climbs(parts in prop::collection::vec(prop::sample::select(&["a", ".", "..", "/", "\\", ":", "-"][..]), 1..5)) {
            let text = parts.concat();
            let stays = Path::new(&text).components().all(|part| matches!(part, Component::Normal(_)));
            prop_assert!(stays || checked(&text, "main").is_err(), "name {text}");
            prop_assert!(stays || checked("org/name", &text).is_err(), "revision {text}");
        }
    }
}
