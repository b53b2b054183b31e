//! What is downloaded, where it lies, and when nothing is.

use std::fs;

use retune_hub::{HubError, ModelFiles, ModelRequest, Origin};

use crate::desk::{Desk, at_revision, files, names};
use crate::server::{COMMIT, FakeHub, NAME};

#[test]
fn a_download_is_laid_out_as_python_does_and_then_needs_no_hub() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let got = desk.main().unwrap();
    assert_eq!(got.origin, Origin::Hub { commit: COMMIT.to_owned() });
    assert_eq!(got.directory, desk.in_cache(&format!("snapshots/{COMMIT}")));
    let taken = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(names(&got.directory), taken);
    for (name, content) in files().iter().filter(|(name, _)| taken.contains(name)) {
        let path = got.directory.join(name);
        assert_eq!(&fs::read(&path).unwrap(), content, "{name}");
        let target = fs::read_link(&path).unwrap();
        assert!(target.starts_with("../../blobs"), "{}", target.display());
    }
    assert_eq!(names(&desk.in_cache("refs")), ["main"]);
    assert_eq!(fs::read_to_string(desk.in_cache("refs/main")).unwrap(), COMMIT);
    assert!(desk.notices[0].starts_with("downloading org/tiny-bert from http://127.0.0.1:"), "{:?}", desk.notices);
    assert_eq!(desk.notices[1..], ["downloading model.safetensors (1.2 MB) …"]);

    drop(hub);
    desk.notices.clear();
    for request in [ModelRequest::new(NAME), at_revision(COMMIT)] {
        let again = desk.resolve(&request).unwrap();
        assert_eq!(again.directory, got.directory);
        assert_eq!(again.origin, Origin::Cache { commit: COMMIT.to_owned() });
    }
    assert_eq!(desk.notices, [""; 0]);
}

#[test]
fn a_snapshot_made_by_python_is_found_without_a_request() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let snapshot = desk.in_cache(&format!("snapshots/{COMMIT}"));
    for folder in [&snapshot, &desk.in_cache("refs"), &desk.in_cache("blobs"), &desk.in_cache(".no_exist")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(desk.in_cache("refs/main"), COMMIT).unwrap();
    for (index, name) in ["config.json", "tokenizer.json", "model.safetensors"].iter().enumerate() {
        fs::write(desk.in_cache(&format!("blobs/{index}")), "x").unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{index}"), snapshot.join(name)).unwrap();
    }
    assert_eq!(
        desk.main().unwrap(),
        ModelFiles { directory: snapshot, origin: Origin::Cache { commit: COMMIT.into() } }
    );
    assert!(hub.seen().is_empty());
}

#[test]
fn what_a_snapshot_lacks_is_downloaded_and_nothing_else() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let directory = desk.main().unwrap().directory;
    hub.seen();
    // One file never came; another is a link to what is gone, and was called otherwise (a mirror has etags of its own).
    fs::remove_file(directory.join("tokenizer.json")).unwrap();
    fs::remove_file(directory.join("config.json")).unwrap();
    std::os::unix::fs::symlink("../../blobs/gone", directory.join("config.json")).unwrap();

    desk.environment.offline = true;
    let error = desk.main().unwrap_err();
    assert!(
        matches!(&error, HubError::IncompleteCache { missing, .. } if missing == &["config.json", "tokenizer.json"]),
        "{error}"
    );
    desk.environment.offline = false;
    desk.main().unwrap();
    assert!(!hub.seen().iter().any(|seen| seen.path.contains("safetensors") || seen.path.contains("tokenizer_config")));
    assert_eq!(fs::read(directory.join("config.json")).unwrap(), b"{\"model_type\": \"bert\"}");
}

#[test]
fn without_tokenizer_json_the_vocabulary_comes_along() {
    let slow = [
        ("added_tokens.json", b"{}".to_vec()),
        ("config.json", b"{}".to_vec()),
        ("merges.txt", b"a b".to_vec()),
        ("model.safetensors", vec![1; 100]),
        ("tokenizer_config.json", b"{}".to_vec()),
        ("vocab.json", b"{}".to_vec()),
    ];
    let hub = FakeHub::start(&slow);
    let mut desk = Desk::at(hub.endpoint());
    let got = desk.main().unwrap();
    assert_eq!(names(&got.directory), slow.map(|(name, _)| name));
    drop(hub);
    assert_eq!(desk.main().unwrap().origin, Origin::Cache { commit: COMMIT.to_owned() });
}

#[test]
fn of_half_a_vocabulary_nothing_is_downloaded() {
    let hub = FakeHub::start(&[
        ("config.json", b"{}".to_vec()),
        ("model.safetensors", vec![1; 100]),
        ("vocab.json", b"{}".to_vec()),
    ]);
    let error = Desk::at(hub.endpoint()).main().unwrap_err();
    assert!(matches!(&error, HubError::NotOnHub { missing, .. } if missing == &["tokenizer.json"]), "{error}");
}

#[test]
fn shards_are_downloaded_by_their_index() {
    let index =
        r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}"#;
    let sharded = [
        ("config.json", b"{}".to_vec()),
        ("model-1.safetensors", vec![1; 100]),
        ("model-2.safetensors", vec![2; 100]),
        ("model.safetensors.index.json", index.into()),
        ("tokenizer.json", b"{}".to_vec()),
    ];
    let hub = FakeHub::start(&sharded);
    let mut desk = Desk::at(hub.endpoint());
    let got = desk.main().unwrap();
    assert_eq!(names(&got.directory), sharded.map(|(name, _)| name));
    fs::remove_file(got.directory.join("model-2.safetensors")).unwrap();
    hub.model().files.remove("model-2.safetensors");
    let error = desk.main().unwrap_err();
    assert!(matches!(&error, HubError::NotOnHub { missing, .. } if missing == &["model-2.safetensors"]), "{error}");
}

#[test]
fn a_revision_is_asked_for_and_kept_under_its_own_name() {
    let hub = FakeHub::start(&files());
    hub.model().revisions.insert("refs/pr/3".to_owned(), COMMIT.to_owned());
    let mut desk = Desk::at(hub.endpoint());
    desk.resolve(&at_revision("refs/pr/3")).unwrap();
    assert_eq!(hub.seen()[0].path, "/api/models/org/tiny-bert/revision/refs%2Fpr%2F3");
    assert_eq!(fs::read_to_string(desk.in_cache("refs/refs/pr/3")).unwrap(), COMMIT);
    assert!(!desk.in_cache("refs/main").exists());
    let error = desk.resolve(&at_revision("v9")).unwrap_err();
    assert!(matches!(&error, HubError::NoSuchRevision { revision, .. } if revision == "v9"), "{error}");
}

#[test]
fn a_commit_is_a_revision_and_gets_no_reference() {
    let hub = FakeHub::start(&files());
    let mut desk = Desk::at(hub.endpoint());
    let got = desk.resolve(&at_revision(COMMIT)).unwrap();
    assert_eq!(got.origin, Origin::Hub { commit: COMMIT.to_owned() });
    assert_eq!(names(&desk.in_cache("refs")), [""; 0]);
}
