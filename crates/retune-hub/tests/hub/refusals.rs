//! What is said when the Hub is out of reach or refuses, and when nobody may ask it.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use retune_hub::{HubError, ModelRequest, TokenUse};

use crate::desk::{Desk, files};
use crate::server::{FakeHub, NAME};

#[test]
fn the_token_is_sent_with_every_request_for_a_private_model() {
    let hub = FakeHub::start(&files());
    hub.model().token = Some("hf_secret".to_owned());
    let mut desk = Desk::at(hub.endpoint());
    let error = desk.main().unwrap_err();
    assert!(matches!(error, HubError::Refused { status: 401, token: TokenUse::Absent, .. }), "{error}");
    desk.environment.token = Some("hf_wrong".to_owned());
    let error = desk.main().unwrap_err();
    assert!(matches!(error, HubError::Refused { status: 401, token: TokenUse::Sent, .. }), "{error}");
    assert!(!error.to_string().contains("hf_wrong"));
    desk.environment.token = Some("hf_secret".to_owned());
    hub.seen();
    desk.main().unwrap();
    let seen = hub.seen();
    assert!(seen.len() > 8 && seen.iter().all(|seen| seen.headers["authorization"] == "Bearer hf_secret"), "{seen:?}");
}

#[test]
fn a_gated_model_describes_itself_and_refuses_its_files() {
    let hub = FakeHub::start(&files());
    hub.model().gated = true;
    let mut desk = Desk::at(hub.endpoint());
    let error = desk.main().unwrap_err();
    assert!(matches!(error, HubError::Refused { status: 401, token: TokenUse::Absent, .. }), "{error}");
    assert!(!desk.in_cache("refs/main").exists());
}

#[test]
fn refusals_of_the_hub_are_told_apart() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let error = desk.resolve(&ModelRequest::new("org/other")).unwrap_err();
    assert!(matches!(&error, HubError::NoSuchModel { name, .. } if name == "org/other"), "{error}");
    hub.model().refusal = Some((403, "GatedRepo"));
    assert!(matches!(desk.main().unwrap_err(), HubError::Refused { status: 403, .. }));
    hub.model().refusal = Some((503, ""));
    let error = desk.main().unwrap_err();
    assert!(matches!(&error, HubError::UnexpectedAnswer { answer, .. } if answer == "HTTP 503"), "{error}");
    // None of these is a Hub out of reach.
    assert_eq!(desk.notices, [""; 0]);
}

#[test]
fn a_repository_without_what_is_needed_is_not_downloaded() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    hub.model().files.remove("model.safetensors");
    let error = desk.main().unwrap_err();
    assert!(matches!(error, HubError::Pickle { .. }), "{error}");
    hub.model().files.remove("pytorch_model.bin");
    hub.model().files.remove("config.json");
    let error = desk.main().unwrap_err();
    assert!(
        matches!(&error, HubError::NotOnHub { missing, .. } if missing == &["config.json", "model.safetensors"]),
        "{error}"
    );
    assert!(!desk.environment.hub_cache.exists());
}

#[test]
fn offline_mode_sends_nothing() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let error = desk.resolve(&ModelRequest { offline: true, ..ModelRequest::new(NAME) }).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    desk.environment.offline = true;
    assert!(matches!(desk.main().unwrap_err(), HubError::Offline { .. }));
    assert!(hub.seen().is_empty() && desk.notices.is_empty());
}

#[test]
fn a_hub_out_of_reach_is_noticed_within_three_seconds() {
    // One that nobody listens at, one that accepts and is silent, one whose name nobody knows.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    for endpoint in [format!("http://{gone}"), format!("http://{silent_address}"), "http://hub.invalid".to_owned()] {
        let mut desk = Desk::at(endpoint.clone());
        let start = Instant::now();
        let error = desk.main().unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(3), "{endpoint}: {:?}", start.elapsed());
        assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
        assert_eq!(desk.notices.len(), 1, "{:?}", desk.notices);
        assert!(
            desk.notices[0].starts_with(&format!("the Hub at {endpoint} cannot be reached (")),
            "{:?}",
            desk.notices
        );
    }
}

#[test]
fn an_incomplete_snapshot_is_named_when_the_hub_is_out_of_reach() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let directory = desk.main().unwrap().directory;
    drop(hub);
    fs::remove_file(directory.join("model.safetensors")).unwrap();
    let error = desk.main().unwrap_err();
    assert!(
        matches!(&error, HubError::IncompleteCache { missing, .. } if missing == &["model.safetensors"]),
        "{error}"
    );
}

#[test]
fn an_endpoint_that_is_no_address_is_named() {
    for endpoint in ["huggingface.co", "", "https://", "ftp://mirror"] {
        let error = Desk::at(endpoint.to_owned()).main().unwrap_err();
        assert!(matches!(error, HubError::InvalidEndpoint { .. }), "{endpoint}: {error}");
    }
}
