//! Downloads that break off, arrive changed or stand still: none of them poisons the cache.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use retune_hub::HubError;

use crate::desk::{Desk, files, names, weights};
use crate::server::{COMMIT, FakeHub, Seen, Wrong};

/// The first call fails as `expected` says, the cache is as if it had not been, and the second call succeeds.
fn recovers_from(wrong: Wrong, expected: fn(&HubError) -> bool) -> Vec<Seen> {
    let hub = FakeHub::start(&files());
    hub.model().wrong = Some(("model.safetensors".to_owned(), wrong));
    let mut desk = Desk::at(hub.endpoint());
    desk.environment.limits.stall = Duration::from_secs(1);
    let error = desk.main().unwrap_err();
    assert!(expected(&error), "{error:?}");
    let snapshot = desk.in_cache(&format!("snapshots/{COMMIT}"));
    assert!(!snapshot.join("model.safetensors").exists() && !desk.in_cache("refs/main").exists());
    desk.environment.offline = true;
    assert!(matches!(desk.main().unwrap_err(), HubError::Offline { .. }));
    desk.environment.offline = false;

    if wrong == Wrong::Hang {
        // The abandoned thread of this process holds the file's lock; a new process would not meet it.
        fs::remove_file(lock_of_weights(&desk)).unwrap();
    }
    hub.seen();
    let got = desk.main().unwrap();
    assert!(fs::read(got.directory.join("model.safetensors")).unwrap() == weights());
    assert_eq!(fs::read_to_string(desk.in_cache("refs/main")).unwrap(), COMMIT);
    hub.seen()
}

/// Of the locks in the cache, the one whose name begins with a SHA-256: only the weights have that for an etag.
fn lock_of_weights(desk: &Desk) -> PathBuf {
    let name = names(&desk.in_cache("blobs")).into_iter().find(|name| name.len() == 69 && name.ends_with(".lock"));
    desk.in_cache("blobs").join(name.unwrap())
}

/// The range of the request for the weights' content that followed the one for their size.
fn range_asked(seen: &[Seen]) -> String {
    let content = seen.iter().filter(|seen| seen.path == "/content/model.safetensors");
    content.map(|seen| seen.headers["range"].clone()).find(|range| range != "bytes=0-0").unwrap()
}

#[test]
fn a_torn_download_goes_on_where_it_stopped() {
    let seen = recovers_from(Wrong::Cut, |error| matches!(error, HubError::Download { .. }));
    assert_eq!(range_asked(&seen), "bytes=600000-");
}

#[test]
fn a_download_torn_without_a_word_is_not_kept() {
    recovers_from(
        Wrong::CutSilently,
        |error| matches!(error, HubError::Corrupt { expected, found, .. } if expected == "1200000 bytes" && found == "600000 bytes"),
    );
}

#[test]
fn a_changed_file_is_not_kept() {
    recovers_from(
        Wrong::Changed,
        |error| matches!(error, HubError::Corrupt { expected, found, .. } if expected.starts_with("SHA-256 ") && found != expected),
    );
}

#[test]
fn a_download_that_stands_still_is_given_up() {
    recovers_from(Wrong::Hang, |error| matches!(error, HubError::Stalled { file, .. } if file == "model.safetensors"));
}

#[test]
fn a_server_that_ignores_the_range_of_a_resumed_download_poisons_nothing() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    hub.model().wrong = Some(("model.safetensors".to_owned(), Wrong::Cut));
    assert!(matches!(desk.main().unwrap_err(), HubError::Download { .. }));
    hub.model().wrong = Some(("model.safetensors".to_owned(), Wrong::IgnoresRange));
    assert!(matches!(desk.main().unwrap_err(), HubError::Corrupt { .. }));
    let got = desk.main().unwrap();
    assert!(fs::read(got.directory.join("model.safetensors")).unwrap() == weights());
}

#[test]
fn a_partial_file_as_long_as_the_whole_is_started_anew() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let path = desk.main().unwrap().directory.join("model.safetensors");
    for extra in [0, 1] {
        let blob = fs::canonicalize(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::remove_file(&blob).unwrap();
        fs::write(blob.with_extension("part"), vec![0; weights().len() + extra]).unwrap();
        desk.main().unwrap();
        assert!(fs::read(&path).unwrap() == weights());
    }
}
