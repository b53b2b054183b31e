//! Models from a folder, and what is said of a folder that holds none.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

use std::fs;
use std::path::Path;

use expect_test::expect;
use retune_hub::{Environment, HubError, Limits, ModelFiles, ModelRequest, Origin, resolve_model};

/// Resolves without a network, a cache or a word.
fn resolve(name: &str) -> Result<ModelFiles, HubError> {
    let environment = Environment {
        hub_cache: "/nowhere/hub".into(),
        user_cache: "/nowhere".into(),
        endpoint: "https://hub.invalid".to_owned(),
        token: None,
        offline: true,
        limits: Limits::default(),
    };
    let mut notices = Vec::new();
    let result = resolve_model(&ModelRequest::new(name), &environment, &mut |line| notices.push(line.to_owned()));
    assert!(notices.is_empty(), "{notices:?}");
    result
}

/// The message for a folder with these files, its own path written as `DIR`.
fn complaint(files: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        fs::write(folder.path().join(file), "{}").unwrap();
    }
    message(folder.path())
}

fn message(path: &Path) -> String {
    let error = resolve(path.to_str().unwrap()).unwrap_err();
    error.to_string().replace(path.to_str().unwrap(), "DIR")
}

#[test]
fn a_folder_comes_first_and_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(folder.path().join(file), "{}").unwrap();
    }
    let got = resolve(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(got, ModelFiles { directory: folder.path().to_owned(), origin: Origin::Folder });
}

#[test]
fn messages_say_what_where_and_how_to_mend() {
    expect!["the folder DIR has no config.json: name the folder that save_pretrained wrote (with config.json, model.safetensors and tokenizer.json directly in it), or move this one away if a model on the Hub is meant"].assert_eq(&complaint(&[]));
    expect!["the folder DIR lacks model.safetensors: write the weights in Python with model.save_pretrained(folder, safe_serialization=True)"].assert_eq(&complaint(&["config.json", "tokenizer.json"]));
    expect!["the folder DIR lacks tokenizer.json: write it in Python with AutoTokenizer.from_pretrained(model, use_fast=True).save_pretrained(folder)"].assert_eq(&complaint(&["config.json", "model.safetensors"]));
    expect![[r#"DIR has pytorch_model.bin but no model.safetensors: it is refused, because it is pickle, which can run code when loaded. If you trust its author, convert it once in Python and name the new folder as the model: python -c "import transformers as t; m = 'DIR'; a = t.AutoConfig.from_pretrained(m).architectures or ['AutoModel']; getattr(t, a[0]).from_pretrained(m).save_pretrained('converted', safe_serialization=True); t.AutoTokenizer.from_pretrained(m).save_pretrained('converted')""#]].assert_eq(&complaint(&["config.json", "tokenizer.json", "pytorch_model.bin"]));
    expect!["there is no folder DIR: correct the path, or give a name on the Hub such as `org/model`"]
        .assert_eq(&message(Path::new("./no/such/folder")));
    let file = tempfile::NamedTempFile::new().unwrap();
    expect!["DIR is a file: name the folder that holds the model's config.json and weights"]
        .assert_eq(&message(file.path()));
    expect!["`DIR` cannot be a model on the Hub, for only letters, digits, `-`, `_` and `.` may stand in it, and no folder has that name: write it as `org/model`"].assert_eq(&message(Path::new("bert base")));
    expect!["DIR at revision main is not in the Hugging Face cache /nowhere/hub, and offline mode forbids downloading it: run once with offline mode off (HF_HUB_OFFLINE=0 and model.offline = false), or name a folder"].assert_eq(&message(Path::new("org/model")));
}
