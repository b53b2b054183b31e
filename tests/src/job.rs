//! A tiny fine-tuning job for the built binary: a model of a few thousand numbers, two small files, an output folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::json;

use crate::golden::ModelDirectory;
use crate::{Golden, Result};

/// A word-piece tokenizer whose ids the golden models have.
const TOKENIZER: &str = r###"{
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "decoder": null,
  "model": {
    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "bad": 5, "film": 6, "very": 7, "a": 8, "the": 9}
  }
}"###;

/// The folder of one job, removed when it is dropped.
#[derive(Debug)]
pub struct Job {
    model: ModelDirectory,
    folder: tempfile::TempDir,
}

impl Job {
    /// A job that succeeds: 24 training and 6 validation rows of two classes, dropout 0.1.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new() -> Result<Self> {
        let golden = Golden::read("bert_tiny_gelu")?;
        let mut config = golden.config.clone();
        config["hidden_dropout_prob"] = json!(0.1);
        config["attention_probs_dropout_prob"] = json!(0.1);
        let job = Self { model: ModelDirectory::new(&config, &golden.weights()?)?, folder: tempfile::tempdir()? };
        fs::write(job.model.join("tokenizer.json"), TOKENIZER)?;
        let rows = |number: usize| -> String {
            (0..number)
                .map(|row| match row % 2 {
                    0 => format!("a {}good film,positive\n", "very ".repeat(row % 5)),
                    _ => format!("the {}bad film,negative\n", "very ".repeat(row % 3)),
                })
                .collect()
        };
        job.write("train.csv", format!("text,label\n{}", rows(24)))?;
        job.write("dev.csv", format!("text,label\n{}", rows(6)))?;
        Ok(job)
    }

    /// The pretrained model's folder.
    pub fn model(&self) -> &Path {
        self.model.path()
    }

    /// A path in the job's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the job's folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(fs::write(self.path(name), bytes)?)
    }

    /// The command that fine-tunes for two steps into `out`; later arguments win over these.
    pub fn finetune(&self, more: &[&str]) -> Command {
        let mut command = self.command(&["finetune", "--device", "cpu", "--text", "text", "--label", "label"]);
        command.arg("--model").arg(self.model());
        command.args(["--train", "train.csv", "--batch-size", "4", "--set", "data.max_length=16"]);
        command.args(["--set", "run.threads=1"]);
        if !more.contains(&"--eval") && !more.contains(&"no-eval") {
            command.args(["--eval", "dev.csv"]);
        }
        if !more.contains(&"--output") {
            command.args(["--output", "out"]);
        }
        command.args(more.iter().filter(|argument| **argument != "no-eval"));
        command
    }

    /// The binary with these arguments, in the job's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder.path()).env_remove("RUST_LOG").env("HF_HUB_OFFLINE", "1");
        command
    }

    /// Runs a command that must be refused: exit code 2, no panic, nothing left in `out`; gives what it says.
    ///
    /// # Panics
    /// It is not refused so.
    #[track_caller]
    pub fn refused(&self, mut command: Command) -> String {
        let output = command.output().expect("the binary starts");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
        assert!(!self.path("out").exists(), "something was left in the output folder");
        said
    }
}

/// What a command says that must succeed.
///
/// # Errors
/// It cannot be started.
///
/// # Panics
/// It fails.
#[track_caller]
pub fn succeeds(mut command: Command) -> Result<String> {
    let output = command.output()?;
    assert!(output.status.success(), "{:?}: {}", output.status, said(&output));
    Ok(said(&output))
}

/// What a command says that must end with exit code 2: no panic, and one message.
///
/// # Errors
/// It cannot be started.
///
/// # Panics
/// It ends otherwise.
#[track_caller]
pub fn fails(mut command: Command) -> Result<String> {
    let output = command.output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error:")).count(), 1, "{said}");
    Ok(said)
}

/// What a command said on both its channels.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The built binary, beside the test's own folder; built where the test runner has not.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let target = test.ancestors().nth(2).expect("target/debug/deps/TEST").to_owned();
        // Always asked, so that an old binary is never tested; cargo answers at once where nothing has changed.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--workspace", "--bin", "retune"]).current_dir(root);
        build.env("LIBTORCH", root.join(".libtorch"));
        // What the runner says of this crate is watched by build scripts of others (ring's), which would then run anew,
        // and with them all that is above them, once here and once again in the next build.
        let of_this_crate = |name: &str| {
            name == "OUT_DIR" || ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start))
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this_crate)) {
            build.env_remove(name);
        }
        let built = build.status();
        assert!(built.is_ok_and(|status| status.success()), "the binary builds");
        target.join("retune")
    })
}
