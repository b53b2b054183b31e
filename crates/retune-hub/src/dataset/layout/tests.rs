use serde_json::json;

use super::*;

/// The configurations as `name split: files`, a line for each split.
fn shown(files: &[&str], card: &Value) -> Vec<String> {
    let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    let of = |config: &Config| -> Vec<String> {
        let mark = if config.is_default { "*" } else { "" };
        config
            .splits
            .iter()
            .map(|(split, files)| format!("{}{mark} {split}: {}", config.name, files.join(" ")))
            .collect()
    };
    configs(&files, card).iter().flat_map(of).collect()
}

#[test]
fn splits_are_found_by_the_names_that_datasets_goes_by() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("../../../tests/golden/layout.json")).expect("JSON");
    assert!(golden.len() > 20);
    for case in golden {
        let files: Vec<String> = serde_json::from_value(case["files"].clone()).expect("files");
        let found = configs(&files, &Value::Null);
        let [Config { name, splits, .. }] = &found[..] else { panic!("{files:?}: {found:?}") };
        let found: BTreeMap<String, Vec<String>> = splits.iter().cloned().collect();
        let expected: BTreeMap<String, Vec<String>> = serde_json::from_value(case["splits"].clone()).expect("splits");
        assert_eq!((name.as_str(), found), ("default", expected), "{files:?}");
    }
}

#[test]
fn folders_of_numbered_files_are_configurations_and_splits() {
    let files = [
        "sst2/train/0000.parquet",
        "sst2/train/0001.parquet",
        "sst2/partial-test/0000.parquet",
        "cola/train/0000.parquet",
    ];
    assert_eq!(
        shown(&files, &Value::Null),
        [
            "cola train: cola/train/0000.parquet",
            "sst2 partial-test: sst2/partial-test/0000.parquet",
            "sst2 train: sst2/train/0000.parquet sst2/train/0001.parquet"
        ]
    );
    // One that is called otherwise, and none is.
    let other = shown(&[&files[..], &["cola/train/extra.parquet"]].concat(), &Value::Null);
    assert!(other.iter().all(|line| line.starts_with("default ")), "{other:?}");
}

#[test]
fn what_the_card_says_counts_first() {
    let files = [
        "README.md",
        "cola/train-0.parquet",
        "cola/test-0.parquet",
        "sst2/train-0.parquet",
        "sst2/train-1.parquet",
        "x/y.csv",
    ];
    let card = json!({"license": "mit", "configs": [
        {"config_name": "cola", "data_files": [{"split": "train", "path": "cola/train-*"}, {"split": "hidden", "path": ["cola/test-*", "./cola/te*"]}]},
        {"config_name": "sst2", "default": true, "data_files": {"train": ["sst2/train-1.parquet", "sst2/train-*"], "test": "gone/*"}},
        {"config_name": "all", "data_files": "**/train-*"},
        {"config_name": "flat", "data_files": ["*"]},
        {"config_name": "csv", "data_files": "x/*.csv"},
        {"config_name": "settings", "sep": ","},
    ]});
    assert_eq!(
        shown(&files, &card),
        [
            "cola train: cola/train-0.parquet",
            "cola hidden: cola/test-0.parquet",
            "sst2* train: sst2/train-1.parquet sst2/train-0.parquet",
            "all train: cola/train-0.parquet sst2/train-0.parquet sst2/train-1.parquet",
        ]
    );
    // A card that names other files alone leaves nothing.
    let card = json!({"configs": [{"config_name": "default", "data_files": "x/*.csv"}]});
    assert_eq!(shown(&files, &card), [""; 0]);
    // One that says nothing of files is as none.
    for card in
        [json!({}), json!({"configs": ["cola", "sst2"]}), json!({"configs": [{"config_name": "a"}]}), json!(null)]
    {
        assert_eq!(shown(&["train.parquet"], &card), ["default train: train.parquet"], "{card}");
    }
}

#[test]
fn nothing_is_found_among_other_files() {
    assert_eq!(shown(&["README.md", "train.csv", "train.parquet.txt"], &Value::Null), [""; 0]);
    assert_eq!(shown(&[], &Value::Null), [""; 0]);
}
