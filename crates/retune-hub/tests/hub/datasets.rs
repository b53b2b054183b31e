//! Data sets: which files are taken, where they lie, and when nobody is asked.

use std::fs;
use std::path::Path;

use retune_hub::{DatasetFiles, DatasetRequest, HubError, resolve_dataset};

use crate::desk::{Desk, names};
use crate::server::{Dataset, FakeHub, Wrong};

const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECOND: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const CONVERTED: &str = "cccccccccccccccccccccccccccccccccccccccc";

fn shards() -> Dataset {
    Dataset::default().with(
        "main",
        FIRST,
        &[
            ("README.md", b"not taken"),
            ("data/train-00000-of-00002.parquet", b"first"),
            ("data/train-00001-of-00002.parquet", b"second"),
            ("data/test-00000-of-00001.parquet", b"test"),
        ],
    )
}

fn hub_with(dataset: Dataset) -> FakeHub {
    let hub = FakeHub::start(&[]);
    hub.model().datasets.insert("org/films".to_owned(), dataset);
    hub
}

fn find(desk: &mut Desk, name: &str) -> Result<DatasetFiles, HubError> {
    let request = DatasetRequest::parse(name).unwrap().unwrap();
    resolve_dataset(&request, "train", false, &desk.environment, &mut |line| desk.notices.push(line.to_owned()))
}

/// The contents of a folder's files, in the order of their names, without what is hidden.
fn contents(folder: &Path) -> Vec<String> {
    let shown = names(folder).into_iter().filter(|name| !name.starts_with('.'));
    shown.map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect()
}

#[test]
fn a_split_lies_in_pythons_cache_and_is_found_again_without_asking() {
    let hub = hub_with(shards());
    let mut desk = Desk::at(hub.endpoint());
    let found = find(&mut desk, "hub:org/films").unwrap();
    assert_eq!(found.name.to_string(), format!("hub:org/films:default@{FIRST}#train"));
    assert_eq!(contents(&found.folder), ["first", "second"]);
    let cached = desk.home.path().join("hub/datasets--org--films");
    assert_eq!(fs::read_to_string(cached.join("refs/main")).unwrap(), FIRST);
    let snapshot = cached.join("snapshots").join(FIRST);
    assert_eq!(names(&snapshot), ["data"]);
    assert_eq!(names(&snapshot.join("data")), ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]);
    let blobs = names(&cached.join("blobs"));
    assert_eq!(blobs.iter().filter(|name| !name.ends_with(".lock")).count(), 2, "{blobs:?}");

    // Under every name that means it; and though the branch has moved, as for models.
    hub.model().datasets.insert("org/films".to_owned(), shards().with("main", SECOND, &[("train.parquet", b"new")]));
    hub.seen();
    desk.environment.offline = true;
    let full = found.name.to_string();
    for name in ["hub:org/films", "hub:org/films@main", "hub:org/films#train", "hub:org/films:default", &full] {
        let again = find(&mut desk, name).unwrap();
        assert_eq!((contents(&again.folder), &again.name), (contents(&found.folder), &found.name), "{name}");
    }
    let error = find(&mut desk, "hub:org/films#test").unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert!(hub.seen().is_empty());
    // What was not found before is, from where the branch is now, or from where it was.
    desk.environment.offline = false;
    assert!(matches!(find(&mut desk, "hub:org/films#test"), Err(HubError::NoSuchSplit { .. })));
    assert_eq!(contents(&find(&mut desk, &format!("hub:org/films@{FIRST}#test")).unwrap().folder), ["test"]);
}

#[test]
fn what_python_has_downloaded_is_not_downloaded_again() {
    let hub = hub_with(shards());
    let mut desk = Desk::at(hub.endpoint());
    let snapshot = desk.home.path().join("hub/datasets--org--films/snapshots").join(FIRST).join("data");
    fs::create_dir_all(&snapshot).unwrap();
    for (file, content) in [("train-00000-of-00002.parquet", "first"), ("train-00001-of-00002.parquet", "second")] {
        fs::write(snapshot.join(file), content).unwrap();
    }
    assert_eq!(contents(&find(&mut desk, "hub:org/films").unwrap().folder), ["first", "second"]);
    let paths: Vec<String> = hub.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/api/datasets/org/films/revision/main"]);
    assert_eq!(desk.notices, [""; 0]);
}

#[test]
fn offline_a_split_is_found_that_python_left_whole() {
    let hub = hub_with(Dataset::default());
    let mut desk = Desk::at(hub.endpoint());
    desk.environment.offline = true;
    let root = desk.home.path().join("hub/datasets--org--films");
    let snapshot = root.join("snapshots").join(FIRST);
    let write = |path: &Path, content: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write(&root.join("refs/main"), FIRST);
    let config = |name: &str| {
        let files = ["train", "test"].map(|split| format!("  - split: {split}\n    path: {name}/{split}-*\n"));
        format!("- config_name: {name}\n  data_files:\n{}", files.concat())
    };
    let card = format!("---\nconfigs:\n{}{}---\n", config("long"), config("short"));
    write(&snapshot.join("long/train-00000-of-00002.parquet"), "first");
    let is_absent = |desk: &mut Desk, name: &str| {
        let error = find(desk, name).unwrap_err();
        assert!(matches!(error, HubError::Offline { .. }), "{name}: {error}");
    };
    // Without its card nobody knows what the file is of; with it, that another is missing.
    is_absent(&mut desk, "hub:org/films:long");
    write(&snapshot.join("README.md"), &card);
    is_absent(&mut desk, "hub:org/films:long");
    write(&snapshot.join("long/train-00001-of-00002.parquet"), "second");
    let found = find(&mut desk, "hub:org/films:long").unwrap();
    assert_eq!(contents(&found.folder), ["first", "second"]);
    assert_eq!(found.name.to_string(), format!("hub:org/films:long@{FIRST}#train"));
    is_absent(&mut desk, "hub:org/films:short");
    // That there is no other here does not make it the only one.
    is_absent(&mut desk, "hub:org/films");
    is_absent(&mut desk, "hub:org/films:long#test");

    // A repository that has no card, as Python notes it; and the Hub's own conversion, which has none.
    write(&root.join("refs/v2"), SECOND);
    write(&root.join("snapshots").join(SECOND).join("data/train-00000-of-00001.parquet"), "other");
    is_absent(&mut desk, "hub:org/films@v2");
    write(&root.join(".no_exist").join(SECOND).join("README.md"), "");
    assert_eq!(contents(&find(&mut desk, "hub:org/films@v2").unwrap().folder), ["other"]);
    write(&root.join("refs/refs/convert/parquet"), CONVERTED);
    write(&root.join("snapshots").join(CONVERTED).join("plain/validation/0000.parquet"), "rows");
    is_absent(&mut desk, "hub:org/films#validation");
    assert_eq!(contents(&find(&mut desk, "hub:org/films:plain#validation").unwrap().folder), ["rows"]);
    assert!(hub.seen().is_empty());
}

#[test]
fn without_parquet_the_hubs_own_conversion_is_taken() {
    let files: [(&str, &[u8]); 2] = [("plain/train/0000.parquet", b"rows"), ("plain/test/0000.parquet", b"more")];
    let dataset = Dataset::default().with("main", FIRST, &[("train.csv", b"text")]).with(
        "refs/convert/parquet",
        CONVERTED,
        &files,
    );
    let hub = hub_with(dataset);
    let mut desk = Desk::at(hub.endpoint());
    let found = find(&mut desk, "hub:org/films").unwrap();
    assert_eq!(found.name.to_string(), format!("hub:org/films:plain@{CONVERTED}#train"));
    assert_eq!(contents(&found.folder), ["rows"]);
    hub.seen();
    assert_eq!(find(&mut desk, "hub:org/films").unwrap(), found);
    assert!(hub.seen().is_empty());
    // Who names a branch means that one.
    let error = find(&mut desk, "hub:org/films@main").unwrap_err();
    assert!(matches!(error, HubError::NoParquet { converted: false, .. }), "{error}");
}

#[test]
fn a_split_is_whole_or_not_there_and_goes_on_where_it_broke_off() {
    for wrong in [Wrong::Cut, Wrong::Changed] {
        let long = vec![7_u8; 300_000];
        let hub = hub_with(Dataset::default().with("main", FIRST, &[("train.parquet", &long)]));
        hub.model().wrong = Some(("train.parquet".to_owned(), wrong));
        let mut desk = Desk::at(hub.endpoint());
        let error = find(&mut desk, "hub:org/films").unwrap_err();
        assert!(matches!(error, HubError::Download { .. } | HubError::Corrupt { .. }), "{error}");
        assert!(!desk.home.path().join("hub/datasets--org--films/refs/main").exists());
        hub.seen();
        let found = find(&mut desk, "hub:org/films").unwrap();
        assert_eq!(fs::read(found.folder.join("00000.train.parquet")).unwrap(), long);
        let resumed = hub
            .seen()
            .iter()
            .any(|seen| seen.headers.get("range").is_some_and(|range| range.starts_with("bytes=150000-")));
        assert_eq!(resumed, wrong == Wrong::Cut, "{wrong:?}");
    }
}

#[test]
fn names_that_could_climb_are_refused() {
    let hub = hub_with(Dataset::default());
    let mut desk = Desk::at(hub.endpoint());
    for file in [
        "/train.parquet",
        "a//train.parquet",
        "a b/train.parquet",
        "a%2f/train.parquet",
        r"a\\train.parquet",
        "a?/train.parquet",
    ] {
        let dataset = Dataset::default().with("main", FIRST, &[(file, b"rows")]);
        hub.model().datasets.insert("org/films".to_owned(), dataset);
        let error = find(&mut desk, "hub:org/films").unwrap_err();
        assert!(matches!(error, HubError::UnexpectedAnswer { .. }), "{file}: {error}");
    }
    hub.model()
        .datasets
        .insert("org/films".to_owned(), Dataset::default().with("main", FIRST, &[("../train.parquet", b"")]));
    let error = find(&mut desk, "hub:org/films").unwrap_err();
    assert!(matches!(error, HubError::NoParquet { .. }), "{error}");
    for name in [
        "hub:",
        "hub:../films",
        "hub:a/b/c",
        "hub:a b/c",
        "hub:org/films#",
        "hub:org/films@",
        "hub:org/films:",
        "hub:org/films@../x",
    ] {
        assert!(DatasetRequest::parse(name).unwrap().is_err(), "{name}");
    }
    assert!(!desk.environment.hub_cache.exists());
}
